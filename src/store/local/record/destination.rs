//! Where destinations are, as it is stored: credentials sealed.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{CliDestination, DestinationAuth, DestinationId, DestinationKind, HttpDestination, HttpMethod},
    store::local::key::{KeyError, MasterKey},
};

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

impl StoredDestination {
    pub(super) fn new(owner: DestinationId, kind: &DestinationKind, key: &MasterKey) -> Result<Self, KeyError> {
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

    pub(super) fn into_kind(self, owner: u128, key: &MasterKey) -> Result<DestinationKind, KeyError> {
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
