//! What can be asked about events: filters, pages, histograms. Every implementation answers the same.

use crate::domain::{ConnectionId, DestinationId, Event, EventStatus, Seq, SourceId, Standing, Timestamp};

/// Which events. Empty lists and `None` do not restrict; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Any of these public statuses.
    pub statuses: Vec<EventStatus>,
    /// On any of these connections.
    pub connections: Vec<ConnectionId>,
    /// From any of these sources.
    pub sources: Vec<SourceId>,
    /// To any of these destinations.
    pub destinations: Vec<DestinationId>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_before: Option<Timestamp>,
    /// Last HTTP status in any of these closed ranges.
    pub response_statuses: Vec<(u16, u16)>,
}

impl EventFilter {
    /// Whether an event matches, given what its connection's state makes of its events.
    #[must_use]
    pub fn matches(&self, event: &Event, standing: Standing, now: Timestamp) -> bool {
        let any = |empty: bool, holds: bool| empty || holds;
        any(self.connections.is_empty(), self.connections.contains(&event.connection_id))
            && any(self.sources.is_empty(), self.sources.contains(&event.source_id))
            && any(self.destinations.is_empty(), self.destinations.contains(&event.destination_id))
            && self.created_from.is_none_or(|from| event.created_at >= from)
            && self.created_before.is_none_or(|before| event.created_at < before)
            && any(self.statuses.is_empty(), self.statuses.contains(&event.status(standing, now)))
            && any(self.response_statuses.is_empty(), {
                let status = event.attempts.last().and_then(|attempt| attempt.result.status());
                status.is_some_and(|status| {
                    self.response_statuses.iter().any(|(low, high)| (*low..=*high).contains(&status))
                })
            })
    }
}

/// Where a page begins, in order of (`created_at`, seq), which is the order of seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeqBound {
    /// At the newest (descending) or oldest (ascending) event.
    Start,
    /// Just after this one in the direction of the page.
    After(Seq),
}

/// Which stretch of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Newest first when true.
    pub descending: bool,
    /// Where it begins.
    pub from: SeqBound,
    /// At most this many.
    pub limit: usize,
}

/// A stretch of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// In the order asked for.
    pub events: Vec<Event>,
    /// Whether more follow in that direction.
    pub more: bool,
}

/// Buckets of `created_at`, at most 1 000 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    /// Where the first bucket begins.
    pub start: Timestamp,
    /// Width of a bucket, at least 1.
    pub bucket_ms: u64,
    /// How many.
    pub buckets: usize,
}

impl Histogram {
    /// The bucket a moment falls into, if any.
    #[must_use]
    pub fn bucket_of(&self, at: Timestamp) -> Option<usize> {
        (at >= self.start)
            .then(|| usize::try_from(at.ms_since(self.start) / self.bucket_ms.max(1)).unwrap_or(usize::MAX))
            .filter(|bucket| *bucket < self.buckets)
    }
}
