//! Connections: made and changed, with the source and the destination that stand inline in them.

use super::{ConfigError, ConnectionDraft, FreshIds, Reference, checks, destinations, invalid, sources, taken};
use crate::domain::{ConfigItem, Configuration, Connection, DestinationId, SourceId, Timestamp};

type Items = Result<Vec<ConfigItem>, ConfigError>;

/// A new connection.
pub(super) fn create(configuration: &Configuration, draft: ConnectionDraft, now: Timestamp, fresh: &FreshIds) -> Items {
    if draft.source.is_none() {
        return Err(invalid("source_id".to_owned(), "or `source` is required"));
    }
    if draft.destination.is_none() {
        return Err(invalid("destination_id".to_owned(), "or `destination` is required"));
    }
    let new = Connection {
        id: fresh.connection,
        name: None,
        description: None,
        // Both are drawn.
        source_id: fresh.source,
        destination_id: fresh.destination,
        rules: Vec::new(),
        paused_at: None,
        unpaused_at: None,
        disabled_at: None,
        deleted_at: None,
        generation: 0,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let (mut items, connection) = drawn(configuration, &new, draft, now, fresh)?;
    items.push(ConfigItem::Connection(connection));
    Ok(items)
}

/// The connection of that name, changed, or a new one.
pub(super) fn upsert(configuration: &Configuration, draft: ConnectionDraft, now: Timestamp, fresh: &FreshIds) -> Items {
    let name = checks::required_name(draft.name.as_ref().and_then(Option::as_deref), "")?;
    match configuration.connection_named(&name) {
        Some(current) => update(configuration, current, draft, now, fresh),
        None => create(configuration, draft, now, fresh),
    }
}

/// A connection with what is said about it; of what that does not change nothing is put.
pub(super) fn update(
    configuration: &Configuration,
    current: &Connection,
    draft: ConnectionDraft,
    now: Timestamp,
    fresh: &FreshIds,
) -> Items {
    let (mut items, mut connection) = drawn(configuration, current, draft, now, fresh)?;
    if connection == *current {
        return Ok(items);
    }
    let is_off = |id| configuration.destinations.get(&id).is_some_and(|to| to.disabled_at.is_some());
    if is_off(connection.destination_id) && configuration.is_enabled(current) {
        // As if its destination had been disabled just now.
        connection.generation += 1;
    }
    connection.updated_at = now;
    connection.version += 1;
    items.push(ConfigItem::Connection(connection));
    Ok(items)
}

/// What stands inline, and a connection with everything that is said about it.
fn drawn(
    configuration: &Configuration,
    current: &Connection,
    draft: ConnectionDraft,
    now: Timestamp,
    fresh: &FreshIds,
) -> Result<(Vec<ConfigItem>, Connection), ConfigError> {
    let (mut items, mut connection) = (Vec::with_capacity(3), current.clone());
    if let Some(name) = draft.name {
        if let Some(name) = &name {
            checks::name(name, "name")?;
            if configuration.connection_named(name).is_some_and(|other| other.id != current.id) {
                return Err(taken("name", "connection", name.clone()));
            }
        }
        connection.name = name;
    }
    if let Some(description) = draft.description {
        checks::description(description.as_deref(), "description")?;
        connection.description = description;
    }
    if let Some(rules) = draft.rules {
        checks::rules(&rules)?;
        connection.rules = rules;
    }
    match draft.source {
        None => {}
        Some(Reference::Existing(id)) => connection.source_id = known_source(configuration, id)?,
        Some(Reference::Inline(source)) => {
            let (id, item) = sources::put(configuration, source, now, fresh)?;
            connection.source_id = id;
            items.extend(item.map(ConfigItem::Source));
        }
    }
    match draft.destination {
        None => {}
        Some(Reference::Existing(id)) => connection.destination_id = known_destination(configuration, id)?,
        Some(Reference::Inline(destination)) => {
            let (id, item) = destinations::put(configuration, destination, now, fresh.destination)?;
            connection.destination_id = id;
            items.extend(item.map(ConfigItem::Destination));
        }
    }
    Ok((items, connection))
}

fn known_source(configuration: &Configuration, id: SourceId) -> Result<SourceId, ConfigError> {
    let is_deleted = configuration.sources.get(&id).map(|source| source.deleted_at.is_some());
    refer("source", "source_id", id.to_string(), is_deleted).map(|()| id)
}

fn known_destination(configuration: &Configuration, id: DestinationId) -> Result<DestinationId, ConfigError> {
    let is_deleted = configuration.destinations.get(&id).map(|destination| destination.deleted_at.is_some());
    refer("destination", "destination_id", id.to_string(), is_deleted).map(|()| id)
}

/// Checks what a body refers to by its id.
fn refer(kind: &'static str, field: &str, id: String, is_deleted: Option<bool>) -> Result<(), ConfigError> {
    match is_deleted {
        Some(false) => Ok(()),
        Some(true) => {
            Err(invalid(field.to_owned(), format!("refers to {kind} {id}, which was deleted: name another one")))
        }
        None => Err(ConfigError::NotFound { kind, id }),
    }
}
