//! A request: what arrived at a source, byte for byte.

use std::net::IpAddr;

use bytes::Bytes;

use super::{ConnectionId, DestinationId, RequestId, SourceId, Timestamp};

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Drawn on arrival.
    pub id: RequestId,
    /// Where it arrived.
    pub source_id: SourceId,
    /// When its head was read; its events' `created_at` is given at the commit.
    pub received_at: Timestamp,
    /// As in the request line.
    pub method: String,
    /// What follows the token, undecoded; empty or starting with `/`.
    pub path: String,
    /// What follows `?`, undecoded; `None` without one.
    pub query: Option<String>,
    /// Names in lower case with the bytes of their values; repeated ones keep their order.
    pub headers: Vec<(String, Bytes)>,
    /// As it came.
    pub body: Bytes,
    /// Whether the body went on: of a rejected request only its beginning is kept.
    pub body_truncated: bool,
    /// Who sent it, as far as we can tell.
    pub client_ip: Option<IpAddr>,
}

/// One branch of the fan-out: the event of a request on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The connection that gets an event.
    pub connection_id: ConnectionId,
    /// Its destination at that moment.
    pub destination_id: DestinationId,
    /// The connection's generation at that moment.
    pub generation: u32,
}

/// Why a connection made no event of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoredCause {
    /// It or its destination is disabled.
    Disabled,
    /// Its destination is a `listen` session and there is none.
    CliDisconnected,
}

impl IgnoredCause {
    /// Each cause with its stored number and the API's word. Numbers are never reused.
    const TABLE: [(Self, u8, &'static str); 2] =
        [(Self::Disabled, 1, "DISABLED"), (Self::CliDisconnected, 2, "CLI_DISCONNECTED")];

    /// The API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].2
    }

    /// Its number on disk.
    #[must_use]
    pub fn number(self) -> u8 {
        Self::TABLE[self as usize].1
    }

    /// Reads a number from disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::TABLE.into_iter().find(|row| row.1 == number).map(|row| row.0)
    }
}

/// A branch of the fan-out that made no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Why.
    pub cause: IgnoredCause,
}

/// Why nothing came of a request at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are the API's")]
pub enum RejectionCause {
    NoConnection,
    SourceDisabled,
    UnsupportedHttpMethod,
    UnsupportedContentType,
    UnparsableJson,
    PayloadTooLarge,
    VerificationFailed,
    IngestionFatal,
}

impl RejectionCause {
    /// All, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|row| row.0)
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|row| row.2 == text).map(|row| row.0)
    }

    /// Each cause with its stored number and the API's word. Numbers are never reused.
    const TABLE: [(Self, u8, &'static str); 8] = [
        (Self::NoConnection, 1, "NO_CONNECTION"),
        (Self::SourceDisabled, 2, "SOURCE_DISABLED"),
        (Self::UnsupportedHttpMethod, 3, "UNSUPPORTED_HTTP_METHOD"),
        (Self::UnsupportedContentType, 4, "UNSUPPORTED_CONTENT_TYPE"),
        (Self::UnparsableJson, 5, "UNPARSABLE_JSON"),
        (Self::PayloadTooLarge, 6, "PAYLOAD_TOO_LARGE"),
        (Self::VerificationFailed, 7, "VERIFICATION_FAILED"),
        (Self::IngestionFatal, 8, "INGESTION_FATAL"),
    ];

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::TABLE[self as usize].2
    }

    /// Its number on disk.
    #[must_use]
    pub fn number(self) -> u8 {
        Self::TABLE[self as usize].1
    }

    /// Reads a number from disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::TABLE.into_iter().find(|row| row.1 == number).map(|row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_stands_at_its_own_place_of_its_table() {
        for (place, (cause, ..)) in RejectionCause::TABLE.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
        }
        for (place, (cause, ..)) in IgnoredCause::TABLE.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
        }
    }
}
