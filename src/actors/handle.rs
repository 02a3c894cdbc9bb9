//! The way into the actors for everybody else: configuration changes, retries, cancellations, figures, the end.
//!
//! Owns nothing but addresses and may be cloned freely. Never decides and never waits without an end: whoever cannot
//! be reached now answers [`ActionError::Busy`].

use std::{sync::Arc, time::Duration};

use actix::{Message, Recipient};
use tokio::{sync::oneshot, time::timeout};

use super::registry::{Ask, ConnectionSnapshot, Registry};
use crate::{
    domain::{
        ConfigItem, Configuration, ConnectionId, Event, EventId, EventStatus, Phase, SwitchedOff,
        delivery::Asked,
        directory::{Command, ConfigError},
    },
    store::{Held, KeptEvent, Store, StoreError},
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
    pub(crate) reply: oneshot::Sender<Result<Applied, ActionError>>,
}

/// Asks the gateway to stop everything that it started.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown(pub(crate) oneshot::Sender<()>);

/// The way into the actors.
#[derive(Clone)]
pub struct GatewayHandle {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) shutdown: Recipient<Shutdown>,
}

impl GatewayHandle {
    /// Changes the configuration; answered when the change is durable and obeyed. Changes happen one after the other.
    ///
    /// # Errors
    ///
    /// `Config` when it is refused, `Store` when it cannot be kept, `Busy`.
    pub async fn apply(&self, command: Command) -> Result<Applied, ActionError> {
        let (reply, answer) = oneshot::channel();
        self.registry.apply(Apply { command, reply })?;
        wait(answer).await?
    }

    /// Asks for one more try of an event, whatever its status; answered when that is durable.
    ///
    /// # Errors
    ///
    /// `SwitchedOff` while nothing is sent on its connection; `NotFound`, `Store`, `Busy`.
    pub async fn retry(&self, id: EventId, asked: Asked) -> Result<Event, ActionError> {
        let known = |row: &KeptEvent| {
            let switched_off = self.store.configuration().switched_off(row.event.connection_id)?;
            Some(Err(switched_off.into()))
        };
        self.act(id, known, |row, reply| Ask::Retry(row, asked, reply)).await
    }

    /// Gives up an event; answered when that is durable.
    ///
    /// # Errors
    ///
    /// `AlreadySettled` when it was successful or failed for good; `NotFound`, `Store`, `Busy`.
    pub async fn cancel(&self, id: EventId) -> Result<Event, ActionError> {
        let known = |row: &KeptEvent| {
            let configuration = self.store.configuration();
            let event = &row.event;
            let phase = event.phase.effective(event.generation, configuration.standing(event.connection_id));
            // Nothing more can happen to it: its connection may be gone already.
            let is_final = configuration.switched_off(event.connection_id).is_some() && phase.is_settled();
            is_final.then(|| match phase {
                Phase::Successful => Err(ActionError::AlreadySettled { status: EventStatus::Successful }),
                Phase::Failed => Err(ActionError::AlreadySettled { status: EventStatus::Failed }),
                Phase::Cancelled { .. } | Phase::Ready { .. } | Phase::Waiting { .. } => Ok(event.clone()),
            })
        };
        self.act(id, known, Ask::Cancel).await
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
        let repeats =
            slots.iter().any(|slot| slot.snapshot().resuming) || (self.store.resumes() && !self.registry.is_started());
        if in_time.iter().all(Option::is_some) && !repeats {
            self.store.set_idle(true);
        }
        let (reply, answer) = oneshot::channel();
        if self.shutdown.try_send(Shutdown(reply)).is_ok() {
            answer.await.ok();
        }
        Drained { unfinished }
    }

    /// Looks the event up and asks its connection, unless the answer is known; again when it changed in between.
    async fn act(
        &self,
        id: EventId,
        known: impl Fn(&KeptEvent) -> Option<Result<Event, ActionError>>,
        ask: impl Fn(KeptEvent, oneshot::Sender<Result<Event, ActionError>>) -> Ask,
    ) -> Result<Event, ActionError> {
        let mut looks = 0;
        loop {
            let store = Arc::clone(&self.store);
            let read = tokio::task::spawn_blocking(move || store.event(id)).await;
            let row = read.map_err(|error| StoreError::Io(error.to_string()))??;
            if let Some(answer) = known(&row) {
                return answer;
            }
            let slot = self.registry.slot(row.event.connection_id).ok_or(ActionError::Busy)?;
            let (reply, answer) = oneshot::channel();
            slot.ask(ask(row, reply))?;
            let answer = wait(answer).await?;
            looks += 1;
            match answer {
                Err(ActionError::Store(StoreError::Stale { .. })) if looks < LOOKS_MAX => {}
                answer => return answer,
            }
        }
    }
}

/// Waits for an answer; an actor that died or a store that hangs is `Busy`.
async fn wait<T>(answer: oneshot::Receiver<T>) -> Result<T, ActionError> {
    match timeout(ACTION_WAIT_MAX, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(ActionError::Busy),
    }
}
