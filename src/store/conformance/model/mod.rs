//! Random histories of a store against the simplest thing that could be right: a list of events and a configuration.

mod history;
mod step;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::history::History;
use super::{
    START, Subject,
    kit::{connection_id, destination_id, source_id, walk, walk_by},
};
use crate::{
    domain::{Configuration, ErrorCode, Event, EventStatus, Span, Timestamp},
    store::{EventFilter, EventKey, EventOrder, Histogram, Moment, Optional, PageRequest, Store},
};

/// Connections, sources and destinations that histories use.
pub(super) const CONNECTIONS: u64 = 4;
/// Steps of one history at most.
const STEPS: usize = 60;
/// Steps between two comparisons of everything.
const COMPARED_EVERY: usize = 12;
/// Every test run tries the same histories, so that a failure comes again.
const SEED: [u8; 32] = *b"hookgate: the same histories aye";
/// How long a failing history is made shorter: each try costs a store.
const SHRINKS: u32 = 400;

/// Lets `cases` random histories happen to new subjects, and compares each with the model on its way.
pub fn random_histories_agree_with_a_model(make: &dyn Fn() -> Box<dyn Subject>, cases: u32) {
    let config = Config { cases, max_shrink_iters: SHRINKS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED));
    let outcome = runner.run(&step::histories(STEPS), |steps| {
        let mut history = History::of(make());
        for (place, (step, probe)) in steps.iter().enumerate() {
            history.take(step);
            history.look(probe);
            if (place + 1) % COMPARED_EVERY == 0 {
                history.compare_all();
            }
        }
        history.compare_all();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("a history under seed {:?} differs from the model: {failure}", String::from_utf8_lossy(&SEED));
    }
}

/// Filters over everything that histories vary.
pub(super) fn every_filter() -> Vec<EventFilter> {
    let all = EventFilter::default;
    let (one, two) = (START.plus_ms(1_000), START.plus_ms(2_000));
    let mut filters = vec![
        all(),
        EventFilter { connections: vec![connection_id(1)], ..all() },
        EventFilter { connections: vec![connection_id(0), connection_id(2)], sources: vec![source_id(0)], ..all() },
        EventFilter { sources: vec![source_id(1)], ..all() },
        EventFilter { destinations: vec![destination_id(2), destination_id(3)], ..all() },
        EventFilter { created: Span { from: Some(one), before: Some(two) }, ..all() },
        EventFilter {
            created: Span { from: None, before: Some(two) },
            statuses: vec![EventStatus::Queued, EventStatus::Hold],
            ..all()
        },
        EventFilter { response_statuses: answered(&[(200, 299)]), ..all() },
        EventFilter {
            response_statuses: answered(&[(500, 599), (410, 410)]),
            connections: vec![connection_id(1)],
            ..all()
        },
        EventFilter { statuses: EventStatus::ALL.to_vec(), created: Span { from: Some(two), before: None }, ..all() },
        EventFilter { last_attempt: within(Span::between(one, two)), ..all() },
        EventFilter { last_attempt: whether(false), created: Span::until(two), ..all() },
        EventFilter { successful: within(Span::since(one)), connections: vec![connection_id(1)], ..all() },
        EventFilter { successful: whether(false), ..all() },
        EventFilter { next_attempt: within(Span::until(two)), ..all() },
        EventFilter { next_attempt: whether(false), statuses: vec![EventStatus::Queued], ..all() },
        EventFilter { attempts: vec![(0, 0), (2, 3)], ..all() },
        EventFilter { attempts: vec![(2, u32::MAX)], sources: vec![source_id(1)], ..all() },
        EventFilter { errors: Optional { present: Some(true), any_of: vec![] }, ..all() },
        EventFilter { errors: Optional { present: None, any_of: vec![ErrorCode::ConnectionRefused] }, ..all() },
        EventFilter { response_statuses: Optional { present: Some(false), any_of: vec![] }, ..all() },
    ];
    filters.extend(EventStatus::ALL.map(|status| EventFilter { statuses: vec![status], ..all() }));
    filters
}

/// Whether the last HTTP status is in any of these ranges.
pub(super) fn answered(ranges: &[(u16, u16)]) -> Optional<(u16, u16)> {
    Optional { any_of: ranges.to_vec(), ..Optional::default() }
}

/// A moment in a span.
pub(super) fn within(span: Span) -> Moment {
    Moment { present: None, span }
}

/// A moment that there is, or is not.
pub(super) fn whether(present: bool) -> Moment {
    Moment { present: Some(present), span: Span::default() }
}

/// Checks pages in both orders and both ways, count and histogram of one filter against all events there are.
pub(super) fn assert_listed(
    store: &dyn Store,
    events: &[Event],
    configuration: &Configuration,
    filter: &EventFilter,
    limit: usize,
    now: Timestamp,
) {
    let matches = |event: &&Event| filter.matches(event, configuration.standing(event.connection_id), now);
    let expected: Vec<&Event> = events.iter().filter(matches).collect();
    let oldest_first = walk(store, filter, false, limit, now);
    assert!(oldest_first.iter().eq(expected.iter().copied()), "oldest first, {filter:?}, pages of {limit}");
    let newest_first = walk(store, filter, true, limit, now);
    assert!(newest_first.iter().eq(expected.iter().copied().rev()), "newest first, {filter:?}, pages of {limit}");
    let mut by_last_attempt = expected.clone();
    by_last_attempt.sort_by_key(|event| EventKey::of(event));
    let order = EventOrder::LastAttempt;
    let walked = walk_by(store, filter, PageRequest { order, descending: true, after: None, limit }, now);
    assert!(walked.iter().eq(by_last_attempt.iter().copied().rev()), "last tried first, {filter:?}, by {limit}");
    let walked = walk_by(store, filter, PageRequest { order, descending: false, after: None, limit }, now);
    assert!(walked.iter().eq(by_last_attempt.iter().copied()), "last tried last, {filter:?}, by {limit}");
    assert_eq!(store.count(filter, now), Ok(expected.len() as u64), "count of {filter:?}");
    let shape = Histogram { start: START.plus_ms(250), bucket_ms: 750, buckets: 5 };
    let mut buckets = vec![0; shape.buckets];
    for bucket in expected.iter().filter_map(|event| shape.bucket_of(event.created_at)) {
        buckets[bucket] += 1;
    }
    assert_eq!(store.histogram(filter, shape, now), Ok(buckets), "histogram of {filter:?}");
}
