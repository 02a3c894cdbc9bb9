//! What is asked: every filter alone, the combinations that people use, in both orders.

use hookgate::{
    domain::{ErrorCode, EventStatus, Span, Timestamp},
    store::query::{EventFilter, Moment, Optional},
};

use crate::{
    history::{DAY_MS, History, bulk, connection, destination, source},
    table::mixed,
};

/// A filter that differs from time to time, as people's do: `n` counts the times.
pub(crate) type Question = (&'static str, fn(History, u64) -> EventFilter);

fn all() -> EventFilter {
    EventFilter::default()
}

/// Some day of the month.
fn day(history: History, n: u64) -> Span {
    let end = history.now().minus_ms(mixed(n) % 29 * DAY_MS);
    Span::between(end.minus_ms(DAY_MS), end)
}

fn moment(span: Span) -> Moment {
    Moment { present: None, span }
}

fn answered(low: u16, high: u16) -> Optional<(u16, u16)> {
    Optional { present: None, any_of: vec![(low, high)] }
}

fn since(history: History, ms: u64) -> Timestamp {
    history.now().minus_ms(ms)
}

/// Each property alone.
pub(crate) const SINGLE: [Question; 21] = [
    ("everything", |_, _| all()),
    ("id, 10 of them", |history, n| {
        let ids = (0..10).map(|k| history.row(mixed(n * 10 + k) % history.events).event.id());
        EventFilter { ids: ids.collect(), ..all() }
    }),
    ("request", |history, n| EventFilter {
        requests: vec![history.row(mixed(n) % history.events).event.request_id],
        ..all()
    }),
    ("status SUCCESSFUL", |_, _| EventFilter { statuses: vec![EventStatus::Successful], ..all() }),
    ("status FAILED", |_, _| EventFilter { statuses: vec![EventStatus::Failed], ..all() }),
    ("status QUEUED, SCHEDULED", |_, _| EventFilter {
        statuses: vec![EventStatus::Queued, EventStatus::Scheduled],
        ..all()
    }),
    ("status HOLD", |_, _| EventFilter { statuses: vec![EventStatus::Hold], ..all() }),
    ("status CANCELLED", |_, _| EventFilter { statuses: vec![EventStatus::Cancelled], ..all() }),
    ("connection", |_, n| EventFilter { connections: vec![connection(n % 100)], ..all() }),
    ("source", |_, n| EventFilter { sources: vec![source(n % 50)], ..all() }),
    ("destination", |_, n| EventFilter { destinations: vec![destination(n % 33)], ..all() }),
    ("bulk operation", |_, n| EventFilter { bulks: vec![bulk(n % 10)], ..all() }),
    ("created, a day", |history, n| EventFilter { created: day(history, n), ..all() }),
    ("last attempt, a day", |history, n| EventFilter { last_attempt: moment(day(history, n)), ..all() }),
    ("delivered, a day", |history, n| EventFilter { successful: moment(day(history, n)), ..all() }),
    ("next attempt, within the hour", |history, _| EventFilter {
        next_attempt: moment(Span::until(history.now().plus_ms(3_600_000))),
        ..all()
    }),
    ("attempts, 3 or more", |_, _| EventFilter { attempts: vec![(3, u32::MAX)], ..all() }),
    ("HTTP status 503", |_, _| EventFilter { response_statuses: answered(503, 503), ..all() }),
    ("HTTP status that never came", |_, _| EventFilter { response_statuses: answered(410, 410), ..all() }),
    ("error TIMEOUT", |_, _| EventFilter {
        errors: Optional { present: None, any_of: vec![ErrorCode::Timeout] },
        ..all()
    }),
    ("any error", |_, _| EventFilter { errors: Optional { present: Some(true), any_of: vec![] }, ..all() }),
];

/// Several at once.
pub(crate) const COMBINED: [Question; 8] = [
    ("FAILED on a connection", |_, n| EventFilter {
        statuses: vec![EventStatus::Failed],
        connections: vec![connection(n % 100)],
        ..all()
    }),
    ("FAILED of a day", |history, n| EventFilter {
        statuses: vec![EventStatus::Failed],
        created: day(history, n),
        ..all()
    }),
    ("a connection's day by last attempt", |history, n| EventFilter {
        connections: vec![connection(n % 100)],
        last_attempt: moment(day(history, n)),
        ..all()
    }),
    ("500 to 599 at a destination this week", |history, n| EventFilter {
        response_statuses: answered(500, 599),
        destinations: vec![destination(n % 33)],
        created: Span::since(since(history, 7 * DAY_MS)),
        ..all()
    }),
    ("TIMEOUT from a source, FAILED", |_, n| EventFilter {
        errors: Optional { present: None, any_of: vec![ErrorCode::Timeout] },
        sources: vec![source(n % 50)],
        statuses: vec![EventStatus::Failed],
        ..all()
    }),
    ("delivered at the third try or later, a day", |history, n| EventFilter {
        statuses: vec![EventStatus::Successful],
        attempts: vec![(3, u32::MAX)],
        created: day(history, n),
        ..all()
    }),
    ("delivered an hour ago on a connection", |history, n| EventFilter {
        successful: moment(Span::since(since(history, 3_600_000))),
        connections: vec![connection(n % 100)],
        ..all()
    }),
    ("by a bulk operation, and FAILED: none", |_, n| EventFilter {
        bulks: vec![bulk(n % 10)],
        statuses: vec![EventStatus::Failed],
        ..all()
    }),
];
