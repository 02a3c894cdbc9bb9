//! A source: where requests arrive.

use super::{HttpMethod, SourceId, Timestamp};

/// The unguessable part of a source's URL; apart from the id, so that it can be rotated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceToken(String);

impl SourceToken {
    /// Makes a token of 128 random bits: 26 lower-case letters and digits.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(ulid::Ulid::from(bits).to_string().to_lowercase())
    }

    /// Takes a token as it stands in a URL or on disk.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token as it stands in the URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lets a map keyed by tokens be asked with the text of a URL.
impl std::borrow::Borrow<str> for SourceToken {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The type of what a source answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ResponseType {
    Json,
    Text,
    Xml,
}

impl ResponseType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Text, Self::Xml];

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Xml => "xml",
        }
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a source answers an accepted request with instead of our own answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomResponse {
    /// Its type.
    pub content_type: ResponseType,
    /// At most 1 000 characters.
    pub body: String,
}

/// Where requests arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the API.
    pub id: SourceId,
    /// Unique among sources.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The last part of its URL.
    pub token: SourceToken,
    /// The provider's word, such as `WEBHOOK`; unverified whatever it says, until verification exists.
    pub kind: String,
    /// Methods that become requests.
    pub allowed_http_methods: Vec<HttpMethod>,
    /// What accepted requests are answered with; our own answer without one.
    pub custom_response: Option<CustomResponse>,
    /// Set while it takes no requests.
    pub disabled_at: Option<Timestamp>,
    /// Set for ever: its URL leads nowhere any more.
    pub deleted_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}
