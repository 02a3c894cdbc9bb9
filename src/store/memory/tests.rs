//! The conformance suite over the memory store, and what only it promises.

use std::sync::{Arc, Weak};

use super::MemoryStore;
use crate::{
    clock::ManualClock,
    domain::ConnectionId,
    store::{
        CommitListener, Offer, Store, StoreError,
        conformance::{
            START, Subject, conformance_tests,
            kit::{accept, accept_events, new_request, request},
        },
    },
};

struct MemorySubject {
    store: Arc<MemoryStore>,
    clock: ManualClock,
}

impl Subject for MemorySubject {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn reopen(&mut self) {
        self.store.close();
        self.crash();
    }

    fn crash(&mut self) {
        self.store = Arc::new(self.store.restart());
    }

    fn settle(&self) {}

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

fn subject() -> Box<dyn Subject> {
    let clock = ManualClock::starting_at(START);
    Box::new(MemorySubject { store: Arc::new(MemoryStore::new(Arc::new(clock.clone()))), clock })
}

conformance_tests!(subject, cases: 64);

#[test]
fn a_restart_takes_everything_from_the_store_before() {
    let before = MemoryStore::new(Arc::new(ManualClock::starting_at(START)));
    let event = accept_events(&before, 0, &[1]).remove(0);
    let after = before.restart();
    assert_eq!(before.event(event.id()), Err(StoreError::Closed));
    assert_eq!(before.accept(new_request(request(1), &[1])).wait(), Err(StoreError::Closed));
    assert_eq!(after.event(event.id()).unwrap().event, event);
}

/// Accepts another request for the first offers it hears, and reads what it hears.
struct Echo(Weak<MemoryStore>, parking_lot::Mutex<Vec<u64>>);

impl CommitListener for Echo {
    fn offered(&self, _: ConnectionId, offers: Vec<Offer>) {
        let store = self.0.upgrade().unwrap();
        for offer in offers {
            assert_eq!(store.event(offer.event.id()).unwrap().event, offer.event);
            self.1.lock().push(offer.event.seq);
            if offer.event.seq < 5 {
                accept(&*store, offer.event.seq + 1, &[1]);
            }
        }
    }
}

#[test]
fn a_listener_may_read_and_accept() {
    let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::starting_at(START))));
    let echo = Arc::new(Echo(Arc::downgrade(&store), parking_lot::Mutex::default()));
    store.listen(Arc::clone(&echo) as _);
    accept(&*store, 0, &[1]);
    assert_eq!(*echo.1.lock(), [0, 1, 2, 3, 4, 5]);
}
