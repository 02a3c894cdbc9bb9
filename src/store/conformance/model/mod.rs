//! Random histories of a store against the simplest thing that could be right: a list of events and a configuration.

mod history;
mod step;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::history::History;
use super::{
    START, Subject,
    kit::{connection_id, destination_id, source_id, walk},
};
use crate::{
    domain::{Configuration, Event, EventStatus, Span, Timestamp},
    store::{EventFilter, Histogram, Optional, Store},
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
    ];
    filters.extend(EventStatus::ALL.map(|status| EventFilter { statuses: vec![status], ..all() }));
    filters
}

/// Whether the last HTTP status is in any of these ranges.
pub(super) fn answered(ranges: &[(u16, u16)]) -> Optional<(u16, u16)> {
    Optional { any_of: ranges.to_vec(), ..Optional::default() }
}

/// Checks pages both ways, count and histogram of one filter against all events there are.
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
    assert_eq!(store.count(filter, now), Ok(expected.len() as u64), "count of {filter:?}");
    let shape = Histogram { start: START.plus_ms(250), bucket_ms: 750, buckets: 5 };
    let mut buckets = vec![0; shape.buckets];
    for bucket in expected.iter().filter_map(|event| shape.bucket_of(event.created_at)) {
        buckets[bucket] += 1;
    }
    assert_eq!(store.histogram(filter, shape, now), Ok(buckets), "histogram of {filter:?}");
}
