//! The actor of one connection: its queue, its pause, and every transition of its events.
//!
//! It turns messages into inputs of the machines in `domain`, and performs what they answer. What it holds in memory is
//! a window of its queue and the events being worked on; all of it can be rebuilt from the store, and is after a panic.
//! It never blocks its thread: reads go to a thread that may, writes are futures that are waited for in order.

mod asks;
mod inbox;
mod live;
mod outcomes;
mod resuming;

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    task::Waker,
    time::Duration,
};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, SpawnHandle, WrapFuture};
use tokio::sync::oneshot;

pub(super) use self::inbox::{DeliveryDown, Finished, RetryDue};
use self::{
    live::{Fresh, Live},
    outcomes::{Confirmations, Submitted},
    resuming::Resuming,
};
use super::{
    delivery::{DeliveryActor, Job, TryNow, WaitUntil},
    engine::Engine,
    gateway::{ConnectionDown, ConnectionEnded, GatewayActor},
    milestone::Milestone,
    registry::Slot,
    supervision::{ExitGuard, StopOnDrop},
};
use crate::{
    domain::{
        AttemptRecord, Configuration, ConnectionId, Event, Seq, Timestamp,
        delivery::{Delivery, Input, Moment, Step, Then, Try},
        queue::{Effect, Page, Queue, Return},
    },
    store::{PendingPage, StoreError},
    transport::Transport,
};

/// Messages that wait at most: one for each attempt in flight and for each live timer that may fire at once, and some
/// batches of offers. Beyond, offers are found by the next reading.
const MAILBOX_MESSAGES_MAX: usize = 1024;
/// How often a connection looks around without being asked: for offers that were missed while nothing else happened,
/// and for due times that a change of the wall clock has passed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long after a failed reading the next one is tried.
const REFILL_AGAIN: Duration = Duration::from_secs(1);
/// The step of the ramp after a pause.
const RAMP_STEP: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct ConnectionActor {
    id: ConnectionId,
    engine: Arc<Engine>,
    transport: Rc<dyn Transport>,
    slot: Arc<Slot>,
    queue: Queue<Fresh>,
    /// Events that have been worked on and that the store does not show finally yet.
    live: HashMap<Seq, Live>,
    /// Records that the store has not answered yet, in the order they were handed over.
    outbox: VecDeque<Submitted>,
    /// Wakes whoever waits for the first of them.
    outbox_waker: Option<Waker>,
    /// Events whose records the store could not take, until they are handed over again.
    stuck: Vec<Seq>,
    /// How long the store is left alone after it could not take a record.
    resubmit_after: Duration,
    /// Armed while something sleeps in the store.
    wake_timer: Option<SpawnHandle>,
    /// Armed while a pause is being made up for.
    ramp_timer: Option<SpawnHandle>,
    /// Who wants to know when nothing is in flight any more; something in here means that nothing starts.
    drains: Vec<oneshot::Sender<()>>,
    /// Which tries may have gone out before.
    resuming: Resuming,
    /// Whether it ends as soon as nothing is in flight.
    deleted: bool,
    gateway: Addr<GatewayActor>,
    exit: ExitGuard<GatewayActor, ConnectionDown>,
}

impl ConnectionActor {
    /// An actor that knows nothing yet; it begins by reading its queue.
    pub(super) fn new(
        id: ConnectionId,
        engine: Arc<Engine>,
        transport: Rc<dyn Transport>,
        slot: Arc<Slot>,
        gateway: Addr<GatewayActor>,
    ) -> Self {
        let queue = Queue::new(engine.settings.concurrency, slot.is_paused());
        Self {
            id,
            engine,
            transport,
            slot,
            queue,
            live: HashMap::new(),
            outbox: VecDeque::new(),
            outbox_waker: None,
            stuck: Vec::new(),
            resubmit_after: outcomes::RESUBMIT_AFTER_MIN,
            wake_timer: None,
            ramp_timer: None,
            drains: Vec::new(),
            resuming: Resuming::default(),
            deleted: false,
            exit: ExitGuard::new(gateway.clone(), ConnectionDown { id, unanswered: Vec::new() }),
            gateway,
        }
    }

    /// Takes note that what was due by then may have gone out already.
    pub(super) fn resuming(mut self, cut_off_at: Option<Timestamp>) -> Self {
        let configuration = self.engine.store.configuration();
        // What was under way when it was disabled was cancelled with the rest.
        let cut_off_at = cut_off_at.filter(|_| configuration.switched_off(self.id).is_none());
        let paused_at = configuration.connections.get(&self.id).and_then(|connection| connection.paused_at);
        self.resuming = Resuming::new(cut_off_at, paused_at, self.engine.settings.concurrency);
        self
    }

    /// After every input: performs what the queue wants, and shows how things stand.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if let Some(missed) = self.slot.take_missed() {
            self.queue.miss(missed.lowest, missed.highest);
        }
        // What a crash would repeat is bounded: outcomes that wait to be durable may fill as many slots again, not more.
        let waiting = self.outbox.len().saturating_sub(self.engine.settings.concurrency);
        self.queue.set_stuck(self.stuck.len() + waiting);
        let now = self.engine.now();
        while let Some(effect) = self.queue.next(now) {
            match effect {
                Effect::Start(seq, fresh) => self.start(seq, fresh, ctx),
                Effect::Refill { from, limit } => self.refill(now, from, limit, ctx),
                Effect::WakeAt(at) => self.wake_at(at, ctx),
            }
        }
        let queue = &self.queue;
        self.slot.show(|shown| {
            shown.in_flight = queue.in_flight();
            shown.window = queue.window_len();
            shown.behind = queue.is_behind();
            shown.paused = queue.is_paused();
            shown.resuming = !self.resuming.is_over();
        });
        let idle = self.queue.in_flight() == 0 && self.outbox.is_empty() && self.stuck.is_empty();
        if idle && self.deleted {
            // With a full mailbox the next heartbeat tries again.
            self.gateway.try_send(ConnectionEnded(self.id)).ok();
        }
        if idle && !self.drains.is_empty() {
            for drained in self.drains.drain(..) {
                // Whoever asked may have stopped waiting.
                drained.send(()).ok();
            }
        }
    }

    fn start(&mut self, seq: Seq, fresh: Option<Fresh>, ctx: &mut Context<Self>) {
        let live = match fresh {
            Some(fresh) => Some(Live::new(fresh)),
            None => self.live.remove(&seq),
        };
        let Some(live) = live else {
            debug_assert!(false, "event {seq} is queued and nobody has it");
            return self.queue.leave(seq, None);
        };
        let resumed = self.resuming.is_marked(seq);
        let step = self.decide(live.delivery.clone(), Input::Start { resumed });
        self.perform(live, step, None, None, ctx);
    }

    /// Asks the machine of an event.
    fn decide(&self, delivery: Delivery, input: Input) -> Step {
        self.decide_by(&self.engine.store.configuration(), delivery, input)
    }

    fn decide_by(&self, configuration: &Configuration, delivery: Delivery, input: Input) -> Step {
        let connection = configuration.connections.get(&self.id);
        // The dice are needed only where a try may have been refused.
        let jitter = match input {
            Input::Finished(ended) if ended.result.is_2xx() => 0.0,
            Input::Finished(_) | Input::Died => self.engine.jitter(),
            Input::Start { .. } | Input::Retry(_) | Input::Cancel | Input::Delete => 0.0,
        };
        let at = Moment {
            now: self.engine.now(),
            generation: connection.map_or(0, |connection| connection.generation),
            unpaused_at: connection.and_then(|connection| connection.unpaused_at),
            retry_rule: connection.and_then(|connection| connection.retry_rule()),
            jitter,
        };
        delivery.step(input, &at)
    }

    /// Performs what the machine of an event answered: first the record, then what comes after it.
    fn perform(
        &mut self,
        mut live: Live,
        step: Step,
        details: Option<AttemptRecord>,
        waiter: Option<asks::Waiter>,
        ctx: &mut Context<Self>,
    ) {
        live.delivery = step.next;
        let (seq, now) = (live.delivery.event.seq, self.engine.now());
        if step.record.is_some() {
            self.submit(&mut live, details);
        }
        if let Some(waiter) = waiter {
            live.answer_when_durable(waiter);
        }
        match step.then {
            Then::Nothing | Then::Refuse(_) | Then::Gone => {}
            Then::Send(attempt) => {
                self.resuming.made(seq);
                self.send(&mut live, attempt, ctx);
            }
            Then::Enqueue => {
                let key = live.key(now);
                if !self.queue.enqueue(key) {
                    self.passivate(&mut live, Return::Ready(key));
                }
            }
            Then::Timer { due_at } => {
                let key = (due_at, seq);
                let kept = live.actor.is_some() && self.queue.wait(key, now);
                let told = kept && live.tell(WaitUntil(due_at));
                if !told {
                    self.passivate(&mut live, Return::Waiting(key));
                }
            }
            Then::Settle => {
                self.resuming.made(seq);
                self.queue.leave(seq, None);
                live.actor = None;
            }
        }
        self.live.insert(seq, live);
        self.retire(seq);
    }

    /// Has a try made, by the delivery there is or a new one.
    fn send(&self, live: &mut Live, attempt: Try, ctx: &mut Context<Self>) {
        if live.actor.is_some() && live.tell(TryNow(attempt)) {
            return;
        }
        let event = &live.delivery.event;
        let job = Job {
            seq: event.seq,
            event: event.id(),
            connection: self.id,
            destination: event.destination_id,
            payload: live.payload.clone(),
        };
        // The delivery holds them while it needs them.
        live.payload.request = None;
        live.payload.permit = None;
        let (engine, transport) = (Arc::clone(&self.engine), Rc::clone(&self.transport));
        let actor = DeliveryActor::new(engine, transport, ctx.address(), job, attempt).start();
        live.actor = Some(StopOnDrop::new(actor));
    }

    /// Stops an event's delivery: the store brings it back.
    fn passivate(&mut self, live: &mut Live, back: Return) {
        self.queue.leave(live.delivery.event.seq, Some(back));
        live.actor = None;
        self.engine.milestones.reached(Milestone::Passivated(live.delivery.event.id()));
    }

    /// Forgets an event that has left and of which the store shows everything.
    fn retire(&mut self, seq: Seq) {
        let shown = self.live.get(&seq).is_some_and(Live::is_durable);
        if shown && self.queue.forget(seq, self.engine.now()) {
            self.live.remove(&seq);
        }
    }

    fn refill(&self, due_before: Timestamp, from: Option<(Timestamp, Seq)>, limit: usize, ctx: &mut Context<Self>) {
        let (store, id) = (Arc::clone(&self.engine.store), self.id);
        let read = tokio::task::spawn_blocking(move || store.pending(id, due_before, from, limit));
        ctx.spawn(read.into_actor(self).map(|read, actor, ctx| {
            actor.refilled(read.unwrap_or_else(|error| Err(StoreError::Io(error.to_string()))), ctx);
        }));
    }

    fn refilled(&mut self, read: Result<PendingPage, StoreError>, ctx: &mut Context<Self>) {
        match read {
            Ok(page) => {
                if !self.queue.is_paused() {
                    self.resuming.read(&page);
                }
                let events = page.events.into_iter().filter_map(|row| Some((row.event.queue_key()?, Fresh::from(row))));
                let (more, next_seq, next_due) = (page.more, page.next_seq, page.next_due);
                self.queue.page(Page { events: events.collect(), more, next_seq, next_due });
                self.engine.milestones.reached(Milestone::Refilled(self.id));
            }
            Err(error) => {
                tracing::warn!(connection.id = %self.id, %error, "reading the queue failed, trying again");
                self.queue.page_failed();
                ctx.run_later(REFILL_AGAIN, |actor, ctx| {
                    actor.queue.retry_refill();
                    actor.pump(ctx);
                });
            }
        }
        self.pump(ctx);
    }

    fn wake_at(&mut self, at: Timestamp, ctx: &mut Context<Self>) {
        if let Some(timer) = self.wake_timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = Duration::from_millis(at.ms_since(self.engine.now()));
        self.wake_timer = Some(ctx.run_later(wait, move |actor, ctx| {
            actor.wake_timer = None;
            if actor.engine.now() < at {
                actor.wake_at(at, ctx);
            } else {
                actor.pump(ctx);
            }
        }));
    }

    /// Takes the next step of the ramp in a while, and so on to its end. Never two of these at a time.
    fn ramp(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.ramp_timer.take() {
            ctx.cancel_future(timer);
        }
        if !self.queue.is_ramping() {
            return;
        }
        self.ramp_timer = Some(ctx.run_later(RAMP_STEP, |actor, ctx| {
            actor.ramp_timer = None;
            actor.queue.tick();
            actor.ramp(ctx);
            actor.pump(ctx);
        }));
    }
}

impl Actor for ConnectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MESSAGES_MAX);
        ctx.spawn(Confirmations);
        ctx.run_interval(HEARTBEAT, |actor, ctx| actor.pump(ctx));
        self.pump(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.exit.disarm();
    }
}

impl Drop for ConnectionActor {
    fn drop(&mut self) {
        // Whoever comes next must not read the queue before the store shows these.
        if let Some(last_word) = self.exit.last_word() {
            last_word.unanswered = self.outbox.drain(..).map(Submitted::into_commit).collect();
        }
    }
}

/// An event's place in the queue; settled ones stand at the end of what is due.
fn key_of(event: &Event, now: Timestamp) -> (Timestamp, Seq) {
    event.queue_key().unwrap_or((now, event.seq))
}
