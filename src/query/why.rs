//! What became of a request on each connection: of its source as it is now, and of those that its events and ignored events name.

use std::sync::Arc;

use super::{Query, requests::RequestSummary};
use crate::{
    domain::{
        Configuration, Connection, ConnectionId, Document, DocumentKey, Event, Family, Ignored, IgnoredCause,
        IgnoredEventId, RequestId, Timestamp,
        routing::{self, Outcome},
    },
    store::{Store, StoreError},
};

/// What became of a request.
#[derive(Debug, Clone)]
pub struct Why {
    /// As lists show it.
    pub summary: RequestSummary,
    /// Why what arrived cannot be read any more, and so not be sent again; `None` while it can.
    pub data_gone: Option<StoreError>,
    /// By connection: first those that made something of it, in its fan-out's order, then the others of the source.
    pub fates: Vec<Fate>,
    /// The configuration that all this was read with.
    pub configuration: Arc<Configuration>,
    /// The time that statuses are derived at.
    pub now: Timestamp,
}

/// What became of a request on one connection.
#[derive(Debug, Clone)]
pub struct Fate {
    /// The connection.
    pub connection_id: ConnectionId,
    /// What became of it there.
    pub outcome: FateOutcome,
    /// Whether a retry of the request would make an event of it there.
    pub is_missing: bool,
}

/// What became of a request on one connection.
#[derive(Debug, Clone)]
pub enum FateOutcome {
    /// An event, maybe a deleted one.
    Event(Box<Event>),
    /// None, for this cause.
    Ignored(IgnoredEventId, IgnoredCause),
    /// The request was rejected, so no connection was asked.
    Rejected,
    /// The connection is younger than the request.
    Younger,
    /// Nothing is known: its event is no longer kept, or it belonged to another source then.
    Unknown,
}

impl Query {
    /// What became of a request.
    ///
    /// # Errors
    ///
    /// As [`Store::request_by_id`].
    pub async fn why(&self, id: RequestId) -> Result<Why, StoreError> {
        let now = self.now();
        self.blocking(move |store| {
            let kept = store.request_by_id(id)?;
            let configuration = store.configuration();
            let (ignored, data_gone) = match kept.content {
                Ok(content) => (content.ignored, None),
                Err(error @ (StoreError::Io(_) | StoreError::Closed | StoreError::Rebuilding { .. })) => {
                    return Err(error);
                }
                Err(error) => (Vec::new(), Some(error)),
            };
            let retried = retried(store, id)?;
            let events = events(store, id, &retried)?;
            let outcome = Outcome {
                source_id: kept.summary.source_id,
                created_at: kept.summary.created_at,
                rejected: kept.summary.rejection.is_some(),
                ignored: &ignored,
                retried: &retried,
            };
            let fates = fates(&configuration, id, outcome, events, data_gone.is_none());
            Ok(Why { summary: kept.summary, data_gone, fates, configuration, now })
        })
        .await
    }
}

/// The connections that made an event of it later.
fn retried(store: &dyn Store, id: RequestId) -> Result<Vec<(ConnectionId, u16)>, StoreError> {
    match store.document(DocumentKey { family: Family::Retried, id: id.bits() }) {
        Ok(Document::Retried(retried)) => Ok(retried.routes),
        Ok(_) | Err(StoreError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn events(store: &dyn Store, id: RequestId, retried: &[(ConnectionId, u16)]) -> Result<Vec<Event>, StoreError> {
    let mut events = match store.events_of(id) {
        Err(StoreError::NotFound) => Vec::new(),
        found => found?,
    };
    for (_, index) in retried {
        match store.event(id.event(*index)) {
            Ok(kept) if events.iter().all(|event| event.seq != kept.event.seq) => events.push(kept.event),
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

fn fates(
    configuration: &Configuration,
    id: RequestId,
    outcome: Outcome<'_>,
    events: Vec<Event>,
    data_is_there: bool,
) -> Vec<Fate> {
    let mut known: Vec<(ConnectionId, FateOutcome)> =
        events.into_iter().map(|event| (event.connection_id, FateOutcome::Event(Box::new(event)))).collect();
    for (index, Ignored { connection_id, cause }) in (0u16..).zip(outcome.ignored) {
        // What was made up for later has its event.
        if known.iter().all(|(known, _)| known != connection_id) {
            known.push((*connection_id, FateOutcome::Ignored(id.ignored(index), *cause)));
        }
    }
    for connection in configuration.connections_of(outcome.source_id) {
        if known.iter().all(|(known, _)| *known != connection.id) {
            known.push((connection.id, unasked(connection, &outcome)));
        }
    }
    let missing = routing::missing(configuration, outcome, None).unwrap_or_default();
    let is_missing = |id| data_is_there && missing.iter().any(|route| route.connection_id == id);
    known
        .into_iter()
        .map(|(connection_id, outcome)| Fate { connection_id, outcome, is_missing: is_missing(connection_id) })
        .collect()
}

/// What is known of a connection that made nothing of a request.
fn unasked(connection: &Connection, outcome: &Outcome<'_>) -> FateOutcome {
    if connection.created_at > outcome.created_at {
        FateOutcome::Younger
    } else if outcome.rejected {
        FateOutcome::Rejected
    } else {
        FateOutcome::Unknown
    }
}
