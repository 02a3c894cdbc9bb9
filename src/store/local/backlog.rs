//! The backlog of the overlay: its pending rows by connection, in the order of their queues.
//!
//! The overlay keeps it beside its blocks, so that a connection that asks for its queue pays for what it gets and not for
//! what waits on ten thousand others.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::{
    row::{Overlaid, Slot},
    state::{Newer, PendingAsk},
};
use crate::domain::{ConnectionId, Event, Phase, Seq, Timestamp};

/// Sorts generations of a connection apart, and in each what is ready from what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    connection: ConnectionId,
    generation: u32,
    waiting: bool,
    due: Timestamp,
    seq: Seq,
}

impl Key {
    /// `None` when the event is settled.
    fn of(event: &Event) -> Option<Self> {
        let (waiting, due) = match event.phase {
            Phase::Ready { due_at, .. } => (false, due_at),
            Phase::Waiting { due_at } => (true, due_at),
            Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => return None,
        };
        Some(Self { connection: event.connection_id, generation: event.generation, waiting, due, seq: event.seq })
    }
}

/// See the [module's documentation](self).
#[derive(Debug, Default)]
pub struct Backlog(BTreeSet<Key>);

impl Backlog {
    /// Of all rows of an overlay.
    #[must_use]
    pub fn of(over: &Overlaid) -> Self {
        let mut backlog = Self::default();
        for slot in over.values().flat_map(|slots| slots.values()) {
            backlog.add(slot);
        }
        backlog
    }

    /// Takes in what a slot has now.
    pub(super) fn add(&mut self, slot: &Slot) {
        if let Some(key) = key_of(slot) {
            self.0.insert(key);
        }
    }

    /// Drops what a slot had.
    pub(super) fn remove(&mut self, slot: &Slot) {
        if let Some(key) = key_of(slot) {
            self.0.remove(&key);
        }
    }

    /// As much of a queue as can be among the first that are asked for, and one more.
    #[must_use]
    pub fn stretch(&self, ask: &PendingAsk) -> Newer {
        let key = |waiting, due, seq| Key { connection: ask.connection, generation: ask.generation, waiting, due, seq };
        let (first, last) = ((Timestamp::from_ms(i64::MIN), 0), (Timestamp::MAX, Seq::MAX));
        let range = |waiting, from: (Timestamp, Seq), to: (Timestamp, Seq)| -> RangeInclusive<Key> {
            key(waiting, from.0, from.1)..=key(waiting, to.0, to.1)
        };
        let from = ask.from.unwrap_or(first);
        let due = (ask.due_before, Seq::MAX);
        let some = |range: RangeInclusive<Key>| {
            let places = self.0.range(range).map(|key| (key.due, key.seq));
            places.filter(|place| ask.from.is_none_or(|from| *place > from)).take(ask.limit.saturating_add(1))
        };
        let mut places: Vec<_> = some(range(false, from, last)).collect();
        if from <= due {
            places.extend(some(range(true, from, due)));
        }
        places.sort_unstable();
        places.truncate(ask.limit.saturating_add(1));
        let later = self.0.range(range(true, due, last)).find(|key| key.due > ask.due_before);
        Newer { places, next_due: later.map(|key| key.due) }
    }
}

fn key_of(slot: &Slot) -> Option<Key> {
    match slot {
        Slot::Row(row) => Key::of(&row.event),
        Slot::Gone => None,
    }
}
