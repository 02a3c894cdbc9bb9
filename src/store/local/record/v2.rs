//! The shapes of format 2, and what they are in the format of now. Read for ever, never written.
//!
//! Format 2 knew no bulk operations, nothing deleted and no documents; one project and keys that allow everything, neither ever
//! rolled. Only what changed is here; what a shape here uses from beside must not change without a copy.

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    StoredAttempt, StoredCarried, StoredEvent, StoredItem, StoredItems, StoredOutcome, StoredRequest,
    config::{Common, StoredRule, StoredScope},
    destination::StoredDestination,
    event::{StoredPhase, StoredSummary},
};

/// What the project is called until somebody names it.
const PROJECT: &str = "hookgate";

/// A request as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub(super) id: [u8; 16],
    pub(super) source: [u8; 16],
    pub(super) received_at: i64,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(String, Bytes)>,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) body_truncated: bool,
    pub(super) routes: Vec<([u8; 16], [u8; 16], u32)>,
    pub(super) ignored: Vec<([u8; 16], u8)>,
    pub(super) rejection: Option<u8>,
}

impl From<Request> for StoredRequest<'_> {
    fn from(old: Request) -> Self {
        Self {
            id: old.id,
            source: old.source,
            received_at: old.received_at,
            method: Cow::Owned(old.method),
            path: Cow::Owned(old.path),
            query: old.query.map(Cow::Owned),
            headers: Cow::Owned(old.headers),
            client_ip: old.client_ip,
            body_truncated: old.body_truncated,
            first_index: 0,
            routes: old.routes,
            ignored: old.ignored,
            rejection: old.rejection,
        }
    }
}

/// An event's row as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event {
    pub(super) request: [u8; 16],
    pub(super) index: u16,
    pub(super) connection: [u8; 16],
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
    pub(super) created_at: i64,
    pub(super) version: u32,
    pub(super) phase: StoredPhase,
    pub(super) generation: u32,
    pub(super) automatic_used: u32,
    pub(super) attempts: Vec<StoredSummary>,
}

impl From<Event> for StoredEvent {
    fn from(old: Event) -> Self {
        Self {
            request: old.request,
            index: old.index,
            connection: old.connection,
            source: old.source,
            destination: old.destination,
            created_at: old.created_at,
            version: old.version,
            phase: old.phase,
            generation: old.generation,
            automatic_used: old.automatic_used,
            bulk: None,
            deleted_at: None,
            attempts: old.attempts,
        }
    }
}

/// An event after an attempt as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub(super) event: Event,
    pub(super) attempt: StoredAttempt<'static>,
}

impl From<Outcome> for StoredOutcome<'_> {
    fn from(old: Outcome) -> Self {
        Self { event: old.event.into(), attempt: old.attempt }
    }
}

/// An event's whole history as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Carried {
    pub(super) request: Option<Request>,
    pub(super) body_len: u32,
    pub(super) event: Event,
    pub(super) attempts: Vec<Option<StoredAttempt<'static>>>,
}

impl From<Carried> for StoredCarried<'_> {
    fn from(old: Carried) -> Self {
        Self {
            request: old.request.map(StoredRequest::from),
            body_len: old.body_len,
            event: old.event.into(),
            attempts: old.attempts,
        }
    }
}

/// Configuration items as they were stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Items(pub(super) Vec<Item>);

impl From<Items> for StoredItems {
    fn from(old: Items) -> Self {
        Self(old.0.into_iter().map(StoredItem::from).collect())
    }
}

/// A configuration item as it was stored.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the format of now has them")]
pub enum Item {
    Project {
        id: [u8; 16],
        signing_secret: Vec<u8>,
        created_at: i64,
        version: u32,
    },
    Source {
        common: Common,
        token: String,
        kind: String,
        allowed_http_methods: Vec<String>,
    },
    Destination {
        common: Common,
        kind: StoredDestination,
    },
    Connection {
        common: Common,
        source: [u8; 16],
        destination: [u8; 16],
        rules: Vec<StoredRule>,
        paused_at: Option<i64>,
        unpaused_at: Option<i64>,
        generation: u32,
    },
    ApiKey {
        id: [u8; 16],
        label: String,
        hash: [u8; 32],
        created_at: i64,
        version: u32,
    },
}

impl From<Item> for StoredItem {
    fn from(old: Item) -> Self {
        match old {
            Item::Project { id, signing_secret, created_at, version } => {
                Self::Project { id, name: PROJECT.to_owned(), signing_secret, previous: None, created_at, version }
            }
            Item::Source { common, token, kind, allowed_http_methods } => {
                Self::Source { common, token, kind, allowed_http_methods, custom_response: None }
            }
            Item::Destination { common, kind } => Self::Destination { common, kind },
            Item::Connection { common, source, destination, rules, paused_at, unpaused_at, generation } => {
                Self::Connection { common, source, destination, rules, paused_at, unpaused_at, generation }
            }
            Item::ApiKey { id, label, hash, created_at, version } => Self::ApiKey {
                id,
                label,
                hash,
                scope: StoredScope::Admin,
                previous: None,
                revoked_at: None,
                created_at,
                version,
            },
        }
    }
}
