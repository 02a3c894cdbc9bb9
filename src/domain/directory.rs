//! Changes of the configuration, decided: what is asked for becomes items to put, or an error that says what to do.
//!
//! Pure: ids and the time are arguments, and whoever calls puts the items. The rules for names are the API's.

pub use self::{
    access::{AccessChange, KEYS_MAX, ROLL_DELAY_MS_MAX, free_text},
    checks::name as check_name,
};
use super::{
    ConfigItem, Configuration, ConnectionId, CustomResponse, DestinationAuth, DestinationId, HttpMethod, Project, Rule,
    SourceId, SourceToken, Timestamp,
};

/// Characters in a name at most: the API's limit.
pub const NAME_CHARS_MAX: usize = 155;
/// Characters in a description at most: the API's limit.
pub const DESCRIPTION_CHARS_MAX: usize = 500;
/// Characters in a source's own answer at most: the API's limit.
pub const RESPONSE_CHARS_MAX: usize = 1000;

/// What is said about a source. What is not said stays as it is; in a new source it gets its default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceDraft {
    /// Unique among sources; a new one needs it.
    pub name: Option<String>,
    /// Free text, or none.
    pub description: Option<Option<String>>,
    /// The provider's word; `WEBHOOK` by default.
    pub kind: Option<String>,
    /// Methods that become requests; all but GET by default.
    pub allowed_http_methods: Option<Vec<HttpMethod>>,
    /// What accepted requests are answered with, or our own answer.
    pub custom_response: Option<Option<CustomResponse>>,
}

/// What is said about a destination. What is not said stays as it is; in a new destination it gets its default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DestinationDraft {
    /// Unique among destinations; a new one needs it.
    pub name: Option<String>,
    /// Free text, or none.
    pub description: Option<Option<String>>,
    /// What kind of place it is.
    pub kind: Option<DestinationType>,
    /// What kind a new one is when nothing says it.
    pub kind_otherwise: DestinationType,
    /// Of an HTTP one.
    pub url: Option<Option<String>>,
    /// Of a CLI one; `/` by default.
    pub path: Option<String>,
    /// Overrides the request's method, or does not.
    pub http_method: Option<Option<HttpMethod>>,
    /// Whether what follows the token in the request's path, and its query, are left out; not so by default.
    pub path_forwarding_disabled: Option<bool>,
    /// Credentials; the project's signature by default.
    pub auth: Option<DestinationAuth>,
}

/// A kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "see `DestinationKind`")]
pub enum DestinationType {
    #[default]
    Http,
    Cli,
    MockApi,
}

/// Something named by its id, or given whole: then it is created, or replaced when its name exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<Id, Draft> {
    /// It is there already.
    Existing(Id),
    /// Created or replaced by name together with what refers to it. One that says nothing but the name of what exists means
    /// that as it is.
    Inline(Draft),
}

/// What is said about a connection. What is not said stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionDraft {
    /// Unique among connections, or none.
    pub name: Option<Option<String>>,
    /// Free text, or none.
    pub description: Option<Option<String>>,
    /// Where its requests come from; a new one needs it.
    pub source: Option<Reference<SourceId, SourceDraft>>,
    /// Where its events go; a new one needs it. What is there already goes where it was to go.
    pub destination: Option<Reference<DestinationId, DestinationDraft>>,
    /// In the order given.
    pub rules: Option<Vec<Rule>>,
}

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Adds a source.
    CreateSource(SourceDraft),
    /// Adds a source, or changes the one of that name.
    UpsertSource(SourceDraft),
    /// Changes a source.
    UpdateSource(SourceId, SourceDraft),
    /// Adds a destination.
    CreateDestination(DestinationDraft),
    /// Adds a destination, or changes the one of that name.
    UpsertDestination(DestinationDraft),
    /// Changes a destination.
    UpdateDestination(DestinationId, DestinationDraft),
    /// Adds a connection, with what is given inline.
    CreateConnection(ConnectionDraft),
    /// Adds a connection, or changes the one of that name.
    UpsertConnection(ConnectionDraft),
    /// Changes a connection.
    UpdateConnection(ConnectionId, ConnectionDraft),
    /// Gives the project another name.
    RenameProject(String),
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
    /// Changes keys or the signing secret.
    Access(AccessChange),
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
#[expect(clippy::needless_pass_by_value, reason = "ids are drawn for one command: whoever decides uses them up")]
pub fn decide(
    configuration: &Configuration,
    command: Command,
    now: Timestamp,
    fresh: FreshIds,
) -> Result<Vec<ConfigItem>, ConfigError> {
    match command {
        Command::CreateSource(draft) => {
            let name = sources::name_of(&draft, "")?;
            match configuration.source_named(&name) {
                Some(_) => Err(taken("name", "source", name)),
                None => Ok(vec![ConfigItem::Source(sources::create(draft, name, now, &fresh)?)]),
            }
        }
        Command::UpsertSource(draft) => {
            let name = sources::name_of(&draft, "")?;
            match configuration.source_named(&name) {
                Some(current) => sources::update(configuration, current, draft, now),
                None => Ok(vec![ConfigItem::Source(sources::create(draft, name, now, &fresh)?)]),
            }
        }
        Command::UpdateSource(id, draft) => {
            sources::update(configuration, switches::source(configuration, id)?, draft, now)
        }
        Command::CreateDestination(draft) => {
            let name = destinations::name_of(&draft, "")?;
            match configuration.destination_named(&name) {
                Some(_) => Err(taken("name", "destination", name)),
                None => Ok(vec![ConfigItem::Destination(destinations::create(draft, name, now, fresh.destination)?)]),
            }
        }
        Command::UpsertDestination(draft) => {
            let name = destinations::name_of(&draft, "")?;
            match configuration.destination_named(&name) {
                Some(current) => destinations::update(configuration, current, draft, now),
                None => Ok(vec![ConfigItem::Destination(destinations::create(draft, name, now, fresh.destination)?)]),
            }
        }
        Command::UpdateDestination(id, draft) => {
            destinations::update(configuration, switches::destination(configuration, id)?, draft, now)
        }
        Command::CreateConnection(draft) => connections::create(configuration, draft, now, &fresh),
        Command::UpsertConnection(draft) => connections::upsert(configuration, draft, now, &fresh),
        Command::UpdateConnection(id, draft) => {
            let current = switches::connection(configuration, id)?;
            connections::update(configuration, current, draft, now, &fresh)
        }
        Command::RenameProject(name) => rename(configuration, &name),
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
        Command::Access(change) => access::decide(configuration, change, now),
    }
}

fn taken(field: &str, kind: &'static str, name: String) -> ConfigError {
    ConfigError::NameTaken { field: field.to_owned(), kind, name }
}

fn invalid(field: String, message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { field, message: message.into() }
}

/// The project's name may have more in it than others: people read it, nothing refers to it.
fn rename(configuration: &Configuration, name: &str) -> Result<Vec<ConfigItem>, ConfigError> {
    let Some(project) = configuration.project.as_deref() else {
        return Err(ConfigError::NotFound { kind: "project", id: "current".to_owned() });
    };
    let name = free_text(name, "name", NAME_CHARS_MAX)?;
    if project.name == name {
        return Ok(Vec::new());
    }
    let version = project.version + 1;
    Ok(vec![ConfigItem::Project(Project { name, version, ..project.clone() })])
}

mod access;
mod action;
mod checks;
mod connections;
mod destinations;
mod sources;
mod switches;
#[cfg(test)]
mod tests;
