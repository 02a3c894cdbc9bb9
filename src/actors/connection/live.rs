//! What a connection holds of an event: fresh from the store, and being worked on.

use actix::{Handler, Message};

use super::{super::delivery::Payload, Delivery, DeliveryActor, Seq, StopOnDrop, Timestamp, asks::Waiter, key_of};
use crate::{
    domain::Event,
    store::{KeptEvent, Offer, Transition},
};

/// An event that nobody has worked on since it came from the store.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) event: Event,
    pub(super) payload: Payload,
}

impl Fresh {
    /// As it was offered; its request stays in memory only when it may.
    pub(super) fn offered(offer: Offer, keep_request: bool) -> Self {
        let (request, permit) = if keep_request { (offer.request, offer.body_permit) } else { (None, None) };
        Self { event: offer.event, payload: Payload { request, at: offer.payload_ref, permit } }
    }
}

impl From<KeptEvent> for Fresh {
    fn from(row: KeptEvent) -> Self {
        Self { event: row.event, payload: Payload { request: None, at: row.payload_ref, permit: None } }
    }
}

/// A record that the store has not confirmed.
pub(super) struct Unconfirmed {
    /// Kept until then, because the store may not have room for it now.
    pub(super) transition: Transition,
    /// Who is told when it is durable.
    pub(super) waiters: Vec<Waiter>,
}

/// An event being worked on.
pub(super) struct Live {
    pub(super) delivery: Delivery,
    /// Dropping it stops the delivery.
    pub(super) actor: Option<StopOnDrop<DeliveryActor>>,
    pub(super) payload: Payload,
    /// Oldest first.
    pub(super) unconfirmed: Vec<Unconfirmed>,
    /// Whether its records wait to be handed over again.
    pub(super) stuck: bool,
    /// Counts how often they were; answers to earlier rounds say nothing.
    pub(super) round: u32,
}

impl Live {
    pub(super) fn new(fresh: Fresh) -> Self {
        Self {
            delivery: Delivery::at_rest(fresh.event),
            actor: None,
            payload: fresh.payload,
            unconfirmed: Vec::new(),
            stuck: false,
            round: 0,
        }
    }

    /// Its place in the queue.
    pub(super) fn key(&self, now: Timestamp) -> (Timestamp, Seq) {
        key_of(&self.delivery.event, now)
    }

    /// Whether the store shows everything that became of it.
    pub(super) fn is_durable(&self) -> bool {
        self.unconfirmed.is_empty()
    }

    /// Answers with the event as it is now, as soon as that is durable.
    pub(super) fn answer_when_durable(&mut self, waiter: Waiter) {
        match self.unconfirmed.last_mut() {
            Some(last) => last.waiters.push(waiter),
            // Whoever asked may have stopped waiting.
            None => drop(waiter.send(Ok(self.delivery.event.clone()))),
        }
    }

    /// Tells its delivery; false when that is gone.
    pub(super) fn tell<M>(&self, message: M) -> bool
    where
        M: Message<Result = ()> + Send + 'static,
        DeliveryActor: Handler<M>,
    {
        self.actor.as_ref().is_some_and(|actor| actor.get().try_send(message).is_ok())
    }
}
