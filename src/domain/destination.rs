//! A destination: where events go.

use super::{DestinationId, Secret, Timestamp};

/// The methods the API can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpMethod {
    /// All of them, in the order the API lists them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As it stands in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Reads it from a request line's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// How a destination recognises us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationAuth {
    /// The project's signature header, as on every delivery.
    HookdeckSignature,
    /// `Authorization: Bearer`.
    BearerToken {
        /// Sent as it is.
        token: Secret,
    },
    /// `Authorization: Basic`.
    BasicAuth {
        /// May be empty.
        username: String,
        /// May be empty.
        password: Secret,
    },
    /// A key in a header.
    ApiKeyHeader {
        /// The header's name.
        key: String,
        /// The header's value.
        api_key: Secret,
    },
}

/// An HTTP endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDestination {
    /// Absolute http or https URL, checked when it was set; without one an attempt fails with `MISSING_URL`.
    pub url: Option<String>,
    /// Overrides the request's method.
    pub http_method: Option<HttpMethod>,
    /// Whether what follows the token in the request's path, and its query, are left out.
    pub path_forwarding_disabled: bool,
    /// Credentials.
    pub auth: DestinationAuth,
}

/// The other end of a `listen` session. While there is none, its events are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliDestination {
    /// The path behind the local server's address, beginning with `/`.
    pub path: String,
    /// Overrides the request's method.
    pub http_method: Option<HttpMethod>,
    /// Whether what follows the token in the request's path, and its query, are left out.
    pub path_forwarding_disabled: bool,
    /// Credentials.
    pub auth: DestinationAuth,
}

/// What kind of place it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationKind {
    /// Delivered over HTTP.
    Http(HttpDestination),
    /// Handed to whoever listens.
    Cli(CliDestination),
    /// Answers 200 inside the gateway, for trying things out.
    MockApi,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name in the API.
    pub id: DestinationId,
    /// Unique among destinations.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Where and how.
    pub kind: DestinationKind,
    /// Set while nothing is sent to it.
    pub disabled_at: Option<Timestamp>,
    /// Set for ever; its connections are deleted with it.
    pub deleted_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}
