//! Events cut by their connection: pending as stored, cancelled for everybody who asks.

use super::{
    START, Subject,
    kit::{
        accept_events, attempt, connection, connection_id, moved, new_request, queued_seqs, record, request, through,
    },
};
use crate::{
    domain::{AttemptTrigger, ConfigItem, Connection, Event, EventStatus, Phase, Route, Timestamp},
    store::{EventFilter, Histogram, Store},
};

/// Raises connection 1 to a generation, as disabling it does.
fn cut(store: &dyn Store, generation: u32) {
    let version = store.configuration().connections.get(&connection_id(1)).map_or(0, |stored| stored.version);
    let item = ConfigItem::Connection(Connection { generation, ..connection(1, version + 1, None) });
    store.put_config(vec![item]).wait().unwrap();
}

/// Accepts request `n` with one event on connection 1, of a generation.
fn accept_of(store: &dyn Store, n: u64, generation: u32) -> Event {
    let mut new = new_request(request(n), &[1]);
    new.routes = vec![Route { generation, ..new.routes[0] }];
    store.accept(new).wait().unwrap();
    store.events_of(request(n).id).unwrap().remove(0)
}

fn with(status: EventStatus) -> EventFilter {
    EventFilter { statuses: vec![status], ..EventFilter::default() }
}

pub fn events_cut_by_their_connection_are_cancelled_and_never_pending_again(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1, 1, 1, 2]);
    let due_at = START.plus_ms(1_000);
    attempt(&*store, &events[1], START, 503, Phase::Waiting { due_at });
    attempt(&*store, &events[2], START, 200, Phase::Successful);
    // Some of what is cut is folded before, some after.
    subject.settle();
    let late = accept_events(&*store, 1, &[1]).remove(0);
    cut(&*store, 1);
    drop(store);
    through(subject, |store| {
        let page = store.pending(connection_id(1), START, None, 10).unwrap();
        assert!(page.events.is_empty() && !page.more && page.next_due.is_none(), "{page:?}");
        assert!(queued_seqs(store, 1, Timestamp::MAX).is_empty());
        assert_eq!(queued_seqs(store, 2, Timestamp::MAX), [events[3].seq]);
        let count = |status| store.count(&with(status), due_at).unwrap();
        assert_eq!(
            (count(EventStatus::Cancelled), count(EventStatus::Queued), count(EventStatus::Successful)),
            (3, 1, 1)
        );
        let cancelled = super::kit::walk(store, &with(EventStatus::Cancelled), false, 2, due_at);
        let seqs: Vec<_> = cancelled.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, [events[0].seq, events[1].seq, late.seq]);
        let shape = Histogram { start: START, bucket_ms: 3_600_000, buckets: 1 };
        assert_eq!(store.histogram(&with(EventStatus::Cancelled), shape, due_at), Ok(vec![3]));
        // What is stored is as it was: one record cut them all.
        assert_eq!(store.event(events[0].id()).unwrap().event, events[0]);
    });
}

pub fn a_retry_brings_a_cut_event_back(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1, 1]);
    subject.settle();
    cut(&*store, 1);
    let phase = Phase::Ready { due_at: START.plus_ms(5), trigger: AttemptTrigger::Manual, automatic_due: None };
    let asked = record(&*store, Event { generation: 1, ..moved(&events[0], phase) }, None);
    drop(store);
    through(subject, |store| {
        let page = store.pending(connection_id(1), START, None, 10).unwrap();
        assert_eq!(page.events.iter().map(|pending| &pending.event).collect::<Vec<_>>(), [&asked]);
        assert_eq!(store.request(page.events[0].payload_ref).unwrap(), request(0));
        assert_eq!(store.count(&with(EventStatus::Queued), START), Ok(1));
        assert_eq!(store.count(&with(EventStatus::Cancelled), START), Ok(1));
    });
    cut(&*subject.store(), 2);
    through(subject, |store| assert!(queued_seqs(store, 1, Timestamp::MAX).is_empty()));
}

pub fn what_a_queue_has_of_a_new_generation_comes_without_the_old(subject: &mut dyn Subject) {
    let mut expected = Vec::new();
    for generation in 0..3 {
        if generation > 0 {
            cut(&*subject.store(), generation);
        }
        let numbers = u64::from(generation) * 20..;
        expected = numbers.take(20).map(|n| accept_of(&*subject.store(), n, generation)).collect();
        for event in expected.iter().step_by(2) {
            attempt(&*subject.store(), event, START, 500, Phase::Waiting { due_at: START });
        }
        if generation == 1 {
            subject.settle();
        }
    }
    let mut seqs: Vec<_> = expected.iter().step_by(2).map(|event| (START, event.seq)).collect();
    seqs.extend(expected.iter().skip(1).step_by(2).map(|event| (event.created_at, event.seq)));
    seqs.sort_unstable();
    through(subject, |store| {
        assert_eq!(queued_seqs(store, 1, START), seqs.iter().map(|(_, seq)| *seq).collect::<Vec<_>>());
    });
}
