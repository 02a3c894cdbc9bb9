//! What an operation would find: how many things, and the oldest and newest of them.
//!
//! Only what the operation can do something with counts: what has settled is not cancelled, what no connection ignored is
//! not retried.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Content, batch};
use crate::{
    domain::{ConnectionId, Event, EventStatus, IgnoredCause, Standing, Timestamp, document::BulkKind},
    store::{
        EventFilter, EventOrder, Moment, PageRequest, RequestFilter, RequestStretch, RequestSummary, Store, StoreError,
    },
};

/// Data of requests that a plan reads at most; beyond, it says that there may be more.
const BODIES_READ_MAX: usize = 20_000;
/// How long it reads at most: longer than that nobody waits for an estimate.
const READING_MAX: Duration = Duration::from_secs(1);
/// How many are read between two looks at the time: the largest bodies take some tenths of a second then.
const PAGE: usize = 50;

/// What an operation goes over.
#[derive(Clone)]
pub enum Selection {
    /// Events.
    Events {
        /// Which.
        filter: Arc<EventFilter>,
        /// And of these, those whose request's data is as it says.
        content: Option<Content>,
    },
    /// Requests.
    Requests {
        /// Which.
        filter: RequestFilter,
        /// And of these, those whose data is as it says.
        content: Option<Content>,
    },
    /// Connections that made no event of a request. Empty lists do not restrict.
    Ignored {
        /// For any of these causes.
        causes: Vec<IgnoredCause>,
        /// Any of these.
        connections: Vec<ConnectionId>,
    },
}

/// What an operation would find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// How many.
    pub count: u64,
    /// Whether these are all; otherwise data would have to be read for longer than anybody waits.
    pub complete: bool,
    /// When the oldest was created.
    pub oldest: Option<Timestamp>,
    /// When the newest was; `None` also when not all are known.
    pub newest: Option<Timestamp>,
}

impl Plan {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.complete &= other.complete;
        self.oldest = [self.oldest, other.oldest].into_iter().flatten().min();
        self.newest = self.newest.max(other.newest);
    }
}

/// Plans an operation.
pub(super) fn plan(
    store: &dyn Store,
    kind: BulkKind,
    selection: &Selection,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut all = Plan { complete: true, ..Plan::default() };
    match selection {
        Selection::Events { filter, content: None } => {
            for part in event_parts(kind, filter) {
                all.add(plan_events(store, &part, now)?);
            }
        }
        Selection::Requests { filter, content: None } => {
            for part in request_parts(kind, filter) {
                all.add(plan_requests(store, &part)?);
            }
        }
        Selection::Events { content: Some(_), .. }
        | Selection::Requests { content: Some(_), .. }
        | Selection::Ignored { .. } => all = plan_by_reading(store, kind, selection, now)?,
    }
    Ok(all)
}

/// The events of a filter that an operation can do something with, as filters that have none in common.
pub(super) fn event_parts(kind: BulkKind, filter: &EventFilter) -> Vec<EventFilter> {
    if kind != BulkKind::EventsCancel {
        return vec![filter.clone()];
    }
    let among = |wanted: &[EventStatus]| -> Vec<EventStatus> {
        let asked = |status: &&EventStatus| filter.statuses.is_empty() || filter.statuses.contains(status);
        wanted.iter().filter(asked).copied().collect()
    };
    let queued = among(&[EventStatus::Scheduled, EventStatus::Queued, EventStatus::Hold]);
    let failed = among(&[EventStatus::Failed]);
    let mut parts = Vec::new();
    if !queued.is_empty() {
        parts.push(EventFilter { statuses: queued, ..filter.clone() });
    }
    // Of the failed ones those that are tried again.
    if !failed.is_empty() && filter.next_attempt.present != Some(false) {
        let next_attempt = Moment { present: Some(true), ..filter.next_attempt };
        parts.push(EventFilter { statuses: failed, next_attempt, ..filter.clone() });
    }
    parts
}

/// Whether an event that a filter picks is one that an operation can do something with.
pub(super) fn is_for(kind: BulkKind, event: &Event, standing: Standing) -> bool {
    kind != BulkKind::EventsCancel || !event.phase.effective(event.generation, standing).is_settled()
}

/// The requests of a filter that an operation can do something with, as filters that have none in common.
fn request_parts(kind: BulkKind, filter: &RequestFilter) -> Vec<RequestFilter> {
    if kind != BulkKind::RequestsRetry {
        return vec![filter.clone()];
    }
    let mut parts = Vec::new();
    if filter.accepted != Some(true) {
        parts.push(RequestFilter { accepted: Some(false), ..filter.clone() });
    }
    if filter.accepted != Some(false) {
        let ignored = some_of(&filter.ignored);
        if !ignored.is_empty() {
            parts.push(RequestFilter { accepted: Some(true), ignored, ..filter.clone() });
        }
    }
    parts
}

/// Whether a request that a filter picks is one that an operation can do something with.
pub(super) fn is_request_for(kind: BulkKind, request: &RequestSummary) -> bool {
    kind != BulkKind::RequestsRetry || request.rejection.is_some() || request.ignored > 0
}

/// What of these ranges is not zero; everything but zero when there are none.
fn some_of(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let all = [(0, u32::MAX)];
    let ranges = if ranges.is_empty() { &all } else { ranges };
    ranges.iter().map(|(low, high)| ((*low).max(1), *high)).filter(|(low, high)| low <= high).collect()
}

fn plan_events(store: &dyn Store, filter: &EventFilter, now: Timestamp) -> Result<Plan, StoreError> {
    let end = |descending| {
        let page = PageRequest { order: EventOrder::Created, descending, after: None, limit: 1 };
        store.events(filter, &page, now).map(|page| page.events.first().map(|kept| kept.event.created_at))
    };
    Ok(Plan { count: store.count(filter, now)?, complete: true, oldest: end(false)?, newest: end(true)? })
}

fn plan_requests(store: &dyn Store, filter: &RequestFilter) -> Result<Plan, StoreError> {
    let end = |descending| {
        let stretch = RequestStretch { descending, after: None, limit: 1 };
        store.requests(filter, &stretch).map(|page| page.requests.first().map(|request| request.created_at))
    };
    Ok(Plan { count: store.count_requests(filter)?, complete: true, oldest: end(false)?, newest: end(true)? })
}

/// Reads the data of what may be picked, as far as anybody waits for it.
fn plan_by_reading(
    store: &dyn Store,
    kind: BulkKind,
    selection: &Selection,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut plan = Plan::default();
    let mut place = batch::Place::beginning(store, kind)?;
    let (mut read, begun) = (0, Instant::now());
    while read < BODIES_READ_MAX && begun.elapsed() < READING_MAX {
        let page = batch::read(store, (kind, selection), &place, (PAGE, now))?;
        read += page.read;
        for (item, created_at) in page.items {
            plan.count += item.things();
            plan.oldest = plan.oldest.or(Some(created_at));
            plan.newest = Some(created_at);
        }
        match page.next {
            Some(next) => place = next,
            None => return Ok(Plan { complete: true, ..plan }),
        }
    }
    Ok(Plan { newest: None, ..plan })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_pending_is_planned_to_be_cancelled() {
        let statuses = |asked: &[EventStatus]| {
            let filter = EventFilter { statuses: asked.to_vec(), ..EventFilter::default() };
            event_parts(BulkKind::EventsCancel, &filter)
                .into_iter()
                .map(|part| (part.statuses, part.next_attempt.present))
                .collect::<Vec<_>>()
        };
        let queued = vec![EventStatus::Scheduled, EventStatus::Queued, EventStatus::Hold];
        assert_eq!(statuses(&[]), [(queued, None), (vec![EventStatus::Failed], Some(true))]);
        assert_eq!(statuses(&[EventStatus::Hold, EventStatus::Successful]), [(vec![EventStatus::Hold], None)]);
        assert_eq!(statuses(&[EventStatus::Successful]), []);
        let filter = EventFilter::default();
        assert_eq!(event_parts(BulkKind::EventsRetry, &filter), [filter]);
    }

    #[test]
    fn only_what_was_rejected_or_ignored_is_planned_to_be_retried() {
        let parts = |filter: &RequestFilter| {
            let parts = request_parts(BulkKind::RequestsRetry, filter).into_iter();
            parts.map(|part| (part.accepted, part.ignored)).collect::<Vec<_>>()
        };
        let any = RequestFilter::default();
        assert_eq!(parts(&any), [(Some(false), vec![]), (Some(true), vec![(1, u32::MAX)])]);
        let none = RequestFilter { ignored: vec![(0, 0)], ..any.clone() };
        assert_eq!(parts(&none), [(Some(false), vec![(0, 0)])]);
        let accepted = RequestFilter { accepted: Some(true), ignored: vec![(0, 2), (5, 9)], ..any.clone() };
        assert_eq!(parts(&accepted), [(Some(true), vec![(1, 2), (5, 9)])]);
        assert_eq!(request_parts(BulkKind::RequestsReplay, &any), [any]);
    }
}
