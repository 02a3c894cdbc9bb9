//! A store that fails or hesitates when told to: a wrapper around any other, for tests.
//!
//! A failed change never reaches the store behind it. A held change reaches it when it is released, in the order in
//! which the changes were submitted, so what is held is not visible and not offered either. Reads pass untouched, but those of
//! queues may be made to arrive late.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{
    Accepted, Changes, Commit, CommitListener, DocumentChange, DocumentStretch, EventFilter, EventPage,
    Held as HeldBack, Histogram, KeptEvent, KeptRequest, NewRequest, PageRequest, PayloadRef, PendingPage,
    RequestFilter, RequestPage, RequestStretch, Store, StoreError, StoreStats, StoredAttempt, Tally, TallyAsk,
    Transition,
};
use crate::domain::{
    AttemptId, ConfigItem, Configuration, ConnectionId, Document, DocumentKey, Event, EventId, Family, Request,
    RequestId, Seq, Timestamp,
};

/// The changes that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// [`Store::accept`].
    Accept,
    /// [`Store::record`].
    Record,
    /// [`Store::put_config`].
    PutConfig,
    /// A change of documents.
    PutDocuments,
}

/// A failure that is to come.
struct Fault {
    write: Write,
    /// How many calls of its kind pass before it.
    passing: usize,
    error: StoreError,
}

/// What releasing a held change does.
type Held = Box<dyn FnOnce(&dyn Store) + Send>;

#[derive(Default)]
struct Plan {
    faults: Vec<Fault>,
    holding: bool,
    held: VecDeque<Held>,
}

impl Plan {
    /// Counts one call; the error when it is to fail. Every fault of its kind comes one call nearer.
    fn fault(&mut self, write: Write) -> Option<StoreError> {
        let struck = self.faults.iter().position(|fault| fault.write == write && fault.passing == 0);
        let error = struck.map(|place| self.faults.remove(place).error);
        for fault in self.faults.iter_mut().filter(|fault| fault.write == write) {
            fault.passing = fault.passing.saturating_sub(1);
        }
        error
    }
}

/// Answers of [`Store::pending`] that are on their way.
#[derive(Default)]
struct Readings {
    holding: bool,
    held: usize,
}

/// Passes everything on, except what it was told to fail or to hold.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
    readings: Mutex<Readings>,
    released: Condvar,
    asked: Mutex<Vec<NewRequest>>,
    rebuilding: AtomicBool,
}

impl FaultyStore {
    /// Wraps a store; nothing fails and nothing is held until asked for.
    #[must_use]
    pub fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
            readings: Mutex::default(),
            released: Condvar::new(),
            asked: Mutex::default(),
            rebuilding: AtomicBool::new(false),
        }
    }

    /// Every request it was asked to take, in order, whatever became of it; without the memory they came with.
    #[must_use]
    pub fn asked(&self) -> Vec<NewRequest> {
        self.asked.lock().clone()
    }

    /// Fails the `nth` call of this kind from now on, counted from 1, once.
    pub fn fail(&self, write: Write, nth: usize, error: StoreError) {
        self.plan.lock().faults.push(Fault { write, passing: nth.saturating_sub(1), error });
    }

    /// Says of itself that it is being rebuilt, or not any more; it still answers whoever asks all the same.
    pub fn set_rebuilding(&self, rebuilding: bool) {
        self.rebuilding.store(rebuilding, Ordering::Release);
    }

    /// Holds every change submitted from now on.
    pub fn hold(&self) {
        self.plan.lock().holding = true;
    }

    /// Lets every stretch of a queue that is read from now on arrive late: by then it may say what is no longer so.
    pub fn hold_readings(&self) {
        self.readings.lock().holding = true;
    }

    /// How many of these are on their way.
    #[must_use]
    pub fn held_readings(&self) -> usize {
        self.readings.lock().held
    }

    /// Lets them arrive.
    pub fn release_readings(&self) {
        self.readings.lock().holding = false;
        self.released.notify_all();
    }

    /// How many changes are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.plan.lock().held.len()
    }

    /// Makes the oldest held change; holding goes on. `false` when none is held.
    pub fn release_one(&self) -> bool {
        let oldest = self.plan.lock().held.pop_front();
        let found = oldest.is_some();
        if let Some(release) = oldest {
            release(self.inner.as_ref());
        }
        found
    }

    /// Ends the holding and makes every held change, in order.
    pub fn release_all(&self) {
        self.plan.lock().holding = false;
        while self.release_one() {}
    }

    /// Fails, holds or makes a change.
    fn write<T: Send + Unpin + 'static>(
        &self,
        write: Write,
        change: impl FnOnce(&dyn Store) -> Commit<T> + Send + 'static,
    ) -> Commit<T> {
        let mut plan = self.plan.lock();
        if let Some(error) = plan.fault(write) {
            return Commit::ready(Err(error));
        }
        if plan.holding {
            let (answer, commit) = oneshot::channel();
            plan.held.push_back(Box::new(move |store| forward(change(store), answer)));
            return Commit::waiting(commit);
        }
        drop(plan);
        change(self.inner.as_ref())
    }
}

/// Passes an answer on: at once where it is known, from a thread of its own where the store behind still works on it.
fn forward<T: Send + Unpin + 'static>(mut commit: Commit<T>, answer: oneshot::Sender<Result<T, StoreError>>) {
    // A receiver that is gone means that nobody awaits the commit, which is allowed.
    match (&mut commit).now_or_never() {
        Some(result) => drop(answer.send(result)),
        None => drop(std::thread::spawn(move || drop(answer.send(commit.wait())))),
    }
}

impl Store for FaultyStore {
    fn accept(&self, request: NewRequest) -> Commit<Accepted> {
        self.asked.lock().push(NewRequest { body_permit: None, ..request.clone() });
        self.write(Write::Accept, move |store| store.accept(request))
    }

    fn record(&self, transition: Transition) -> Commit<()> {
        self.write(Write::Record, move |store| store.record(transition))
    }

    fn put_config_with(&self, items: Vec<ConfigItem>, documents: Vec<Document>) -> Commit<Arc<Configuration>> {
        self.write(Write::PutConfig, move |store| store.put_config_with(items, documents))
    }

    fn put_documents(&self, changes: Vec<DocumentChange>) -> Commit<()> {
        self.write(Write::PutDocuments, move |store| store.put_documents(changes))
    }

    fn document(&self, key: DocumentKey) -> Result<Document, StoreError> {
        self.inner.document(key)
    }

    fn documents(&self, family: Family, stretch: DocumentStretch) -> Result<Vec<Document>, StoreError> {
        self.inner.documents(family, stretch)
    }

    fn attached(&self, key: DocumentKey) -> Result<Request, StoreError> {
        self.inner.attached(key)
    }

    fn erased_by(&self, request: RequestId) -> Result<Timestamp, StoreError> {
        self.inner.erased_by(request)
    }

    fn has_erased(&self) -> bool {
        self.inner.has_erased()
    }

    fn next_seq(&self) -> Seq {
        self.inner.next_seq()
    }

    fn configuration(&self) -> Arc<Configuration> {
        self.inner.configuration()
    }

    fn listen(&self, listener: Arc<dyn CommitListener>) {
        self.inner.listen(listener);
    }

    fn ready(&self) -> Result<(), StoreError> {
        if self.rebuilding.load(Ordering::Acquire) {
            return Err(StoreError::Rebuilding { percent: 0 });
        }
        self.inner.ready()
    }

    fn accepting(&self) -> Result<(), StoreError> {
        self.inner.accepting()
    }

    fn pending(
        &self,
        connection: ConnectionId,
        due_before: Timestamp,
        from: Option<(Timestamp, Seq)>,
        limit: usize,
    ) -> Result<PendingPage, StoreError> {
        let page = self.inner.pending(connection, due_before, from, limit);
        let mut readings = self.readings.lock();
        readings.held += 1;
        self.released.wait_while(&mut readings, |readings| readings.holding);
        readings.held -= 1;
        page
    }

    fn held(&self, connection: ConnectionId, now: Timestamp) -> Result<HeldBack, StoreError> {
        self.inner.held(connection, now)
    }

    fn request(&self, at: PayloadRef) -> Result<Request, StoreError> {
        self.inner.request(at)
    }

    fn event(&self, id: EventId) -> Result<KeptEvent, StoreError> {
        self.inner.event(id)
    }

    fn attempt(&self, id: AttemptId) -> Result<StoredAttempt, StoreError> {
        self.inner.attempt(id)
    }

    fn events(&self, filter: &EventFilter, page: &PageRequest, now: Timestamp) -> Result<EventPage, StoreError> {
        self.inner.events(filter, page, now)
    }

    fn count(&self, filter: &EventFilter, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.count(filter, now)
    }

    fn histogram(&self, filter: &EventFilter, shape: Histogram, now: Timestamp) -> Result<Vec<u64>, StoreError> {
        self.inner.histogram(filter, shape, now)
    }

    fn rows(&self, seqs: &[Seq]) -> Result<Vec<KeptEvent>, StoreError> {
        self.inner.rows(seqs)
    }

    fn tallies(&self, ask: &TallyAsk) -> Result<HashMap<ConnectionId, Tally>, StoreError> {
        self.inner.tallies(ask)
    }

    fn events_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError> {
        self.inner.events_of(request)
    }

    fn requests(&self, filter: &RequestFilter, stretch: &RequestStretch) -> Result<RequestPage, StoreError> {
        self.inner.requests(filter, stretch)
    }

    fn count_requests(&self, filter: &RequestFilter) -> Result<u64, StoreError> {
        self.inner.count_requests(filter)
    }

    fn request_by_id(&self, id: RequestId) -> Result<KeptRequest, StoreError> {
        self.inner.request_by_id(id)
    }

    fn changes(&self) -> Arc<Changes> {
        self.inner.changes()
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    fn set_idle(&self, idle: bool) {
        self.inner.set_idle(idle);
    }

    /// What is held goes first: it was submitted before.
    fn close(&self) {
        self.release_all();
        self.inner.close();
    }
}
