//! Zones: what memory keeps of each block, so that most questions never open it.

use std::collections::BTreeMap;

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
    /// When last attempts ended, of whichever combination.
    pub(super) last: Stretches,
    /// When the next automatic retries are due of those that have one, earliest and latest.
    pub(super) next: Option<(Timestamp, Timestamp)>,
    /// What it has of each combination, at the places of its columns' dictionary.
    pub(super) shares: Box<[Share]>,
    /// Its pending events by queue, sorted.
    pub(super) queues: Box<[Queued]>,
}

/// What a block has of one combination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// The combination, as all zones number them.
    pub(super) number: u32,
    /// How many events: exact.
    pub(super) count: u16,
    /// When their last attempts ended: first and last, in seconds since 1970, the first rounded down and the last up. Of those
    /// never tried the first is behind the last.
    last_s: (u32, u32),
}

impl Share {
    const NONE: Self = Self { number: 0, count: 0, last_s: (u32::MAX, 0) };

    fn add(&mut self, last: Option<Timestamp>) {
        self.count += 1;
        if let Some(last) = last {
            let second = last.ms().div_euclid(1000);
            let limited = |second: i64| u32::try_from(second.max(0)).unwrap_or(u32::MAX);
            let (from, to) = self.last_s;
            self.last_s = (from.min(limited(second)), to.max(limited(second.saturating_add(1))));
        }
    }

    /// No last attempt of its events ended before or after these; `None` when none was tried.
    pub(super) fn last(&self) -> Option<(Timestamp, Timestamp)> {
        let (from, to) = self.last_s;
        // At its ends a second stands for all that lies beyond.
        let first = if from == 0 { i64::MIN } else { i64::from(from) * 1000 };
        let last = if to == u32::MAX { i64::MAX } else { i64::from(to) * 1000 - 1 };
        (from <= to).then(|| (Timestamp::from_ms(first), Timestamp::from_ms(last)))
    }
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
    /// `None` when no event is left. Its combinations are yet to be numbered.
    pub(super) fn of(hot: &Hot) -> Option<Self> {
        let mut shares = vec![Share::NONE; hot.combinations().len()];
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
            shares[live.combination].add(live.last_attempt());
            last.extend(live.last_attempt());
            created = Some(widen(created, live.created));
        }
        let created = created?;
        // A block with events has a range; without one every time may be in it.
        let ids = hot.ids.unwrap_or((Timestamp::from_ms(i64::MIN), Timestamp::MAX));
        let queues = queues.into_values().collect();
        Some(Self { created, ids, last: Stretches::of(last), next, shares: shares.into(), queues })
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
            live: self.shares.iter().map(|share| u64::from(share.count)).sum(),
            pending: pending.map(|queued| u64::from(queued.count)).sum(),
        }
    }
}

/// A range that also holds `at`.
pub(super) fn widen(range: Option<(Timestamp, Timestamp)>, at: Timestamp) -> (Timestamp, Timestamp) {
    range.map_or((at, at), |(first, last)| (first.min(at), last.max(at)))
}
