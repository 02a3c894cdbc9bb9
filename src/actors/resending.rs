//! New events of what is there already: a request over the connections that made none of it, a request or an event once
//! more as if it had just arrived, a bookmark.
//!
//! Each is one record, or nothing. Who gets an event is decided by `domain::routing`; how it is sent is as with any other.

use std::sync::Arc;

use super::handle::GatewayHandle;
use crate::{
    domain::{
        BookmarkId, Configuration, ConnectionId, Document, DocumentKey, Event, EventId, Family, Ignored, Request,
        RequestId, Route, Seq, SourceId, SwitchedOff, Timestamp,
        document::{Bookmark, Erasure, Retried},
        routing::{self, LATER_INDEX_MIN, Outcome, ROUTES_MAX, RoutingError},
    },
    store::{DocumentChange, KeptRequest, NewRequest, RequestContent, Store, StoreError},
};

/// How often a change is tried again when somebody else changed the same document in between.
const TRIES_MAX: u32 = 4;

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResendError {
    /// There is none of that id (404).
    #[error("there is no such {0}, or it is no longer kept")]
    NotFound(&'static str),
    /// It was deleted (410).
    #[error("the event was deleted")]
    Deleted,
    /// What arrived is not there any more (410).
    #[error("what arrived with it is erased, damaged or no longer kept: it cannot be sent again")]
    DataGone,
    /// The body is not there whole (422).
    #[error("only the beginning of its body was kept when it was rejected: it cannot be sent again")]
    Truncated,
    /// No connection is left that would make an event of it (400).
    #[error("nothing to do: no enabled connection that was there when it arrived has made no event of it")]
    NothingToDo,
    /// More connections than one request can go over (422).
    #[error("its source has more than {ROUTES_MAX} connections, one request goes over at most so many")]
    TooManyConnections,
    /// The connections do not allow it (422).
    #[error("it cannot be sent again: {0}")]
    Routing(#[from] RoutingError),
    /// The store could not read or keep it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ResendError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("request"),
            StoreError::Erased { .. } | StoreError::Damaged(_) => Self::DataGone,
            error @ (StoreError::Overloaded(_)
            | StoreError::DiskFull { .. }
            | StoreError::OverQuota { .. }
            | StoreError::Rebuilding { .. }
            | StoreError::Stale { .. }
            | StoreError::Conflict
            | StoreError::Closed
            | StoreError::Io(_)) => Self::Store(error),
        }
    }
}

/// A request and the events that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resent {
    /// The request, old or new.
    pub request_id: RequestId,
    /// Its new events.
    pub events: Vec<Event>,
}

/// Since when nobody can read what arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Since when.
    pub at: Timestamp,
    /// When its bytes are gone from the disk at the latest.
    pub bytes_gone_by: Timestamp,
}

impl GatewayHandle {
    /// Sends a request over the connections that made no event of it because it was rejected or ignored; over `only` those
    /// where some are named. Its new events are durable when this is answered.
    ///
    /// # Errors
    ///
    /// `NothingToDo` also when it was done before.
    pub async fn retry_request(&self, id: RequestId, only: Option<Vec<ConnectionId>>) -> Result<Resent, ResendError> {
        let mut tries = 0;
        loop {
            let only = only.clone();
            let (new, retried) = self.read(move |store| retry_of(store, id, only.as_deref())).await?;
            let (routes, first_index) = (new.routes.clone(), new.first_index);
            debug_assert!(!routes.is_empty(), "something is to be done");
            let from = (id, new.request.source_id);
            let new = NewRequest { documents: vec![Document::Retried(retried)], ..new };
            tries += 1;
            match self.engine.store.accept(new).await {
                Ok(accepted) => {
                    let events = made(from, first_index, &routes, (accepted.first_seq, accepted.created_at));
                    return Ok(Resent { request_id: id, events });
                }
                Err(StoreError::Conflict) if tries < TRIES_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends what arrived once more, as a new request over the connections that its source has now.
    ///
    /// # Errors
    ///
    /// When what arrived cannot be read, or its source takes nothing.
    pub async fn replay_request(&self, id: RequestId) -> Result<Resent, ResendError> {
        self.replay_request_as(id, self.fresh_request_id()).await
    }

    /// The same under an id that the caller chose; once, however often it is asked for.
    pub(super) async fn replay_request_as(&self, id: RequestId, new_id: RequestId) -> Result<Resent, ResendError> {
        let now = self.engine.now();
        let new = self.read(move |store| {
            let (_, content) = content_of(store, id)?;
            let configuration = store.configuration();
            routing::check_source(&configuration, content.request.source_id)?;
            let connections = configuration.connections_of(content.request.source_id);
            if connections.len() > ROUTES_MAX {
                return Err(ResendError::TooManyConnections);
            }
            if connections.is_empty() {
                return Err(ResendError::NothingToDo);
            }
            Ok(again(new_id, now, content.request, routing::fan_out(&configuration, connections)))
        });
        self.arrive(new.await?).await
    }

    /// Sends what an event was made of once more, as a new request over the event's connection alone.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or nothing is sent on its connection.
    pub async fn replay_event(&self, id: EventId) -> Result<Resent, ResendError> {
        let (now, new_id) = (self.engine.now(), self.fresh_request_id());
        let new = self.read(move |store| {
            let mut kept = found(store.event(id), "event")?;
            let mut request = store.request(kept.payload_ref);
            // Retention may have moved it between the two readings.
            if request == Err(StoreError::NotFound) {
                kept = found(store.event(id), "event")?;
                request = store.request(kept.payload_ref);
            }
            if kept.event.deleted_at.is_some() {
                return Err(ResendError::Deleted);
            }
            let request = whole(data(request)?)?;
            let configuration = store.configuration();
            let route = route_over(&configuration, kept.event.connection_id)?;
            Ok(again(new_id, now, request, (vec![route], Vec::new())))
        });
        self.arrive(new.await?).await
    }

    /// Sends what a bookmark keeps, as a new request over its connection, and notes when.
    ///
    /// # Errors
    ///
    /// When there is no such bookmark, or nothing is sent on its connection.
    pub async fn trigger(&self, id: BookmarkId) -> Result<Resent, ResendError> {
        let key = DocumentKey { family: Family::Bookmark, id: id.bits() };
        let mut tries = 0;
        loop {
            let (now, new_id) = (self.engine.now(), self.fresh_request_id());
            let new = self.read(move |store| {
                let Document::Bookmark(bookmark) = found(store.document(key), "bookmark")? else {
                    return Err(ResendError::NotFound("bookmark"));
                };
                let request = whole(data(store.attached(key))?)?;
                let configuration = store.configuration();
                let route = route_over(&configuration, bookmark.connection_id)?;
                let source_id = configuration.connections.get(&bookmark.connection_id).map(|over| over.source_id);
                let request = Request { source_id: source_id.unwrap_or(request.source_id), ..request };
                let used = Bookmark { last_used_at: Some(now), version: bookmark.version + 1, ..bookmark };
                let new = again(new_id, now, request, (vec![route], Vec::new()));
                Ok(NewRequest { documents: vec![Document::Bookmark(used)], ..new })
            });
            tries += 1;
            match self.arrive(new.await?).await {
                Err(ResendError::Store(StoreError::Conflict)) if tries < TRIES_MAX => {}
                answer => return answer,
            }
        }
    }

    /// Takes the data of a request out of everybody's sight, at once and for ever.
    ///
    /// # Errors
    ///
    /// When there is no such request, or the store cannot keep it.
    pub async fn erase(&self, id: RequestId) -> Result<Erased, ResendError> {
        let erasure = Erasure { request_id: id, at: self.engine.now() };
        let key = Document::Erasure(erasure.clone()).key();
        let before = self.read(move |store| match store.document(key) {
            Err(StoreError::NotFound) => Ok(store.request_by_id(id).map(|_| false)?),
            found => Ok(found.map(|_| true)?),
        });
        if !before.await? {
            match self.engine.store.put_documents(vec![DocumentChange::Put(Document::Erasure(erasure), None)]).await {
                // Somebody else was faster.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.read(move |store| match store.document(key)? {
            Document::Erasure(Erasure { at, .. }) => Ok(Erased { at, bytes_gone_by: store.erased_by(id)? }),
            Document::View(_)
            | Document::Bookmark(_)
            | Document::Bulk(_)
            | Document::Audit(_)
            | Document::Retried(_) => Err(ResendError::NotFound("request")),
        })
        .await
    }

    async fn arrive(&self, new: NewRequest) -> Result<Resent, ResendError> {
        let (request_id, source_id, routes) = (new.request.id, new.request.source_id, new.routes.clone());
        let accepted = self.engine.store.accept(new).await?;
        let events = made((request_id, source_id), 0, &routes, (accepted.first_seq, accepted.created_at));
        Ok(Resent { request_id, events })
    }

    fn fresh_request_id(&self) -> RequestId {
        RequestId::from_parts(self.engine.now(), self.engine.random())
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, ResendError> + Send + 'static,
    ) -> Result<T, ResendError> {
        self.blocking(move |store| Ok(read(store))).await?
    }
}

/// What is to be stored when a request is tried again, but for the document that is returned beside it.
fn retry_of(
    store: &dyn Store,
    id: RequestId,
    only: Option<&[ConnectionId]>,
) -> Result<(NewRequest, Retried), ResendError> {
    let (kept, content) = content_of(store, id)?;
    let key = DocumentKey { family: Family::Retried, id: id.bits() };
    let retried = match store.document(key) {
        Ok(Document::Retried(retried)) => retried,
        Ok(_) | Err(StoreError::NotFound) => Retried { request_id: id, routes: Vec::new(), version: 0 },
        Err(error) => return Err(error.into()),
    };
    let outcome = Outcome {
        source_id: kept.summary.source_id,
        created_at: kept.summary.created_at,
        rejected: kept.summary.rejection.is_some(),
        ignored: &content.ignored,
        retried: &retried.routes,
    };
    let routes = routing::missing(&store.configuration(), outcome, only)?;
    let done = u16::try_from(retried.routes.len()).ok().and_then(|done| LATER_INDEX_MIN.checked_add(done));
    let (Some(first_index), false) = (done, routes.is_empty()) else { return Err(ResendError::NothingToDo) };
    if retried.routes.len() + routes.len() > ROUTES_MAX {
        return Err(ResendError::TooManyConnections);
    }
    let connections = routes.iter().map(|route| route.connection_id);
    let all = retried.routes.iter().copied().chain(connections.zip(first_index..)).collect();
    let retried = Retried { routes: all, version: retried.version + 1, ..retried };
    Ok((new_request(content.request, first_index, (routes, Vec::new())), retried))
}

/// A request with its whole data.
fn content_of(store: &dyn Store, id: RequestId) -> Result<(KeptRequest, RequestContent), ResendError> {
    let kept = store.request_by_id(id)?;
    let RequestContent { request, ignored } = data(kept.content.clone())?;
    Ok((kept, RequestContent { request: whole(request)?, ignored }))
}

/// What was asked for is there, but its data may not be.
fn data<T>(read: Result<T, StoreError>) -> Result<T, ResendError> {
    match read {
        Err(StoreError::NotFound | StoreError::Erased { .. } | StoreError::Damaged(_)) => Err(ResendError::DataGone),
        read => read.map_err(ResendError::Store),
    }
}

fn found<T>(read: Result<T, StoreError>, what: &'static str) -> Result<T, ResendError> {
    match read {
        Err(StoreError::NotFound) => Err(ResendError::NotFound(what)),
        read => Ok(read?),
    }
}

fn whole(request: Request) -> Result<Request, ResendError> {
    if request.body_truncated { Err(ResendError::Truncated) } else { Ok(request) }
}

fn route_over(configuration: &Configuration, id: ConnectionId) -> Result<Route, ResendError> {
    if let Some(switched_off) = configuration.switched_off(id) {
        return Err(RoutingError::from(switched_off).into());
    }
    let connection = configuration.connections.get(&id);
    let connection = connection.ok_or(RoutingError::SwitchedOff(SwitchedOff::ConnectionDeleted(id)))?;
    Ok(routing::route(connection))
}

/// What arrived before, as if it arrived now.
fn again(id: RequestId, now: Timestamp, request: Request, fan_out: (Vec<Route>, Vec<Ignored>)) -> NewRequest {
    new_request(Request { id, received_at: now, ..request }, 0, fan_out)
}

/// Deliveries read it from the store: its memory is free as soon as it is there.
fn new_request(request: Request, first_index: u16, (routes, ignored): (Vec<Route>, Vec<Ignored>)) -> NewRequest {
    let request = Arc::new(request);
    NewRequest { request, routes, first_index, documents: Vec::new(), ignored, rejection: None, body_permit: None }
}

/// The events that were made of a request, as they were when they were accepted.
fn made(
    from: (RequestId, SourceId),
    first_index: u16,
    routes: &[Route],
    (first_seq, at): (Seq, Timestamp),
) -> Vec<Event> {
    let places = (first_index..).zip(first_seq..);
    places.zip(routes).map(|((index, seq), route)| Event::accepted(from, index, *route, seq, at)).collect()
}
