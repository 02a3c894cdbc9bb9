//! Where threads meet: one frame with changes that exclude each other, an overlay that was full, a segment that is still needed.

use std::{
    sync::{Arc, Barrier, mpsc},
    time::Duration,
};

use tokio::sync::oneshot;

use super::kit::{LocalSubject, accept, accept_all, everything, finish, finish_all, now};
use crate::{
    domain::{AttemptResult, AttemptSummary, AttemptTrigger, ConnectionId, Phase},
    store::{
        CommitListener, Offer, StoreError, Transition,
        conformance::{Subject, kit::eventually},
        local::queue::Job,
    },
};

/// Keeps the writer busy until the test has submitted what shall share a frame.
struct Gate {
    reached: mpsc::SyncSender<()>,
    opened: Arc<Barrier>,
}

impl CommitListener for Gate {
    fn offered(&self, _: ConnectionId, _: Vec<Offer>) {
        self.reached.send(()).unwrap();
        self.opened.wait();
    }
}

#[test]
fn a_retry_that_meets_its_event_expiring_is_refused_and_not_lost() {
    let subject = LocalSubject::new();
    let store = subject.store();
    let event = accept(store.as_ref(), 10);
    let mut event = finish(store.as_ref(), event, now(&subject), 500);
    let (reached, at_gate) = mpsc::sync_channel(1);
    let opened = Arc::new(Barrier::new(2));
    store.listen(Arc::new(Gate { reached, opened: Arc::clone(&opened) }));
    let busy = std::thread::spawn({
        let store = Arc::clone(&store);
        move || accept(store.as_ref(), 10)
    });
    at_gate.recv_timeout(Duration::from_secs(20)).unwrap();
    let (answer, forgotten) = oneshot::channel();
    let gone = Job::Gone { events: vec![(event.seq, event.version)], answer };
    subject.local().shared.queue.push(gone).unwrap();
    event.version += 1;
    event.phase = Phase::Ready { due_at: now(&subject), trigger: AttemptTrigger::Manual, automatic_due: None };
    let retried = store.record(Transition { event: event.clone(), attempt: None });
    opened.wait();
    busy.join().unwrap();
    assert_eq!(forgotten.blocking_recv().unwrap(), Ok(1));
    assert_eq!(retried.wait(), Err(StoreError::NotFound));
    assert_eq!(store.event(event.id()), Err(StoreError::NotFound));
}

#[test]
fn requests_are_taken_again_once_a_full_overlay_was_folded() {
    let subject = LocalSubject::with(|options| options.overlay_bytes_max = 2_000);
    let store = subject.store();
    while store.accepting().is_ok() {
        accept(store.as_ref(), 10);
    }
    subject.settle();
    assert_eq!(store.accepting(), Ok(()));
    accept(store.as_ref(), 10);
}

#[test]
fn a_segment_that_a_start_would_replay_stays() {
    let mut subject = LocalSubject::with(|options| {
        options.segment_bytes = 64 * 1024;
        options.quota_bytes = Some(64 * 1024);
    });
    let store = subject.store();
    accept(store.as_ref(), 10);
    // The last checkpoint: what follows would be replayed.
    subject.settle();
    let mut events = accept_all(store.as_ref(), [1_000; 400]);
    events.truncate(398);
    finish_all(store.as_ref(), events, now(&subject), 200);
    subject.local().retain_now().unwrap();
    let kept = everything(store.as_ref());
    drop(store);
    subject.crash();
    assert_eq!(everything(subject.store().as_ref()), kept);
    // The next one lets them go.
    subject.settle();
    assert!(subject.local().retain_now().unwrap() > 0);
    let kept = everything(subject.store().as_ref());
    subject.crash();
    assert_eq!(everything(subject.store().as_ref()), kept);
}

#[test]
fn an_overlay_full_of_long_histories_is_folded_before_it_refuses_requests() {
    let subject = LocalSubject::with(|options| options.overlay_bytes_max = 200_000);
    let store = subject.store();
    let mut event = accept(store.as_ref(), 10);
    // One row alone is more than half of what there may be.
    let attempt = AttemptSummary {
        resumed: false,
        status: crate::domain::AttemptStatus::Failed,
        trigger: AttemptTrigger::Manual,
        started_at: now(&subject),
        latency_ms: 1,
        result: AttemptResult::Answered { status: 500 },
    };
    event.attempts = vec![attempt; 1_600];
    event.version += 1;
    store.record(Transition { event: event.clone(), attempt: None }).wait().unwrap();
    eventually("the row is folded", || store.stats().overlay_bytes == 0);
    assert_eq!(store.event(event.id()).unwrap().event, event);
}
