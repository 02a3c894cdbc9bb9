//! The change feed, and the rows that it leads to.

use std::sync::Arc;

use super::{
    START, Subject,
    kit::{accept, accept_events, attempt, connection, moved, record, through},
};
use crate::{
    domain::{ConfigItem, Event, Phase, Seq},
    store::{Change, StoreError, Transition},
};

pub fn what_is_created_and_changed_is_noted_while_somebody_follows(subject: &mut dyn Subject) {
    let store = subject.store();
    let before = accept_events(&*store, 0, &[1]);
    let mut follower = store.changes().follow();
    assert_eq!(follower.read(9).changes, [], "nothing from before");
    let events = accept_events(&*store, 1, &[1, 2]);
    let tried = attempt(&*store, &events[1], START, 500, Phase::Failed);
    record(&*store, moved(&tried, Phase::Cancelled { unsent: None }), None);
    attempt(&*store, &before[0], START, 200, Phase::Successful);
    let change = |event: &Event, attempt| Change { seq: event.seq, connection: event.connection_id, attempt };
    let expected = [
        change(&events[0], 0),
        change(&events[1], 0),
        change(&events[1], 1),
        change(&events[1], 0),
        change(&before[0], 1),
    ];
    let stretch = follower.read(9);
    assert_eq!((stretch.changes.as_slice(), stretch.missed), (&expected[..], false));
}

pub fn what_changes_nothing_is_not_noted(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1]);
    let mut follower = store.changes().follow();
    accept(&*store, 0, &[1]);
    accept(&*store, 1, &[]);
    let stale = store.record(Transition { event: events[0].clone(), attempt: None }).wait();
    assert!(matches!(stale, Err(StoreError::Stale { .. })), "{stale:?}");
    drop(store.put_config(vec![ConfigItem::Connection(connection(1, 1, None))]).wait().unwrap());
    subject.settle();
    assert_eq!(follower.read(9).changes, []);
}

pub fn a_change_is_noted_before_it_is_answered_and_read_by_who_sees_it(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut follower = store.changes().follow();
    let writer = Arc::clone(&store);
    let writing = std::thread::spawn(move || {
        for n in 0..50 {
            let events = accept_events(&*writer, n, &[1]);
            attempt(&*writer, &events[0], START, 200, Phase::Successful);
        }
    });
    let mut seen = 0;
    while seen < 100 {
        for change in follower.read(7).changes {
            let rows = store.rows(&[change.seq]).unwrap();
            assert_eq!(rows.len(), 1, "{change:?}");
            assert!(rows[0].event.attempts.len() >= change.attempt as usize, "{change:?}");
            seen += 1;
        }
        std::thread::yield_now();
    }
    writing.join().unwrap();
    assert_eq!(follower.read(9).changes, []);
}

pub fn rows_are_read_by_their_numbers(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut events: Vec<Event> = (0..3).flat_map(|n| accept_events(&*store, n, &[1, 2])).collect();
    subject.settle();
    events[1] = attempt(&*store, &events[1], START, 500, Phase::Failed);
    events.extend(accept_events(&*store, 3, &[1]));
    drop(store);
    let asked: Vec<Seq> = [6, 1, 1, 4].into_iter().map(|place: usize| events[place].seq).chain([1 << 40]).collect();
    through(subject, |store| {
        let rows = store.rows(&asked).unwrap();
        let found: Vec<Event> = rows.iter().map(|kept| kept.event.clone()).collect();
        assert_eq!(found, [events[1].clone(), events[4].clone(), events[6].clone()]);
        for kept in rows {
            assert_eq!(store.request(kept.payload_ref).unwrap().id, kept.event.request_id);
        }
        assert_eq!(store.rows(&[]), Ok(vec![]));
    });
}

pub fn a_store_that_is_opened_again_knows_no_places_of_before(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut follower = store.changes().follow();
    accept(&*store, 0, &[1]);
    follower.skip();
    let place = follower.place();
    drop((follower, store));
    subject.clock().set(START.plus_ms(1));
    subject.reopen();
    let store = subject.store();
    let follower = store.changes().follow();
    assert!(follower.place() > place);
    assert_eq!(follower.since(place, 9), None);
}
