//! What waits for the journal's writer: bounded in bytes, in the order in which it was submitted.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot::Sender;

use super::{documents::change::DocumentJob, journal::Entry};
use crate::{
    domain::{ConfigItem, Configuration, Event, RejectionCause, Request, Route, Seq},
    store::{Accepted, StoreError},
};

/// Whoever waits for a change to be durable.
pub(super) type Answer<T> = Sender<Result<T, StoreError>>;

/// One thing to write; encoded already, but for what only the writer can give: seq and time.
pub(super) enum Job {
    /// A request with its fan-out.
    Accept(AcceptJob),
    /// A transition of an event.
    Record(RecordJob),
    /// Configuration items, all or none.
    Config {
        /// What is put.
        items: Vec<ConfigItem>,
        /// The same, encoded and sealed.
        meta: Vec<u8>,
        /// Put together with them.
        documents: Vec<DocumentJob>,
        /// Gets the configuration afterwards.
        answer: Answer<Arc<Configuration>>,
    },
    /// Documents, all or none.
    Documents {
        /// What is changed.
        changes: Vec<DocumentJob>,
        /// Gets nothing.
        answer: Answer<()>,
    },
    /// Events to forget, each with the version it was seen at.
    Gone {
        /// In rising order of seq.
        events: Vec<(Seq, u32)>,
        /// Gets how many were forgotten: those that had not changed.
        answer: Answer<usize>,
    },
    /// An event's whole history, moved out of a segment that is to go.
    Carry {
        /// As it was seen.
        event: Box<Event>,
        /// The record's meta.
        meta: Vec<u8>,
        /// The record's blob in parts.
        blob: Vec<Bytes>,
        /// Their checksum.
        blob_crc: u32,
        /// How long the request's body is, the first part.
        body_bytes: u32,
        /// Gets whether it was carried: not when the event had changed.
        answer: Answer<bool>,
    },
    /// Everything before goes into segments that are complete.
    Seal {
        /// Gets nothing.
        answer: Answer<()>,
    },
    /// Records that are still needed, from a segment that is to go, as they were.
    Repeat {
        /// In their order.
        records: Vec<Kept>,
        /// Gets nothing.
        answer: Answer<()>,
    },
}

/// A record without a body, as it was read.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Its kind.
    pub(super) kind: u8,
    /// The shape of its meta, which may be older than what is written now.
    pub(super) format: u8,
    /// Its meta.
    pub(super) meta: Vec<u8>,
}

impl From<&Entry<'_>> for Kept {
    fn from(entry: &Entry<'_>) -> Self {
        Self { kind: entry.head.kind, format: entry.head.format, meta: entry.meta.to_vec() }
    }
}

/// See [`Job::Accept`].
pub(super) struct AcceptJob {
    /// What arrived.
    pub(super) request: Arc<Request>,
    /// Its fan-out.
    pub(super) routes: Vec<Route>,
    /// The place of the first of them in the fan-out; not 0: the request is there already.
    pub(super) first_index: u16,
    /// Put together with it.
    pub(super) documents: Vec<DocumentJob>,
    /// How many connections made no event of it.
    pub(super) ignored: u32,
    /// Why nothing came of it.
    pub(super) rejection: Option<RejectionCause>,
    /// Frees the memory budget.
    pub(super) body_permit: Option<Arc<dyn std::any::Any + Send + Sync>>,
    /// The record's meta.
    pub(super) meta: Vec<u8>,
    /// Checksum of the body.
    pub(super) blob_crc: u32,
    /// Gets what became of it.
    pub(super) answer: Answer<Accepted>,
}

/// See [`Job::Record`].
pub(super) struct RecordJob {
    /// The event afterwards.
    pub(super) event: Event,
    /// Whether an attempt belongs to it.
    pub(super) has_attempt: bool,
    /// The record's meta.
    pub(super) meta: Vec<u8>,
    /// Response headers and body.
    pub(super) blob: [Bytes; 2],
    /// Their checksum.
    pub(super) blob_crc: u32,
    /// Gets nothing.
    pub(super) answer: Answer<()>,
}

impl Job {
    /// What it will take in the journal, about.
    fn bytes(&self) -> usize {
        match self {
            Self::Accept(job) => job.meta.len() + job.request.body.len() + bytes_of(&job.documents),
            Self::Record(job) => job.meta.len() + job.blob.iter().map(Bytes::len).sum::<usize>(),
            Self::Config { meta, documents, .. } => meta.len() + bytes_of(documents),
            Self::Documents { changes, .. } => bytes_of(changes),
            Self::Gone { events, .. } => events.len() * 4,
            Self::Carry { meta, blob, .. } => meta.len() + blob.iter().map(Bytes::len).sum::<usize>(),
            Self::Seal { .. } => 0,
            Self::Repeat { records, .. } => records.iter().map(|record| record.meta.len()).sum(),
        }
    }
}

fn bytes_of(documents: &[DocumentJob]) -> usize {
    documents.iter().map(DocumentJob::bytes).sum()
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    bytes: usize,
    closed: bool,
    /// The writer sleeps and must be woken.
    idle: bool,
}

/// The way to the writer.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    bytes_max: usize,
}

impl Queue {
    /// Holds at most `bytes_max` bytes of requests.
    #[must_use]
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), bytes_max }
    }

    /// Hands a job to the writer.
    ///
    /// Requests are refused while the queue is full; everything else is bounded by what is in flight and goes in.
    ///
    /// # Errors
    ///
    /// `Overloaded` or `Closed`, and the job is dropped.
    pub(super) fn push(&self, job: Job) -> Result<(), StoreError> {
        let bytes = job.bytes();
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        if matches!(job, Job::Accept(_)) && waiting.bytes + bytes > self.bytes_max {
            return Err(StoreError::Overloaded("the journal's queue"));
        }
        waiting.bytes += bytes;
        waiting.jobs.push(job);
        let wake = std::mem::take(&mut waiting.idle);
        drop(waiting);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Whether a request of no length would be refused.
    #[must_use]
    pub(super) fn is_full(&self) -> bool {
        self.waiting.lock().bytes >= self.bytes_max
    }

    /// Whether nothing more is taken.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Waits for jobs and takes all of them into `batch`, which must be empty; false when closed and empty.
    pub(super) fn take(&self, batch: &mut Vec<Job>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.idle = true;
            self.arrived.wait(&mut waiting);
        }
        std::mem::swap(&mut waiting.jobs, batch);
        waiting.bytes = 0;
        true
    }

    /// Takes nothing more; what is in it is still written.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
    }
}
