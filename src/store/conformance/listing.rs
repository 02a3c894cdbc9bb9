//! Lists, counts and histograms of events.

use super::{
    START, Subject,
    kit::{
        accept, accept_events, attempt, bare, connection, connection_id, destination_id, moved, new_request, record,
        request, source_id, through, walk,
    },
    model::{answered, assert_listed, every_filter},
};
use crate::{
    clock::Clock,
    domain::{
        AttemptResult, AttemptSummary, AttemptTrigger, ConfigItem, ErrorCode, Event, EventStatus, Phase, Request, Seq,
        Span, Timestamp,
    },
    store::{EventFilter, EventKey, EventOrder, Histogram, PageRequest, Store},
};

fn seqs(events: &[Event]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}

/// What a filter finds, oldest first; pages in both directions and the count agree on it.
fn found(store: &dyn Store, filter: &EventFilter, now: Timestamp) -> Vec<Seq> {
    let oldest_first = seqs(&walk(store, filter, false, 3, now));
    let newest_first = seqs(&walk(store, filter, true, 2, now));
    assert!(newest_first.iter().rev().eq(&oldest_first), "{newest_first:?} and {oldest_first:?}");
    assert_eq!(store.count(filter, now), Ok(oldest_first.len() as u64));
    oldest_first
}

pub fn filters_restrict_by_every_field(subject: &mut dyn Subject) {
    let mut events = Vec::new();
    for n in 0..4 {
        subject.clock().set(START.plus_ms(n * 1_000));
        let request = Request { source_id: source_id(n % 2), ..request(n) };
        let mut new = new_request(request, &[1, 2]);
        new.routes[1].destination_id = destination_id(n);
        subject.store().accept(new.clone()).wait().unwrap();
        events.extend(subject.store().events_of(new.request.id).unwrap());
    }
    attempt(&*subject.store(), &events[6], START, 200, Phase::Successful);
    attempt(&*subject.store(), &events[7], START, 404, Phase::Failed);
    let all = || EventFilter::default();
    let second = START.plus_ms(1_000);
    let cases = [
        (all(), vec![0, 1, 2, 3, 4, 5, 6, 7]),
        (EventFilter { connections: vec![connection_id(1)], ..all() }, vec![0, 2, 4, 6]),
        (EventFilter { connections: vec![connection_id(1), connection_id(9)], ..all() }, vec![0, 2, 4, 6]),
        (EventFilter { connections: vec![connection_id(9)], ..all() }, vec![]),
        (EventFilter { sources: vec![source_id(1)], ..all() }, vec![2, 3, 6, 7]),
        (EventFilter { destinations: vec![destination_id(1)], ..all() }, vec![0, 2, 3, 4, 6]),
        (EventFilter { created: Span { from: Some(second), before: None }, ..all() }, vec![2, 3, 4, 5, 6, 7]),
        (EventFilter { created: Span { from: Some(second.plus_ms(1)), before: None }, ..all() }, vec![4, 5, 6, 7]),
        (EventFilter { created: Span { from: None, before: Some(second) }, ..all() }, vec![0, 1]),
        (EventFilter { created: Span { from: None, before: Some(second.plus_ms(1)) }, ..all() }, vec![0, 1, 2, 3]),
        (EventFilter { created: Span { from: Some(second), before: Some(second) }, ..all() }, vec![]),
        (EventFilter { statuses: vec![EventStatus::Failed], ..all() }, vec![7]),
        (EventFilter { statuses: vec![EventStatus::Failed, EventStatus::Successful], ..all() }, vec![6, 7]),
        (EventFilter { statuses: vec![EventStatus::Scheduled, EventStatus::Hold], ..all() }, vec![]),
        (EventFilter { statuses: vec![EventStatus::Queued], sources: vec![source_id(1)], ..all() }, vec![2, 3]),
        (EventFilter { sources: vec![source_id(0)], response_statuses: answered(&[(0, 999)]), ..all() }, vec![]),
    ];
    let now = subject.clock().now();
    through(subject, |store| {
        for (filter, places) in &cases {
            let expected: Vec<Seq> = places.iter().map(|place: &usize| events[*place].seq).collect();
            assert_eq!(found(store, filter, now), expected, "{filter:?}");
        }
    });
}

pub fn response_statuses_are_those_of_the_last_attempt(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1; 5]);
    let waiting = Phase::Waiting { due_at: START };
    let first = attempt(&*store, &events[0], START, 503, waiting);
    attempt(&*store, &first, START, 200, Phase::Successful);
    attempt(&*store, &events[1], START, 503, waiting);
    let summary = |status| AttemptSummary {
        resumed: false,
        status: crate::domain::AttemptStatus::Failed,
        trigger: AttemptTrigger::Initial,
        started_at: START,
        latency_ms: 1,
        result: AttemptResult::Failed { error: ErrorCode::Timeout, status },
    };
    for (place, status) in [(2, None), (3, Some(200))] {
        let mut event = moved(&events[place], Phase::Failed);
        event.attempts.push(summary(status));
        record(&*store, event, None);
    }
    drop(store);
    through(subject, |store| {
        let places = |ranges: &[(u16, u16)]| {
            let filter = EventFilter { response_statuses: answered(ranges), ..EventFilter::default() };
            found(store, &filter, START).iter().map(|seq| seq - events[0].seq).collect::<Vec<_>>()
        };
        assert_eq!(places(&[(200, 200)]), [0, 3]);
        assert_eq!(places(&[(201, 502)]), [0; 0]);
        assert_eq!(places(&[(201, 503)]), [1]);
        assert_eq!(places(&[(503, 599)]), [1]);
        assert_eq!(places(&[(504, 599), (100, 200)]), [0, 3]);
        assert_eq!(places(&[(0, u16::MAX)]), [0, 1, 3]);
    });
}

pub fn pages_walk_both_ways_without_gap_or_repetition(subject: &mut dyn Subject) {
    let mut all = Vec::new();
    for n in 0..10 {
        all.extend(accept_events(&*subject.store(), n, &[1, 2, 1]));
    }
    let of_two: Vec<Event> = all.iter().filter(|event| event.connection_id == connection_id(2)).cloned().collect();
    let filter = EventFilter { connections: vec![connection_id(2)], ..EventFilter::default() };
    through(subject, |store| {
        for limit in [1, 2, 3, 5, 9, 10, 29, 30, 31] {
            for (filter, expected) in [(&EventFilter::default(), &all), (&filter, &of_two)] {
                assert!(walk(store, filter, false, limit, START) == *expected, "oldest first, pages of {limit}");
                let newest_first = walk(store, filter, true, limit, START);
                assert!(newest_first.iter().rev().eq(expected), "newest first, pages of {limit}");
            }
        }
        // A cursor needs no event that matches, nor one that exists.
        let page = |descending, after| {
            let page =
                PageRequest { order: EventOrder::Created, descending, after: Some(EventKey::at_seq(after)), limit: 1 };
            let page = store.events(&filter, &page, START).unwrap();
            (bare(page.events), page.more)
        };
        assert_eq!(page(false, all[2].seq).0, [all[4].clone()]);
        assert_eq!(page(true, all[3].seq).0, [all[1].clone()]);
        let beyond = all[29].seq + 5_000;
        assert_eq!((page(true, beyond).0, page(false, beyond).0), (vec![all[28].clone()], vec![]));
        assert_eq!(page(true, all[4].seq), (vec![all[1].clone()], false));
        assert!(page(true, all[0].seq).0.is_empty());
    });
}

pub fn cursors_stay_in_place_while_new_events_arrive(subject: &mut dyn Subject) {
    let store = subject.store();
    let old: Vec<Event> = (0..6).flat_map(|n| accept_events(&*store, n, &[1])).collect();
    let page = |descending, after| {
        let page = PageRequest { order: EventOrder::Created, descending, after, limit: 2 };
        let page = store.events(&EventFilter::default(), &page, START).unwrap();
        (bare(page.events), page.more)
    };
    assert_eq!(page(true, None).0, [old[5].clone(), old[4].clone()]);
    accept(&*store, 6, &[1, 1]);
    let next = page(true, Some(EventKey::at_seq(old[4].seq)));
    assert_eq!(next, (vec![old[3].clone(), old[2].clone()], true));
    subject.settle();
    accept(&*store, 7, &[1]);
    let last = page(true, Some(EventKey::at_seq(old[2].seq)));
    assert_eq!(last, (vec![old[1].clone(), old[0].clone()], false));
    // The other way, what is new comes at the end.
    let page = page(false, Some(EventKey::at_seq(old[5].seq)));
    let arrived: Vec<Event> = (6..8).flat_map(|n| store.events_of(request(n).id).unwrap()).collect();
    assert_eq!(page, (arrived[..2].to_vec(), true));
    // A filter that an event leaves while it is paged through: the cursor still stands.
    let queued = EventFilter { statuses: vec![EventStatus::Queued], ..EventFilter::default() };
    attempt(&*store, &old[2], START, 200, Phase::Successful);
    let from = PageRequest {
        order: EventOrder::Created,
        descending: true,
        after: Some(EventKey::at_seq(old[2].seq)),
        limit: 5,
    };
    assert_eq!(bare(store.events(&queued, &from, START).unwrap().events), [old[1].clone(), old[0].clone()]);
}

pub fn a_histogram_counts_on_its_edges(subject: &mut dyn Subject) {
    for (n, ms) in [0, 99, 100, 100, 199, 200, 299, 300].into_iter().enumerate() {
        subject.clock().set(START.plus_ms(ms));
        accept(&*subject.store(), n as u64, &[n as u64 % 2]);
    }
    let now = subject.clock().now();
    through(subject, |store| {
        let histogram = |filter: &EventFilter, start, bucket_ms, buckets| {
            store.histogram(filter, Histogram { start, bucket_ms, buckets }, now).unwrap()
        };
        let all = EventFilter::default();
        assert_eq!(histogram(&all, START, 100, 3), [2, 3, 2]);
        assert_eq!(histogram(&all, START.plus_ms(1), 100, 3), [3, 2, 2]);
        assert_eq!(histogram(&all, START.minus_ms(100), 100, 5), [0, 2, 3, 2, 1]);
        assert_eq!(histogram(&all, START, 1_000, 2), [8, 0]);
        assert_eq!(histogram(&all, START.plus_ms(300), 1, 1), [1]);
        assert_eq!(histogram(&all, START.plus_ms(301), 100, 2), [0, 0]);
        assert_eq!(histogram(&all, START.minus_ms(1_000), 100, 10), [0; 10]);
        assert_eq!(histogram(&all, Timestamp::EPOCH, u64::MAX, 1), [8]);
        assert!(histogram(&all, START, 100, 0).is_empty());
        let odd = EventFilter { connections: vec![connection_id(1)], ..all.clone() };
        assert_eq!(histogram(&odd, START, 100, 4), [1, 1, 1, 1]);
        let cut =
            EventFilter { created: Span { from: Some(START.plus_ms(100)), before: Some(START.plus_ms(299)) }, ..all };
        assert_eq!(histogram(&cut, START, 100, 4), [0, 3, 1, 0]);
    });
}

pub fn the_status_follows_pause_and_due_time(subject: &mut dyn Subject) {
    let due_at = START.plus_ms(60_000);
    let events = accept_events(&*subject.store(), 0, &[1, 1, 1, 1, 2, 2]);
    for (place, phase) in
        [(1, Phase::Waiting { due_at }), (2, Phase::Failed), (3, Phase::Successful), (5, Phase::Waiting { due_at })]
    {
        attempt(&*subject.store(), &events[place], START, 500, phase);
    }
    let check = |store: &dyn Store, now, expected: [(EventStatus, &[u64]); 3]| {
        for (status, places) in expected {
            let filter = EventFilter { statuses: vec![status], ..EventFilter::default() };
            let found: Vec<Seq> = found(store, &filter, now).iter().map(|seq| seq - events[0].seq).collect();
            assert_eq!(found, places, "{status:?} at {now}");
            let whole = Histogram { start: START, bucket_ms: 1, buckets: 1 };
            assert_eq!(store.histogram(&filter, whole, now), Ok(vec![places.len() as u64]));
        }
    };
    let (queued, hold, failed) = (EventStatus::Queued, EventStatus::Hold, EventStatus::Failed);
    let unpaused = |store: &dyn Store| {
        for now in [START, due_at] {
            check(store, now, [(queued, &[0, 4]), (hold, &[]), (failed, &[1, 2, 5])]);
        }
    };
    let pause = |subject: &dyn Subject, version, paused_at| {
        let item = ConfigItem::Connection(connection(1, version, paused_at));
        drop(subject.store().put_config(vec![item]).wait().unwrap());
    };
    unpaused(&*subject.store());
    pause(subject, 1, Some(START));
    through(subject, |store| {
        check(store, due_at.minus_ms(1), [(queued, &[4]), (hold, &[0]), (failed, &[1, 2, 5])]);
        check(store, due_at, [(queued, &[4]), (hold, &[0, 1]), (failed, &[2, 5])]);
    });
    pause(subject, 2, None);
    through(subject, unpaused);
}

pub fn many_events_are_listed_as_few_are(subject: &mut dyn Subject) {
    const REQUESTS: u64 = 5;
    const EACH: usize = 700;
    let mut events: Vec<Event> = Vec::new();
    for n in 0..REQUESTS {
        subject.clock().set(START.plus_ms(n * 1_000));
        let connections: Vec<u64> = (0..EACH as u64).map(|n| n % 7 / 2).collect();
        events.extend(accept_events(&*subject.store(), n, &connections));
    }
    let change = |event: &mut Event, status, phase| {
        *event = attempt(&*subject.store(), event, START, status, phase);
    };
    let due_at = START.plus_ms(4_000);
    for event in events.iter_mut().step_by(3) {
        change(event, 200, Phase::Successful);
    }
    subject.settle();
    // Scattered late changes over what has been settled: some again, some for the first time.
    for event in events.iter_mut().step_by(41) {
        change(event, 503, Phase::Waiting { due_at });
    }
    for event in events.iter_mut().skip(1_000).take(60) {
        change(event, 410, Phase::Failed);
    }
    let item = ConfigItem::Connection(connection(1, 1, Some(START)));
    drop(subject.store().put_config(vec![item]).wait().unwrap());
    let configuration = subject.store().configuration();
    through(subject, |store| {
        for now in [due_at.minus_ms(1), due_at] {
            for filter in every_filter() {
                assert_listed(store, &events, &configuration, &filter, 250, now);
            }
        }
    });
}
