//! A store that keeps everything in memory and decides at once: for tests on virtual time.
//!
//! It answers as the local store does (one conformance suite runs over both), but what it calls durable lives as long
//! as the process. It never writes to disk, never starts a thread and never reads a clock but the one it is given.

mod documents;
mod requests;
mod state;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use self::state::State;
use super::{
    Accepted, Changes, Commit, CommitListener, DocumentChange, DocumentStretch, EventFilter, EventPage, Held,
    Histogram, KeptEvent, KeptRequest, NewRequest, PageRequest, PayloadRef, PendingPage, RequestFilter, RequestPage,
    RequestStretch, Store, StoreError, StoreStats, StoredAttempt, Tally, TallyAsk, Transition,
};
use crate::{
    clock::Clock,
    domain::{
        AttemptId, ConfigItem, Configuration, ConnectionId, Document, DocumentKey, Event, EventId, Family, Request,
        RequestId, Seq, Timestamp,
    },
};

/// Keeps everything in memory. Every commit it answers is decided already.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    changes: Arc<Changes>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty one, telling the time of `created_at` by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { changes: Arc::new(Changes::new(clock.now())), clock, state: Mutex::default() }
    }

    /// What a new process would find: this store closes, the one returned has its events and its configuration, no
    /// listener, and has forgotten which request ids it saw.
    #[must_use]
    pub fn restart(&self) -> Self {
        let clock = Arc::clone(&self.clock);
        Self { changes: Arc::new(Changes::new(clock.now())), clock, state: Mutex::new(self.state.lock().hand_over()) }
    }

    /// Tells the listener what waits to be told, in order of commit and outside the lock, so that it may read or even
    /// accept. One thread tells at a time; what others add meanwhile it tells too.
    fn tell(&self) {
        loop {
            let next = self.state.lock().next_to_tell();
            let Some((listener, connection, offers)) = next else { return };
            listener.offered(connection, offers);
        }
    }

    /// Answers a question, unless the store is closed.
    fn read<T>(&self, answer: impl FnOnce(&State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let state = self.state.lock();
        state.open()?;
        answer(&state)
    }
}

impl Store for MemoryStore {
    fn accept(&self, request: NewRequest) -> Commit<Accepted> {
        let (answer, must_tell) = {
            let mut state = self.state.lock();
            let answer = state.accept(&request, self.clock.now(), &self.changes);
            (answer, state.begin_telling())
        };
        if must_tell {
            self.tell();
        }
        Commit::ready(answer)
    }

    fn record(&self, transition: Transition) -> Commit<()> {
        Commit::ready(self.state.lock().record(transition, &self.changes))
    }

    fn put_config_with(&self, items: Vec<ConfigItem>, documents: Vec<Document>) -> Commit<Arc<Configuration>> {
        Commit::ready(self.state.lock().put_config(items, documents))
    }

    fn put_documents(&self, changes: Vec<DocumentChange>) -> Commit<()> {
        let mut state = self.state.lock();
        Commit::ready(state.open().and_then(|()| state.documents.change(changes)))
    }

    fn document(&self, key: DocumentKey) -> Result<Document, StoreError> {
        self.read(|state| state.documents.get(key))
    }

    fn documents(&self, family: Family, stretch: DocumentStretch) -> Result<Vec<Document>, StoreError> {
        self.read(|state| Ok(state.documents.stretch(family, stretch)))
    }

    fn attached(&self, key: DocumentKey) -> Result<Request, StoreError> {
        self.read(|state| state.documents.attached(key))
    }

    fn erased_by(&self, request: RequestId) -> Result<Timestamp, StoreError> {
        self.read(|state| state.documents.erased(request).ok_or(StoreError::NotFound))
    }

    fn has_erased(&self) -> bool {
        self.state.lock().documents.has_erased()
    }

    fn next_seq(&self) -> Seq {
        self.state.lock().next_seq()
    }

    fn configuration(&self) -> Arc<Configuration> {
        self.state.lock().configuration()
    }

    fn listen(&self, listener: Arc<dyn CommitListener>) {
        self.state.lock().listen(listener);
    }

    fn ready(&self) -> Result<(), StoreError> {
        self.state.lock().open()
    }

    fn accepting(&self) -> Result<(), StoreError> {
        self.state.lock().open()
    }

    fn pending(
        &self,
        connection: ConnectionId,
        due_before: Timestamp,
        from: Option<(Timestamp, Seq)>,
        limit: usize,
    ) -> Result<PendingPage, StoreError> {
        self.read(|state| Ok(state.pending(connection, due_before, from, limit)))
    }

    fn held(&self, connection: ConnectionId, now: Timestamp) -> Result<Held, StoreError> {
        self.read(|state| Ok(state.held(connection, now)))
    }

    fn request(&self, at: PayloadRef) -> Result<Request, StoreError> {
        self.read(|state| state.request(at))
    }

    fn event(&self, id: EventId) -> Result<KeptEvent, StoreError> {
        self.read(|state| state.event(id))
    }

    fn attempt(&self, id: AttemptId) -> Result<StoredAttempt, StoreError> {
        self.read(|state| state.attempt(id))
    }

    fn events(&self, filter: &EventFilter, page: &PageRequest, now: Timestamp) -> Result<EventPage, StoreError> {
        self.read(|state| Ok(state.events(filter, page, now)))
    }

    fn count(&self, filter: &EventFilter, now: Timestamp) -> Result<u64, StoreError> {
        self.read(|state| Ok(state.matching(filter, now).map(|_| 1).sum()))
    }

    fn histogram(&self, filter: &EventFilter, shape: Histogram, now: Timestamp) -> Result<Vec<u64>, StoreError> {
        self.read(|state| {
            let mut counts = vec![0; shape.buckets];
            for bucket in state.matching(filter, now).filter_map(|kept| shape.bucket_of(kept.created_at())) {
                counts[bucket] += 1;
            }
            Ok(counts)
        })
    }

    fn rows(&self, seqs: &[Seq]) -> Result<Vec<KeptEvent>, StoreError> {
        self.read(|state| Ok(state.rows(seqs)))
    }

    fn tallies(&self, ask: &TallyAsk) -> Result<HashMap<ConnectionId, Tally>, StoreError> {
        self.read(|state| Ok(state.tallies(ask)))
    }

    fn events_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError> {
        self.read(|state| state.events_of(request))
    }

    fn requests(&self, filter: &RequestFilter, stretch: &RequestStretch) -> Result<RequestPage, StoreError> {
        self.read(|state| Ok(state.requests.page(filter, stretch)))
    }

    fn count_requests(&self, filter: &RequestFilter) -> Result<u64, StoreError> {
        self.read(|state| Ok(state.requests.matching(filter).map(|_| 1).sum()))
    }

    fn request_by_id(&self, id: RequestId) -> Result<KeptRequest, StoreError> {
        self.read(|state| {
            let found = state.requests.by_id(id)?;
            Ok(match state.documents.erased(id) {
                Some(at) => KeptRequest { content: Err(StoreError::Erased { at }), ..found },
                None => found,
            })
        })
    }

    fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.changes)
    }

    fn stats(&self) -> StoreStats {
        self.state.lock().stats()
    }

    fn resumes(&self) -> bool {
        self.state.lock().resumes()
    }

    fn set_idle(&self, idle: bool) {
        self.state.lock().set_idle(idle);
    }

    fn close(&self) {
        self.state.lock().close();
    }
}
