//! The way into the actors for everybody else: configuration changes, retries, cancellations, figures, the end.
//!
//! Owns nothing but addresses and may be cloned freely. Never decides and never waits without an end: whoever cannot
//! be reached now answers [`ActionError::Busy`].

use std::{sync::Arc, time::Duration};

use actix::{Message, Recipient};
use tokio::{sync::oneshot, time::timeout};

use super::{
    engine::Engine,
    registry::{Ask, Asking, ConnectionSnapshot, Registry, Wish},
};
use crate::{
    domain::{
        ConfigItem, Configuration, ConnectionId, Event, EventId, EventStatus, Phase, SwitchedOff,
        delivery::{Asked, Delivery, Input, Moment},
        directory::{Command, ConfigError},
        document::Author,
    },
    store::{EventFilter, Held, KeptEvent, Store, StoreError, Transition},
};

/// How often an action looks again when the event changed between looking and asking.
const LOOKS_MAX: u32 = 4;
/// How long a client waits for an action at most; then the store is in trouble and it may try again.
const ACTION_WAIT_MAX: Duration = Duration::from_secs(20);

/// Why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There is no such event.
    #[error("not found")]
    NotFound,
    /// It was deleted (410).
    #[error("the event was deleted")]
    Deleted,
    /// It is not, or no longer, one of those that are to be changed.
    #[error("the event is no longer one of those asked for")]
    NoMatch,
    /// It cannot be cancelled any more (422).
    #[error("the event is already settled: its status is {}", status.as_str())]
    AlreadySettled {
        /// What it settled as.
        status: EventStatus,
    },
    /// Nothing is sent on its connection until that changes (422).
    #[error("the event cannot be tried again: {0}")]
    SwitchedOff(#[from] SwitchedOff),
    /// The configuration does not allow it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store could not keep it.
    #[error(transparent)]
    Store(StoreError),
    /// Its actor is being rebuilt or has too much to do (503).
    #[error("busy: try again in a moment")]
    Busy,
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            error @ (StoreError::Overloaded(_)
            | StoreError::DiskFull { .. }
            | StoreError::OverQuota { .. }
            | StoreError::Rebuilding { .. }
            | StoreError::Stale { .. }
            | StoreError::Conflict
            | StoreError::Erased { .. }
            | StoreError::Damaged(_)
            | StoreError::Closed
            | StoreError::Io(_)) => Self::Store(error),
        }
    }
}

/// A change of the configuration that is durable and obeyed.
#[derive(Debug, Clone)]
pub struct Applied {
    /// All of it, afterwards.
    pub configuration: Arc<Configuration>,
    /// What was put; empty when everything was as asked already.
    pub changed: Vec<ConfigItem>,
    /// What an unpause let go, counted just before it did.
    pub released: Option<Held>,
}

/// How the end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that were cut off; their events are sent again after the next start.
    pub unfinished: usize,
}

/// Asks the directory for a change.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Apply {
    pub(crate) command: Command,
    pub(crate) author: Author,
    pub(crate) reply: oneshot::Sender<Result<Applied, ActionError>>,
}

/// Asks the gateway to stop everything that it started.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown(pub(crate) oneshot::Sender<()>);

/// The way into the actors.
#[derive(Clone)]
pub struct GatewayHandle {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) shutdown: Recipient<Shutdown>,
}

impl GatewayHandle {
    /// Changes the configuration and writes down who did; answered when the change is durable and obeyed. Changes happen one
    /// after the other.
    ///
    /// # Errors
    ///
    /// `Config` when it is refused, `Store` when it cannot be kept, `Busy`.
    pub async fn apply(&self, command: Command, author: Author) -> Result<Applied, ActionError> {
        let (reply, answer) = oneshot::channel();
        self.registry.apply(Apply { command, author, reply })?;
        wait(answer).await?
    }

    /// Asks for one more try of an event, whatever its status; answered when that is durable.
    ///
    /// # Errors
    ///
    /// `SwitchedOff` while nothing is sent on its connection; `NotFound`, `Deleted`, `Store`, `Busy`.
    pub async fn retry(&self, id: EventId, asked: Asked) -> Result<Event, ActionError> {
        self.wish(id, Wish::Retry(asked), None).await
    }

    /// Gives up an event; answered when that is durable.
    ///
    /// # Errors
    ///
    /// `AlreadySettled` when it was successful or failed for good; `NotFound`, `Deleted`, `Store`, `Busy`.
    pub async fn cancel(&self, id: EventId) -> Result<Event, ActionError> {
        self.wish(id, Wish::Cancel, None).await
    }

    /// Deletes an event: what is pending of it is cancelled, no list shows it any more. Answered when that is durable.
    ///
    /// # Errors
    ///
    /// `Deleted` when it was before; `NotFound`, `Store`, `Busy`.
    pub async fn delete(&self, id: EventId) -> Result<Event, ActionError> {
        self.wish(id, Wish::Delete, None).await
    }

    /// What a connection shows of itself; `None` when it has never been started.
    #[must_use]
    pub fn snapshot(&self, connection: ConnectionId) -> Option<ConnectionSnapshot> {
        self.registry.slot(connection).map(|slot| slot.snapshot())
    }

    /// Starts nothing more, waits at most `grace` for what is in flight, then stops every actor.
    pub async fn drain(&self, grace: Duration) -> Drained {
        let slots = self.registry.all();
        let answers = slots.iter().map(|slot| {
            let (reply, answer) = oneshot::channel();
            // One that cannot be asked is being rebuilt: what it had in flight is cut off already.
            slot.ask(Ask::Drain(reply)).map(|()| answer)
        });
        let drained = answers.map(|answer| async move { answer.ok()?.await.ok() });
        let all = futures_util::future::join_all(drained.collect::<Vec<_>>());
        // Late ones are counted below.
        let in_time = timeout(grace, all).await.unwrap_or_else(|_| vec![None]);
        let unfinished = slots.iter().map(|slot| slot.snapshot().in_flight).sum();
        let repeats = slots.iter().any(|slot| slot.snapshot().resuming)
            || (self.engine.store.resumes() && !self.registry.is_started());
        if in_time.iter().all(Option::is_some) && !repeats {
            self.engine.store.set_idle(true);
        }
        let (reply, answer) = oneshot::channel();
        if self.shutdown.try_send(Shutdown(reply)).is_ok() {
            answer.await.ok();
        }
        Drained { unfinished }
    }

    /// Looks the event up and asks its connection, unless the answer is known; again when it changed in between. With
    /// `only_if`, the wish is for an event that this picks when its turn comes.
    pub(super) async fn wish(
        &self,
        id: EventId,
        wish: Wish,
        only_if: Option<Arc<EventFilter>>,
    ) -> Result<Event, ActionError> {
        let mut looks = 0;
        loop {
            let row = self.blocking(move |store| store.event(id)).await?;
            if let Some(answer) = self.known(&row, wish) {
                return answer;
            }
            let answer = match self.registry.slot(row.event.connection_id) {
                Some(slot) => {
                    let (reply, answer) = oneshot::channel();
                    slot.ask(Ask::Event(Box::new(Asking { row, wish, only_if: only_if.clone(), reply })))?;
                    wait(answer).await?
                }
                None if wish == Wish::Delete => self.delete_ownerless(row).await,
                None => Err(ActionError::Busy),
            };
            looks += 1;
            match answer {
                Err(ActionError::Store(StoreError::Stale { .. })) if looks < LOOKS_MAX => {}
                answer => return answer,
            }
        }
    }

    /// The answer to a wish where nobody needs to be asked: its connection may be gone already.
    fn known(&self, row: &KeptEvent, wish: Wish) -> Option<Result<Event, ActionError>> {
        let (configuration, event) = (self.engine.store.configuration(), &row.event);
        if event.deleted_at.is_some() {
            return Some(Err(ActionError::Deleted));
        }
        let switched_off = configuration.switched_off(event.connection_id)?;
        match wish {
            Wish::Retry(_) => Some(Err(switched_off.into())),
            Wish::Cancel => {
                match event.phase.effective(event.generation, configuration.standing(event.connection_id)) {
                    // One that is in flight may be shown so.
                    Phase::Ready { .. } | Phase::Waiting { .. } => None,
                    Phase::Successful => Some(Err(ActionError::AlreadySettled { status: EventStatus::Successful })),
                    Phase::Failed => Some(Err(ActionError::AlreadySettled { status: EventStatus::Failed })),
                    Phase::Cancelled { .. } => Some(Ok(event.clone())),
                }
            }
            Wish::Delete => None,
        }
    }

    /// Deletes an event of a deleted connection whose actor has ended: nothing is in flight, and nobody else changes it.
    async fn delete_ownerless(&self, row: KeptEvent) -> Result<Event, ActionError> {
        let configuration = self.engine.store.configuration();
        let connection = configuration.connections.get(&row.event.connection_id);
        if connection.is_some_and(|connection| connection.deleted_at.is_none()) {
            // It has not been started yet.
            return Err(ActionError::Busy);
        }
        let at = Moment {
            now: self.engine.now(),
            generation: connection.map_or(row.event.generation, |connection| connection.generation),
            unpaused_at: None,
            retry_rule: None,
            jitter: 0.0,
        };
        let event = Delivery::at_rest(row.event).step(Input::Delete, &at).next.event;
        self.engine.store.record(Transition { event: event.clone(), attempt: None }).await?;
        Ok(event)
    }

    /// Reads the store where that may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.engine.store);
        let done = tokio::task::spawn_blocking(move || read(store.as_ref())).await;
        done.unwrap_or_else(|error| Err(StoreError::Io(error.to_string())))
    }
}

/// Waits for an answer; an actor that died or a store that hangs is `Busy`.
async fn wait<T>(answer: oneshot::Receiver<T>) -> Result<T, ActionError> {
    match timeout(ACTION_WAIT_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(ActionError::Busy),
    }
}
