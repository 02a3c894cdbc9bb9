//! Zones: what memory keeps of each block, so that most questions never open it.

use std::collections::HashMap;

use super::{combination::Combination, hot::Hot};
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
    /// Of these, the ones not settled.
    pub pending: u64,
}

/// A block with at least one event, in short.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    /// When its events were created, earliest and latest.
    pub(super) created: (Timestamp, Timestamp),
    /// When their requests' ids were drawn; at least that wide.
    pub(super) ids: (Timestamp, Timestamp),
    /// How many events there are of each combination: exact.
    pub(super) combinations: Box<[(Combination, u16)]>,
}

impl Zone {
    /// `None` when no event is left.
    pub(super) fn of(hot: &Hot) -> Option<Self> {
        let mut counts = HashMap::<usize, u16>::new();
        let mut created: Option<(Timestamp, Timestamp)> = None;
        for live in hot.live() {
            *counts.entry(live.combination).or_default() += 1;
            created = Some(widen(created, live.created));
        }
        let created = created?;
        // A block with events has a range; without one every time may be in it.
        let ids = hot.ids.unwrap_or((Timestamp::from_ms(i64::MIN), Timestamp::MAX));
        let combinations = counts.into_iter().map(|(at, count)| (hot.combinations()[at], count)).collect();
        Some(Self { created, ids, combinations })
    }

    pub(super) fn summary(&self, block: u64) -> BlockSummary {
        let pending = self.combinations.iter().filter(|(combination, _)| combination.stored.is_pending());
        BlockSummary {
            block,
            created_min: self.created.0,
            live: self.combinations.iter().map(|(_, count)| u64::from(*count)).sum(),
            pending: pending.map(|(_, count)| u64::from(*count)).sum(),
        }
    }
}

/// A range that also holds `at`.
pub(super) fn widen(range: Option<(Timestamp, Timestamp)>, at: Timestamp) -> (Timestamp, Timestamp) {
    range.map_or((at, at), |(first, last)| (first.min(at), last.max(at)))
}
