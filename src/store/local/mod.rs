//! The store on one machine: a journal makes it durable, sled is the state.
//!
//! ```text
//! callers ─ encode ─► queue ─► writer ─► journal (one sync per frame) ─► overlay ─► answers, offers
//!                                                                          │
//! readers ◄─ snapshot of the overlay over sled ◄──────────── feeder ◄──────┘ (blocks, checkpoints, rebuild)
//! ```
//!
//! The formats, and why they are so: CONTRIBUTING, decisions 2 to 7. [`LocalStore`] is the only thing others see; `sled` is known in
//! `state/` alone, files of the journal in `journal/` alone.

pub mod backlog;
pub mod backup;
pub mod checkpoint;
pub mod documents;
mod feeder;
mod fresh;
pub mod import;
pub mod journal;
pub mod key;
mod open;
mod overlay;
mod pin;
mod queue;
mod read;
pub mod record;
mod replay;
pub mod requests;
mod retention;
pub mod row;
mod shared;
pub mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::{collections::HashMap, path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::{
    documents::change::DocumentJob,
    queue::{AcceptJob, Job, RecordJob},
    record::{StoredAttempt, StoredEvent, StoredItem, StoredItems, StoredOutcome, StoredRequest, encode},
    shared::Shared,
    state::{Asking, HeldAsk},
};
use super::{
    Accepted, Changes, Commit, CommitListener, DocumentChange, DocumentStretch, EventFilter, EventPage, Held,
    Histogram, KeptEvent, KeptRequest, NewRequest, PageRequest, PayloadRef, PendingPage, RequestFilter, RequestPage,
    RequestStretch, Store, StoreError, StoreStats, StoredAttempt as AttemptDetails, Tally, TallyAsk, Transition,
};
use crate::domain::{
    AttemptId, ConfigItem, Configuration, ConnectionId, Document, DocumentKey, Event, EventId, Family, Request,
    RequestId, Seq, Timestamp,
};
pub use open::{OpenError, check, expect_data, open_ready, rebuild_offline};

/// The place of a record in the journal: the segment's number and the offset of the record's header in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// Which segment.
    pub segment: u64,
    /// Bytes from the start of its file.
    pub offset: u64,
}

/// How a local store is set up; every field is a setting of the `store` or `data` section.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The data directory.
    pub directory: PathBuf,
    /// Size of a journal segment.
    pub segment_bytes: u64,
    /// sled's cache.
    pub sled_cache_bytes: u64,
    /// What the overlay may take before requests are refused.
    pub overlay_bytes_max: usize,
    /// What may wait for the writer before requests are refused.
    pub journal_queue_bytes_max: usize,
    /// Free space below which requests are refused.
    pub disk_low_bytes: u64,
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// How long a settled event is kept after its last activity; at least a millisecond.
    pub retention: Duration,
    /// How much the journal may take before settled events go early; `None` for no limit.
    pub quota_bytes: Option<u64>,
    /// Time between retention passes.
    pub retention_interval: Duration,
    /// Replaces the key file.
    pub master_key: Option<[u8; 32]>,
    /// Whether damaged records are skipped instead of refusing to start.
    pub salvage: bool,
}

/// See the [module's documentation](self).
pub struct LocalStore {
    shared: Arc<Shared>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    feeder: Option<JoinHandle<()>>,
    retention: Option<JoinHandle<()>>,
}

impl LocalStore {
    /// Makes a checkpoint now, not when one is due; returns when it was made, or could not be, which is logged.
    pub fn make_checkpoint(&self) {
        self.shared.ask_for_checkpoint();
    }

    /// Takes a full checkpoint's worth of folding now; returns when sled has everything that was applied before.
    #[cfg(any(test, feature = "test-util"))]
    pub fn fold_everything(&self) {
        self.make_checkpoint();
    }

    /// Runs one retention pass now and returns how many bytes of the journal it gave back.
    #[cfg(any(test, feature = "test-util"))]
    pub fn retain_now(&self) -> Result<u64, StoreError> {
        retention::pass(&self.shared)
    }

    fn submit<T>(&self, job: impl FnOnce(queue::Answer<T>) -> Job) -> Commit<T> {
        let (answer, receiver) = oneshot::channel();
        match self.shared.queue.push(job(answer)) {
            Ok(()) => Commit::waiting(receiver),
            Err(error) => Commit::ready(Err(error)),
        }
    }
}

impl Store for LocalStore {
    fn accept(&self, new: NewRequest) -> Commit<Accepted> {
        if let Err(error) = self.shared.accepting() {
            return Commit::ready(Err(error));
        }
        let NewRequest { request, routes, first_index, documents, ignored, rejection, body_permit } = new;
        let documents = match DocumentJob::all(&documents, &self.shared.key) {
            Ok(documents) => documents,
            Err(error) => return Commit::ready(Err(error)),
        };
        let meta = encode(&StoredRequest::new(&request, &routes, &ignored, rejection).further(first_index));
        let blob_crc = journal::blob_crc(&[&request.body]);
        let ignored = u32::try_from(ignored.len()).unwrap_or(u32::MAX);
        self.submit(|answer| {
            Job::Accept(AcceptJob {
                request,
                routes,
                first_index,
                documents,
                ignored,
                rejection,
                body_permit,
                meta,
                blob_crc,
                answer,
            })
        })
    }

    fn record(&self, transition: Transition) -> Commit<()> {
        let Transition { event, attempt } = transition;
        let stored = StoredEvent::from(&event);
        let (meta, blob, has_attempt) = match &attempt {
            Some(record) => {
                let (details, headers) = StoredAttempt::new(record);
                let meta = encode(&StoredOutcome { event: stored, attempt: details });
                (meta, [Bytes::from(headers), record.response_body.clone()], true)
            }
            None => (encode(&stored), [Bytes::new(), Bytes::new()], false),
        };
        let blob_crc = journal::blob_crc(&[&blob[0], &blob[1]]);
        self.submit(|answer| Job::Record(RecordJob { event, has_attempt, meta, blob, blob_crc, answer }))
    }

    fn put_config_with(&self, items: Vec<ConfigItem>, documents: Vec<Document>) -> Commit<Arc<Configuration>> {
        let stored: Result<Vec<_>, _> = items.iter().map(|item| StoredItem::new(item, &self.shared.key)).collect();
        let stored = stored.map_err(|error| StoreError::Io(error.to_string()));
        match stored.and_then(|stored| Ok((stored, DocumentJob::all(&documents, &self.shared.key)?))) {
            Ok((stored, documents)) => {
                let meta = encode(&StoredItems(stored));
                self.submit(|answer| Job::Config { items, meta, documents, answer })
            }
            Err(error) => Commit::ready(Err(error)),
        }
    }

    fn put_documents(&self, changes: Vec<DocumentChange>) -> Commit<()> {
        let encoded: Result<Vec<_>, _> =
            changes.iter().map(|change| DocumentJob::new(change, &self.shared.key)).collect();
        match encoded {
            Ok(changes) => self.submit(|answer| Job::Documents { changes, answer }),
            Err(error) => Commit::ready(Err(error)),
        }
    }

    fn document(&self, key: DocumentKey) -> Result<Document, StoreError> {
        documents::read::document(&self.shared, key)
    }

    fn documents(&self, family: Family, stretch: DocumentStretch) -> Result<Vec<Document>, StoreError> {
        documents::read::documents(&self.shared, family, stretch)
    }

    fn attached(&self, key: DocumentKey) -> Result<Request, StoreError> {
        documents::read::attached(&self.shared, key)
    }

    fn erased_by(&self, request: RequestId) -> Result<Timestamp, StoreError> {
        let at = documents::read::erased(&self.shared, request)?.ok_or(StoreError::NotFound)?;
        Ok(retention::gone_by(&self.shared.options, at))
    }

    fn has_erased(&self) -> bool {
        self.shared.has_erased_now()
    }

    fn next_seq(&self) -> Seq {
        self.shared.applied_position().1
    }

    fn configuration(&self) -> Arc<Configuration> {
        self.shared.configuration()
    }

    fn listen(&self, listener: Arc<dyn CommitListener>) {
        self.shared.listen(listener);
    }

    fn ready(&self) -> Result<(), StoreError> {
        if self.shared.queue.is_closed() { Err(StoreError::Closed) } else { self.shared.state().map(|_| ()) }
    }

    fn accepting(&self) -> Result<(), StoreError> {
        self.shared.accepting()?;
        if self.shared.queue.is_full() { Err(StoreError::Overloaded("the journal's queue")) } else { Ok(()) }
    }

    fn pending(
        &self,
        connection: ConnectionId,
        due_before: Timestamp,
        from: Option<(Timestamp, Seq)>,
        limit: usize,
    ) -> Result<PendingPage, StoreError> {
        read::pending(&self.shared, connection, due_before, from, limit)
    }

    fn held(&self, connection: ConnectionId, now: Timestamp) -> Result<Held, StoreError> {
        self.shared.query(|state, over, standing| {
            state.held(over, &HeldAsk { connection, generation: standing(connection).generation, now })
        })
    }

    fn request(&self, at: PayloadRef) -> Result<Request, StoreError> {
        read::request(&self.shared, RecordRef { segment: at.0, offset: at.1 })
    }

    fn event(&self, id: EventId) -> Result<KeptEvent, StoreError> {
        read::event(&self.shared, id)
    }

    fn attempt(&self, id: AttemptId) -> Result<AttemptDetails, StoreError> {
        read::attempt(&self.shared, id)
    }

    fn events(&self, filter: &EventFilter, page: &PageRequest, now: Timestamp) -> Result<EventPage, StoreError> {
        let (rows, more) =
            self.shared.query(|state, over, standing| state.page(over, &Asking { filter, standing, now }, page))?;
        Ok(EventPage { events: rows.into_iter().map(read::kept_event).collect(), more })
    }

    fn count(&self, filter: &EventFilter, now: Timestamp) -> Result<u64, StoreError> {
        self.shared.query(|state, over, standing| state.count(over, &Asking { filter, standing, now }))
    }

    fn histogram(&self, filter: &EventFilter, shape: Histogram, now: Timestamp) -> Result<Vec<u64>, StoreError> {
        self.shared.query(|state, over, standing| state.histogram(over, &Asking { filter, standing, now }, shape))
    }

    fn rows(&self, seqs: &[Seq]) -> Result<Vec<KeptEvent>, StoreError> {
        read::rows(&self.shared, seqs)
    }

    fn tallies(&self, ask: &TallyAsk) -> Result<HashMap<ConnectionId, Tally>, StoreError> {
        self.shared.query(|state, over, standing| state.tallies(over, standing, ask))
    }

    fn events_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError> {
        let rows = self.shared.query(|state, over, _| state.find_request(request, over))?;
        if rows.is_empty() { Err(StoreError::NotFound) } else { Ok(rows.into_iter().map(|row| row.event).collect()) }
    }

    fn requests(&self, filter: &RequestFilter, stretch: &RequestStretch) -> Result<RequestPage, StoreError> {
        requests::read::page(&self.shared, filter, stretch)
    }

    fn count_requests(&self, filter: &RequestFilter) -> Result<u64, StoreError> {
        requests::read::count(&self.shared, filter)
    }

    fn request_by_id(&self, id: RequestId) -> Result<KeptRequest, StoreError> {
        requests::read::by_id(&self.shared, id)
    }

    fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }

    fn stats(&self) -> StoreStats {
        // Counting looks at zones only; what is being rebuilt counts as nothing yet.
        let events = self.count(&EventFilter::default(), Timestamp::EPOCH).unwrap_or(0);
        StoreStats { events, ..self.shared.stats() }
    }

    fn resumes(&self) -> bool {
        self.shared.resumes
    }

    fn set_idle(&self, idle: bool) {
        self.shared.set_idle(idle);
    }

    fn close(&self) {
        let mut threads = self.threads.lock();
        self.shared.stop_retention();
        join(threads.retention.take());
        self.shared.queue.close();
        join(threads.writer.take());
        self.shared.stop_feeding();
        join(threads.feeder.take());
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// A thread that panicked has ended the process by itself; there is nothing to hear from it here.
fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        drop(thread.join());
    }
}
