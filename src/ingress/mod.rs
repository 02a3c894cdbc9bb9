//! Accepting a request: routes it over its source's connections and hands it to the store.
//!
//! `Ok` means on disk. Never looks at HTTP (that is `web::ingest`) and never waits for a delivery.

mod budget;
mod ids;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;

pub use self::{
    budget::{BodyBudget, BodyPermit},
    ids::RequestIds,
};
use crate::{
    clock::Clock,
    domain::{
        Configuration, Connection, DestinationKind, Ignored, IgnoredCause, RejectionCause, Request, RequestId, Route,
        Source, Timestamp,
    },
    store::{Accepted, NewRequest, Store, StoreError},
};

/// How long a sender waits for the commit: far above a slow disk's worst sync, below every sender's own time-out.
pub const COMMIT_WAIT_MAX: Duration = Duration::from_secs(1);
/// The fan-out of one request: what the store takes in one record.
pub const ROUTES_MAX: usize = 10_000;

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
}

impl Ingress {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: RequestIds, budget: BodyBudget) -> Self {
        Self { store, clock, ids, budget }
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

    /// Stores what arrived at `source` with one event per connection; resolves when that is durable.
    ///
    /// # Errors
    ///
    /// When the store refuses or does not confirm in time: the sender should try again.
    pub async fn accept(
        &self,
        configuration: &Configuration,
        source: &Source,
        arrival: Arrival,
    ) -> Result<Receipt, IngressError> {
        let request_id = self.ids.next(arrival.received_at);
        let mut new = new_request(configuration, source, request_id, arrival)?;
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

/// Decides the fan-out: the source's connections that are not disabled, oldest first.
fn new_request(
    configuration: &Configuration,
    source: &Source,
    id: RequestId,
    arrival: Arrival,
) -> Result<NewRequest, IngressError> {
    let connections = configuration.connections_of(source.id);
    if connections.len() > ROUTES_MAX {
        return Err(IngressError::TooManyConnections(connections.len()));
    }
    let routes: Vec<Route> = connections
        .iter()
        .filter(|connection| ignored_cause(configuration, connection).is_none())
        .map(|connection| Route {
            connection_id: connection.id,
            destination_id: connection.destination_id,
            generation: connection.generation,
        })
        .collect();
    let ignored = connections
        .iter()
        .filter_map(|connection| {
            ignored_cause(configuration, connection).map(|cause| Ignored { connection_id: connection.id, cause })
        })
        .collect();
    let rejection = connections.is_empty().then_some(RejectionCause::NoConnection);
    let request = Request {
        id,
        source_id: source.id,
        received_at: arrival.received_at,
        method: arrival.method,
        path: arrival.path,
        query: arrival.query,
        headers: arrival.headers,
        body: arrival.body,
        body_truncated: false,
        client_ip: arrival.client_ip,
    };
    Ok(NewRequest {
        request: Arc::new(request),
        routes,
        ignored,
        rejection,
        body_permit: Some(Arc::new(arrival.permit)),
    })
}

/// Why a connection makes no event of a request now; `None` when it does.
fn ignored_cause(configuration: &Configuration, connection: &Connection) -> Option<IgnoredCause> {
    let destination = configuration.destinations.get(&connection.destination_id);
    match destination.map(|destination| &destination.kind) {
        _ if !configuration.is_enabled(connection) => Some(IgnoredCause::Disabled),
        Some(DestinationKind::Cli(_)) => Some(IgnoredCause::CliDisconnected),
        Some(DestinationKind::Http(_) | DestinationKind::MockApi) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ConfigItem, Connection, ConnectionId, DestinationId, HttpMethod, SourceId, SourceToken};

    fn source() -> Source {
        Source {
            id: SourceId::from_bits(1),
            name: "shop".to_owned(),
            description: None,
            token: SourceToken::new("tok"),
            kind: "WEBHOOK".to_owned(),
            allowed_http_methods: vec![HttpMethod::Post],
            disabled_at: None,
            deleted_at: None,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            version: 1,
        }
    }

    /// A configuration with connections from 0 on, those of `disabled` switched off.
    fn connected(count: usize, disabled: &[u128]) -> Configuration {
        let mut configuration = Configuration::default();
        for number in (0..count).map(|number| number as u128) {
            configuration.put(ConfigItem::Connection(Connection {
                id: ConnectionId::from_bits(number),
                name: None,
                description: None,
                source_id: source().id,
                destination_id: DestinationId::from_bits(number + 100),
                rules: vec![],
                paused_at: None,
                unpaused_at: None,
                generation: 0,
                disabled_at: disabled.contains(&number).then_some(Timestamp::EPOCH),
                deleted_at: None,
                created_at: Timestamp::EPOCH,
                updated_at: Timestamp::EPOCH,
                version: 1,
            }));
        }
        configuration
    }

    fn routed(configuration: &Configuration) -> Result<NewRequest, IngressError> {
        let arrival = Arrival {
            received_at: Timestamp::EPOCH,
            method: "POST".to_owned(),
            path: String::new(),
            query: None,
            headers: vec![],
            body: Bytes::new(),
            client_ip: None,
            permit: BodyBudget::new(0).permit(),
        };
        new_request(configuration, &source(), RequestId::from_bits(1), arrival)
    }

    #[test]
    fn a_request_goes_over_the_enabled_connections_in_order() {
        let new = routed(&connected(4, &[1])).unwrap();
        let to: Vec<_> =
            new.routes.iter().map(|route| (route.connection_id.bits(), route.destination_id.bits())).collect();
        assert_eq!((to, new.rejection), (vec![(0, 100), (2, 102), (3, 103)], None));
    }

    #[test]
    fn a_request_that_nothing_listens_to_says_so() {
        assert_eq!(routed(&connected(0, &[])).unwrap().rejection, Some(RejectionCause::NoConnection));
    }

    #[test]
    fn a_disabled_connection_ignores_a_request_and_does_not_reject_it() {
        let new = routed(&connected(2, &[0, 1])).unwrap();
        let causes: Vec<_> = new.ignored.iter().map(|ignored| (ignored.connection_id.bits(), ignored.cause)).collect();
        assert_eq!(causes, [(0, IgnoredCause::Disabled), (1, IgnoredCause::Disabled)]);
        assert_eq!((new.routes.len(), new.rejection), (0, None));
    }

    #[test]
    fn a_fan_out_beyond_the_stores_limit_is_refused_whole() {
        assert_eq!(routed(&connected(ROUTES_MAX, &[])).unwrap().routes.len(), ROUTES_MAX);
        assert_eq!(
            routed(&connected(ROUTES_MAX + 1, &[])).unwrap_err(),
            IngressError::TooManyConnections(ROUTES_MAX + 1)
        );
    }
}
