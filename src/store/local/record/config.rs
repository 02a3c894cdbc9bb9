//! Configuration items as they are stored: secrets sealed.

use serde::{Deserialize, Serialize};

use super::moment;
use crate::{
    domain::{
        ApiKey, ApiKeyId, CliDestination, ConfigItem, Connection, ConnectionId, Destination, DestinationAuth,
        DestinationId, DestinationKind, HttpDestination, HttpMethod, Project, ProjectId, RetryRule, RetryStrategy,
        Rule, Source, SourceId, SourceToken, StatusCodes, Timestamp,
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
        /// Sealed.
        signing_secret: Vec<u8>,
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
        /// Milliseconds.
        created_at: i64,
        /// From 1.
        version: u32,
    },
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

/// Where a destination is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredDestination {
    /// See the domain's type.
    Http {
        /// Absolute; `None` while it has none.
        url: Option<String>,
        /// Overrides the request's.
        http_method: Option<String>,
        /// Whether the path is left out.
        path_forwarding_disabled: bool,
        /// Credentials.
        auth: StoredAuth,
    },
    /// Inside the gateway.
    MockApi,
    /// Handed to whoever listens.
    Cli {
        /// Behind the local server's address.
        path: String,
        /// Overrides the request's.
        http_method: Option<String>,
        /// Whether the path is left out.
        path_forwarding_disabled: bool,
        /// Credentials.
        auth: StoredAuth,
    },
}

/// Credentials: every secret sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredAuth {
    /// The project's signature alone.
    HookdeckSignature,
    /// A token.
    BearerToken {
        /// Sealed.
        token: Vec<u8>,
    },
    /// User and password.
    BasicAuth {
        /// As it is.
        username: String,
        /// Sealed.
        password: Vec<u8>,
    },
    /// A key in a header.
    ApiKeyHeader {
        /// The header's name.
        key: String,
        /// Sealed.
        api_key: Vec<u8>,
    },
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
            ConfigItem::Project(item) => Self::Project {
                id: item.id.bits().to_be_bytes(),
                signing_secret: key.seal(item.id.bits(), &item.signing_secret)?,
                created_at: item.created_at.ms(),
                version: item.version,
            },
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
            ConfigItem::ApiKey(item) => Self::ApiKey {
                id: item.id.bits().to_be_bytes(),
                label: item.label.clone(),
                hash: item.hash,
                created_at: item.created_at.ms(),
                version: item.version,
            },
        })
    }

    /// The item, its secrets opened.
    ///
    /// # Errors
    ///
    /// When a secret does not open with this key.
    pub fn into_item(self, key: &MasterKey) -> Result<ConfigItem, KeyError> {
        let bits = u128::from_be_bytes;
        Ok(match self {
            Self::Project { id, signing_secret, created_at, version } => ConfigItem::Project(Project {
                id: ProjectId::from_bits(bits(id)),
                name: "hookgate".to_owned(),
                signing_secret: key.open(bits(id), &signing_secret)?,
                previous_secret: None,
                created_at: moment(created_at),
                version,
            }),
            Self::Source { common, token, kind, allowed_http_methods } => ConfigItem::Source(Source {
                id: SourceId::from_bits(bits(common.id)),
                name: common.name,
                description: common.description,
                token: SourceToken::new(token),
                kind,
                allowed_http_methods: methods(&allowed_http_methods),
                custom_response: None,
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
            Self::ApiKey { id, label, hash, created_at, version } => ConfigItem::ApiKey(ApiKey {
                id: ApiKeyId::from_bits(bits(id)),
                label,
                hash,
                scope: crate::domain::Scope::Admin,
                previous: None,
                revoked_at: None,
                created_at: moment(created_at),
                version,
            }),
        })
    }
}

impl StoredDestination {
    fn new(owner: DestinationId, kind: &DestinationKind, key: &MasterKey) -> Result<Self, KeyError> {
        let name = |method: HttpMethod| method.as_str().to_owned();
        Ok(match kind {
            DestinationKind::Http(http) => Self::Http {
                url: http.url.clone(),
                http_method: http.http_method.map(name),
                path_forwarding_disabled: http.path_forwarding_disabled,
                auth: StoredAuth::new(owner, &http.auth, key)?,
            },
            DestinationKind::Cli(cli) => Self::Cli {
                path: cli.path.clone(),
                http_method: cli.http_method.map(name),
                path_forwarding_disabled: cli.path_forwarding_disabled,
                auth: StoredAuth::new(owner, &cli.auth, key)?,
            },
            DestinationKind::MockApi => Self::MockApi,
        })
    }

    fn into_kind(self, owner: u128, key: &MasterKey) -> Result<DestinationKind, KeyError> {
        let method = |name: Option<String>| name.as_deref().and_then(HttpMethod::parse);
        Ok(match self {
            Self::Http { url, http_method, path_forwarding_disabled, auth } => DestinationKind::Http(HttpDestination {
                url,
                http_method: method(http_method),
                path_forwarding_disabled,
                auth: auth.into_auth(owner, key)?,
            }),
            Self::Cli { path, http_method, path_forwarding_disabled, auth } => DestinationKind::Cli(CliDestination {
                path,
                http_method: method(http_method),
                path_forwarding_disabled,
                auth: auth.into_auth(owner, key)?,
            }),
            Self::MockApi => DestinationKind::MockApi,
        })
    }
}

impl StoredAuth {
    fn new(owner: DestinationId, auth: &DestinationAuth, key: &MasterKey) -> Result<Self, KeyError> {
        let owner = owner.bits();
        Ok(match auth {
            DestinationAuth::HookdeckSignature => Self::HookdeckSignature,
            DestinationAuth::BearerToken { token } => Self::BearerToken { token: key.seal(owner, token)? },
            DestinationAuth::BasicAuth { username, password } => {
                Self::BasicAuth { username: username.clone(), password: key.seal(owner, password)? }
            }
            DestinationAuth::ApiKeyHeader { key: name, api_key } => {
                Self::ApiKeyHeader { key: name.clone(), api_key: key.seal(owner, api_key)? }
            }
        })
    }

    fn into_auth(self, owner: u128, key: &MasterKey) -> Result<DestinationAuth, KeyError> {
        Ok(match self {
            Self::HookdeckSignature => DestinationAuth::HookdeckSignature,
            Self::BearerToken { token } => DestinationAuth::BearerToken { token: key.open(owner, &token)? },
            Self::BasicAuth { username, password } => {
                DestinationAuth::BasicAuth { username, password: key.open(owner, &password)? }
            }
            Self::ApiKeyHeader { key: name, api_key } => {
                DestinationAuth::ApiKeyHeader { key: name, api_key: key.open(owner, &api_key)? }
            }
        })
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
