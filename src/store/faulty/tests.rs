//! That faults strike when they are told to, and that held changes stay in order.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{FaultyStore, Write};
use crate::{
    clock::ManualClock,
    domain::Phase,
    store::{
        Store, StoreError, Transition,
        conformance::{
            START,
            kit::{accept, accept_events, connection, connection_id, moved, new_request, queued_seqs, request},
        },
        memory::MemoryStore,
    },
};

fn store() -> FaultyStore {
    FaultyStore::over(Arc::new(MemoryStore::new(Arc::new(ManualClock::starting_at(START)))))
}

#[test]
fn the_nth_write_of_its_kind_fails_once_and_changes_nothing() {
    let store = store();
    store.fail(Write::Accept, 2, StoreError::Overloaded("the queue"));
    store.fail(Write::Accept, 3, StoreError::DiskFull { low_bytes: 7 });
    store.fail(Write::PutConfig, 1, StoreError::Conflict);
    let outcomes: Vec<_> = (0..4).map(|n| store.accept(new_request(request(n), &[1])).wait().map(drop)).collect();
    let expected =
        [Ok(()), Err(StoreError::Overloaded("the queue")), Err(StoreError::DiskFull { low_bytes: 7 }), Ok(())];
    assert_eq!(outcomes, expected);
    assert_eq!(queued_seqs(&store, 1, START).len(), 2);
    let item = crate::domain::ConfigItem::Connection(connection(1, 1, None));
    assert!(matches!(store.put_config(vec![item.clone()]).wait(), Err(StoreError::Conflict)));
    assert!(store.put_config(vec![item]).wait().unwrap().connections.contains_key(&connection_id(1)));
}

#[test]
fn held_changes_happen_one_by_one_in_order() {
    let store = store();
    let event = accept_events(&store, 0, &[1]).remove(0);
    store.hold();
    let mut cancelled =
        store.record(Transition { event: moved(&event, Phase::Cancelled { unsent: None }), attempt: None });
    let mut accepted = store.accept(new_request(request(1), &[1]));
    assert!((&mut cancelled).now_or_never().is_none() && store.held() == 2);
    assert_eq!(queued_seqs(&store, 1, START), [event.seq]);
    assert!(store.release_one());
    assert_eq!((&mut cancelled).now_or_never(), Some(Ok(())));
    assert!((&mut accepted).now_or_never().is_none());
    assert!(queued_seqs(&store, 1, START).is_empty());
    store.release_all();
    assert_eq!(accepted.now_or_never().unwrap().unwrap().first_seq, event.seq + 1);
    assert!(!store.release_one());
    assert_eq!(accept(&store, 2, &[1]).first_seq, event.seq + 2);
}

#[test]
fn a_held_commit_over_a_slow_store_is_answered_when_that_answers() {
    let slow = Arc::new(store());
    slow.hold();
    let outer = FaultyStore::over(Arc::clone(&slow) as _);
    outer.hold();
    let commit = outer.accept(new_request(request(0), &[1]));
    outer.release_all();
    assert_eq!((outer.held(), slow.held()), (0, 1));
    slow.release_all();
    assert_eq!(commit.wait().unwrap().events, 1);
}
