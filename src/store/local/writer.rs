//! The writer: one thread through which every change goes, in order.
//!
//! It takes all that waits, decides each (versions, seq, time), writes one frame with one sync, applies it to the
//! overlay, tells the gateway of new events, and only then answers. It never reads a body and never waits for anybody.
//! A write or sync error ends the process: nothing of that frame has been acknowledged.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    RecordRef,
    documents::{
        Changed,
        change::DocumentJob,
        read::{erased, version},
    },
    journal::{Committed, Frame, RecordHead, Writer as JournalWriter},
    overlay::{Change, Overlay},
    queue::{AcceptJob, Answer, Job, Kept, RecordJob},
    record::{FORMAT, Kind, StoredGone, encode},
    row::{RequestRef, Slot},
    shared::Shared,
};
use crate::{
    domain::{ConfigItem, Configuration, ConnectionId, DocumentKey, Event, Family, RequestId, Route, Seq, Timestamp},
    store::{Accepted, Change as Noted, Offer, PayloadRef, RequestSummary, StoreError},
};

/// A frame with this many bytes is written before more is put into it: what waits is unbounded for outcomes, and a frame of 4 GiB
/// could not be written at all.
const FRAME_BYTES: usize = 32 * 1024 * 1024;
/// How many of the last request ids are remembered, so that the same one twice is one request.
const RECENT_REQUESTS: usize = 65_536;

/// Something to do once the frame is durable; `record` is its place in the frame.
enum Effect {
    Accepted {
        job: AcceptJob,
        record: usize,
        first_seq: Seq,
        at: Timestamp,
        documents: Vec<Documented>,
    },
    Recorded {
        event: Event,
        has_attempt: bool,
        record: usize,
        answer: Answer<()>,
    },
    Configured {
        configuration: Arc<Configuration>,
        documents: Vec<Documented>,
        answer: Answer<Arc<Configuration>>,
    },
    Documented {
        documents: Vec<Documented>,
        answer: Answer<()>,
    },
    Forgotten {
        ranges: Vec<(Seq, Seq)>,
        count: usize,
        answer: Answer<usize>,
    },
    Carried {
        event: Box<Event>,
        record: usize,
        body_bytes: u32,
        answer: Answer<bool>,
    },
    Repeated {
        answer: Answer<()>,
    },
    /// Decided without a record, but not before what came earlier is durable.
    Repeat {
        accepted: Accepted,
        answer: Answer<Accepted>,
    },
}

/// A document's change, and the place of its record in the frame.
type Documented = (Changed, usize);

/// The thread's own state.
pub(super) struct WriterThread {
    shared: Arc<Shared>,
    journal: JournalWriter,
    frame: Frame,
    effects: Vec<Effect>,
    next_seq: Seq,
    last_at: Timestamp,
    recent: HashMap<RequestId, Accepted>,
    recent_order: VecDeque<RequestId>,
    /// Versions decided in the frame that is being built; `None` is gone.
    versions: HashMap<Seq, Option<u32>>,
    /// The same of documents; 0 is gone.
    document_versions: HashMap<DocumentKey, u32>,
    /// The configuration with what the frame that is being built puts.
    configuration: Arc<Configuration>,
}

impl WriterThread {
    /// Takes over the journal; `next_seq` and `last_at` go on from what it holds.
    pub(super) fn new(shared: Arc<Shared>, journal: JournalWriter, next_seq: Seq, last_at: Timestamp) -> Self {
        let configuration = shared.configuration();
        Self {
            shared,
            journal,
            frame: Frame::new(),
            effects: Vec::new(),
            next_seq,
            last_at,
            recent: HashMap::new(),
            recent_order: VecDeque::new(),
            versions: HashMap::new(),
            document_versions: HashMap::new(),
            configuration,
        }
    }

    /// Writes until the queue is closed and empty, then seals the journal.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while self.shared.queue.take(&mut batch) {
            let now = self.shared.clock.now();
            self.last_at = self.last_at.max(now);
            for job in batch.drain(..) {
                self.decide(job);
                if self.frame.bytes() >= FRAME_BYTES {
                    self.commit();
                }
            }
            self.commit();
        }
        self.seal();
    }

    fn seal(&mut self) {
        if let Err(error) = self.journal.seal() {
            self.shared.fatal(&format!("the journal cannot be sealed: {error}"));
        }
    }

    fn decide(&mut self, job: Job) {
        match job {
            Job::Accept(job) => self.decide_accept(job),
            Job::Record(job) => self.decide_record(job),
            Job::Config { items, meta, documents, answer } => match self.decide_config(items, &meta, documents) {
                Ok(documents) => {
                    let configuration = Arc::clone(&self.configuration);
                    self.effects.push(Effect::Configured { configuration, documents, answer });
                }
                Err(error) => reply(answer, Err(error)),
            },
            Job::Documents { changes, answer } => match self.decide_documents(changes) {
                Ok(documents) => self.effects.push(Effect::Documented { documents, answer }),
                Err(error) => reply(answer, Err(error)),
            },
            Job::Gone { events, answer } => {
                let mut ranges: Vec<(Seq, Seq)> = Vec::new();
                let mut count = 0;
                for (seq, version) in events {
                    if self.version(seq) != Ok(Some(version)) {
                        continue;
                    }
                    count += 1;
                    self.versions.insert(seq, None);
                    match ranges.last_mut() {
                        Some((_, last)) if *last + 1 == seq => *last = seq,
                        _ => ranges.push((seq, seq)),
                    }
                }
                if count > 0 {
                    self.push(Kind::Gone, 0, &encode(&StoredGone { ranges: ranges.clone() }), &[], 0);
                }
                self.effects.push(Effect::Forgotten { ranges, count, answer });
            }
            Job::Carry { event, meta, blob, blob_crc, body_bytes, answer } => {
                if self.version(event.seq) != Ok(Some(event.version)) {
                    reply(answer, Ok(false));
                    return;
                }
                let parts: Vec<&[u8]> = blob.iter().map(AsRef::as_ref).collect();
                let record = self.push(Kind::Carried, event.seq, &meta, &parts, blob_crc);
                self.effects.push(Effect::Carried { event, record, body_bytes, answer });
            }
            Job::Seal { answer } => {
                self.commit();
                self.seal();
                self.effects.push(Effect::Repeated { answer });
            }
            Job::Repeat { records, answer } => {
                for Kept { kind, format, meta } in records {
                    let head = RecordHead { kind, format, seq: 0, at_ms: self.last_at.ms() };
                    self.frame.push(head, &meta, &[], 0);
                }
                self.effects.push(Effect::Repeated { answer });
            }
        }
    }

    fn decide_config(
        &mut self,
        items: Vec<ConfigItem>,
        meta: &[u8],
        documents: Vec<DocumentJob>,
    ) -> Result<Vec<Documented>, StoreError> {
        let mut next = self.configuration.as_ref().clone();
        for item in items {
            if next.version_of(&item) + 1 != item.version() {
                return Err(StoreError::Conflict);
            }
            next.put(item);
        }
        let documents = self.decide_documents(documents)?;
        self.configuration = Arc::new(next);
        self.push(Kind::Config, 0, meta, &[], 0);
        Ok(documents)
    }

    /// Puts every record into the frame, or none when one document is not at the version it must be at.
    fn decide_documents(&mut self, jobs: Vec<DocumentJob>) -> Result<Vec<Documented>, StoreError> {
        let mut decided = HashMap::with_capacity(jobs.len());
        for job in &jobs {
            let key = job.changed.key;
            let stored = match decided.get(&key).or_else(|| self.document_versions.get(&key)) {
                Some(version) => *version,
                None => self.document_version(key, job.expects)?,
            };
            if stored != job.expects {
                return Err(StoreError::Conflict);
            }
            decided.insert(key, job.leaves());
        }
        self.document_versions.extend(decided);
        let push = |job: DocumentJob| {
            let record = self.push(Kind::Document, 0, &job.meta, &[&job.body], job.blob_crc);
            (job.changed, record)
        };
        Ok(jobs.into_iter().map(push).collect())
    }

    /// The version of a document as of the frames before; 0 when there is none.
    fn document_version(&self, key: DocumentKey, expected: u32) -> Result<u32, StoreError> {
        match version(&self.shared, key) {
            // An id that was drawn for this change: nobody need wait for a rebuild to change the configuration.
            Err(StoreError::Rebuilding { .. }) if key.family == Family::Audit => Ok(expected),
            found => found,
        }
    }

    fn decide_accept(&mut self, mut job: AcceptJob) {
        // Further events of a request are no repetition of it: the documents that come with them tell those.
        let is_new = job.first_index == 0;
        if let Some(accepted) = self.recent.get(&job.request.id).filter(|_| is_new) {
            self.effects.push(Effect::Repeat { accepted: accepted.clone(), answer: job.answer });
            return;
        }
        let documents = match self.expect_data(&job).and_then(|()| {
            let documents = std::mem::take(&mut job.documents);
            self.decide_documents(documents)
        }) {
            Ok(documents) => documents,
            Err(error) => return reply(job.answer, Err(error)),
        };
        let at = self.last_at;
        let first_seq = self.next_seq;
        self.next_seq += job.routes.len() as u64;
        let record = self.push(Kind::Request, first_seq, &job.meta, &[&job.request.body], job.blob_crc);
        if is_new {
            self.remember(job.request.id, Accepted { created_at: at, first_seq, events: events_of(&job) });
        }
        self.effects.push(Effect::Accepted { job, record, first_seq, at, documents });
    }

    /// Refuses to store data again that was erased since somebody read it.
    fn expect_data(&self, job: &AcceptJob) -> Result<(), StoreError> {
        if job.first_index == 0 {
            return Ok(());
        }
        let id = job.request.id;
        let erasure = DocumentKey { family: Family::Erasure, id: id.bits() };
        if self.document_versions.get(&erasure).is_some_and(|version| *version > 0) {
            return Err(StoreError::Erased { at: self.last_at });
        }
        erased(&self.shared, id)?.map_or(Ok(()), |at| Err(StoreError::Erased { at }))
    }

    fn remember(&mut self, id: RequestId, accepted: Accepted) {
        if self.recent_order.len() == RECENT_REQUESTS
            && let Some(oldest) = self.recent_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        self.recent_order.push_back(id);
        self.recent.insert(id, accepted);
    }

    fn decide_record(&mut self, job: RecordJob) {
        let given = job.event.version;
        let seq = job.event.seq;
        match self.version(seq) {
            Ok(Some(stored)) if stored + 1 == given => {}
            Ok(Some(stored)) => return reply(job.answer, Err(StoreError::Stale { seq, stored, given })),
            Ok(None) => return reply(job.answer, Err(StoreError::NotFound)),
            Err(error) => return reply(job.answer, Err(error)),
        }
        let kind = if job.has_attempt { Kind::Outcome } else { Kind::Change };
        let record = self.push(kind, seq, &job.meta, &[&job.blob[0], &job.blob[1]], job.blob_crc);
        self.versions.insert(seq, Some(given));
        self.effects.push(Effect::Recorded {
            event: job.event,
            has_attempt: job.has_attempt,
            record,
            answer: job.answer,
        });
    }

    /// The version of an event as of everything decided so far; `None` when it is gone.
    fn version(&self, seq: Seq) -> Result<Option<u32>, StoreError> {
        if let Some(version) = self.versions.get(&seq) {
            return Ok(*version);
        }
        match self.shared.overlay.lock().get(seq) {
            Some(Slot::Row(row)) => return Ok(Some(row.event.version)),
            Some(Slot::Gone) => return Ok(None),
            None => {}
        }
        self.shared.state()?.version(seq).map_err(|error| self.shared.state_failed(&error))
    }

    fn push(&mut self, kind: Kind, seq: Seq, meta: &[u8], blob: &[&[u8]], blob_crc: u32) -> usize {
        let head = RecordHead { kind: kind as u8, format: FORMAT, seq, at_ms: self.last_at.ms() };
        self.frame.push(head, meta, blob, blob_crc)
    }

    fn show(&self, documents: &mut Vec<Documented>, overlay: &mut Overlay, place: impl Fn(usize) -> RecordRef) {
        for (changed, record) in documents.drain(..) {
            if changed.key.family == Family::Erasure {
                self.shared.erasure_made();
            }
            overlay.apply(Change::Document(changed, place(record)));
        }
    }

    /// Makes the frame durable, then shows it, then answers.
    fn commit(&mut self) {
        self.versions.clear();
        self.document_versions.clear();
        let committed = if self.frame.is_empty() {
            Committed { start: self.journal.position(), end: self.journal.position() }
        } else {
            match self.journal.commit(&mut self.frame) {
                Ok(committed) => committed,
                Err(error) => self.shared.fatal(&format!("the journal cannot be written: {error}")),
            }
        };
        let (frame, mut effects) = (std::mem::take(&mut self.frame), std::mem::take(&mut self.effects));
        let mut offers: HashMap<ConnectionId, Vec<Offer>> = HashMap::new();
        let mut overlay = self.shared.overlay.lock();
        for effect in &mut effects {
            match effect {
                Effect::Accepted { job, record, first_seq, at, documents } => {
                    self.show(documents, &mut overlay, |record| frame.place(&committed, record));
                    let place = frame.place(&committed, *record);
                    let request = RequestRef { at: place, body_bytes: length(&job.request.body) };
                    if job.first_index == 0 {
                        overlay.apply(Change::Arrived(summary(job, place, *at)));
                    }
                    for (index, event) in new_events(job, *first_seq, *at).enumerate() {
                        overlay.apply(Change::New(event.clone(), request));
                        offers.entry(job.routes[index].connection_id).or_default().push(Offer {
                            event,
                            request: job.body_permit.as_ref().map(|_| Arc::clone(&job.request)),
                            payload_ref: payload_ref(place),
                            body_permit: job.body_permit.clone(),
                        });
                    }
                }
                Effect::Recorded { event, has_attempt, record, .. } => {
                    let place = has_attempt.then(|| frame.place(&committed, *record));
                    overlay.apply(Change::Changed(event.clone(), place));
                }
                Effect::Forgotten { ranges, .. } => {
                    for (first, last) in ranges {
                        overlay.apply(Change::Gone(*first, *last));
                    }
                }
                Effect::Carried { event, record, body_bytes, .. } => {
                    let request = RequestRef { at: frame.place(&committed, *record), body_bytes: *body_bytes };
                    overlay.apply(Change::Carried(event.as_ref().clone(), request));
                }
                Effect::Configured { configuration, documents, .. } => {
                    self.show(documents, &mut overlay, |record| frame.place(&committed, record));
                    self.shared.set_configuration(Arc::clone(configuration));
                }
                Effect::Documented { documents, .. } => {
                    self.show(documents, &mut overlay, |record| frame.place(&committed, record));
                }
                Effect::Repeated { .. } | Effect::Repeat { .. } => {}
            }
        }
        self.shared.applied(&overlay, committed.end, self.next_seq, self.last_at);
        drop(overlay);
        self.frame = frame;
        self.frame.clear();
        self.tell(effects, offers);
    }

    /// Tells whoever waits for what is durable and shown: followers, connections, and those who asked for it.
    fn tell(&mut self, mut effects: Vec<Effect>, offers: HashMap<ConnectionId, Vec<Offer>>) {
        self.note_changes(&effects);
        for (connection, offers) in offers {
            self.shared.offer(connection, offers);
        }
        effects.drain(..).for_each(Effect::answer);
        self.effects = effects;
    }

    /// Events that are new or changed, for followers; nothing else is an event's change.
    fn note_changes(&self, effects: &[Effect]) {
        let Some(mut noting) = self.shared.changes.noting() else { return };
        for effect in effects {
            if let Effect::Accepted { job, first_seq, .. } = effect {
                for (seq, Route { connection_id, .. }) in (*first_seq..).zip(&job.routes) {
                    noting.add(Noted { seq, connection: *connection_id, attempt: 0 });
                }
            } else if let Effect::Recorded { event, has_attempt, .. } = effect {
                noting.add(Noted::of(event, *has_attempt));
            }
        }
    }
}

impl Effect {
    fn answer(self) {
        match self {
            Self::Accepted { job, first_seq, at, .. } => {
                let events = events_of(&job);
                reply(job.answer, Ok(Accepted { created_at: at, first_seq, events }));
            }
            Self::Recorded { answer, .. } | Self::Repeated { answer } | Self::Documented { answer, .. } => {
                reply(answer, Ok(()));
            }
            Self::Configured { configuration, answer, .. } => reply(answer, Ok(configuration)),
            Self::Forgotten { count, answer, .. } => reply(answer, Ok(count)),
            Self::Carried { answer, .. } => reply(answer, Ok(true)),
            Self::Repeat { accepted, answer } => reply(answer, Ok(accepted)),
        }
    }
}

/// Whoever asked may have gone: the change is made all the same.
fn reply<T>(answer: Answer<T>, result: Result<T, StoreError>) {
    drop(answer.send(result));
}

/// Where a record lies, as the store's users carry it around.
#[must_use]
pub(super) const fn payload_ref(place: RecordRef) -> PayloadRef {
    PayloadRef(place.segment, place.offset)
}

/// Bodies are far below 4 GiB by their limit.
fn length(body: &[u8]) -> u32 {
    u32::try_from(body.len()).unwrap_or(u32::MAX)
}

fn events_of(job: &AcceptJob) -> u32 {
    u32::try_from(job.routes.len()).unwrap_or(u32::MAX)
}

/// The request as lists show it.
fn summary(job: &AcceptJob, place: RecordRef, created_at: Timestamp) -> RequestSummary {
    RequestSummary {
        payload_ref: payload_ref(place),
        id: job.request.id,
        source_id: job.request.source_id,
        received_at: job.request.received_at,
        created_at,
        rejection: job.rejection,
        events: events_of(job),
        ignored: job.ignored,
    }
}

/// The events of a request's fan-out, ready.
fn new_events(job: &AcceptJob, first_seq: Seq, at: Timestamp) -> impl Iterator<Item = Event> + '_ {
    let from = (job.request.id, job.request.source_id);
    (job.first_index..)
        .zip(first_seq..)
        .zip(&job.routes)
        .map(move |((index, seq), route)| Event::accepted(from, index, *route, seq, at))
}
