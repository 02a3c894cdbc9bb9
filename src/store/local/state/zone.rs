//! Zones: what memory keeps of each block, so that most questions never open it.

use std::collections::{BTreeMap, HashMap};

use super::{
    combination::{Combination, Stored},
    hot::{Hot, LiveSlot},
    stretches::Stretches,
};
use crate::domain::Timestamp;

/// Figures of a block for retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSummary {
    /// Its number.
    pub block: u64,
    /// When its oldest event was created.
    pub created_min: Timestamp,
    /// Events that are not gone.
    pub live: u64,
    /// Of these, the ones not settled: neither by themselves nor because their connection cut them.
    pub pending: u64,
}

/// A block with at least one event, in short.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// When its events were created, earliest and latest.
    pub(super) created: (Timestamp, Timestamp),
    /// When their requests' ids were drawn; at least that wide.
    pub(super) ids: (Timestamp, Timestamp),
    /// When their last attempts ended.
    pub(super) last: Stretches,
    /// When the next automatic retries are due of those that have one, earliest and latest.
    pub(super) next: Option<(Timestamp, Timestamp)>,
    /// How many events there are of each combination: exact.
    pub(super) combinations: Box<[(Combination, u16)]>,
    /// Its pending events by queue, sorted.
    pub(super) queues: Box<[Queued]>,
}

/// What a block has of one queue, or of one whose generation has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) connection: u32,
    pub(super) generation: u32,
    pub(super) waiting: bool,
    pub(super) count: u16,
    /// Of their requests' bodies.
    pub(super) body_bytes: u64,
    /// When the oldest was created.
    pub(super) oldest: Timestamp,
    /// Earliest and latest due time.
    pub(super) due: (Timestamp, Timestamp),
}

impl Queued {
    fn of(combination: Combination, live: LiveSlot) -> Self {
        Self {
            connection: combination.connection,
            generation: combination.generation,
            waiting: combination.stored == Stored::Waiting,
            count: 0,
            body_bytes: 0,
            oldest: live.created,
            due: (live.due, live.due),
        }
    }

    fn key(&self) -> (u32, u32, bool) {
        (self.connection, self.generation, self.waiting)
    }

    fn add(&mut self, live: LiveSlot) {
        self.count += 1;
        self.body_bytes += u64::from(live.body_bytes);
        self.oldest = self.oldest.min(live.created);
        self.due = widen(Some(self.due), live.due);
    }
}

impl Zone {
    /// `None` when no event is left.
    pub(super) fn of(hot: &Hot) -> Option<Self> {
        let mut counts = HashMap::<usize, u16>::new();
        let mut created: Option<(Timestamp, Timestamp)> = None;
        let (mut queues, mut last, mut next) = (BTreeMap::new(), Vec::new(), None);
        for live in hot.live() {
            let combination = hot.combinations()[live.combination];
            if combination.stored.is_pending() {
                let none = Queued::of(combination, live);
                queues.entry(none.key()).or_insert(none).add(live);
            }
            if combination.has_next() {
                next = Some(widen(next, live.next(&combination)));
            }
            last.extend(live.last_attempt());
            *counts.entry(live.combination).or_default() += 1;
            created = Some(widen(created, live.created));
        }
        let created = created?;
        // A block with events has a range; without one every time may be in it.
        let ids = hot.ids.unwrap_or((Timestamp::from_ms(i64::MIN), Timestamp::MAX));
        let combinations = counts.into_iter().map(|(at, count)| (hot.combinations()[at], count)).collect();
        let queues = queues.into_values().collect();
        Some(Self { created, ids, last: Stretches::of(last), next, combinations, queues })
    }

    /// What it has of a connection's queue: of what is ready and of what waits.
    pub(super) fn queued(&self, connection: u32, generation: u32) -> &[Queued] {
        let before = |queued: &Queued| (queued.connection, queued.generation) < (connection, generation);
        let rest = &self.queues[self.queues.partition_point(before)..];
        let ours = rest.iter().take_while(|queued| (queued.connection, queued.generation) == (connection, generation));
        &rest[..ours.count()]
    }

    /// `generation` tells a connection's by its handle.
    pub(super) fn summary(&self, block: u64, generation: &mut impl FnMut(u32) -> u32) -> BlockSummary {
        let pending = self.queues.iter().filter(|queued| queued.generation >= generation(queued.connection));
        BlockSummary {
            block,
            created_min: self.created.0,
            live: self.combinations.iter().map(|(_, count)| u64::from(*count)).sum(),
            pending: pending.map(|queued| u64::from(queued.count)).sum(),
        }
    }
}

/// A range that also holds `at`.
pub(super) fn widen(range: Option<(Timestamp, Timestamp)>, at: Timestamp) -> (Timestamp, Timestamp) {
    range.map_or((at, at), |(first, last)| (first.min(at), last.max(at)))
}
