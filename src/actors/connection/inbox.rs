//! What reaches a connection: offers, words of its deliveries, and what others ask. Each becomes an input of a machine.

use actix::{ActorContext, Handler, Message};

use super::{
    super::{
        registry::{Ask, Offers},
        supervision::Stop,
    },
    ConnectionActor, Fresh, Live,
};
use crate::domain::{
    AttemptRecord, Request, Seq,
    delivery::{Ended, Input},
    queue::Return,
};

/// With this many events in the window, large bodies are left to the store.
const BODIES_EVENTS_MAX: usize = 64;
/// What counts as large: a full window of smaller ones is 8 MiB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A try has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct Finished {
    pub(in crate::actors) seq: Seq,
    pub(in crate::actors) ended: Ended,
    pub(in crate::actors) record: AttemptRecord,
}

/// A retry's time has come.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct RetryDue {
    pub(in crate::actors) seq: Seq,
}

/// A delivery died.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct DeliveryDown {
    pub(in crate::actors) seq: Seq,
}

impl Handler<Offers> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, Offers(offers): Offers, ctx: &mut Self::Context) {
        // Earlier ones may not have arrived: they come first.
        if let Some(missed) = self.slot.take_missed() {
            self.queue.miss(missed.lowest, missed.highest);
        }
        let generation = self.engine.store.configuration().standing(self.id).generation;
        // Those of an earlier one were cancelled on their way.
        for offer in offers.into_iter().filter(|offer| offer.event.generation >= generation) {
            if let Some(key) = offer.event.queue_key() {
                let roomy = self.queue.window_len() < BODIES_EVENTS_MAX;
                let small = |request: &Request| request.body.len() <= BODY_BYTES_MAX;
                let keep = roomy || offer.request.as_deref().is_some_and(small);
                self.queue.offer(key, Fresh::offered(offer, keep));
            }
        }
        self.pump(ctx);
    }
}

impl Handler<Finished> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, finished: Finished, ctx: &mut Self::Context) {
        let flying = |live: &Live| live.delivery.flight.is_some();
        // A late word of a try that was given up for dead says nothing.
        if !self.live.get(&finished.seq).is_some_and(flying) {
            return;
        }
        let Some(live) = self.live.remove(&finished.seq) else { return };
        self.queue.ended(finished.seq);
        let step = self.decide(live.delivery.clone(), Input::Finished(finished.ended));
        self.perform(live, step, Some(finished.record), None, ctx);
        self.pump(ctx);
    }
}

impl Handler<RetryDue> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, RetryDue { seq }: RetryDue, ctx: &mut Self::Context) {
        let Some(mut live) = self.live.remove(&seq) else { return };
        // A timer that outlived its wait says nothing.
        if self.queue.is_waiting(seq) {
            let key = live.key(self.engine.now());
            if !self.queue.enqueue(key) {
                self.passivate(&mut live, Return::Waiting(key));
            }
        }
        self.live.insert(seq, live);
        self.retire(seq);
        self.pump(ctx);
    }
}

impl Handler<DeliveryDown> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, DeliveryDown { seq }: DeliveryDown, ctx: &mut Self::Context) {
        let Some(mut live) = self.live.remove(&seq) else { return };
        tracing::error!(connection.id = %self.id, event.id = %live.delivery.event.id(), "a delivery died");
        live.actor = None;
        if live.delivery.flight.is_some() {
            self.queue.ended(seq);
        }
        let step = self.decide(live.delivery.clone(), Input::Died);
        let message = Some("the delivery died: see the log".to_owned());
        let details = AttemptRecord { error_message: message, ..AttemptRecord::default() };
        self.perform(live, step, Some(details), None, ctx);
        self.pump(ctx);
    }
}

impl Handler<Ask> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        match ask {
            Ask::Event(asking) => self.ask(*asking, ctx),
            Ask::Obey(reply) => {
                self.obey(ctx);
                // The directory may have died meanwhile.
                reply.send(()).ok();
            }
            Ask::Drain(reply) => {
                self.queue.pause();
                self.drains.push(reply);
            }
        }
        self.pump(ctx);
    }
}

impl Handler<Stop> for ConnectionActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.live.clear();
        ctx.stop();
    }
}
