//! What the behaviours are written with: ids, requests, transitions, an ear for offers, and stages of a store's life.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;

use super::{Happening, START, Subject};
use crate::{
    domain::{
        AttemptRecord, AttemptResult, AttemptSummary, AttemptTrigger, Connection, ConnectionId, DestinationId, Event,
        Phase, Request, RequestId, Route, Seq, SourceId, Timestamp,
    },
    store::{
        Accepted, CommitListener, EventFilter, EventKey, EventOrder, KeptEvent, NewRequest, Offer, PageRequest, Store,
        Transition,
    },
};

/// How long a fact may take to come about before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connection `n`.
pub fn connection_id(n: u64) -> ConnectionId {
    ConnectionId::from_parts(START, u128::from(n) << 40)
}

/// Source `n`.
pub fn source_id(n: u64) -> SourceId {
    SourceId::from_parts(START, u128::from(n) << 41)
}

/// Destination `n`.
pub fn destination_id(n: u64) -> DestinationId {
    DestinationId::from_parts(START, u128::from(n) << 42)
}

/// Request `n`, drawn at `at`; far enough from its neighbours that no ids meet.
pub fn request_id(n: u64, at: Timestamp) -> RequestId {
    RequestId::from_parts(at, (u128::from(n) + 1) << 48)
}

/// Route over connection `n` to destination `n`.
pub fn route(n: u64) -> Route {
    Route { connection_id: connection_id(n), destination_id: destination_id(n), generation: 0 }
}

/// A small request, number `n`, drawn at [`START`] and later by `n` milliseconds.
pub fn request(n: u64) -> Request {
    let at = START.plus_ms(n);
    Request {
        id: request_id(n, at),
        source_id: source_id(0),
        received_at: at,
        method: "POST".to_owned(),
        path: String::new(),
        query: None,
        headers: vec![("content-type".to_owned(), Bytes::from_static(b"application/json"))],
        body: Bytes::from(format!("{{\"number\":{n}}}")),
        body_truncated: false,
        client_ip: None,
    }
}

/// A request with its routes over these connections.
pub fn new_request(request: Request, connections: &[u64]) -> NewRequest {
    NewRequest {
        request: Arc::new(request),
        routes: connections.iter().map(|n| route(*n)).collect(),
        first_index: 0,
        documents: Vec::new(),
        ignored: Vec::new(),
        rejection: connections.is_empty().then_some(crate::domain::RejectionCause::NoConnection),
        body_permit: None,
    }
}

/// Accepts request `n` with one event on each of these connections.
pub fn accept(store: &dyn Store, n: u64, connections: &[u64]) -> Accepted {
    store.accept(new_request(request(n), connections)).wait().unwrap()
}

/// Accepts as [`accept`] does and answers the events as they are stored.
pub fn accept_events(store: &dyn Store, n: u64, connections: &[u64]) -> Vec<Event> {
    accept(store, n, connections);
    store.events_of(request(n).id).unwrap()
}

/// What an accepted request's event must be.
pub fn fresh_event(new: &NewRequest, accepted: &Accepted, index: u16) -> Event {
    let route = new.routes[usize::from(index)];
    Event {
        seq: accepted.first_seq + u64::from(index),
        request_id: new.request.id,
        index,
        connection_id: route.connection_id,
        source_id: new.request.source_id,
        destination_id: route.destination_id,
        created_at: accepted.created_at,
        version: 0,
        phase: Phase::Ready { due_at: accepted.created_at, trigger: AttemptTrigger::Initial, automatic_due: None },
        generation: route.generation,
        automatic_used: 0,
        bulk_id: None,
        deleted_at: None,
        attempts: Vec::new(),
    }
}

/// The event one version later in another phase.
pub fn moved(event: &Event, phase: Phase) -> Event {
    Event { version: event.version + 1, phase, ..event.clone() }
}

/// The event one version and one attempt later.
pub fn tried(event: &Event, at: Timestamp, status: u16, phase: Phase) -> Event {
    let mut event = moved(event, phase);
    event.attempts.push(AttemptSummary {
        resumed: false,
        status: crate::domain::AttemptStatus::Failed,
        trigger: AttemptTrigger::Initial,
        started_at: at,
        latency_ms: 12,
        result: AttemptResult::Answered { status },
    });
    event
}

/// Details of an attempt, with a body of its own.
pub fn attempt_record(body: &str) -> AttemptRecord {
    AttemptRecord {
        url: "https://example.com/hook".to_owned(),
        method: "POST".to_owned(),
        response_body: Bytes::copy_from_slice(body.as_bytes()),
        ..AttemptRecord::default()
    }
}

/// Records a change and answers the event as it is now.
pub fn record(store: &dyn Store, event: Event, attempt: Option<AttemptRecord>) -> Event {
    store.record(Transition { event: event.clone(), attempt }).wait().unwrap();
    event
}

/// Records one attempt that was answered with `status`.
pub fn attempt(store: &dyn Store, event: &Event, at: Timestamp, status: u16, phase: Phase) -> Event {
    record(store, tried(event, at, status, phase), Some(attempt_record("answer")))
}

/// Connection `n` from source 0, with this version and pause.
pub fn connection(n: u64, version: u32, paused_at: Option<Timestamp>) -> Connection {
    Connection {
        id: connection_id(n),
        name: Some(format!("connection {n}")),
        description: None,
        source_id: source_id(0),
        destination_id: destination_id(n),
        rules: Vec::new(),
        paused_at,
        unpaused_at: None,
        generation: 0,
        disabled_at: None,
        deleted_at: None,
        created_at: START,
        updated_at: START,
        version,
    }
}

/// The whole queue of connection `n`, walked with pages of `limit`.
pub fn queue(store: &dyn Store, n: u64, due_before: Timestamp, limit: usize) -> Vec<KeptEvent> {
    let mut all: Vec<KeptEvent> = Vec::new();
    loop {
        let from = all.last().and_then(|last| last.event.queue_key());
        let page = store.pending(connection_id(n), due_before, from, limit).unwrap();
        assert!(page.events.len() <= limit, "a page of at most {limit} has {}", page.events.len());
        assert!(!page.more || !page.events.is_empty(), "an empty page promises more");
        let goes_on = page.events.first().is_none_or(|first| first.event.queue_key() > from);
        assert!(goes_on, "a page does not go on where the last one ended");
        all.extend(page.events);
        if !page.more {
            return all;
        }
    }
}

/// The seqs of a queue.
pub fn queued_seqs(store: &dyn Store, n: u64, due_before: Timestamp) -> Vec<Seq> {
    queue(store, n, due_before, 100).iter().map(|pending| pending.event.seq).collect()
}

/// The events of a page, without where their requests lie.
pub fn bare(events: Vec<KeptEvent>) -> Vec<Event> {
    events.into_iter().map(|kept| kept.event).collect()
}

/// Every event that matches, in order of creation, walked with pages of `limit`.
pub fn walk(store: &dyn Store, filter: &EventFilter, descending: bool, limit: usize, now: Timestamp) -> Vec<Event> {
    walk_by(store, filter, PageRequest { order: EventOrder::Created, descending, after: None, limit }, now)
}

/// Every event that matches, walked with pages like the first.
pub fn walk_by(store: &dyn Store, filter: &EventFilter, first: PageRequest, now: Timestamp) -> Vec<Event> {
    let PageRequest { order, descending, limit, .. } = first;
    let place = |event: &Event| match order {
        EventOrder::Created => EventKey::at_seq(event.seq),
        EventOrder::LastAttempt => EventKey::of(event),
    };
    let mut all: Vec<Event> = Vec::new();
    loop {
        let page = store.events(filter, &PageRequest { after: all.last().map(place), ..first }, now).unwrap();
        assert!(page.events.len() <= limit, "a page of at most {limit} has {}", page.events.len());
        assert!(!page.more || !page.events.is_empty(), "an empty page promises more");
        let events = bare(page.events);
        let goes_on = match (all.last(), events.first()) {
            (Some(last), Some(first)) => place(first) != place(last) && (place(first) < place(last)) == descending,
            (None, _) | (_, None) => true,
        };
        assert!(goes_on, "a page does not go on where the last one ended");
        all.extend(events);
        if !page.more {
            return all;
        }
    }
}

/// Checks the same thing at once, and again after each thing that can happen to a store between two questions.
pub fn through(subject: &mut dyn Subject, check: impl Fn(&dyn Store)) {
    let stages: [(&str, Happening); 6] = [
        ("at once", |_| ()),
        ("after a crash", |subject| subject.crash()),
        ("settled", |subject| subject.settle()),
        ("after a crash when settled", |subject| subject.crash()),
        ("reopened", |subject| subject.reopen()),
        ("reopened and settled", |subject| subject.settle()),
    ];
    for (name, bring_about) in stages {
        let _told = TellStage(name);
        bring_about(subject);
        check(&*subject.store());
    }
}

/// Names the stage when its check panics.
struct TellStage(&'static str);

impl Drop for TellStage {
    #[expect(clippy::print_stderr, reason = "a failing test says where")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the check failed: {}", self.0);
        }
    }
}

/// Hears the offers of a store.
pub struct Ear(mpsc::Receiver<(ConnectionId, Vec<Offer>)>);

impl Ear {
    /// Listens from now on.
    pub fn to(store: &dyn Store) -> Self {
        struct Mouth(mpsc::Sender<(ConnectionId, Vec<Offer>)>);
        impl CommitListener for Mouth {
            fn offered(&self, connection: ConnectionId, offers: Vec<Offer>) {
                // Nobody hears any more once the behaviour has ended.
                drop(self.0.send((connection, offers)));
            }
        }
        let (mouth, ear) = mpsc::channel();
        store.listen(Arc::new(Mouth(mouth)));
        Self(ear)
    }

    /// Waits for the next call.
    pub fn next(&self) -> (ConnectionId, Vec<Offer>) {
        self.0.recv_timeout(PATIENCE).expect("an offer comes")
    }

    /// Waits for this many offers, in the order of the calls.
    pub fn next_offers(&self, count: usize) -> Vec<Offer> {
        let mut offers = Vec::new();
        while offers.len() < count {
            offers.extend(self.next().1);
        }
        offers
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it did not come about: {what}");
        std::thread::yield_now();
    }
}
