//! The shapes of format 1, and what they were in [format 2](super::v2). Read for ever, never written.
//!
//! Format 1 had no generations and nothing deleted: what it says is of generation 0. Only what changed is here; what a
//! shape here uses from beside must not change without a copy.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    StoredAttempt,
    config::{Common, StoredRule},
    destination::{StoredAuth, StoredDestination},
    event::{StoredPhase, StoredStatus, StoredSummary, StoredTrigger},
    v2,
};

/// A request as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    id: [u8; 16],
    source: [u8; 16],
    received_at: i64,
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, Bytes)>,
    client_ip: Option<IpAddr>,
    routes: Vec<([u8; 16], [u8; 16])>,
    rejection: Option<u8>,
}

impl From<Request> for v2::Request {
    fn from(old: Request) -> Self {
        Self {
            id: old.id,
            source: old.source,
            received_at: old.received_at,
            method: old.method,
            path: old.path,
            query: old.query,
            headers: old.headers,
            client_ip: old.client_ip,
            body_truncated: false,
            routes: old.routes.into_iter().map(|(connection, destination)| (connection, destination, 0)).collect(),
            ignored: Vec::new(),
            rejection: old.rejection,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Trigger {
    Initial,
    Automatic,
    Manual,
}

impl From<Trigger> for StoredTrigger {
    fn from(old: Trigger) -> Self {
        match old {
            Trigger::Initial => Self::Initial,
            Trigger::Automatic => Self::Automatic,
            Trigger::Manual => Self::Manual,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Phase {
    Ready { due_at: i64, trigger: Trigger, automatic_due: Option<i64> },
    Waiting { due_at: i64 },
    Successful,
    Failed,
    Cancelled,
}

impl From<Phase> for StoredPhase {
    fn from(old: Phase) -> Self {
        match old {
            Phase::Ready { due_at, trigger, automatic_due } => {
                Self::Ready { due_at, trigger: trigger.into(), automatic_due }
            }
            Phase::Waiting { due_at } => Self::Waiting { due_at },
            Phase::Successful => Self::Successful,
            Phase::Failed => Self::Failed,
            // What it was to do next was not kept.
            Phase::Cancelled => Self::Cancelled { unsent: None },
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Summary {
    trigger: Trigger,
    started_at: i64,
    latency_ms: u32,
    status: Option<u16>,
    error: u8,
}

impl From<Summary> for StoredSummary {
    fn from(old: Summary) -> Self {
        // The only judgement there was.
        let accepted = old.error == 0 && old.status.is_some_and(|status| (200..300).contains(&status));
        Self {
            trigger: old.trigger.into(),
            resumed: false,
            status: if accepted { StoredStatus::Successful } else { StoredStatus::Failed },
            started_at: old.started_at,
            latency_ms: old.latency_ms,
            response: old.status,
            error: old.error,
        }
    }
}

/// An event's row as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event {
    request: [u8; 16],
    index: u16,
    connection: [u8; 16],
    source: [u8; 16],
    destination: [u8; 16],
    created_at: i64,
    version: u32,
    phase: Phase,
    automatic_used: u32,
    attempts: Vec<Summary>,
}

impl From<Event> for v2::Event {
    fn from(old: Event) -> Self {
        Self {
            request: old.request,
            index: old.index,
            connection: old.connection,
            source: old.source,
            destination: old.destination,
            created_at: old.created_at,
            version: old.version,
            phase: old.phase.into(),
            generation: 0,
            automatic_used: old.automatic_used,
            attempts: old.attempts.into_iter().map(StoredSummary::from).collect(),
        }
    }
}

/// An event after an attempt as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    event: Event,
    attempt: StoredAttempt<'static>,
}

impl From<Outcome> for v2::Outcome {
    fn from(old: Outcome) -> Self {
        Self { event: old.event.into(), attempt: old.attempt }
    }
}

/// An event's whole history as it was stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Carried {
    request: Option<Request>,
    body_len: u32,
    event: Event,
    attempts: Vec<Option<StoredAttempt<'static>>>,
}

impl From<Carried> for v2::Carried {
    fn from(old: Carried) -> Self {
        Self {
            request: old.request.map(v2::Request::from),
            body_len: old.body_len,
            event: old.event.into(),
            attempts: old.attempts,
        }
    }
}

/// Configuration items as they were stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Items(Vec<Item>);

impl From<Items> for v2::Items {
    fn from(old: Items) -> Self {
        Self(old.0.into_iter().map(v2::Item::from).collect())
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
        common: OldCommon,
        token: String,
        kind: String,
        allowed_http_methods: Vec<String>,
    },
    Destination {
        common: OldCommon,
        kind: Destination,
    },
    Connection {
        common: OldCommon,
        source: [u8; 16],
        destination: [u8; 16],
        rules: Vec<OldRule>,
        paused_at: Option<i64>,
    },
    ApiKey {
        id: [u8; 16],
        label: String,
        hash: [u8; 32],
        created_at: i64,
        version: u32,
    },
}

impl From<Item> for v2::Item {
    fn from(old: Item) -> Self {
        match old {
            Item::Project { id, signing_secret, created_at, version } => {
                Self::Project { id, signing_secret, created_at, version }
            }
            Item::Source { common, token, kind, allowed_http_methods } => {
                Self::Source { common: common.into(), token, kind, allowed_http_methods }
            }
            Item::Destination { common, kind } => Self::Destination { common: common.into(), kind: kind.into() },
            Item::Connection { common, source, destination, rules, paused_at } => Self::Connection {
                common: common.into(),
                source,
                destination,
                rules: rules.into_iter().map(StoredRule::from).collect(),
                paused_at,
                unpaused_at: None,
                generation: 0,
            },
            Item::ApiKey { id, label, hash, created_at, version } => {
                Self::ApiKey { id, label, hash, created_at, version }
            }
        }
    }
}

/// What items had in common.
#[derive(Debug, Serialize, Deserialize)]
pub struct OldCommon {
    id: [u8; 16],
    name: String,
    description: Option<String>,
    disabled_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: u32,
}

impl From<OldCommon> for Common {
    fn from(old: OldCommon) -> Self {
        Self {
            id: old.id,
            name: old.name,
            description: old.description,
            disabled_at: old.disabled_at,
            deleted_at: None,
            created_at: old.created_at,
            updated_at: old.updated_at,
            version: old.version,
        }
    }
}

/// Where a destination was.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the format of now has them")]
pub enum Destination {
    Http { url: String, http_method: Option<String>, path_forwarding_disabled: bool, auth: StoredAuth },
    MockApi,
}

impl From<Destination> for StoredDestination {
    fn from(old: Destination) -> Self {
        match old {
            Destination::Http { url, http_method, path_forwarding_disabled, auth } => {
                Self::Http { url: Some(url), http_method, path_forwarding_disabled, auth }
            }
            Destination::MockApi => Self::MockApi,
        }
    }
}

/// A rule as it was stored.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the format of now has them")]
pub enum OldRule {
    Retry { exponential: bool, interval_ms: Option<u64>, count: Option<u32> },
}

impl From<OldRule> for StoredRule {
    fn from(old: OldRule) -> Self {
        match old {
            OldRule::Retry { exponential, interval_ms, count } => {
                Self::Retry { exponential, interval_ms, count, response_status_codes: Vec::new() }
            }
        }
    }
}
