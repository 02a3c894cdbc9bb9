//! The end of a store, and commits that nobody awaits.

use super::{
    Happening, START, Subject,
    kit::{accept, accept_events, connection, moved, new_request, queued_seqs, request, tried},
};
use crate::{
    domain::{ConfigItem, Phase},
    store::{StoreError, Transition},
};

pub fn a_closed_store_refuses_changes(subject: &mut dyn Subject) {
    let store = subject.store();
    let event = accept_events(&*store, 0, &[1]).remove(0);
    assert_eq!((store.accepting(), store.ready()), (Ok(()), Ok(())));
    store.close();
    store.close();
    let change = Transition { event: moved(&event, Phase::Cancelled { unsent: None }), attempt: None };
    assert_eq!(store.accept(new_request(request(1), &[1])).wait(), Err(StoreError::Closed));
    assert_eq!(store.record(change.clone()).wait(), Err(StoreError::Closed));
    let item = ConfigItem::Connection(connection(1, 1, None));
    assert!(matches!(store.put_config(vec![item]).wait(), Err(StoreError::Closed)));
    assert_eq!((store.accepting(), store.ready()), (Err(StoreError::Closed), Err(StoreError::Closed)));
    drop(store);
    subject.reopen();
    let store = subject.store();
    assert_eq!((store.accepting(), store.ready()), (Ok(()), Ok(())));
    assert_eq!(store.event(event.id()).unwrap().event, event);
    assert_eq!(store.record(change).wait(), Ok(()));
}

pub fn what_was_submitted_before_closing_is_kept(subject: &mut dyn Subject) {
    let store = subject.store();
    let event = accept_events(&*store, 0, &[1]).remove(0);
    let tried = tried(&event, START, 200, Phase::Successful);
    store.record(Transition { event: tried.clone(), attempt: None }).detach();
    for n in 1..100 {
        store.accept(new_request(request(n), &[2])).detach();
    }
    store.put_config(vec![ConfigItem::Connection(connection(1, 1, None))]).detach();
    store.close();
    drop(store);
    subject.reopen();
    let store = subject.store();
    assert_eq!(store.event(event.id()).unwrap().event, tried);
    assert_eq!(queued_seqs(&*store, 2, START).len(), 99);
    assert_eq!(store.configuration().connections.len(), 1);
}

pub fn whether_an_end_was_idle_is_kept_by_an_orderly_one_alone(subject: &mut dyn Subject) {
    assert!(!subject.store().resumes(), "nothing was ever sent");
    accept(&*subject.store(), 0, &[1]);
    // What is said before the end, how it ends, and what the next one finds.
    let ends: [(Option<bool>, Happening, bool); 8] = [
        (None, |subject| subject.reopen(), false),
        (Some(false), |subject| subject.reopen(), true),
        (None, |subject| subject.reopen(), true),
        (Some(true), |subject| subject.reopen(), false),
        (Some(true), |subject| subject.crash(), true),
        (None, |subject| subject.reopen(), true),
        (Some(true), |subject| subject.reopen(), false),
        (None, |subject| subject.crash(), true),
    ];
    for (n, (said, end, resumes)) in ends.into_iter().enumerate() {
        let before = subject.store().resumes();
        if let Some(idle) = said {
            subject.store().set_idle(idle);
        }
        subject.settle();
        assert_eq!(subject.store().resumes(), before, "the same as long as it is open");
        end(subject);
        assert_eq!(subject.store().resumes(), resumes, "end {n}");
    }
}

pub fn a_commit_that_nobody_awaits_happens_all_the_same(subject: &mut dyn Subject) {
    let store = subject.store();
    let event = accept_events(&*store, 0, &[1]).remove(0);
    let mut tried_again = event.clone();
    for n in 0..20 {
        tried_again = tried(&tried_again, START, 500, Phase::Waiting { due_at: START.plus_ms(n) });
        store.record(Transition { event: tried_again.clone(), attempt: None }).detach();
        store.accept(new_request(request(n + 1), &[2])).detach();
    }
    // A later change that is seen brings all earlier ones with it, over a crash too.
    let last = accept(&*store, 100, &[2]);
    let earlier: Vec<u64> = (0..21).map(|n| event.seq + 1 + n).collect();
    assert_eq!(last.first_seq, event.seq + 21);
    assert_eq!(queued_seqs(&*store, 2, START), earlier);
    assert_eq!(store.event(event.id()).unwrap().event, tried_again);
    drop(store);
    subject.crash();
    assert_eq!(queued_seqs(&*subject.store(), 2, START), earlier);
    assert_eq!(subject.store().event(event.id()).unwrap().event, tried_again);
}
