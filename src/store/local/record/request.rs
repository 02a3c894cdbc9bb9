//! A request as it is stored.

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::moment;
use crate::{
    domain::{
        ConnectionId, DestinationId, Ignored, IgnoredCause, RejectionCause, Request, RequestId, Route, SourceId,
        Timestamp,
    },
    store::{PayloadRef, RequestSummary, local::RecordRef},
};

/// Everything of a request but its body, which is the record's blob. Borrows when it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRequest<'a> {
    pub(super) id: [u8; 16],
    pub(super) source: [u8; 16],
    pub(super) received_at: i64,
    pub(super) method: Cow<'a, str>,
    pub(super) path: Cow<'a, str>,
    pub(super) query: Option<Cow<'a, str>>,
    pub(super) headers: Cow<'a, [(String, Bytes)]>,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) body_truncated: bool,
    /// The place of the first event in the fan-out: not 0 for further events of a request that was stored before.
    pub(super) first_index: u16,
    /// Connection and destination of each event, and the connection's generation, in order.
    pub(super) routes: Vec<([u8; 16], [u8; 16], u32)>,
    /// Connections that made no event, and why.
    pub(super) ignored: Vec<([u8; 16], u8)>,
    pub(super) rejection: Option<u8>,
}

impl<'a> StoredRequest<'a> {
    /// Takes what is stored of a request.
    #[must_use]
    pub fn new(request: &'a Request, routes: &[Route], ignored: &[Ignored], rejection: Option<RejectionCause>) -> Self {
        Self {
            id: request.id.bits().to_be_bytes(),
            source: request.source_id.bits().to_be_bytes(),
            received_at: request.received_at.ms(),
            method: Cow::Borrowed(&request.method),
            path: Cow::Borrowed(&request.path),
            query: request.query.as_deref().map(Cow::Borrowed),
            headers: Cow::Borrowed(&request.headers),
            client_ip: request.client_ip,
            body_truncated: request.body_truncated,
            first_index: 0,
            routes: routes
                .iter()
                .map(|route| {
                    let destination = route.destination_id.bits().to_be_bytes();
                    (route.connection_id.bits().to_be_bytes(), destination, route.generation)
                })
                .collect(),
            ignored: ignored
                .iter()
                .map(|ignored| (ignored.connection_id.bits().to_be_bytes(), ignored.cause.number()))
                .collect(),
            rejection: rejection.map(RejectionCause::number),
        }
    }

    /// The same for further events, the first of them at this place in the fan-out.
    #[must_use]
    pub fn further(self, first_index: u16) -> Self {
        Self { first_index, ..self }
    }

    /// The place of its first event in the fan-out; not 0 when it adds to a request that was stored before.
    #[must_use]
    pub const fn first_index(&self) -> u16 {
        self.first_index
    }

    /// The id alone.
    #[must_use]
    pub fn id(&self) -> RequestId {
        RequestId::from_bits(u128::from_be_bytes(self.id))
    }

    /// The source alone.
    #[must_use]
    pub fn source_id(&self) -> SourceId {
        SourceId::from_bits(u128::from_be_bytes(self.source))
    }

    /// The fan-out.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = Route> + '_ {
        self.routes.iter().map(|(connection, destination, generation)| Route {
            connection_id: ConnectionId::from_bits(u128::from_be_bytes(*connection)),
            destination_id: DestinationId::from_bits(u128::from_be_bytes(*destination)),
            generation: *generation,
        })
    }

    /// The connections that made no event.
    pub fn ignored(&self) -> impl Iterator<Item = Ignored> + '_ {
        self.ignored.iter().filter_map(|(connection, cause)| {
            Some(Ignored {
                connection_id: ConnectionId::from_bits(u128::from_be_bytes(*connection)),
                cause: IgnoredCause::from_number(*cause)?,
            })
        })
    }

    /// What a list shows of it, given where its record lies and when that was committed.
    #[must_use]
    pub fn summary(&self, at: RecordRef, created_at: Timestamp) -> RequestSummary {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        RequestSummary {
            payload_ref: PayloadRef(at.segment, at.offset),
            id: self.id(),
            source_id: self.source_id(),
            received_at: moment(self.received_at),
            created_at,
            rejection: self.rejection(),
            events: count(self.routes.len()),
            ignored: count(self.ignored.len()),
        }
    }

    /// Why nothing came of it at all.
    #[must_use]
    pub fn rejection(&self) -> Option<RejectionCause> {
        self.rejection.and_then(RejectionCause::from_number)
    }

    /// The request, with the body that was beside it.
    #[must_use]
    pub fn into_request(self, body: Bytes) -> Request {
        Request {
            id: self.id(),
            source_id: self.source_id(),
            received_at: moment(self.received_at),
            method: self.method.into_owned(),
            path: self.path.into_owned(),
            query: self.query.map(Cow::into_owned),
            headers: self.headers.into_owned(),
            body,
            body_truncated: self.body_truncated,
            client_ip: self.client_ip,
        }
    }
}
