//! The whole configuration: small, in memory, replaced as a whole when one item changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{
    ApiKeyId, Connection, ConnectionId, Destination, DestinationId, ProjectId, Secret, Source, SourceId, SourceToken,
    Standing, Timestamp,
};

/// The one project of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// `team_id` in every API object.
    pub id: ProjectId,
    /// What people call it.
    pub name: String,
    /// Signs deliveries; made at first start.
    pub signing_secret: Secret,
    /// What signed before it was rolled: signs beside it for a while, so that receivers can change over.
    pub previous_secret: Option<Previous<Secret>>,
    /// When the data directory was set up.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

impl Project {
    /// The secret that was rolled, as long as it signs.
    #[must_use]
    pub fn previous_secret_at(&self, now: Timestamp) -> Option<&Secret> {
        self.previous_secret.as_ref().filter(|previous| now < previous.until).map(|previous| &previous.value)
    }
}

/// What was rolled, and until when it still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous<T> {
    /// What it was.
    pub value: T,
    /// From then on it does not count any more.
    pub until: Timestamp,
}

/// What a key allows; each allows what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Look at everything but secrets.
    Read,
    /// Change what is configured, send and cancel.
    Write,
    /// See and roll secrets, make and revoke keys, erase data.
    Admin,
}

impl Scope {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A key to the API: only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public half.
    pub id: ApiKeyId,
    /// What it is for, in its owner's words.
    pub label: String,
    /// SHA-256 of the whole key text (256 random bits: a fast hash is right).
    pub hash: [u8; 32],
    /// What it allows.
    pub scope: Scope,
    /// The hash of what it was before it was rolled.
    pub previous: Option<Previous<[u8; 32]>>,
    /// From then on it allows nothing.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

impl ApiKey {
    /// The place of the key that the environment gives: what it says changes at starts alone.
    pub const OF_ENVIRONMENT: ApiKeyId = ApiKeyId::from_bits(1);

    /// As [`hash`](Self::hash) has it.
    #[must_use]
    pub fn hash_of(text: &[u8]) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    /// Whether it is the key of a text, by its hash: as it is, or as it was until it ran out. Takes as long either way.
    #[must_use]
    pub fn is_of(&self, hash: &[u8; 32], now: Timestamp) -> Choice {
        let previous = self.previous.as_ref().map_or(&self.hash, |previous| &previous.value);
        let counts = self.previous.as_ref().is_some_and(|previous| now < previous.until);
        let opens = Choice::from(u8::from(self.revoked_at.is_none()));
        opens & (self.hash.ct_eq(hash) | (previous.ct_eq(hash) & Choice::from(u8::from(counts))))
    }
}

/// One item, as it is put.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ConfigItem {
    Project(Project),
    Source(Source),
    Destination(Destination),
    Connection(Connection),
    ApiKey(ApiKey),
}

impl ConfigItem {
    /// The version this item claims; the one it replaces must be one less.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self {
            Self::Project(item) => item.version,
            Self::Source(item) => item.version,
            Self::Destination(item) => item.version,
            Self::Connection(item) => item.version,
            Self::ApiKey(item) => item.version,
        }
    }
}

/// Everything that is configured, with the ways in that the event path needs.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// Absent only before the first start has finished.
    pub project: Option<Arc<Project>>,
    /// By id.
    pub sources: BTreeMap<SourceId, Arc<Source>>,
    /// By id.
    pub destinations: BTreeMap<DestinationId, Arc<Destination>>,
    /// By id.
    pub connections: BTreeMap<ConnectionId, Arc<Connection>>,
    /// By id.
    pub api_keys: BTreeMap<ApiKeyId, Arc<ApiKey>>,
    /// The way from a URL to its source.
    sources_by_token: HashMap<SourceToken, Arc<Source>>,
    /// The fan-out of each source, oldest connection first.
    connections_by_source: HashMap<SourceId, Vec<Arc<Connection>>>,
}

impl Configuration {
    /// Puts one item over what had its id.
    pub fn put(&mut self, item: ConfigItem) {
        match item {
            ConfigItem::Project(item) => self.project = Some(Arc::new(item)),
            ConfigItem::Source(item) => {
                let item = Arc::new(item);
                if let Some(old) = self.sources.insert(item.id, Arc::clone(&item)) {
                    self.sources_by_token.remove(&old.token);
                }
                if item.deleted_at.is_none() {
                    self.sources_by_token.insert(item.token.clone(), item);
                }
            }
            ConfigItem::Destination(item) => {
                self.destinations.insert(item.id, Arc::new(item));
            }
            ConfigItem::Connection(item) => {
                let item = Arc::new(item);
                if let Some(old) = self.connections.insert(item.id, Arc::clone(&item))
                    && let Some(siblings) = self.connections_by_source.get_mut(&old.source_id)
                {
                    siblings.retain(|sibling| sibling.id != old.id);
                }
                if item.deleted_at.is_none() {
                    let siblings = self.connections_by_source.entry(item.source_id).or_default();
                    let place = siblings.partition_point(|sibling| sibling.id < item.id);
                    siblings.insert(place, item);
                }
            }
            ConfigItem::ApiKey(item) => {
                self.api_keys.insert(item.id, Arc::new(item));
            }
        }
    }

    /// The version stored under this item's id, 0 when there is none.
    #[must_use]
    pub fn version_of(&self, item: &ConfigItem) -> u32 {
        match item {
            ConfigItem::Project(_) => self.project.as_ref().map_or(0, |item| item.version),
            ConfigItem::Source(new) => self.sources.get(&new.id).map_or(0, |item| item.version),
            ConfigItem::Destination(new) => self.destinations.get(&new.id).map_or(0, |item| item.version),
            ConfigItem::Connection(new) => self.connections.get(&new.id).map_or(0, |item| item.version),
            ConfigItem::ApiKey(new) => self.api_keys.get(&new.id).map_or(0, |item| item.version),
        }
    }

    /// What is stored under this item's id.
    #[must_use]
    pub fn known(&self, item: &ConfigItem) -> Option<ConfigItem> {
        match item {
            ConfigItem::Project(_) => self.project.as_deref().cloned().map(ConfigItem::Project),
            ConfigItem::Source(new) => self.sources.get(&new.id).map(|item| ConfigItem::Source(item.as_ref().clone())),
            ConfigItem::Destination(new) => {
                self.destinations.get(&new.id).map(|item| ConfigItem::Destination(item.as_ref().clone()))
            }
            ConfigItem::Connection(new) => {
                self.connections.get(&new.id).map(|item| ConfigItem::Connection(item.as_ref().clone()))
            }
            ConfigItem::ApiKey(new) => self.api_keys.get(&new.id).map(|item| ConfigItem::ApiKey(item.as_ref().clone())),
        }
    }

    /// Every item, in an order in which they can be put again.
    pub fn items(&self) -> impl Iterator<Item = ConfigItem> + '_ {
        let project = self.project.iter().map(|item| ConfigItem::Project(item.as_ref().clone()));
        let keys = self.api_keys.values().map(|item| ConfigItem::ApiKey(item.as_ref().clone()));
        let sources = self.sources.values().map(|item| ConfigItem::Source(item.as_ref().clone()));
        let destinations = self.destinations.values().map(|item| ConfigItem::Destination(item.as_ref().clone()));
        let connections = self.connections.values().map(|item| ConfigItem::Connection(item.as_ref().clone()));
        project.chain(keys).chain(sources).chain(destinations).chain(connections)
    }

    /// The source behind a URL's token; none for a deleted one.
    #[must_use]
    pub fn source_by_token(&self, token: &str) -> Option<&Arc<Source>> {
        self.sources_by_token.get(token)
    }

    /// The connections of a source that are not deleted, oldest first.
    #[must_use]
    pub fn connections_of(&self, source: SourceId) -> &[Arc<Connection>] {
        self.connections_by_source.get(&source).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing new is sent on a connection.
    #[must_use]
    pub fn is_paused(&self, connection: ConnectionId) -> bool {
        self.standing(connection).paused
    }

    /// What a connection's state says about its events.
    #[must_use]
    pub fn standing(&self, connection: ConnectionId) -> Standing {
        self.connections.get(&connection).map_or_else(Standing::default, |connection| Standing {
            paused: connection.paused_at.is_some(),
            generation: connection.generation,
        })
    }

    /// The source of this name that is not deleted.
    #[must_use]
    pub fn source_named(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.values().find(|source| source.deleted_at.is_none() && source.name == name)
    }

    /// The destination of this name that is not deleted.
    #[must_use]
    pub fn destination_named(&self, name: &str) -> Option<&Arc<Destination>> {
        self.destinations.values().find(|destination| destination.deleted_at.is_none() && destination.name == name)
    }

    /// The connection of this name that is not deleted.
    #[must_use]
    pub fn connection_named(&self, name: &str) -> Option<&Arc<Connection>> {
        let named = |connection: &&Arc<Connection>| connection.name.as_deref() == Some(name);
        self.connections.values().find(|connection| connection.deleted_at.is_none() && named(connection))
    }

    /// The connections to a destination that are not deleted, oldest first.
    pub fn connections_to(&self, destination: DestinationId) -> impl Iterator<Item = &Arc<Connection>> {
        let alive = move |one: &&Arc<Connection>| one.deleted_at.is_none() && one.destination_id == destination;
        self.connections.values().filter(alive)
    }

    /// Whether anything new may be sent on a connection: it is not paused, and nothing about it is disabled or deleted.
    #[must_use]
    pub fn may_send(&self, connection: ConnectionId) -> bool {
        !self.is_paused(connection) && self.switched_off(connection).is_none()
    }

    /// Why events of a connection are cancelled and cannot be tried again; `None` while they can.
    #[must_use]
    pub fn switched_off(&self, connection: ConnectionId) -> Option<SwitchedOff> {
        let connection = self.connections.get(&connection)?;
        let destination = self.destinations.get(&connection.destination_id);
        if connection.deleted_at.is_some() {
            return Some(SwitchedOff::ConnectionDeleted(connection.id));
        }
        if connection.disabled_at.is_some() {
            return Some(SwitchedOff::ConnectionDisabled(connection.id));
        }
        destination
            .filter(|to| to.disabled_at.is_some() || to.deleted_at.is_some())
            .map(|to| SwitchedOff::DestinationDisabled(to.id))
    }

    /// Whether requests become events on a connection: neither it nor its destination is disabled or deleted.
    #[must_use]
    pub fn is_enabled(&self, connection: &Connection) -> bool {
        self.switched_off(connection.id).is_none()
    }
}

/// What keeps a connection from sending until somebody changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SwitchedOff {
    /// It is disabled itself.
    #[error("its connection {0} is disabled: enable that first")]
    ConnectionDisabled(ConnectionId),
    /// It is deleted.
    #[error("its connection {0} was deleted: send the request again over another one")]
    ConnectionDeleted(ConnectionId),
    /// Its destination is disabled; a deleted one takes its connections along.
    #[error("its destination {0} is disabled: enable that first")]
    DestinationDisabled(DestinationId),
}
