//! Changes of the configuration, decided: what is asked for becomes items to put, or an error that says what to do.
//!
//! Pure: ids and the time are arguments, and whoever calls puts the items. The rules for names are the API's.

use super::{
    ConfigItem, Configuration, Connection, ConnectionId, Destination, DestinationId, DestinationKind, HttpMethod, Rule,
    Source, SourceId, SourceToken, Timestamp,
    rule::{DELAY_MS_MAX, RETRIES_MAX},
};

/// Characters in a name at most: the API's limit.
pub const NAME_CHARS_MAX: usize = 155;
/// Characters in a description at most: the API's limit.
pub const DESCRIPTION_CHARS_MAX: usize = 500;

/// A source to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSource {
    /// Unique among sources.
    pub name: String,
    /// Free text; absent leaves the one there is.
    pub description: Option<String>,
    /// The provider's word, such as `WEBHOOK`.
    pub kind: String,
    /// Methods that become requests.
    pub allowed_http_methods: Vec<HttpMethod>,
}

/// A destination to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDestination {
    /// Unique among destinations.
    pub name: String,
    /// Free text; absent leaves the one there is.
    pub description: Option<String>,
    /// Where and how.
    pub kind: DestinationKind,
}

/// Something named by its id, or given whole: then it is created, or updated when its name exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<Id, New> {
    /// It is there already.
    Existing(Id),
    /// Created or updated by name together with what refers to it.
    Inline(New),
}

/// A connection to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConnection {
    /// Unique among connections when given.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Where its requests come from.
    pub source: Reference<SourceId, NewSource>,
    /// Where its events go.
    pub destination: Reference<DestinationId, NewDestination>,
    /// In the order given.
    pub rules: Vec<Rule>,
}

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Adds a source.
    CreateSource(NewSource),
    /// Adds a destination.
    CreateDestination(NewDestination),
    /// Adds a connection, with what is given inline.
    CreateConnection(NewConnection),
    /// Stops sending on a connection.
    Pause(ConnectionId),
    /// Sends again.
    Unpause(ConnectionId),
    /// Lets requests become events again; what was cancelled stays so.
    EnableConnection(ConnectionId),
    /// Cancels what is pending; requests become ignored events.
    DisableConnection(ConnectionId),
    /// As disabling, for ever.
    DeleteConnection(ConnectionId),
    /// Takes requests again.
    EnableSource(SourceId),
    /// Rejects requests; what is pending goes on.
    DisableSource(SourceId),
    /// Closes its URL and deletes its connections.
    DeleteSource(SourceId),
    /// As enabling each of its connections that is not disabled itself.
    EnableDestination(DestinationId),
    /// As disabling each of its connections.
    DisableDestination(DestinationId),
    /// Deletes its connections with it.
    DeleteDestination(DestinationId),
}

/// Ids for what a command may create; drawn by whoever has dice, used or not.
#[derive(Debug, Clone)]
pub struct FreshIds {
    /// For a new source.
    pub source: SourceId,
    /// For a new source's URL.
    pub token: SourceToken,
    /// For a new destination.
    pub destination: DestinationId,
    /// For a new connection.
    pub connection: ConnectionId,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that cannot be (422).
    #[error("{field} {message}")]
    Invalid {
        /// Its place in the body, such as `source.name`.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// It refers to something that is not there (404).
    #[error("{kind} {id} does not exist: create it first or correct the id")]
    NotFound {
        /// What kind of thing.
        kind: &'static str,
        /// Its id as it was given.
        id: String,
    },
    /// It is about something that was deleted (410).
    #[error("{kind} {id} was deleted, which cannot be undone: create another one")]
    Gone {
        /// What kind of thing.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The name belongs to another one (422).
    #[error("{field} \"{name}\" is taken by another {kind}: choose another name")]
    NameTaken {
        /// Its place in the body.
        field: String,
        /// What kind of thing.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

/// Decides a command: the items to put, all or nothing; none when everything is already as asked.
///
/// # Errors
///
/// [`ConfigError`], naming the field, what is wrong with it and what to do.
pub fn decide(
    configuration: &Configuration,
    command: Command,
    now: Timestamp,
    fresh: FreshIds,
) -> Result<Vec<ConfigItem>, ConfigError> {
    match command {
        Command::CreateSource(new) => {
            check_source(&new, "")?;
            match configuration.source_named(&new.name) {
                Some(_) => Err(taken("name", "source", new.name)),
                None => Ok(vec![ConfigItem::Source(source_of(new, now, fresh.source, fresh.token))]),
            }
        }
        Command::CreateDestination(new) => {
            check_destination(&new, "")?;
            match configuration.destination_named(&new.name) {
                Some(_) => Err(taken("name", "destination", new.name)),
                None => Ok(vec![ConfigItem::Destination(destination_of(new, now, fresh.destination))]),
            }
        }
        Command::CreateConnection(new) => create_connection(configuration, new, now, fresh),
        Command::Pause(id) => switches::pause(configuration, id, now),
        Command::Unpause(id) => switches::unpause(configuration, id, now),
        Command::EnableConnection(id) => switches::enable_connection(configuration, id, now),
        Command::DisableConnection(id) => switches::disable_connection(configuration, id, now),
        Command::DeleteConnection(id) => switches::delete_connection(configuration, id, now),
        Command::EnableSource(id) => switches::set_source(configuration, id, now, None),
        Command::DisableSource(id) => switches::set_source(configuration, id, now, Some(now)),
        Command::DeleteSource(id) => switches::delete_source(configuration, id, now),
        Command::EnableDestination(id) => switches::set_destination(configuration, id, now, None),
        Command::DisableDestination(id) => switches::set_destination(configuration, id, now, Some(now)),
        Command::DeleteDestination(id) => switches::delete_destination(configuration, id, now),
    }
}

/// A connection with what stands inline in it.
fn create_connection(
    configuration: &Configuration,
    new: NewConnection,
    now: Timestamp,
    fresh: FreshIds,
) -> Result<Vec<ConfigItem>, ConfigError> {
    if let Some(name) = &new.name {
        check_name(name, "name")?;
        if configuration.connection_named(name).is_some() {
            return Err(taken("name", "connection", name.clone()));
        }
    }
    check_description(new.description.as_deref(), "description")?;
    check_rules(&new.rules)?;
    let mut items = Vec::with_capacity(3);
    let source_id = match new.source {
        Reference::Existing(id) => {
            let known = configuration.sources.get(&id).map(|source| source.deleted_at.is_some());
            refer("source", "source_id", id.to_string(), known)?;
            id
        }
        Reference::Inline(source) => {
            check_source(&source, "source.")?;
            let (id, item) = put_source(configuration, source, now, fresh.source, fresh.token);
            items.extend(item.map(ConfigItem::Source));
            id
        }
    };
    let destination_id = match new.destination {
        Reference::Existing(id) => {
            let known = configuration.destinations.get(&id).map(|destination| destination.deleted_at.is_some());
            refer("destination", "destination_id", id.to_string(), known)?;
            id
        }
        Reference::Inline(destination) => {
            check_destination(&destination, "destination.")?;
            let (id, item) = put_destination(configuration, destination, now, fresh.destination);
            items.extend(item.map(ConfigItem::Destination));
            id
        }
    };
    items.push(ConfigItem::Connection(Connection {
        id: fresh.connection,
        name: new.name,
        description: new.description,
        source_id,
        destination_id,
        rules: new.rules,
        paused_at: None,
        unpaused_at: None,
        disabled_at: None,
        deleted_at: None,
        generation: 0,
        created_at: now,
        updated_at: now,
        version: 1,
    }));
    Ok(items)
}

/// Checks what a body refers to by its id; `known` says whether that was deleted.
fn refer(kind: &'static str, field: &str, id: String, known: Option<bool>) -> Result<(), ConfigError> {
    match known {
        Some(false) => Ok(()),
        Some(true) => {
            Err(invalid(field.to_owned(), format!("refers to {kind} {id}, which was deleted: name another one")))
        }
        None => Err(ConfigError::NotFound { kind, id }),
    }
}

fn source_of(new: NewSource, now: Timestamp, id: SourceId, token: SourceToken) -> Source {
    Source {
        id,
        name: new.name,
        description: new.description,
        token,
        kind: new.kind,
        allowed_http_methods: new.allowed_http_methods,
        custom_response: None,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

fn destination_of(new: NewDestination, now: Timestamp, id: DestinationId) -> Destination {
    Destination {
        id,
        name: new.name,
        description: new.description,
        kind: new.kind,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// The source of that name, replaced where it differs, or a new one.
fn put_source(
    configuration: &Configuration,
    new: NewSource,
    now: Timestamp,
    id: SourceId,
    token: SourceToken,
) -> (SourceId, Option<Source>) {
    let Some(current) = configuration.source_named(&new.name) else {
        return (id, Some(source_of(new, now, id, token)));
    };
    let mut source = current.as_ref().clone();
    source.description = new.description.or(source.description);
    source.kind = new.kind;
    source.allowed_http_methods = new.allowed_http_methods;
    if source == **current {
        return (source.id, None);
    }
    source.updated_at = now;
    source.version += 1;
    (source.id, Some(source))
}

/// The destination of that name, replaced where it differs, or a new one.
fn put_destination(
    configuration: &Configuration,
    new: NewDestination,
    now: Timestamp,
    id: DestinationId,
) -> (DestinationId, Option<Destination>) {
    let Some(current) = configuration.destination_named(&new.name) else {
        return (id, Some(destination_of(new, now, id)));
    };
    let mut destination = current.as_ref().clone();
    destination.description = new.description.or(destination.description);
    destination.kind = new.kind;
    if destination == **current {
        return (destination.id, None);
    }
    destination.updated_at = now;
    destination.version += 1;
    (destination.id, Some(destination))
}

fn taken(field: &str, kind: &'static str, name: String) -> ConfigError {
    ConfigError::NameTaken { field: field.to_owned(), kind, name }
}

fn invalid(field: String, message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { field, message: message.into() }
}

fn check_source(new: &NewSource, place: &str) -> Result<(), ConfigError> {
    check_name(&new.name, &format!("{place}name"))?;
    check_description(new.description.as_deref(), &format!("{place}description"))
}

fn check_destination(new: &NewDestination, place: &str) -> Result<(), ConfigError> {
    check_name(&new.name, &format!("{place}name"))?;
    check_description(new.description.as_deref(), &format!("{place}description"))?;
    match &new.kind {
        DestinationKind::Http(http) => {
            http.url.as_ref().map_or(Ok(()), |url| check_url(url, format!("{place}config.url")))
        }
        DestinationKind::Cli(_) | DestinationKind::MockApi => Ok(()),
    }
}

/// The API's pattern, `^[A-z0-9-_]+$`, whose `A-z` also takes the six signs between `Z` and `a`.
fn check_name(name: &str, field: &str) -> Result<(), ConfigError> {
    let allowed = |c: char| c.is_ascii_digit() || c == '-' || ('A'..='z').contains(&c);
    if name.is_empty() {
        return Err(invalid(field.to_owned(), "must not be empty"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(invalid(field.to_owned(), format!("must have at most {NAME_CHARS_MAX} characters")));
    }
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(invalid(field.to_owned(), format!("has {c:?} in it: use letters, digits, `-` and `_`"))),
        None => Ok(()),
    }
}

fn check_description(text: Option<&str>, field: &str) -> Result<(), ConfigError> {
    match text {
        Some(text) if text.chars().count() > DESCRIPTION_CHARS_MAX => {
            Err(invalid(field.to_owned(), format!("must have at most {DESCRIPTION_CHARS_MAX} characters")))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_url(text: &str, field: String) -> Result<(), ConfigError> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        Ok(_) => Err(invalid(field, "must begin with http:// or https:// and name a host")),
        Err(error) => Err(invalid(field, format!("is not an absolute http or https URL: {error}"))),
    }
}

fn check_rules(rules: &[Rule]) -> Result<(), ConfigError> {
    for (place, rule) in rules.iter().enumerate() {
        match rule {
            Rule::Retry(retry) => {
                if retry.count.is_some_and(|count| !(1..=RETRIES_MAX).contains(&count)) {
                    return Err(invalid(format!("rules[{place}].count"), format!("must be from 1 to {RETRIES_MAX}")));
                }
                if retry.interval_ms.is_some_and(|interval| interval > DELAY_MS_MAX) {
                    let message = format!("must be at most {DELAY_MS_MAX} milliseconds (7 days)");
                    return Err(invalid(format!("rules[{place}].interval"), message));
                }
                if rules[..place].iter().any(|earlier| matches!(earlier, Rule::Retry(_))) {
                    return Err(invalid(format!("rules[{place}]"), "is a second retry rule: give one"));
                }
            }
        }
    }
    Ok(())
}

mod switches;
#[cfg(test)]
mod tests;
