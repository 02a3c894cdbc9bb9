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
}

/// Why no event came of a request although it was well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionCause {
    /// Nothing listens to the source.
    NoConnection,
}

impl RejectionCause {
    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoConnection => "NO_CONNECTION",
        }
    }
}
