//! Configuration items as they are stored: secrets sealed.

use serde::{Deserialize, Serialize};

use super::{destination::StoredDestination, moment};
use crate::{
    domain::{
        ApiKey, ApiKeyId, ConfigItem, Connection, ConnectionId, CustomResponse, Destination, DestinationId, HttpMethod,
        Previous, Project, ProjectId, ResponseType, RetryRule, RetryStrategy, Rule, Scope, Source, SourceId,
        SourceToken, StatusCodes, Timestamp,
    },
    store::local::key::{KeyError, MasterKey},
};

/// Items that were put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredItems(pub Vec<StoredItem>);

/// One item, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredItem {
    /// See the domain's type; so for the others.
    Project {
        /// 128 bits of the id.
        id: [u8; 16],
        /// What people call it.
        name: String,
        /// Sealed.
        signing_secret: Vec<u8>,
        /// The one before, sealed, and until when it signs.
        previous: Option<(Vec<u8>, i64)>,
        /// Milliseconds.
        created_at: i64,
        /// From 1.
        version: u32,
    },
    /// A source.
    Source {
        /// What all items have.
        common: Common,
        /// Stored as it is: it is part of a URL that senders hold.
        token: String,
        /// The provider's word.
        kind: String,
        /// As in a request line.
        allowed_http_methods: Vec<String>,
        /// Its type and body.
        custom_response: Option<(StoredResponseType, String)>,
    },
    /// A destination.
    Destination {
        /// What all items have.
        common: Common,
        /// Where and how.
        kind: StoredDestination,
    },
    /// A connection.
    Connection {
        /// What all items have; an empty name is none.
        common: Common,
        /// Its source.
        source: [u8; 16],
        /// Its destination.
        destination: [u8; 16],
        /// In order.
        rules: Vec<StoredRule>,
        /// Milliseconds.
        paused_at: Option<i64>,
        /// Milliseconds.
        unpaused_at: Option<i64>,
        /// How often it was disabled or deleted.
        generation: u32,
    },
    /// An API key.
    ApiKey {
        /// 128 bits of the id.
        id: [u8; 16],
        /// What it is for.
        label: String,
        /// SHA-256.
        hash: [u8; 32],
        /// What it allows.
        scope: StoredScope,
        /// The hash before, and until when it counts.
        previous: Option<([u8; 32], i64)>,
        /// Milliseconds.
        revoked_at: Option<i64>,
        /// Milliseconds.
        created_at: i64,
        /// From 1.
        version: u32,
    },
}

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredScope {
    Read,
    Write,
    Admin,
}

/// The type of what a source answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredResponseType {
    Json,
    Text,
    Xml,
}

/// What sources, destinations and connections have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    pub(super) id: [u8; 16],
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) disabled_at: Option<i64>,
    pub(super) deleted_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) version: u32,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredRule {
    /// When to try again.
    Retry {
        /// Or linear.
        exponential: bool,
        /// As given.
        interval_ms: Option<u64>,
        /// As given.
        count: Option<u32>,
        /// As given.
        response_status_codes: Vec<String>,
    },
}

fn previous_of<T>((value, until): (T, i64)) -> Previous<T> {
    Previous { value, until: moment(until) }
}

fn methods(stored: &[String]) -> Vec<HttpMethod> {
    stored.iter().filter_map(|method| HttpMethod::parse(method)).collect()
}

impl StoredItem {
    /// Takes what is stored of an item.
    ///
    /// # Errors
    ///
    /// When a secret cannot be sealed.
    pub fn new(item: &ConfigItem, key: &MasterKey) -> Result<Self, KeyError> {
        Ok(match item {
            ConfigItem::Project(item) => Self::project(item, key)?,
            ConfigItem::Source(item) => Self::Source {
                common: Common {
                    id: item.id.bits().to_be_bytes(),
                    name: item.name.clone(),
                    description: item.description.clone(),
                    disabled_at: item.disabled_at.map(Timestamp::ms),
                    deleted_at: item.deleted_at.map(Timestamp::ms),
                    created_at: item.created_at.ms(),
                    updated_at: item.updated_at.ms(),
                    version: item.version,
                },
                token: item.token.as_str().to_owned(),
                kind: item.kind.clone(),
                allowed_http_methods: item
                    .allowed_http_methods
                    .iter()
                    .map(|method| method.as_str().to_owned())
                    .collect(),
                custom_response: item
                    .custom_response
                    .as_ref()
                    .map(|response| (response.content_type.into(), response.body.clone())),
            },
            ConfigItem::Destination(item) => Self::Destination {
                common: Common {
                    id: item.id.bits().to_be_bytes(),
                    name: item.name.clone(),
                    description: item.description.clone(),
                    disabled_at: item.disabled_at.map(Timestamp::ms),
                    deleted_at: item.deleted_at.map(Timestamp::ms),
                    created_at: item.created_at.ms(),
                    updated_at: item.updated_at.ms(),
                    version: item.version,
                },
                kind: StoredDestination::new(item.id, &item.kind, key)?,
            },
            ConfigItem::Connection(item) => Self::Connection {
                common: Common {
                    id: item.id.bits().to_be_bytes(),
                    name: item.name.clone().unwrap_or_default(),
                    description: item.description.clone(),
                    disabled_at: item.disabled_at.map(Timestamp::ms),
                    deleted_at: item.deleted_at.map(Timestamp::ms),
                    created_at: item.created_at.ms(),
                    updated_at: item.updated_at.ms(),
                    version: item.version,
                },
                source: item.source_id.bits().to_be_bytes(),
                destination: item.destination_id.bits().to_be_bytes(),
                rules: item.rules.iter().map(StoredRule::from).collect(),
                paused_at: item.paused_at.map(Timestamp::ms),
                unpaused_at: item.unpaused_at.map(Timestamp::ms),
                generation: item.generation,
            },
            ConfigItem::ApiKey(item) => Self::api_key(item),
        })
    }

    fn project(item: &Project, key: &MasterKey) -> Result<Self, KeyError> {
        Ok(Self::Project {
            id: item.id.bits().to_be_bytes(),
            name: item.name.clone(),
            signing_secret: key.seal(item.id.bits(), &item.signing_secret)?,
            previous: match &item.previous_secret {
                Some(previous) => Some((key.seal(item.id.bits(), &previous.value)?, previous.until.ms())),
                None => None,
            },
            created_at: item.created_at.ms(),
            version: item.version,
        })
    }

    fn api_key(item: &ApiKey) -> Self {
        Self::ApiKey {
            id: item.id.bits().to_be_bytes(),
            label: item.label.clone(),
            hash: item.hash,
            scope: item.scope.into(),
            previous: item.previous.as_ref().map(|previous| (previous.value, previous.until.ms())),
            revoked_at: item.revoked_at.map(Timestamp::ms),
            created_at: item.created_at.ms(),
            version: item.version,
        }
    }

    /// The item, its secrets opened.
    ///
    /// # Errors
    ///
    /// When a secret does not open with this key.
    pub fn into_item(self, key: &MasterKey) -> Result<ConfigItem, KeyError> {
        let bits = u128::from_be_bytes;
        Ok(match self {
            Self::Project { id, name, signing_secret, previous, created_at, version } => ConfigItem::Project(Project {
                id: ProjectId::from_bits(bits(id)),
                name,
                signing_secret: key.open(bits(id), &signing_secret)?,
                previous_secret: previous
                    .map(|(sealed, until)| Ok(previous_of((key.open(bits(id), &sealed)?, until))))
                    .transpose()?,
                created_at: moment(created_at),
                version,
            }),
            Self::Source { common, token, kind, allowed_http_methods, custom_response } => ConfigItem::Source(Source {
                id: SourceId::from_bits(bits(common.id)),
                name: common.name,
                description: common.description,
                token: SourceToken::new(token),
                kind,
                allowed_http_methods: methods(&allowed_http_methods),
                custom_response: custom_response
                    .map(|(content_type, body)| CustomResponse { content_type: content_type.into(), body }),
                disabled_at: common.disabled_at.map(moment),
                deleted_at: common.deleted_at.map(moment),
                created_at: moment(common.created_at),
                updated_at: moment(common.updated_at),
                version: common.version,
            }),
            Self::Destination { common, kind } => ConfigItem::Destination(Destination {
                id: DestinationId::from_bits(bits(common.id)),
                kind: kind.into_kind(bits(common.id), key)?,
                name: common.name,
                description: common.description,
                disabled_at: common.disabled_at.map(moment),
                deleted_at: common.deleted_at.map(moment),
                created_at: moment(common.created_at),
                updated_at: moment(common.updated_at),
                version: common.version,
            }),
            Self::Connection { common, source, destination, rules, paused_at, unpaused_at, generation } => {
                ConfigItem::Connection(Connection {
                    id: ConnectionId::from_bits(bits(common.id)),
                    name: Some(common.name).filter(|name| !name.is_empty()),
                    description: common.description,
                    source_id: SourceId::from_bits(bits(source)),
                    destination_id: DestinationId::from_bits(bits(destination)),
                    rules: rules.into_iter().map(Rule::from).collect(),
                    paused_at: paused_at.map(moment),
                    unpaused_at: unpaused_at.map(moment),
                    generation,
                    disabled_at: common.disabled_at.map(moment),
                    deleted_at: common.deleted_at.map(moment),
                    created_at: moment(common.created_at),
                    updated_at: moment(common.updated_at),
                    version: common.version,
                })
            }
            Self::ApiKey { id, label, hash, scope, previous, revoked_at, created_at, version } => {
                ConfigItem::ApiKey(ApiKey {
                    id: ApiKeyId::from_bits(bits(id)),
                    label,
                    hash,
                    scope: scope.into(),
                    previous: previous.map(previous_of),
                    revoked_at: revoked_at.map(moment),
                    created_at: moment(created_at),
                    version,
                })
            }
        })
    }
}

impl From<Scope> for StoredScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<StoredScope> for Scope {
    fn from(scope: StoredScope) -> Self {
        match scope {
            StoredScope::Read => Self::Read,
            StoredScope::Write => Self::Write,
            StoredScope::Admin => Self::Admin,
        }
    }
}

impl From<ResponseType> for StoredResponseType {
    fn from(kind: ResponseType) -> Self {
        match kind {
            ResponseType::Json => Self::Json,
            ResponseType::Text => Self::Text,
            ResponseType::Xml => Self::Xml,
        }
    }
}

impl From<StoredResponseType> for ResponseType {
    fn from(kind: StoredResponseType) -> Self {
        match kind {
            StoredResponseType::Json => Self::Json,
            StoredResponseType::Text => Self::Text,
            StoredResponseType::Xml => Self::Xml,
        }
    }
}

impl From<&Rule> for StoredRule {
    fn from(rule: &Rule) -> Self {
        match rule {
            Rule::Retry(retry) => Self::Retry {
                exponential: retry.strategy == RetryStrategy::Exponential,
                interval_ms: retry.interval_ms,
                count: retry.count,
                response_status_codes: retry.response_status_codes.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

impl From<StoredRule> for Rule {
    fn from(rule: StoredRule) -> Self {
        match rule {
            StoredRule::Retry { exponential, interval_ms, count, response_status_codes } => Self::Retry(RetryRule {
                strategy: if exponential { RetryStrategy::Exponential } else { RetryStrategy::Linear },
                interval_ms,
                count,
                response_status_codes: response_status_codes
                    .iter()
                    .filter_map(|text| StatusCodes::parse(text))
                    .collect(),
            }),
        }
    }
}
