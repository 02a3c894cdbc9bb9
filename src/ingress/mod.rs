//! Accepting a request: routes it over its source's connections and hands it to the store. Rejecting one: records it all
//! the same, as far as there is room, or counts it.
//!
//! `Ok` means on disk. Never looks at HTTP (that is `web::ingest`) and never waits for a delivery.

mod budget;
mod ids;
pub mod json;
mod rejections;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::{
    budget::{BodyBudget, BodyPermit},
    ids::RequestIds,
    rejections::{BODY_KEPT_BYTES_MAX, RECORDED_PER_S, Rejections},
};
use crate::{
    clock::Clock,
    domain::{
        Configuration, Connection, Ignored, RejectionCause, Request, RequestId, Route, Source, Timestamp,
        routing::{self, ROUTES_MAX},
    },
    store::{Accepted, NewRequest, Store, StoreError},
};

/// How long a sender waits for the commit: far above a slow disk's worst sync, below every sender's own time-out.
pub const COMMIT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Why a request was not accepted. All of it passes by itself: the sender should try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngressError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not answer in time; the request may have been stored all the same.
    #[error("the request was not confirmed within {} ms: send it again", COMMIT_WAIT_MAX.as_millis())]
    Unconfirmed,
    /// The source has more connections than one request can go over.
    #[error("the source has {0} connections, one request goes over at most {ROUTES_MAX}")]
    TooManyConnections(usize),
}

/// What arrived, before it is a [`Request`].
#[derive(Debug)]
pub struct Arrival {
    /// When its head was read.
    pub received_at: Timestamp,
    /// As in the request line.
    pub method: String,
    /// What follows the token, undecoded.
    pub path: String,
    /// What follows `?`, undecoded.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, Bytes)>,
    /// As it came.
    pub body: Bytes,
    /// Whether the body went on.
    pub body_truncated: bool,
    /// Who sent it.
    pub client_ip: Option<IpAddr>,
    /// The memory it takes.
    pub permit: BodyPermit,
}

/// The proof that a request is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub request_id: RequestId,
    /// What became of it.
    pub accepted: Accepted,
}

/// Accepts requests; shared by all workers of the ingress listener.
pub struct Ingress {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: RequestIds,
    budget: BodyBudget,
    rejections: Arc<Rejections>,
}

impl Ingress {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: RequestIds, budget: BodyBudget) -> Self {
        Self { store, clock, ids, budget, rejections: Arc::default() }
    }

    /// What was rejected and not recorded.
    #[must_use]
    pub const fn rejections(&self) -> &Arc<Rejections> {
        &self.rejections
    }

    /// The configuration as it is now: one reading for one request.
    #[must_use]
    pub fn configuration(&self) -> Arc<Configuration> {
        self.store.configuration()
    }

    /// The time as this ingress counts it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Memory for what is being read and kept.
    #[must_use]
    pub const fn budget(&self) -> &BodyBudget {
        &self.budget
    }

    /// Stores what arrived at `source` with one event per connection; resolves when that is durable. `None` when the
    /// source has no connection and more of that than is recorded.
    ///
    /// # Errors
    ///
    /// When the store refuses or does not confirm in time: the sender should try again.
    pub async fn accept(
        &self,
        configuration: &Configuration,
        source: &Source,
        arrival: Arrival,
    ) -> Result<Option<Receipt>, IngressError> {
        let connections = configuration.connections_of(source.id);
        if connections.is_empty() {
            let cause = RejectionCause::NoConnection;
            return match self.rejected(source, cause, arrival) {
                Some(new) => self.commit(new).await.map(Some),
                None => Ok(None),
            };
        }
        let (routes, ignored) = fan_out(configuration, connections)?;
        let id = self.ids.next(arrival.received_at);
        self.commit(new_request(source, id, arrival, (routes, ignored))).await.map(Some)
    }

    /// Records what arrived at `source` and is refused; resolves when that is durable, with the id it has then. `None`
    /// when it is only counted: the source had its share of records, or the store did not take it in time.
    pub async fn reject(&self, source: &Source, cause: RejectionCause, arrival: Arrival) -> Option<RequestId> {
        let received_at = arrival.received_at;
        match self.commit(self.rejected(source, cause, arrival)?).await {
            Ok(receipt) => Some(receipt.request_id),
            Err(error) => {
                tracing::debug!(source = source.name, %error, "a rejected request was not recorded");
                self.rejections.count(source, cause, received_at);
                None
            }
        }
    }

    /// The record of a rejected request, with the beginning of its body; counts it when it is not to be recorded.
    fn rejected(&self, source: &Source, cause: RejectionCause, mut arrival: Arrival) -> Option<NewRequest> {
        if !self.rejections.may_record(source.id, arrival.received_at) {
            self.rejections.count(source, cause, arrival.received_at);
            return None;
        }
        if arrival.body.len() > BODY_KEPT_BYTES_MAX {
            // Copied: a slice would keep the whole body in memory for as long as the store has it.
            arrival.body = Bytes::copy_from_slice(&arrival.body[..BODY_KEPT_BYTES_MAX]);
            arrival.body_truncated = true;
        }
        let id = self.ids.next(arrival.received_at);
        Some(NewRequest { rejection: Some(cause), ..new_request(source, id, arrival, (vec![], vec![])) })
    }

    async fn commit(&self, mut new: NewRequest) -> Result<Receipt, IngressError> {
        let request_id = new.request.id;
        // Otherwise deliveries read it from the store, and its memory is free as soon as it is there.
        let held = if self.budget.has_room_for_deliveries() { None } else { new.body_permit.take() };
        let answer = match tokio::time::timeout(COMMIT_WAIT_MAX, self.store.accept(new)).await {
            Ok(committed) => Ok(Receipt { request_id, accepted: committed? }),
            Err(_) => Err(IngressError::Unconfirmed),
        };
        drop(held);
        answer
    }
}

/// Decides the fan-out: the source's connections that are not disabled, oldest first, and those that make no event.
fn fan_out(
    configuration: &Configuration,
    connections: &[Arc<Connection>],
) -> Result<(Vec<Route>, Vec<Ignored>), IngressError> {
    if connections.len() > ROUTES_MAX {
        return Err(IngressError::TooManyConnections(connections.len()));
    }
    Ok(routing::fan_out(configuration, connections))
}

fn new_request(
    source: &Source,
    id: RequestId,
    arrival: Arrival,
    (routes, ignored): (Vec<Route>, Vec<Ignored>),
) -> NewRequest {
    let request = Request {
        id,
        source_id: source.id,
        received_at: arrival.received_at,
        method: arrival.method,
        path: arrival.path,
        query: arrival.query,
        headers: arrival.headers,
        body: arrival.body,
        body_truncated: arrival.body_truncated,
        client_ip: arrival.client_ip,
    };
    let body_permit = Some(Arc::new(arrival.permit) as Arc<_>);
    NewRequest {
        request: Arc::new(request),
        routes,
        first_index: 0,
        documents: Vec::new(),
        ignored,
        rejection: None,
        body_permit,
    }
}
