//! What can be asked about events: filters, pages, histograms. Every implementation answers the same.

use super::KeptEvent;
use crate::domain::{
    BulkId, ConnectionId, DestinationId, ErrorCode, Event, EventId, EventStatus, RequestId, Seq, SourceId, Span,
    Standing, Timestamp,
};

/// A time that an event may not have: whether it has, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Whether there is one; a span asks for one as well.
    pub present: Option<bool>,
    /// In this stretch.
    pub span: Span,
}

impl Moment {
    /// Whether it matches.
    #[must_use]
    pub fn matches(&self, at: Option<Timestamp>) -> bool {
        self.present.is_none_or(|present| present == at.is_some())
            && (self.span == Span::default() || at.is_some_and(|at| self.span.contains(at)))
    }
}

/// A value that an event may not have: whether it has, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optional<T> {
    /// Whether there is one.
    pub present: Option<bool>,
    /// Any of these; empty for whatever it is.
    pub any_of: Vec<T>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self { present: None, any_of: Vec::new() }
    }
}

impl<T> Optional<T> {
    /// Whether it matches, `same` telling whether one of those asked for is what there is.
    pub fn matches<V: Copy>(&self, value: Option<V>, same: impl Fn(&T, V) -> bool) -> bool {
        self.present.is_none_or(|present| present == value.is_some())
            && (self.any_of.is_empty() || value.is_some_and(|value| self.any_of.iter().any(|one| same(one, value))))
    }
}

/// Which events. Empty lists and `None` do not restrict; what is given must all hold. Deleted ones never match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Any of these.
    pub ids: Vec<EventId>,
    /// Of any of these requests.
    pub requests: Vec<RequestId>,
    /// Any of these public statuses.
    pub statuses: Vec<EventStatus>,
    /// On any of these connections.
    pub connections: Vec<ConnectionId>,
    /// From any of these sources.
    pub sources: Vec<SourceId>,
    /// To any of these destinations.
    pub destinations: Vec<DestinationId>,
    /// Last asked for again by any of these bulk operations.
    pub bulks: Vec<BulkId>,
    /// When they were created.
    pub created: Span,
    /// When their last attempt ended: [`Event::last_attempt_at`].
    pub last_attempt: Moment,
    /// When they were delivered: [`Event::successful_at`].
    pub successful: Moment,
    /// When the next automatic try is due: [`Event::next_attempt_at`].
    pub next_attempt: Moment,
    /// How often they were tried, in any of these closed ranges.
    pub attempts: Vec<(u32, u32)>,
    /// Last HTTP status, in any of these closed ranges.
    pub response_statuses: Optional<(u16, u16)>,
    /// Error of the last attempt: [`Event::error_code`].
    pub errors: Optional<ErrorCode>,
}

impl EventFilter {
    /// Whether an event matches, given what its connection's state makes of its events.
    #[must_use]
    pub fn matches(&self, event: &Event, standing: Standing, now: Timestamp) -> bool {
        let within = |low: u32, high: u32, value: u32| (low..=high).contains(&value);
        let tries = u32::try_from(event.attempts.len()).unwrap_or(u32::MAX);
        event.deleted_at.is_none()
            && one_of(&self.ids, &event.id())
            && one_of(&self.requests, &event.request_id)
            && one_of(&self.connections, &event.connection_id)
            && one_of(&self.sources, &event.source_id)
            && one_of(&self.destinations, &event.destination_id)
            && (self.bulks.is_empty() || event.bulk_id.is_some_and(|bulk| self.bulks.contains(&bulk)))
            && self.created.contains(event.created_at)
            && one_of(&self.statuses, &event.status(standing, now))
            && (self.attempts.is_empty() || self.attempts.iter().any(|(low, high)| within(*low, *high, tries)))
            && self.last_attempt.matches(event.last_attempt_at())
            && self.successful.matches(event.successful_at())
            && self.next_attempt.matches(event.next_attempt_at(standing))
            && self
                .response_statuses
                .matches(event.response_status(), |(low, high), status| (*low..=*high).contains(&status))
            && self.errors.matches(event.error_code(), |one, error| *one == error)
    }
}

fn one_of<T: PartialEq>(any_of: &[T], value: &T) -> bool {
    any_of.is_empty() || any_of.contains(value)
}

/// In which order a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum EventOrder {
    /// By (`created_at`, seq), which is the order of seq.
    #[default]
    Created,
    /// By (`last_attempt_at`, seq); those that were never tried are the earliest.
    LastAttempt,
}

/// The place of an event in every order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// When its last attempt ended; only [`EventOrder::LastAttempt`] looks at it.
    pub last_attempt_at: Option<Timestamp>,
    /// Its number.
    pub seq: Seq,
}

impl EventKey {
    /// A place in order of creation.
    #[must_use]
    pub const fn at_seq(seq: Seq) -> Self {
        Self { last_attempt_at: None, seq }
    }

    /// The place of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self { last_attempt_at: event.last_attempt_at(), seq: event.seq }
    }
}

/// Which stretch of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// In which order.
    pub order: EventOrder,
    /// Latest first when true.
    pub descending: bool,
    /// Just after this place in the direction of the page; `None` begins at its end.
    pub after: Option<EventKey>,
    /// At most this many.
    pub limit: usize,
}

/// A stretch of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// In the order asked for, each with where its request lies.
    pub events: Vec<KeptEvent>,
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
