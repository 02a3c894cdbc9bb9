//! Which connections get an event of a request: when it arrives, and when somebody asks again.
//!
//! Pure decisions over one reading of the configuration. Never looks at what was asked before: that is handed in.

use std::sync::Arc;

use super::{
    Configuration, Connection, ConnectionId, DestinationKind, Ignored, IgnoredCause, Route, SourceId, SwitchedOff,
    Timestamp,
};

/// The fan-out of one request at most: what the store takes in one record.
pub const ROUTES_MAX: usize = 10_000;
/// The place in a request's fan-out of the first event that it got later: behind every one it may have got at once, so
/// that it needs not be known how many those were.
pub const LATER_INDEX_MIN: u16 = 10_000;

/// Over which of these connections a request goes now, and which ignore it, each in the order given.
pub fn fan_out<'a>(
    configuration: &Configuration,
    connections: impl IntoIterator<Item = &'a Arc<Connection>>,
) -> (Vec<Route>, Vec<Ignored>) {
    let (mut routes, mut ignored) = (Vec::new(), Vec::new());
    for connection in connections {
        match ignored_cause(configuration, connection) {
            Some(cause) => ignored.push(Ignored { connection_id: connection.id, cause }),
            None => routes.push(route(connection)),
        }
    }
    (routes, ignored)
}

/// Why a connection makes no event of a request now; `None` when it does.
#[must_use]
pub fn ignored_cause(configuration: &Configuration, connection: &Connection) -> Option<IgnoredCause> {
    let destination = configuration.destinations.get(&connection.destination_id);
    match destination.map(|destination| &destination.kind) {
        _ if !configuration.is_enabled(connection) => Some(IgnoredCause::Disabled),
        Some(DestinationKind::Cli(_)) => Some(IgnoredCause::CliDisconnected),
        Some(DestinationKind::Http(_) | DestinationKind::MockApi) | None => None,
    }
}

/// The way over a connection as it is now.
#[must_use]
pub fn route(connection: &Connection) -> Route {
    Route { connection_id: connection.id, destination_id: connection.destination_id, generation: connection.generation }
}

/// What became of a request so far, as far as it matters for trying again.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// Where it arrived.
    pub source_id: SourceId,
    /// When it was committed: connections that are younger never saw it.
    pub created_at: Timestamp,
    /// Whether it was rejected, so that no connection made an event of it.
    pub rejected: bool,
    /// The connections that made none, when it was not rejected.
    pub ignored: &'a [Ignored],
    /// Those that got one later.
    pub retried: &'a [(ConnectionId, u16)],
}

/// Why a request cannot go over the connections that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// Not one of its source.
    #[error("{0} is no connection of the request's source")]
    Foreign(ConnectionId),
    /// One that cannot send.
    #[error(transparent)]
    SwitchedOff(#[from] SwitchedOff),
    /// Its source was deleted.
    #[error("its source {0} was deleted")]
    SourceDeleted(SourceId),
    /// Its source is disabled.
    #[error("its source {0} is disabled: enable that first")]
    SourceDisabled(SourceId),
}

/// The ways that a request takes when it is tried again: over the connections of its source that made no event of it because
/// it was rejected or ignored, and would make one now. `only` names those that are asked for.
///
/// # Errors
///
/// When a connection that is named is not one of its source or cannot send, or the source takes nothing.
pub fn missing(
    configuration: &Configuration,
    outcome: Outcome<'_>,
    only: Option<&[ConnectionId]>,
) -> Result<Vec<Route>, RoutingError> {
    check_source(configuration, outcome.source_id)?;
    let connections = configuration.connections_of(outcome.source_id);
    for id in only.unwrap_or_default() {
        if !connections.iter().any(|connection| connection.id == *id) {
            return Err(RoutingError::Foreign(*id));
        }
        if let Some(switched_off) = configuration.switched_off(*id) {
            return Err(switched_off.into());
        }
    }
    let made_none = |connection: &&Arc<Connection>| {
        let id = connection.id;
        let ignored = outcome.rejected || outcome.ignored.iter().any(|ignored| ignored.connection_id == id);
        ignored
            && connection.created_at <= outcome.created_at
            && !outcome.retried.iter().any(|(retried, _)| *retried == id)
            && only.is_none_or(|only| only.contains(&id))
    };
    Ok(fan_out(configuration, connections.iter().filter(made_none)).0)
}

/// Checks that a source takes requests.
///
/// # Errors
///
/// When it is disabled or deleted.
pub fn check_source(configuration: &Configuration, id: SourceId) -> Result<(), RoutingError> {
    match configuration.sources.get(&id) {
        Some(source) if source.deleted_at.is_none() && source.disabled_at.is_none() => Ok(()),
        Some(source) if source.deleted_at.is_none() => Err(RoutingError::SourceDisabled(id)),
        Some(_) | None => Err(RoutingError::SourceDeleted(id)),
    }
}

#[cfg(test)]
mod tests;
