//! Configuration items as lines. Secrets are there only when they were asked for.

use serde::{Deserialize, Serialize};

use super::words::Text;
use crate::domain::{
    self, ApiKeyId, CliDestination, ConfigItem, ConnectionId, CustomResponse, DestinationAuth, DestinationId,
    DestinationKind, HttpDestination, HttpMethod, Previous, ProjectId, ResponseType, RetryRule, Scope, Secret,
    SourceId, SourceToken, StatusCodes, Timestamp,
};

/// Items begin anew: versions only order changes.
const FIRST_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    id: Text<ProjectId>,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signing_secret: Option<String>,
    /// The one before, which still signs as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_secret: Option<Rolled<String>>,
    created_at: Text<Timestamp>,
}

/// What was rolled, and until when it still counts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rolled<T> {
    value: T,
    until: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    id: Text<ApiKeyId>,
    label: String,
    sha256: Text<[u8; 32]>,
    /// Up to format 1 there was none, and keys allowed everything.
    scope: Option<Text<Scope>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Rolled<Text<[u8; 32]>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Text<Timestamp>>,
    created_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    id: Text<SourceId>,
    name: String,
    description: Option<String>,
    token: String,
    kind: String,
    allowed_http_methods: Vec<Text<HttpMethod>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom_response: Option<Response>,
    disabled_at: Option<Text<Timestamp>>,
    deleted_at: Option<Text<Timestamp>>,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    content_type: Text<ResponseType>,
    body: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    id: Text<DestinationId>,
    pub(super) name: String,
    description: Option<String>,
    config: Place,
    disabled_at: Option<Text<Timestamp>>,
    deleted_at: Option<Text<Timestamp>>,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
enum Place {
    Http {
        url: Option<String>,
        http_method: Option<Text<HttpMethod>>,
        path_forwarding_disabled: bool,
        auth: Credentials,
    },
    Cli {
        path: String,
        http_method: Option<Text<HttpMethod>>,
        path_forwarding_disabled: bool,
        auth: Credentials,
    },
    MockApi {},
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
enum Credentials {
    HookdeckSignature {},
    BearerToken {
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    BasicAuth {
        username: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
    ApiKey {
        key: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        api_key: Option<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connection {
    id: Text<ConnectionId>,
    name: Option<String>,
    description: Option<String>,
    source_id: Text<SourceId>,
    destination_id: Text<DestinationId>,
    rules: Vec<Rule>,
    paused_at: Option<Text<Timestamp>>,
    unpaused_at: Option<Text<Timestamp>>,
    disabled_at: Option<Text<Timestamp>>,
    deleted_at: Option<Text<Timestamp>>,
    generation: u32,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Rule {
    Retry {
        strategy: Strategy,
        interval: Option<u64>,
        count: Option<u32>,
        response_status_codes: Vec<Text<StatusCodes>>,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    Linear,
    Exponential,
}

fn moment(at: Option<Timestamp>) -> Option<Text<Timestamp>> {
    at.map(Text)
}

fn at(moment: Option<Text<Timestamp>>) -> Option<Timestamp> {
    moment.map(|at| at.0)
}

/// The line of an item; with `secrets`, with what is sealed on disk.
pub(super) fn line_of(item: &ConfigItem, secrets: bool) -> super::Line {
    use super::Line;
    match item {
        ConfigItem::Project(item) => Line::Project(Project {
            id: Text(item.id),
            name: Some(item.name.clone()),
            signing_secret: secrets.then(|| item.signing_secret.expose().to_owned()),
            previous_secret: item
                .previous_secret
                .as_ref()
                .filter(|_| secrets)
                .map(|previous| Rolled { value: previous.value.expose().to_owned(), until: Text(previous.until) }),
            created_at: Text(item.created_at),
        }),
        ConfigItem::ApiKey(item) => Line::Key(Key {
            id: Text(item.id),
            label: item.label.clone(),
            sha256: Text(item.hash),
            scope: Some(Text(item.scope)),
            previous: item
                .previous
                .as_ref()
                .map(|previous| Rolled { value: Text(previous.value), until: Text(previous.until) }),
            revoked_at: moment(item.revoked_at),
            created_at: Text(item.created_at),
        }),
        ConfigItem::Source(item) => Line::Source(Source {
            id: Text(item.id),
            name: item.name.clone(),
            description: item.description.clone(),
            token: item.token.as_str().to_owned(),
            kind: item.kind.clone(),
            allowed_http_methods: item.allowed_http_methods.iter().copied().map(Text).collect(),
            custom_response: item
                .custom_response
                .as_ref()
                .map(|response| Response { content_type: Text(response.content_type), body: response.body.clone() }),
            disabled_at: moment(item.disabled_at),
            deleted_at: moment(item.deleted_at),
            created_at: Text(item.created_at),
            updated_at: Text(item.updated_at),
        }),
        ConfigItem::Destination(item) => Line::Destination(Destination {
            id: Text(item.id),
            name: item.name.clone(),
            description: item.description.clone(),
            config: Place::of(&item.kind, secrets),
            disabled_at: moment(item.disabled_at),
            deleted_at: moment(item.deleted_at),
            created_at: Text(item.created_at),
            updated_at: Text(item.updated_at),
        }),
        ConfigItem::Connection(item) => Line::Connection(Connection {
            id: Text(item.id),
            name: item.name.clone(),
            description: item.description.clone(),
            source_id: Text(item.source_id),
            destination_id: Text(item.destination_id),
            rules: item.rules.iter().map(Rule::of).collect(),
            paused_at: moment(item.paused_at),
            unpaused_at: moment(item.unpaused_at),
            disabled_at: moment(item.disabled_at),
            deleted_at: moment(item.deleted_at),
            generation: item.generation,
            created_at: Text(item.created_at),
            updated_at: Text(item.updated_at),
        }),
    }
}

impl Project {
    /// The item; `made` is its signing secret when none is given.
    pub(super) fn into_item(self, made: Secret) -> domain::Project {
        domain::Project {
            id: self.id.0,
            name: self.name.unwrap_or_else(|| "hookgate".to_owned()),
            signing_secret: self.signing_secret.map_or(made, Secret::new),
            previous_secret: self
                .previous_secret
                .map(|previous| Previous { value: Secret::new(previous.value), until: previous.until.0 }),
            created_at: self.created_at.0,
            version: FIRST_VERSION,
        }
    }
}

impl From<Key> for domain::ApiKey {
    fn from(key: Key) -> Self {
        Self {
            id: key.id.0,
            label: key.label,
            hash: key.sha256.0,
            scope: key.scope.map_or(Scope::Admin, |scope| scope.0),
            previous: key.previous.map(|previous| Previous { value: previous.value.0, until: previous.until.0 }),
            revoked_at: at(key.revoked_at),
            created_at: key.created_at.0,
            version: FIRST_VERSION,
        }
    }
}

impl From<Source> for domain::Source {
    fn from(source: Source) -> Self {
        Self {
            id: source.id.0,
            name: source.name,
            description: source.description,
            token: SourceToken::new(source.token),
            kind: source.kind,
            allowed_http_methods: source.allowed_http_methods.into_iter().map(|method| method.0).collect(),
            custom_response: source
                .custom_response
                .map(|response| CustomResponse { content_type: response.content_type.0, body: response.body }),
            disabled_at: at(source.disabled_at),
            deleted_at: at(source.deleted_at),
            created_at: source.created_at.0,
            updated_at: source.updated_at.0,
            version: FIRST_VERSION,
        }
    }
}

impl Destination {
    /// Whether it needs a secret that is not in the line.
    pub(super) const fn lacks_secret(&self) -> bool {
        match &self.config {
            Place::Http { auth, .. } | Place::Cli { auth, .. } => auth.lacks_secret(),
            Place::MockApi {} => false,
        }
    }
}

impl From<Destination> for domain::Destination {
    fn from(destination: Destination) -> Self {
        Self {
            id: destination.id.0,
            name: destination.name,
            description: destination.description,
            kind: destination.config.into(),
            disabled_at: at(destination.disabled_at),
            deleted_at: at(destination.deleted_at),
            created_at: destination.created_at.0,
            updated_at: destination.updated_at.0,
            version: FIRST_VERSION,
        }
    }
}

impl From<Connection> for domain::Connection {
    fn from(connection: Connection) -> Self {
        Self {
            id: connection.id.0,
            name: connection.name,
            description: connection.description,
            source_id: connection.source_id.0,
            destination_id: connection.destination_id.0,
            rules: connection.rules.into_iter().map(domain::Rule::from).collect(),
            paused_at: at(connection.paused_at),
            unpaused_at: at(connection.unpaused_at),
            disabled_at: at(connection.disabled_at),
            deleted_at: at(connection.deleted_at),
            generation: connection.generation,
            created_at: connection.created_at.0,
            updated_at: connection.updated_at.0,
            version: FIRST_VERSION,
        }
    }
}

impl Place {
    fn of(kind: &DestinationKind, secrets: bool) -> Self {
        match kind {
            DestinationKind::Http(http) => Self::Http {
                url: http.url.clone(),
                http_method: http.http_method.map(Text),
                path_forwarding_disabled: http.path_forwarding_disabled,
                auth: Credentials::of(&http.auth, secrets),
            },
            DestinationKind::Cli(cli) => Self::Cli {
                path: cli.path.clone(),
                http_method: cli.http_method.map(Text),
                path_forwarding_disabled: cli.path_forwarding_disabled,
                auth: Credentials::of(&cli.auth, secrets),
            },
            DestinationKind::MockApi => Self::MockApi {},
        }
    }
}

impl From<Place> for DestinationKind {
    fn from(place: Place) -> Self {
        match place {
            Place::Http { url, http_method, path_forwarding_disabled, auth } => Self::Http(HttpDestination {
                url,
                http_method: http_method.map(|method| method.0),
                path_forwarding_disabled,
                auth: auth.into(),
            }),
            Place::Cli { path, http_method, path_forwarding_disabled, auth } => Self::Cli(CliDestination {
                path,
                http_method: http_method.map(|method| method.0),
                path_forwarding_disabled,
                auth: auth.into(),
            }),
            Place::MockApi {} => Self::MockApi,
        }
    }
}

impl Credentials {
    fn of(auth: &DestinationAuth, secrets: bool) -> Self {
        let shown = |secret: &Secret| secrets.then(|| secret.expose().to_owned());
        match auth {
            DestinationAuth::HookdeckSignature => Self::HookdeckSignature {},
            DestinationAuth::BearerToken { token } => Self::BearerToken { token: shown(token) },
            DestinationAuth::BasicAuth { username, password } => {
                Self::BasicAuth { username: username.clone(), password: shown(password) }
            }
            DestinationAuth::ApiKeyHeader { key, api_key } => {
                Self::ApiKey { key: key.clone(), api_key: shown(api_key) }
            }
        }
    }

    const fn lacks_secret(&self) -> bool {
        match self {
            Self::HookdeckSignature {} => false,
            Self::BearerToken { token } => token.is_none(),
            Self::BasicAuth { password, .. } => password.is_none(),
            Self::ApiKey { api_key, .. } => api_key.is_none(),
        }
    }
}

/// A secret that is not given is empty: deliveries are refused until it is set, and the import says so.
impl From<Credentials> for DestinationAuth {
    fn from(auth: Credentials) -> Self {
        let given = |secret: Option<String>| Secret::new(secret.unwrap_or_default());
        match auth {
            Credentials::HookdeckSignature {} => Self::HookdeckSignature,
            Credentials::BearerToken { token } => Self::BearerToken { token: given(token) },
            Credentials::BasicAuth { username, password } => Self::BasicAuth { username, password: given(password) },
            Credentials::ApiKey { key, api_key } => Self::ApiKeyHeader { key, api_key: given(api_key) },
        }
    }
}

impl Rule {
    fn of(rule: &domain::Rule) -> Self {
        match rule {
            domain::Rule::Retry(retry) => Self::Retry {
                strategy: match retry.strategy {
                    domain::RetryStrategy::Linear => Strategy::Linear,
                    domain::RetryStrategy::Exponential => Strategy::Exponential,
                },
                interval: retry.interval_ms,
                count: retry.count,
                response_status_codes: retry.response_status_codes.iter().cloned().map(Text).collect(),
            },
        }
    }
}

impl From<Rule> for domain::Rule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Retry { strategy, interval, count, response_status_codes } => Self::Retry(RetryRule {
                strategy: match strategy {
                    Strategy::Linear => domain::RetryStrategy::Linear,
                    Strategy::Exponential => domain::RetryStrategy::Exponential,
                },
                interval_ms: interval,
                count,
                response_status_codes: response_status_codes.into_iter().map(|codes| codes.0).collect(),
            }),
        }
    }
}
