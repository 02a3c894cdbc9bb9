//! The registry: how others reach the actor of a connection, and what is known while it cannot be reached.
//!
//! A [`Slot`] outlives the actor behind it: restarts change the address and nothing else. The journal's writer
//! thread comes here with new events, so nothing in here blocks for longer than a map look-up.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::{Message, Recipient};
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::handle::{ActionError, Apply};
use crate::{
    domain::{
        BulkId, ConnectionId, Event, Seq, Timestamp,
        delivery::{Asked, Input},
    },
    store::{CommitListener, EventFilter, KeptEvent, Offer},
};

/// New events of one connection, in rising order of seq.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Offers(pub(crate) Vec<Offer>);

/// What somebody wants of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// One more try.
    Retry(Asked),
    /// No more tries.
    Cancel,
    /// No more tries, and no more sight of it.
    Delete,
}

impl From<Wish> for Input {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Retry(asked) => Self::Retry(asked),
            Wish::Cancel => Self::Cancel,
            Wish::Delete => Self::Delete,
        }
    }
}

/// A wish for one event.
pub(crate) struct Asking {
    /// The event as the store has it, for an actor that does not know it.
    pub(crate) row: KeptEvent,
    pub(crate) wish: Wish,
    /// The wish is for an event that this picks when its turn comes.
    pub(crate) only_if: Option<Arc<EventFilter>>,
    /// Answered when durable.
    pub(crate) reply: oneshot::Sender<Result<Event, ActionError>>,
}

/// What is asked of a connection from outside; each carries where the answer goes.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Ask {
    /// Something about one event.
    Event(Box<Asking>),
    /// The slot's flag or the configuration has changed. Answered when nothing more is started, or things start again.
    Obey(oneshot::Sender<()>),
    /// Start nothing more. Answered when nothing is in flight and all outcomes are durable.
    Drain(oneshot::Sender<()>),
}

/// There may be an operation to run.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookForWork;

/// What a connection shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what is shown, not what is decided by")]
pub struct ConnectionSnapshot {
    /// Attempts under way.
    pub in_flight: usize,
    /// Events in memory that wait for a slot.
    pub window: usize,
    /// Whether more wait in the store than in the window.
    pub behind: bool,
    /// Whether nothing new is sent.
    pub paused: bool,
    /// How often its actor died and was rebuilt.
    pub restarts: u32,
    /// Whether tries are still to be made that may have gone out before it started.
    pub resuming: bool,
    /// Whether it died too often and is left alone until it is unpaused.
    pub quarantined: bool,
}

/// Offers that did not reach their connection; the store has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The lowest place in the queue among them.
    pub(crate) lowest: (Timestamp, Seq),
    /// The highest seq among them.
    pub(crate) highest: Seq,
}

/// The two ways into a connection's mailbox.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) offers: Recipient<Offers>,
    pub(crate) asks: Recipient<Ask>,
}

/// A connection, as others see it.
#[derive(Default)]
pub(crate) struct Slot {
    /// Absent while its actor is being rebuilt or is quarantined.
    inbox: RwLock<Option<Inbox>>,
    /// Written by the writer's thread, taken by the actor whenever it handles anything.
    missed: Mutex<Option<Missed>>,
    /// Whether `missed` holds anything: what the actor looks at first, because it is cheap.
    raised: AtomicBool,
    /// Whether nothing new is sent, for whatever reason. Written by the directory before the record and by the gateway
    /// at start; the actor obeys it.
    paused: AtomicBool,
    /// Written by the actor after whatever it handles, and by the gateway when it restarts one.
    snapshot: Mutex<ConnectionSnapshot>,
}

impl Slot {
    /// Hands over offers, or remembers that they were missed.
    pub(crate) fn offer(&self, offers: Vec<Offer>) {
        let Some((lowest, highest)) = span(&offers) else { return };
        let sent = self.inbox.read().as_ref().is_some_and(|inbox| inbox.offers.try_send(Offers(offers)).is_ok());
        if !sent {
            let mut missed = self.missed.lock();
            *missed = Some(match *missed {
                Some(before) => Missed { lowest: before.lowest.min(lowest), highest: before.highest.max(highest) },
                None => Missed { lowest, highest },
            });
            self.raised.store(true, Ordering::Release);
        }
    }

    /// What was missed since the last time this was asked.
    pub(crate) fn take_missed(&self) -> Option<Missed> {
        if !self.raised.load(Ordering::Acquire) {
            return None;
        }
        let mut missed = self.missed.lock();
        self.raised.store(false, Ordering::Release);
        missed.take()
    }

    /// Asks the actor.
    ///
    /// # Errors
    ///
    /// `Busy` when there is no actor now or its mailbox is full.
    pub(crate) fn ask(&self, ask: Ask) -> Result<(), ActionError> {
        match self.inbox.read().as_ref() {
            Some(inbox) => inbox.asks.try_send(ask).map_err(|_| ActionError::Busy),
            None => Err(ActionError::Busy),
        }
    }

    /// The way to the actor, for whoever can wait until there is room.
    pub(crate) fn inbox(&self) -> Option<Inbox> {
        self.inbox.read().clone()
    }

    /// Opens or closes the way to the actor.
    pub(crate) fn set_inbox(&self, inbox: Option<Inbox>) {
        *self.inbox.write() = inbox;
    }

    /// Whether nothing new may be sent.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Says whether anything may be sent; an actor that runs must be told, too.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    /// What the connection shows of itself.
    pub(crate) fn snapshot(&self) -> ConnectionSnapshot {
        *self.snapshot.lock()
    }

    /// Changes what it shows.
    pub(crate) fn show(&self, change: impl FnOnce(&mut ConnectionSnapshot)) {
        change(&mut self.snapshot.lock());
    }
}

/// The lowest place and the highest seq of what is offered.
fn span(offers: &[Offer]) -> Option<((Timestamp, Seq), Seq)> {
    let lowest = offers.iter().filter_map(|offer| offer.event.queue_key()).min()?;
    let highest = offers.iter().map(|offer| offer.event.seq).max()?;
    Some((lowest, highest))
}

/// All connections that have an actor, had one, or will have one again.
#[derive(Default)]
pub(crate) struct Registry {
    slots: RwLock<HashMap<ConnectionId, Arc<Slot>>>,
    /// Absent while the directory is being rebuilt.
    directory: RwLock<Option<Recipient<Apply>>>,
    /// Who runs operations. Absent while it is being rebuilt.
    bulk_runner: RwLock<Option<Recipient<LookForWork>>>,
    /// Operations under way, each with what stops it.
    bulk_running: Mutex<HashMap<BulkId, Arc<AtomicBool>>>,
    /// Whether every connection that there was at the start has been started.
    started: AtomicBool,
}

impl Registry {
    /// Asks the directory for a change.
    ///
    /// # Errors
    ///
    /// `Busy` when it is not there now or its mailbox is full.
    pub(crate) fn apply(&self, apply: Apply) -> Result<(), ActionError> {
        match self.directory.read().as_ref() {
            Some(directory) => directory.try_send(apply).map_err(|_| ActionError::Busy),
            None => Err(ActionError::Busy),
        }
    }

    /// Opens or closes the way to the directory.
    pub(crate) fn set_directory(&self, directory: Option<Recipient<Apply>>) {
        *self.directory.write() = directory;
    }

    /// Opens or closes the way to whoever runs operations.
    pub(crate) fn set_bulk_runner(&self, runner: Option<Recipient<LookForWork>>) {
        *self.bulk_runner.write() = runner;
    }

    /// Says that there may be an operation to run. Without anybody now, the next one looks by itself; in a full mailbox
    /// the same word waits already.
    pub(crate) fn look_for_work(&self) {
        if let Some(runner) = self.bulk_runner.read().as_ref() {
            runner.try_send(LookForWork).ok();
        }
    }

    /// Says that an operation is under way, with what stops it, or not any more.
    pub(crate) fn set_bulk_running(&self, id: BulkId, stopped: Option<Arc<AtomicBool>>) {
        let mut running = self.bulk_running.lock();
        match stopped {
            Some(stopped) => drop(running.insert(id, stopped)),
            None => drop(running.remove(&id)),
        }
    }

    /// Lets an operation begin nothing more.
    pub(crate) fn stop_bulk(&self, id: BulkId) {
        if let Some(stopped) = self.bulk_running.lock().get(&id) {
            stopped.store(true, Ordering::Release);
        }
    }

    /// The slot of a connection.
    pub(crate) fn slot(&self, connection: ConnectionId) -> Option<Arc<Slot>> {
        self.slots.read().get(&connection).cloned()
    }

    /// The slot of a connection, made when there is none: paused as the configuration says.
    pub(crate) fn slot_or_new(&self, connection: ConnectionId, paused: bool) -> Arc<Slot> {
        let mut slots = self.slots.write();
        Arc::clone(slots.entry(connection).or_insert_with(|| {
            let slot = Slot::default();
            slot.set_paused(paused);
            Arc::new(slot)
        }))
    }

    /// Forgets a connection that is deleted and has ended.
    pub(crate) fn remove(&self, connection: ConnectionId) {
        self.slots.write().remove(&connection);
    }

    /// Whether every connection that there was at the start has been started.
    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Says that every connection that there was at the start has been started.
    pub(crate) fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.read().values().cloned().collect()
    }
}

impl CommitListener for Registry {
    fn offered(&self, connection: ConnectionId, offers: Vec<Offer>) {
        // Without a slot there has been no actor yet: the first one begins by reading the store, where these are.
        if let Some(slot) = self.slots.read().get(&connection) {
            slot.offer(offers);
        }
    }
}
