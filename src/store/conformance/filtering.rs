//! Filters over what has become of events, and the order of their last attempts.

use super::{
    START, Subject,
    kit::{accept_events, attempt, bare, moved, record, request, request_id, through, tried, walk, walk_by},
    model::{answered, whether, within},
};
use crate::{
    domain::{
        AttemptResult, AttemptTrigger, BulkId, ErrorCode, Event, EventId, EventStatus, Phase, Seq, Span, Timestamp,
        Unsent,
    },
    store::{EventFilter, EventKey, EventOrder, Histogram, Optional, PageRequest, Store, StoreError},
};

fn seqs(events: &[Event]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}

/// Which of some events a filter finds, by their places; count and histogram agree on it.
fn places(store: &dyn Store, filter: &EventFilter, of: &[Event]) -> Vec<usize> {
    let found = walk(store, filter, false, 2, START);
    assert_eq!(store.count(filter, START), Ok(found.len() as u64), "{filter:?}");
    let whole = Histogram { start: START, bucket_ms: 3_600_000, buckets: 1 };
    assert_eq!(store.histogram(filter, whole, START), Ok(vec![found.len() as u64]), "{filter:?}");
    let place = |event: &Event| of.iter().position(|known| known.seq == event.seq).unwrap();
    found.iter().map(place).collect()
}

fn failing(event: &Event, at: Timestamp, error: ErrorCode, phase: Phase) -> Event {
    let mut event = tried(event, at, 500, phase);
    event.attempts.last_mut().unwrap().result = AttemptResult::Failed { error, status: None };
    event
}

/// Never tried; delivered; failed for good; waiting; asked for again with a retry behind; cancelled.
fn of_every_kind(store: &dyn Store) -> Vec<Event> {
    let mut events = accept_events(store, 0, &[1; 6]);
    let second = |n: u64| START.plus_ms(n * 1_000);
    let waiting = |n| Phase::Waiting { due_at: second(n) };
    events[1] = attempt(store, &events[1], second(1), 204, Phase::Successful);
    events[2] = record(store, failing(&events[2], second(2), ErrorCode::Timeout, Phase::Failed), None);
    for n in 0..3 {
        events[3] = attempt(store, &events[3], second(3 + n), 503, waiting(60));
    }
    events[4] = attempt(store, &events[4], second(4), 500, waiting(70));
    let again = Phase::Ready { due_at: second(10), trigger: AttemptTrigger::Manual, automatic_due: Some(second(70)) };
    events[4] = record(store, moved(&events[4], again), None);
    let unsent = Some(Unsent { trigger: AttemptTrigger::Initial, due_at: START });
    events[5] = record(store, moved(&events[5], Phase::Cancelled { unsent }), None);
    events
}

pub fn filters_restrict_by_what_became_of_events(subject: &mut dyn Subject) {
    let events = of_every_kind(&*subject.store());
    let second = |n: u64| START.plus_ms(n * 1_000);
    let all = EventFilter::default;
    let error = |any_of: &[ErrorCode]| Optional { any_of: any_of.to_vec(), ..Optional::default() };
    let span = Span::between(second(1).plus_ms(12), second(4));
    let cases: Vec<(EventFilter, &[usize])> = vec![
        (EventFilter { last_attempt: whether(true), ..all() }, &[1, 2, 3, 4]),
        (EventFilter { last_attempt: whether(false), ..all() }, &[0, 5]),
        (EventFilter { last_attempt: within(span), ..all() }, &[1, 2]),
        (EventFilter { last_attempt: within(Span::since(second(1).plus_ms(13))), ..all() }, &[2, 3, 4]),
        (EventFilter { last_attempt: within(Span::until(second(1).plus_ms(12))), ..all() }, &[]),
        (EventFilter { successful: whether(true), ..all() }, &[1]),
        (EventFilter { successful: whether(false), ..all() }, &[0, 2, 3, 4, 5]),
        (EventFilter { successful: within(Span::since(START)), ..all() }, &[1]),
        (EventFilter { successful: within(Span::since(second(2))), ..all() }, &[]),
        (EventFilter { next_attempt: whether(true), ..all() }, &[3, 4]),
        (EventFilter { next_attempt: whether(false), ..all() }, &[0, 1, 2, 5]),
        (EventFilter { next_attempt: within(Span::between(second(60), second(70))), ..all() }, &[3]),
        (EventFilter { next_attempt: within(Span::since(second(70))), ..all() }, &[4]),
        (EventFilter { attempts: vec![(0, 0)], ..all() }, &[0, 5]),
        (EventFilter { attempts: vec![(2, 3)], ..all() }, &[3]),
        (EventFilter { attempts: vec![(0, 0), (3, u32::MAX)], ..all() }, &[0, 3, 5]),
        (EventFilter { attempts: vec![(4, 9)], ..all() }, &[]),
        (EventFilter { errors: Optional { present: Some(true), any_of: vec![] }, ..all() }, &[2]),
        (EventFilter { errors: error(&[ErrorCode::Timeout, ErrorCode::Unknown]), ..all() }, &[2]),
        (EventFilter { errors: error(&[ErrorCode::Unknown]), ..all() }, &[]),
        (EventFilter { response_statuses: Optional { present: Some(true), any_of: vec![] }, ..all() }, &[1, 3, 4]),
        (EventFilter { response_statuses: Optional { present: Some(false), any_of: vec![] }, ..all() }, &[0, 2, 5]),
        (EventFilter { response_statuses: answered(&[(500, 599)]), attempts: vec![(1, 1)], ..all() }, &[4]),
    ];
    through(subject, |store| {
        for (filter, expected) in &cases {
            assert_eq!(places(store, filter, &events), *expected, "{filter:?}");
        }
    });
}

pub fn events_are_found_by_their_ids_and_those_of_their_requests(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut events = accept_events(&*store, 0, &[1, 2, 1]);
    events.extend(accept_events(&*store, 1, &[1]));
    events.extend(accept_events(&*store, 2, &[2, 2]));
    events[4] = attempt(&*store, &events[4], START, 200, Phase::Successful);
    let unknown = EventId::from_bits(events[0].id().bits() + 1);
    let all = EventFilter::default;
    let of = |places: &[usize]| places.iter().map(|place| events[*place].id()).collect::<Vec<_>>();
    let mut twice_and_unknown = of(&[4, 1, 4]);
    twice_and_unknown.push(unknown);
    let delivered = vec![EventStatus::Successful];
    let requests = vec![request(0).id, request(2).id, request_id(9, START)];
    let cases: Vec<(EventFilter, &[usize])> = vec![
        (EventFilter { ids: twice_and_unknown, ..all() }, &[1, 4]),
        (EventFilter { ids: vec![unknown], ..all() }, &[]),
        (EventFilter { ids: of(&[1, 3, 4]), statuses: delivered, ..all() }, &[4]),
        (EventFilter { requests: requests.clone(), ..all() }, &[0, 1, 2, 4, 5]),
        (EventFilter { requests: vec![request(1).id], ids: of(&[0, 3]), ..all() }, &[3]),
        (EventFilter { requests, connections: vec![super::kit::connection_id(2)], ..all() }, &[1, 4, 5]),
    ];
    drop(store);
    through(subject, |store| {
        for (filter, expected) in &cases {
            assert_eq!(places(store, filter, &events), *expected, "{filter:?}");
        }
    });
}

pub fn what_a_bulk_operation_asked_for_is_found_by_it(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1; 4]);
    let (one, other) = (BulkId::from_bits(1 << 90), BulkId::from_bits(2 << 90));
    let again = |event: &Event, bulk| {
        let phase = Phase::Ready { due_at: START, trigger: AttemptTrigger::BulkRetry, automatic_due: None };
        record(&*store, Event { bulk_id: Some(bulk), ..moved(event, phase) }, None)
    };
    again(&events[0], one);
    let twice = again(&events[1], one);
    let twice = again(&twice, other);
    again(&events[3], other);
    drop(store);
    through(subject, |store| {
        let by =
            |bulks: &[BulkId]| places(store, &EventFilter { bulks: bulks.to_vec(), ..EventFilter::default() }, &events);
        assert_eq!((by(&[one]), by(&[other]), by(&[one, other])), (vec![0], vec![1, 3], vec![0, 1, 3]));
        assert_eq!(store.event(twice.id()).unwrap().event, twice);
        assert_eq!(by(&[BulkId::from_bits(7)]), Vec::<usize>::new());
    });
}

pub fn a_deleted_event_is_found_by_its_id_alone(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1; 3]);
    let cancelled = Phase::Cancelled { unsent: None };
    let deleted = Event { deleted_at: Some(START.plus_ms(1_234)), ..moved(&events[1], cancelled) };
    record(&*store, deleted.clone(), None);
    drop(store);
    through(subject, |store| {
        assert_eq!(places(store, &EventFilter::default(), &events), [0, 2]);
        let named = EventFilter { ids: vec![deleted.id()], ..EventFilter::default() };
        assert_eq!(places(store, &named, &events), Vec::<usize>::new());
        let cancelled = EventFilter { statuses: vec![EventStatus::Cancelled], ..EventFilter::default() };
        assert_eq!(places(store, &cancelled, &events), Vec::<usize>::new());
        assert_eq!(store.event(deleted.id()).unwrap().event, deleted);
        assert_eq!(store.stats().events, 2);
        assert_eq!(store.attempt(deleted.id().attempt(2)), Err(StoreError::NotFound));
    });
}

pub fn pages_by_the_last_attempt_walk_both_ways(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut events: Vec<Event> = (0..9).flat_map(|n| accept_events(&*store, n, &[1, 2])).collect();
    // Every third is tried, in another order than they came, three of them in one millisecond.
    for (place, ms) in [(15, 7), (3, 5), (9, 5), (0, 5), (6, 9), (12, 1)] {
        events[place] = attempt(&*store, &events[place], START.plus_ms(ms), 500, Phase::Failed);
    }
    subject.settle();
    // Asked for again long after.
    for (place, ms) in [(3, 4_000_000), (1, 3_000_000)] {
        events[place] = attempt(&*store, &events[place], START.plus_ms(ms), 200, Phase::Successful);
    }
    drop(store);
    let mut expected = events.clone();
    expected.sort_by_key(EventKey::of);
    let last: Vec<Seq> = [12, 0, 9, 15, 6, 1, 3].iter().map(|place: &usize| events[*place].seq).collect();
    assert!(seqs(&expected).ends_with(&last));
    through(subject, |store| {
        for limit in [1, 2, 3, 17, 18, 19] {
            let page = |descending| PageRequest { order: EventOrder::LastAttempt, descending, after: None, limit };
            let walked = walk_by(store, &EventFilter::default(), page(false), START);
            assert!(walked == expected, "pages of {limit}: {:?}", seqs(&walked));
            let walked = walk_by(store, &EventFilter::default(), page(true), START);
            assert!(walked.iter().rev().eq(&expected), "newest first, pages of {limit}: {:?}", seqs(&walked));
        }
        // A cursor needs no event there.
        let after = Some(EventKey { last_attempt_at: Some(START.plus_ms(1_000)), seq: 3 });
        let page = |descending| {
            let page = PageRequest { order: EventOrder::LastAttempt, descending, after, limit: 1 };
            bare(store.events(&EventFilter::default(), &page, START).unwrap().events)
        };
        assert_eq!((page(true), page(false)), (vec![events[6].clone()], vec![events[1].clone()]));
    });
}
