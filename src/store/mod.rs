//! The store: what is acknowledged is on disk, what is on disk can be asked for.
//!
//! [`Store`] speaks the domain's words and hides how that is done. [`local`] does it with a journal and sled;
//! `memory` keeps everything in a map, for tests on virtual time. One conformance suite runs over every implementation.
//!
//! Writes answer a [`Commit`]: a future that resolves when the change is durable (and visible to the next read).
//! They are *ordered when called*: what is submitted first is decided, stored and shown first, whether or not anybody
//! awaits the answer. Reads block for as long as a read from disk takes: call them from a blocking thread, not from an arbiter.

pub mod changes;
mod commit;
#[cfg(test)]
pub mod conformance;
#[cfg(any(test, feature = "test-util"))]
pub mod faulty;
pub mod local;
#[cfg(any(test, feature = "test-util"))]
pub mod memory;
pub mod query;
pub mod requests;
pub mod tallies;

use std::{collections::HashMap, sync::Arc};

use crate::domain::{
    AttemptId, AttemptRecord, ConfigItem, Configuration, ConnectionId, Document, DocumentKey, Event, EventId, Family,
    Ignored, RejectionCause, Request, RequestId, Route, Seq, Timestamp,
};
pub use changes::{Change, Changes, Follower, Place};
pub use commit::Commit;
pub use query::{EventFilter, EventKey, EventOrder, EventPage, Histogram, Moment, Optional, PageRequest};
pub use requests::{KeptRequest, RequestContent, RequestFilter, RequestPage, RequestStretch, RequestSummary};
pub use tallies::{Recent, Tally, TallyAsk};

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting to be written or folded; it passes by itself.
    #[error("the store is overloaded: {0} is full")]
    Overloaded(&'static str),
    /// Free space is below the limit; it passes when space returns.
    #[error("the disk is full: less than {low_bytes} bytes are free")]
    DiskFull {
        /// `store.disk_low_bytes`.
        low_bytes: u64,
    },
    /// The journal is over its quota and what fills it still waits; it passes when enough of that has settled.
    #[error("the journal is over its quota of {quota_bytes} bytes with events that are not settled yet")]
    OverQuota {
        /// `store.quota_bytes`.
        quota_bytes: u64,
    },
    /// State is being rebuilt from the journal; accepting goes on.
    #[error("state is being rebuilt: {percent} % done")]
    Rebuilding {
        /// 0 to 100.
        percent: u8,
    },
    /// The event changed since the caller looked: another version is stored.
    #[error("event {seq} is at version {stored}, not at the one before {given}")]
    Stale {
        /// The event.
        seq: Seq,
        /// Its version in the store.
        stored: u32,
        /// The version the caller wanted to store.
        given: u32,
    },
    /// A configuration item changed since the caller looked.
    #[error("the item changed meanwhile: read it again and repeat the change")]
    Conflict,
    /// What was asked for is not there, or no longer.
    #[error("not found")]
    NotFound,
    /// The data of a request was erased: nobody may read it any more.
    #[error("the data of this request was erased at {at}")]
    Erased {
        /// When.
        at: Timestamp,
    },
    /// What was asked for is damaged on disk.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The operating system refused.
    #[error("{0}")]
    Io(String),
}

/// A request to accept, with its fan-out.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// What arrived. `Arc`, because deliveries read the same body.
    pub request: Arc<Request>,
    /// One event for each, in this order; at most 10 000.
    pub routes: Vec<Route>,
    /// The place of the first of them in the request's fan-out. Not 0: these are further events of a request that is there
    /// already; its data is stored once more with them, and no request is added to any list.
    pub first_index: u16,
    /// Put together with it, each a compare-and-set on its version; `Conflict` when one cannot be.
    pub documents: Vec<Document>,
    /// Connections that made none, and why.
    pub ignored: Vec<Ignored>,
    /// Why there is none at all; then `routes` and `ignored` are empty.
    pub rejection: Option<RejectionCause>,
    /// Rides along to the deliveries with the request and frees the memory budget when the last holder drops it. Without
    /// it there is no memory for that: deliveries are told where the request lies only.
    pub body_permit: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// When it was committed: `created_at` of its events.
    pub created_at: Timestamp,
    /// The number of its first event; the others follow.
    pub first_seq: Seq,
    /// How many events it became.
    pub events: u32,
}

/// A change of one event, decided by its connection.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The event as it is afterwards, whole; its version is one more than what is stored.
    pub event: Event,
    /// Details of the attempt that caused it: the last of `event.attempts`.
    pub attempt: Option<AttemptRecord>,
}

/// A change of a document.
#[derive(Debug, Clone)]
pub enum DocumentChange {
    /// Puts it over what has its key, with a request attached to it for as long as it lives. Without one, what was attached
    /// before stays attached.
    Put(Document, Option<Arc<Request>>),
    /// Takes it away, if it is still at this version.
    Remove(DocumentKey, u32),
}

/// Which stretch of a family's documents, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentStretch {
    /// Latest first when true.
    pub descending: bool,
    /// Just after this id in the direction of the page; `None` begins at its end.
    pub after: Option<u128>,
    /// At most this many.
    pub limit: usize,
}

/// Where the store keeps a request's data; opaque, and stale once retention has moved it. Those of requests as they were
/// committed are in the order of commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadRef(pub u64, pub u64);

/// A new event, told to whoever owns its connection. A hint: the store is the truth.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The event, ready.
    pub event: Event,
    /// Its request while memory allows; otherwise read it by `payload_ref`.
    pub request: Option<Arc<Request>>,
    /// Where its request lies.
    pub payload_ref: PayloadRef,
    /// See [`NewRequest::body_permit`].
    pub body_permit: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// Is told what was committed, in order, from the writer's thread: must be quick and must not block.
pub trait CommitListener: Send + Sync + 'static {
    /// New events of one connection, in rising order of seq. Called after the sync and after they are visible to reads.
    fn offered(&self, connection: ConnectionId, offers: Vec<Offer>);
}

/// An event, with where its request lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The event.
    pub event: Event,
    /// Where its request lies.
    pub payload_ref: PayloadRef,
}

/// A stretch of a connection's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPage {
    /// By (due, seq), none in flight excluded: the store does not know what is in flight.
    pub events: Vec<KeptEvent>,
    /// Whether there is more due by the moment asked for.
    pub more: bool,
    /// Every event with a lower seq was visible to this reading.
    pub next_seq: Seq,
    /// The earliest due time after the moment asked for.
    pub next_due: Option<Timestamp>,
}

/// What a pause holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Pending events that are due.
    pub events: u64,
    /// The bytes of their requests' bodies.
    pub body_bytes: u64,
    /// When the oldest of them was created.
    pub oldest_at: Option<Timestamp>,
}

/// One attempt with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttempt {
    /// Its event.
    pub event: Event,
    /// Its number, from 1; the summary is `event.attempts[number - 1]`, unless it is the one that was not made yet.
    pub number: u32,
    /// The details, `Err` when they are damaged or gone; `None` of one that was not made.
    pub record: Option<Result<AttemptRecord, StoreError>>,
}

/// Figures for health, metrics and `stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Events that are kept, but for those that somebody deleted.
    pub events: u64,
    /// Bytes of journal segments on disk.
    pub journal_bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Bytes of the state's directory on disk.
    pub state_bytes: u64,
    /// Bytes held by the overlay.
    pub overlay_bytes: u64,
    /// Bytes that the data directory's file system has left; `None` where there is none, or it will not say.
    pub disk_free_bytes: Option<u64>,
}

/// Keeps configuration, requests, events and attempts.
///
/// # Contract
///
/// * A resolved `Ok` is durable: it survives kill -9 and, for the local store, a power cut.
/// * A change is visible to every read that starts after its commit resolved, and to reads that start after a later change was seen.
/// * `seq` is dense and rising, `created_at` never decreases with it.
pub trait Store: Send + Sync + 'static {
    /// Stores a request with one ready event per route: all or nothing.
    ///
    /// The same request id again, within the last 65 536 requests of this process, answers as the first time and stores nothing.
    fn accept(&self, request: NewRequest) -> Commit<Accepted>;

    /// Stores a transition, with its attempt when there was one.
    ///
    /// # Errors
    ///
    /// `Stale` when the stored version is not one less than the given; `NotFound` when the event is gone.
    fn record(&self, transition: Transition) -> Commit<()>;

    /// Puts configuration items: all or nothing, each a compare-and-set on its version.
    ///
    /// # Errors
    ///
    /// `Conflict` when one of them is not exactly one version ahead of what is stored.
    fn put_config(&self, items: Vec<ConfigItem>) -> Commit<Arc<Configuration>> {
        self.put_config_with(items, Vec::new())
    }

    /// The same, and documents with them: all or nothing.
    ///
    /// # Errors
    ///
    /// `Conflict` also when a document is not exactly one version ahead of what is stored.
    fn put_config_with(&self, items: Vec<ConfigItem>, documents: Vec<Document>) -> Commit<Arc<Configuration>>;

    /// Changes documents: all or nothing, each a compare-and-set on its version.
    ///
    /// # Errors
    ///
    /// `Conflict` when one of them is not exactly one version ahead of what is stored, or one to remove is not at its version.
    fn put_documents(&self, changes: Vec<DocumentChange>) -> Commit<()>;

    /// One document.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Rebuilding`, `Damaged`, `Io`.
    fn document(&self, key: DocumentKey) -> Result<Document, StoreError>;

    /// A stretch of a family's documents.
    ///
    /// # Errors
    ///
    /// `Rebuilding`, `Damaged`, `Io`.
    fn documents(&self, family: Family, stretch: DocumentStretch) -> Result<Vec<Document>, StoreError>;

    /// The request attached to a document.
    ///
    /// # Errors
    ///
    /// As [`document`](Self::document); `NotFound` also without one.
    fn attached(&self, key: DocumentKey) -> Result<Request, StoreError>;

    /// By when the last byte of a request's erased data is gone from the disk, at the latest. As long as nobody keeps copies: a
    /// backup that is being made holds up what takes it away, and so does a gateway that does not run.
    ///
    /// # Errors
    ///
    /// As [`document`](Self::document); `NotFound` when it was not erased.
    fn erased_by(&self, request: RequestId) -> Result<Timestamp, StoreError>;

    /// Whether data of any request was erased since the store was opened: then what lies in memory from before may be what
    /// nobody is to read any more.
    fn has_erased(&self) -> bool;

    /// The number that the next event gets at least: every one below is decided.
    fn next_seq(&self) -> Seq;

    /// The configuration as it is now.
    fn configuration(&self) -> Arc<Configuration>;

    /// Says who is told of new events; at most one listener, set once, before traffic.
    fn listen(&self, listener: Arc<dyn CommitListener>);

    /// `Ok` when queries and [`pending`](Self::pending) can be answered; `Rebuilding` with progress before.
    ///
    /// # Errors
    ///
    /// `Rebuilding`, or `Damaged`/`Closed` when it will not become ready by itself.
    fn ready(&self) -> Result<(), StoreError>;

    /// Whether a request would be taken now.
    ///
    /// # Errors
    ///
    /// `Overloaded`, `DiskFull` or `Closed`, as `accept` would answer.
    fn accepting(&self) -> Result<(), StoreError>;

    /// Pending events of a connection with a key after `from`, by (due, seq), at most `limit`: those ready, and those
    /// waiting that are due at or before `due_before`. Events of earlier generations are cancelled and left out.
    ///
    /// # Errors
    ///
    /// `Rebuilding` until the state is ready; `Damaged`, `Io`.
    fn pending(
        &self,
        connection: ConnectionId,
        due_before: Timestamp,
        from: Option<(Timestamp, Seq)>,
        limit: usize,
    ) -> Result<PendingPage, StoreError>;

    /// How much a connection has pending that is due at `now`: what is on hold when it is paused.
    ///
    /// # Errors
    ///
    /// As [`pending`](Self::pending).
    fn held(&self, connection: ConnectionId, now: Timestamp) -> Result<Held, StoreError>;

    /// The request behind a reference from `pending` or an offer.
    ///
    /// # Errors
    ///
    /// `NotFound` when it moved (look the event up again by `request_of`), `Damaged` when its bytes are, `Erased`.
    fn request(&self, at: PayloadRef) -> Result<Request, StoreError>;

    /// One event.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Rebuilding`, `Damaged`, `Io`.
    fn event(&self, id: EventId) -> Result<KeptEvent, StoreError>;

    /// One attempt, made or the next one.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event).
    fn attempt(&self, id: AttemptId) -> Result<StoredAttempt, StoreError>;

    /// A page of events, newest or oldest first.
    ///
    /// # Errors
    ///
    /// `Rebuilding`, `Damaged`, `Io`.
    fn events(&self, filter: &EventFilter, page: &PageRequest, now: Timestamp) -> Result<EventPage, StoreError>;

    /// How many events match.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn count(&self, filter: &EventFilter, now: Timestamp) -> Result<u64, StoreError>;

    /// How many events match per bucket of `created_at`.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn histogram(&self, filter: &EventFilter, shape: Histogram, now: Timestamp) -> Result<Vec<u64>, StoreError>;

    /// The events of these numbers that are there, in their order; for followers of [`changes`](Self::changes).
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn rows(&self, seqs: &[Seq]) -> Result<Vec<KeptEvent>, StoreError>;

    /// Figures of every connection that has anything to count, at the cost of a count of all.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn tallies(&self, ask: &TallyAsk) -> Result<HashMap<ConnectionId, Tally>, StoreError>;

    /// The events of one request, in fan-out order.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event); `NotFound` also when it became no event.
    fn events_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError>;

    /// A page of requests, accepted and rejected ones, newest or oldest first.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn requests(&self, filter: &RequestFilter, stretch: &RequestStretch) -> Result<RequestPage, StoreError>;

    /// How many requests match.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    fn count_requests(&self, filter: &RequestFilter) -> Result<u64, StoreError>;

    /// One request, for as long as it or any of its events is kept. The content of one that was erased is `Erased`.
    ///
    /// # Errors
    ///
    /// As [`event`](Self::event).
    fn request_by_id(&self, id: RequestId) -> Result<KeptRequest, StoreError>;

    /// Which events change, while this store is open.
    fn changes(&self) -> Arc<Changes>;

    /// Figures.
    fn stats(&self) -> StoreStats;

    /// Whether tries may have gone out whose outcomes were never stored: the last process that sent anything did not
    /// [end idle](Self::set_idle). The same as long as the store is open.
    fn resumes(&self) -> bool;

    /// Says whether nothing is in flight. Kept by an orderly end alone, and across ones of processes that send nothing.
    fn set_idle(&self, idle: bool);

    /// Ends: everything submitted so far becomes durable, then nothing more is taken.
    fn close(&self);
}
