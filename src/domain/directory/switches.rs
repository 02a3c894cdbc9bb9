//! Pausing, disabling, deleting: changes of one item and, where it takes others along, of those in the same breath.
//!
//! Whatever disables or deletes a connection that was enabled raises its generation, which cancels its pending events:
//! one item, however many those are.

use super::ConfigError;
use crate::domain::{
    ConfigItem, Configuration, Connection, ConnectionId, Destination, DestinationId, Source, SourceId, Timestamp,
};

type Items = Result<Vec<ConfigItem>, ConfigError>;

pub(super) fn pause(configuration: &Configuration, id: ConnectionId, now: Timestamp) -> Items {
    let connection = connection(configuration, id)?;
    if connection.paused_at.is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![changed(connection, now, |connection| connection.paused_at = Some(now))])
}

pub(super) fn unpause(configuration: &Configuration, id: ConnectionId, now: Timestamp) -> Items {
    let connection = connection(configuration, id)?;
    if connection.paused_at.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![changed(connection, now, |connection| {
        connection.paused_at = None;
        connection.unpaused_at = Some(now);
    })])
}

pub(super) fn enable_connection(configuration: &Configuration, id: ConnectionId, now: Timestamp) -> Items {
    let connection = connection(configuration, id)?;
    if connection.disabled_at.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![changed(connection, now, |connection| connection.disabled_at = None)])
}

pub(super) fn disable_connection(configuration: &Configuration, id: ConnectionId, now: Timestamp) -> Items {
    let connection = connection(configuration, id)?;
    if connection.disabled_at.is_some() {
        return Ok(Vec::new());
    }
    let cuts = u32::from(configuration.is_enabled(connection));
    Ok(vec![changed(connection, now, |connection| {
        connection.disabled_at = Some(now);
        connection.generation += cuts;
    })])
}

pub(super) fn delete_connection(configuration: &Configuration, id: ConnectionId, now: Timestamp) -> Items {
    Ok(vec![deleted(configuration, connection(configuration, id)?, now)])
}

/// Enables or disables a source. Its connections go on with what they have.
pub(super) fn set_source(
    configuration: &Configuration,
    id: SourceId,
    now: Timestamp,
    disabled_at: Option<Timestamp>,
) -> Items {
    let source = source(configuration, id)?;
    if source.disabled_at.is_some() == disabled_at.is_some() {
        return Ok(Vec::new());
    }
    let version = source.version + 1;
    Ok(vec![ConfigItem::Source(Source { disabled_at, updated_at: now, version, ..source.clone() })])
}

pub(super) fn delete_source(configuration: &Configuration, id: SourceId, now: Timestamp) -> Items {
    let source = source(configuration, id)?;
    let version = source.version + 1;
    let source = Source { deleted_at: Some(now), updated_at: now, version, ..source.clone() };
    let connections = configuration.connections_of(id).iter().map(|one| deleted(configuration, one, now));
    Ok(std::iter::once(ConfigItem::Source(source)).chain(connections).collect())
}

/// Enables or disables a destination, and with it cancels what its connections have.
pub(super) fn set_destination(
    configuration: &Configuration,
    id: DestinationId,
    now: Timestamp,
    disabled_at: Option<Timestamp>,
) -> Items {
    let destination = destination(configuration, id)?;
    if destination.disabled_at.is_some() == disabled_at.is_some() {
        return Ok(Vec::new());
    }
    let cut: Vec<_> = configuration
        .connections_to(id)
        .filter(|connection| disabled_at.is_some() && configuration.is_enabled(connection))
        .map(|connection| changed(connection, now, |connection| connection.generation += 1))
        .collect();
    let version = destination.version + 1;
    let destination = Destination { disabled_at, updated_at: now, version, ..destination.clone() };
    Ok(std::iter::once(ConfigItem::Destination(destination)).chain(cut).collect())
}

pub(super) fn delete_destination(configuration: &Configuration, id: DestinationId, now: Timestamp) -> Items {
    let destination = destination(configuration, id)?;
    let version = destination.version + 1;
    let destination = Destination { deleted_at: Some(now), updated_at: now, version, ..destination.clone() };
    let connections = configuration.connections_to(id).map(|one| deleted(configuration, one, now));
    Ok(std::iter::once(ConfigItem::Destination(destination)).chain(connections).collect())
}

/// The tombstone of a connection: what is pending on it is cancelled, unless it was before.
fn deleted(configuration: &Configuration, connection: &Connection, now: Timestamp) -> ConfigItem {
    let cuts = u32::from(configuration.is_enabled(connection));
    changed(connection, now, |connection| {
        connection.deleted_at = Some(now);
        connection.generation += cuts;
    })
}

fn changed(connection: &Connection, now: Timestamp, edit: impl FnOnce(&mut Connection)) -> ConfigItem {
    let mut connection = connection.clone();
    edit(&mut connection);
    connection.updated_at = now;
    connection.version += 1;
    ConfigItem::Connection(connection)
}

pub(super) fn connection(configuration: &Configuration, id: ConnectionId) -> Result<&Connection, ConfigError> {
    let found = configuration.connections.get(&id).map(AsRef::as_ref);
    alive(found, "connection", &id, |connection| connection.deleted_at)
}

pub(super) fn source(configuration: &Configuration, id: SourceId) -> Result<&Source, ConfigError> {
    alive(configuration.sources.get(&id).map(AsRef::as_ref), "source", &id, |source| source.deleted_at)
}

pub(super) fn destination(configuration: &Configuration, id: DestinationId) -> Result<&Destination, ConfigError> {
    let found = configuration.destinations.get(&id).map(AsRef::as_ref);
    alive(found, "destination", &id, |destination| destination.deleted_at)
}

/// What is there and not deleted.
fn alive<'a, T>(
    found: Option<&'a T>,
    kind: &'static str,
    id: &dyn std::fmt::Display,
    deleted_at: impl FnOnce(&T) -> Option<Timestamp>,
) -> Result<&'a T, ConfigError> {
    let found = found.ok_or_else(|| ConfigError::NotFound { kind, id: id.to_string() })?;
    if deleted_at(found).is_some() {
        return Err(ConfigError::Gone { kind, id: id.to_string() });
    }
    Ok(found)
}
