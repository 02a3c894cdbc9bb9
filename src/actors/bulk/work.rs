//! One operation at work: batch after batch, each written down before the next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{
    super::{
        handle::{ActionError, GatewayHandle},
        milestone::Milestone,
        registry::Wish,
        resending::ResendError,
    },
    Selection,
    batch::{self, Item, Place},
    is_unfinished,
    pace::Pace,
    read,
};
use crate::{
    domain::{
        BulkId, ConnectionId, Document, Event, RequestId, Timestamp,
        delivery::Asked,
        document::{Bulk, BulkKind},
    },
    store::{DocumentChange, EventFilter, Store, StoreError},
};

/// Things asked for at once: enough to fill group commits, little beside what connections do at once.
const AT_ONCE_MAX: usize = 32;
/// Things in a batch at most: what a crash makes an operation look at again.
const BATCH_MAX: usize = 250;
/// How often one thing is tried when the store or a connection is busy; then it counts as failed.
const TRIES_MAX: u32 = 6;
/// The wait before the second try, doubled by each further one.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What became of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// So many were done, so many could not be.
    Tally { completed: u64, failed: u64 },
    /// It needed nothing any more.
    Skipped,
    /// The operation was stopped before.
    Stopped,
    /// The store has closed.
    Closed,
}

impl Done {
    const COMPLETED: Self = Self::Tally { completed: 1, failed: 0 };
    const FAILED: Self = Self::Tally { completed: 0, failed: 1 };
}

/// An operation being worked on.
pub(super) struct Work {
    pub(super) handle: GatewayHandle,
    pub(super) pace: Arc<Pace>,
    /// Set when somebody stopped it.
    pub(super) stopped: Arc<AtomicBool>,
    pub(super) bulk: Bulk,
}

/// What an operation needs for each thing.
struct Context {
    handle: GatewayHandle,
    pace: Arc<Pace>,
    stopped: Arc<AtomicBool>,
    id: BulkId,
    kind: BulkKind,
    /// When it was asked for: what its replayed requests' ids begin with.
    began_at: Timestamp,
    /// Looked at again when an event's turn comes.
    only_if: Option<Arc<EventFilter>>,
    /// Whether the batch may have been worked on before: the first one of a further life.
    repeated: bool,
}

impl Work {
    /// Works until the operation is finished or stopped.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or written now; it goes on where it was, later.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        // Who stops it from now on finds it under way; who did before wrote that down.
        let id = self.bulk.id;
        let Some(bulk) = self.handle.blocking(move |store| read(store, id)).await? else { return Ok(()) };
        self.bulk = bulk;
        let (Some(mut place), Some(selection)) = (Place::of(&self.bulk), self.selection()) else {
            return self.give_up().await;
        };
        // That it has begun is written down first, so that the next life knows that somebody was here.
        let mut repeated = self.bulk.version > 1;
        if repeated {
            self.recount().await?;
        } else {
            self.write_down(Some(place), 0, 0).await?;
        }
        while is_unfinished(&self.bulk) {
            let (kind, now, limit) = (self.bulk.kind, self.handle.engine.now(), self.batch());
            let picked = selection.clone();
            let read = move |store: &dyn Store| batch::read(store, (kind, &picked), &place, (limit, now));
            let batch = self.handle.blocking(read).await?;
            let (completed, failed) = self.perform(&selection, batch.items, repeated).await?;
            self.write_down(batch.next, completed, failed).await?;
            repeated = false;
            match batch.next {
                Some(next) => place = next,
                None => break,
            }
        }
        self.handle.engine.milestones.reached(Milestone::BulkEnded(self.bulk.id));
        Ok(())
    }

    /// What it goes over, by what its document says.
    fn selection(&self) -> Option<Selection> {
        match (self.handle.engine.bulk.reader)(self.bulk.kind, &self.bulk.query) {
            Ok(selection) => Some(selection),
            Err(error) => {
                tracing::error!(bulk.id = %self.bulk.id, error, "the filter of a bulk operation cannot be read");
                None
            }
        }
    }

    /// Things of a batch: about a second's worth.
    fn batch(&self) -> usize {
        usize::try_from(self.handle.engine.bulk.rate_per_s).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX)
    }

    /// Ends it with what was not done as failed.
    async fn give_up(mut self) -> Result<(), StoreError> {
        let left = self.bulk.planned.saturating_sub(self.bulk.completed + self.bulk.failed);
        self.write_down(None, 0, left).await
    }

    /// Counts what was done and not written down before a crash, as far as the rows tell.
    async fn recount(&mut self) -> Result<(), StoreError> {
        if self.bulk.kind == BulkKind::EventsRetry {
            let filter = EventFilter { bulks: vec![self.bulk.id], ..EventFilter::default() };
            let now = self.handle.engine.now();
            let asked = self.handle.blocking(move |store| store.count(&filter, now)).await?;
            let most = self.bulk.completed + BATCH_MAX as u64;
            self.bulk.completed = self.bulk.completed.max(asked.min(most));
        }
        Ok(())
    }

    /// Does everything of a batch, a few at once; answers how many were done and how many could not be.
    async fn perform(
        &self,
        selection: &Selection,
        items: Vec<(Item, Timestamp)>,
        repeated: bool,
    ) -> Result<(u64, u64), StoreError> {
        let only_if = match selection {
            Selection::Events { filter, .. } => Some(Arc::clone(filter)),
            Selection::Requests { .. } | Selection::Ignored { .. } => None,
        };
        let context = Context {
            handle: self.handle.clone(),
            pace: Arc::clone(&self.pace),
            stopped: Arc::clone(&self.stopped),
            id: self.bulk.id,
            kind: self.bulk.kind,
            began_at: self.bulk.created_at,
            only_if,
            repeated,
        };
        let all: Vec<Done> =
            stream::iter(items).map(|(item, _)| context.patiently(item)).buffer_unordered(AT_ONCE_MAX).collect().await;
        let mut sum = (0, 0);
        for done in all {
            match done {
                Done::Tally { completed, failed } => sum = (sum.0 + completed, sum.1 + failed),
                Done::Skipped | Done::Stopped => {}
                Done::Closed => return Err(StoreError::Closed),
            }
        }
        Ok(sum)
    }

    /// Writes down how far it is; without a next place, that it is finished. Somebody may have stopped it meanwhile.
    async fn write_down(&mut self, next: Option<Place>, completed: u64, failed: u64) -> Result<(), StoreError> {
        self.bulk.completed += completed;
        self.bulk.failed += failed;
        loop {
            let now = self.handle.engine.now();
            let goes_on = is_unfinished(&self.bulk);
            let cursor = next.map_or_else(|| self.bulk.cursor.clone(), Place::encode);
            let after = Bulk {
                cursor,
                completed_at: (goes_on && next.is_none()).then_some(now).or(self.bulk.completed_at),
                updated_at: now,
                version: self.bulk.version + 1,
                ..self.bulk.clone()
            };
            let put = DocumentChange::Put(Document::Bulk(after.clone()), None);
            match self.handle.engine.store.put_documents(vec![put]).await {
                Ok(()) => {
                    self.bulk = after;
                    return Ok(());
                }
                Err(StoreError::Conflict) => {
                    let id = self.bulk.id;
                    let stored = self.handle.blocking(move |store| read(store, id)).await?;
                    let Some(stored) = stored else { return Err(StoreError::NotFound) };
                    (self.bulk.version, self.bulk.cancelled_at) = (stored.version, stored.cancelled_at);
                    self.bulk.completed_at = stored.completed_at;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Context {
    /// Does one thing in its turn, again when somebody is busy.
    async fn patiently(&self, item: Item) -> Done {
        let mut wait = AGAIN_AFTER;
        for tried in 1.. {
            self.pace.turn().await;
            if self.stopped.load(Ordering::Acquire) {
                return Done::Stopped;
            }
            let error = match self.once(&item).await {
                Ok(done) => return done,
                Err(StoreError::Closed) => return Done::Closed,
                Err(error) => error,
            };
            if tried == TRIES_MAX {
                tracing::warn!(bulk.id = %self.id, %error, "a thing of a bulk operation could not be done");
                return Done::Tally { completed: 0, failed: item.things() };
            }
            sleep(wait).await;
            wait *= 2;
        }
        Done::FAILED
    }

    /// Does one thing. An error passes by itself.
    async fn once(&self, item: &Item) -> Result<Done, StoreError> {
        match (self.kind, item) {
            (BulkKind::EventsRetry, Item::Event(_, Some(by))) if *by == self.id => {
                // Done before a crash, and counted by now.
                Ok(Done::Skipped)
            }
            (BulkKind::EventsRetry, Item::Event(id, _)) => {
                let wish = Wish::Retry(Asked::Bulk(self.id));
                self.of_event(self.handle.wish(*id, wish, self.only_if.clone()).await)
            }
            (BulkKind::EventsCancel, Item::Event(id, _)) => {
                self.of_event(self.handle.wish(*id, Wish::Cancel, self.only_if.clone()).await)
            }
            (BulkKind::RequestsReplay, Item::Request(id)) => self.replay(*id).await,
            (BulkKind::RequestsRetry, Item::Request(id)) => {
                self.of_request(self.handle.retry_request(*id, None).await.map(|_| Done::COMPLETED), 1)
            }
            (BulkKind::IgnoredEventsRetry, Item::Ignored(id, connections)) => self.retry_on(*id, connections).await,
            (
                BulkKind::EventsRetry
                | BulkKind::EventsCancel
                | BulkKind::RequestsRetry
                | BulkKind::RequestsReplay
                | BulkKind::IgnoredEventsRetry,
                Item::Event(..) | Item::Request(_) | Item::Ignored(..),
            ) => Ok(Done::Skipped),
        }
    }

    /// Replays a request under an id that a repetition finds.
    async fn replay(&self, id: RequestId) -> Result<Done, StoreError> {
        let new_id = self.replayed_id(id);
        if self.repeated {
            match self.handle.blocking(move |store| store.request_by_id(new_id)).await {
                Ok(_) => return Ok(Done::COMPLETED),
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.of_request(self.handle.replay_request_as(id, new_id).await.map(|_| Done::COMPLETED), 1)
    }

    /// The id of a request that this operation replays.
    fn replayed_id(&self, id: RequestId) -> RequestId {
        let digest = Sha256::new().chain_update(self.id.bits().to_be_bytes()).chain_update(id.bits().to_be_bytes());
        let random = digest.finalize().iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        RequestId::from_parts(self.began_at, random)
    }

    /// Sends a request over those of the connections that can send; the others could not be done.
    async fn retry_on(&self, id: RequestId, connections: &[ConnectionId]) -> Result<Done, StoreError> {
        let configuration = self.handle.engine.store.configuration();
        let (able, unable): (Vec<ConnectionId>, Vec<_>) =
            connections.iter().partition(|id| configuration.switched_off(**id).is_none());
        let failed = unable.len() as u64;
        if able.is_empty() {
            return Ok(Done::Tally { completed: 0, failed });
        }
        let count = able.len() as u64;
        let sent = self.handle.retry_request(id, Some(able)).await;
        let done = sent.map(|sent| Done::Tally { completed: sent.events.len() as u64, failed });
        self.of_request(done, count)
    }

    fn of_event(&self, answer: Result<Event, ActionError>) -> Result<Done, StoreError> {
        match answer {
            Ok(_) => Ok(Done::COMPLETED),
            // It changed, was cancelled, deleted or expired before its turn.
            Err(
                ActionError::NoMatch
                | ActionError::NotFound
                | ActionError::Deleted
                | ActionError::AlreadySettled { .. },
            ) => Ok(Done::Skipped),
            Err(error @ (ActionError::SwitchedOff(_) | ActionError::Config(_))) => {
                tracing::debug!(bulk.id = %self.id, %error, "an event of a bulk operation could not be changed");
                Ok(Done::FAILED)
            }
            Err(ActionError::Busy) => Err(StoreError::Overloaded("a connection")),
            Err(ActionError::Store(error)) => Err(error),
        }
    }

    fn of_request(&self, answer: Result<Done, ResendError>, things: u64) -> Result<Done, StoreError> {
        match answer {
            Ok(done) => Ok(done),
            // What a batch that is repeated finds done was done by it.
            Err(ResendError::NothingToDo) if self.repeated => Ok(Done::Tally { completed: things, failed: 0 }),
            Err(ResendError::NothingToDo | ResendError::NotFound(_)) => Ok(Done::Skipped),
            Err(
                error @ (ResendError::Deleted
                | ResendError::DataGone
                | ResendError::Truncated
                | ResendError::TooManyConnections
                | ResendError::Routing(_)),
            ) => {
                tracing::debug!(bulk.id = %self.id, %error, "a request of a bulk operation could not be sent again");
                Ok(Done::Tally { completed: 0, failed: things })
            }
            Err(ResendError::Store(error)) => Err(error),
        }
    }
}
