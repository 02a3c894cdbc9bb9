//! Events as lines: each with its request and every attempt, so that it stands for itself.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::words::{Header, Text, headers_of, into_headers};
use crate::domain::{
    self, AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, BulkId, ConnectionId,
    DestinationId, ErrorCode, RequestId, SourceId, Timestamp, Unsent,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) request_id: Text<RequestId>,
    index: u16,
    connection_id: Text<ConnectionId>,
    source_id: Text<SourceId>,
    destination_id: Text<DestinationId>,
    created_at: Text<Timestamp>,
    phase: Phase,
    generation: u32,
    automatic_retries: u32,
    /// The bulk operation that last asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bulk_id: Option<Text<BulkId>>,
    /// `null` when it was damaged or erased.
    request: Option<Request>,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
enum Phase {
    Ready { due_at: Text<Timestamp>, trigger: Text<AttemptTrigger>, automatic_due: Option<Text<Timestamp>> },
    Waiting { due_at: Text<Timestamp> },
    Successful {},
    Failed {},
    Cancelled { unsent: Option<Planned> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    trigger: Text<AttemptTrigger>,
    due_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    received_at: Text<Timestamp>,
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<Header>,
    client_ip: Option<IpAddr>,
    body: Text<Bytes>,
    body_truncated: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    trigger: Text<AttemptTrigger>,
    resumed: bool,
    status: Text<AttemptStatus>,
    started_at: Text<Timestamp>,
    latency_ms: u32,
    response_status: Option<u16>,
    error_code: Option<Text<ErrorCode>>,
    /// `null` when they were damaged.
    details: Option<Details>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    url: String,
    method: String,
    error_message: Option<String>,
    response_headers: Vec<Header>,
    response_body: Text<Bytes>,
    response_truncated: bool,
}

/// An event with everything that belongs to it; `None` where that was damaged.
pub(super) struct History {
    pub(super) event: domain::Event,
    pub(super) request: Option<domain::Request>,
    pub(super) records: Vec<Option<AttemptRecord>>,
}

impl From<&History> for Event {
    fn from(history: &History) -> Self {
        let History { event, request, records } = history;
        let attempts = event.attempts.iter().zip(records);
        Self {
            request_id: Text(event.request_id),
            index: event.index,
            connection_id: Text(event.connection_id),
            source_id: Text(event.source_id),
            destination_id: Text(event.destination_id),
            created_at: Text(event.created_at),
            phase: event.phase.into(),
            generation: event.generation,
            automatic_retries: event.automatic_used,
            bulk_id: event.bulk_id.map(Text),
            request: request.as_ref().map(Request::from),
            attempts: attempts.map(|(summary, record)| Attempt::of(summary, record.as_ref())).collect(),
        }
    }
}

impl Event {
    /// The event with its history; it gets its number when it is stored.
    pub(super) fn into_history(self) -> Result<History, String> {
        let request_id = self.request_id.0;
        let request = self.request.map(|request| request.into_request(request_id, self.source_id.0));
        let (mut summaries, mut records) = (Vec::new(), Vec::new());
        for (place, attempt) in self.attempts.into_iter().enumerate() {
            summaries.push(attempt.summary().ok_or_else(|| {
                format!("attempts[{place}]: an attempt without `error_code` must have a `response_status`")
            })?);
            records.push(attempt.details.map(AttemptRecord::from));
        }
        let event = domain::Event {
            seq: 0,
            request_id,
            index: self.index,
            connection_id: self.connection_id.0,
            source_id: self.source_id.0,
            destination_id: self.destination_id.0,
            created_at: self.created_at.0,
            version: u32::try_from(summaries.len()).unwrap_or(u32::MAX),
            phase: self.phase.into(),
            generation: self.generation,
            automatic_used: self.automatic_retries,
            bulk_id: self.bulk_id.map(|id| id.0),
            deleted_at: None,
            attempts: summaries,
        };
        Ok(History { event, request, records })
    }
}

impl From<domain::Phase> for Phase {
    fn from(phase: domain::Phase) -> Self {
        match phase {
            domain::Phase::Ready { due_at, trigger, automatic_due } => {
                Self::Ready { due_at: Text(due_at), trigger: Text(trigger), automatic_due: automatic_due.map(Text) }
            }
            domain::Phase::Waiting { due_at } => Self::Waiting { due_at: Text(due_at) },
            domain::Phase::Successful => Self::Successful {},
            domain::Phase::Failed => Self::Failed {},
            domain::Phase::Cancelled { unsent } => Self::Cancelled {
                unsent: unsent.map(|unsent| Planned { trigger: Text(unsent.trigger), due_at: Text(unsent.due_at) }),
            },
        }
    }
}

impl From<Phase> for domain::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Ready { due_at, trigger, automatic_due } => {
                Self::Ready { due_at: due_at.0, trigger: trigger.0, automatic_due: automatic_due.map(|at| at.0) }
            }
            Phase::Waiting { due_at } => Self::Waiting { due_at: due_at.0 },
            Phase::Successful {} => Self::Successful,
            Phase::Failed {} => Self::Failed,
            Phase::Cancelled { unsent } => Self::Cancelled {
                unsent: unsent.map(|planned| Unsent { trigger: planned.trigger.0, due_at: planned.due_at.0 }),
            },
        }
    }
}

impl From<&domain::Request> for Request {
    fn from(request: &domain::Request) -> Self {
        Self {
            received_at: Text(request.received_at),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: headers_of(&request.headers),
            client_ip: request.client_ip,
            body: Text(request.body.clone()),
            body_truncated: request.body_truncated,
        }
    }
}

impl Request {
    pub(super) fn into_request(self, id: RequestId, source_id: SourceId) -> domain::Request {
        domain::Request {
            id,
            source_id,
            received_at: self.received_at.0,
            method: self.method,
            path: self.path,
            query: self.query,
            headers: into_headers(self.headers),
            body: self.body.0,
            body_truncated: self.body_truncated,
            client_ip: self.client_ip,
        }
    }
}

impl Attempt {
    fn of(summary: &AttemptSummary, record: Option<&AttemptRecord>) -> Self {
        Self {
            trigger: Text(summary.trigger),
            resumed: summary.resumed,
            status: Text(summary.status),
            started_at: Text(summary.started_at),
            latency_ms: summary.latency_ms,
            response_status: summary.result.status(),
            error_code: summary.result.error().map(Text),
            details: record.map(Details::from),
        }
    }

    /// `None` when it neither has an answer nor says why.
    fn summary(&self) -> Option<AttemptSummary> {
        let result = match (self.error_code, self.response_status) {
            (Some(error), status) => AttemptResult::Failed { error: error.0, status },
            (None, Some(status)) => AttemptResult::Answered { status },
            (None, None) => return None,
        };
        Some(AttemptSummary {
            trigger: self.trigger.0,
            resumed: self.resumed,
            status: self.status.0,
            started_at: self.started_at.0,
            latency_ms: self.latency_ms,
            result,
        })
    }
}

impl From<&AttemptRecord> for Details {
    fn from(record: &AttemptRecord) -> Self {
        Self {
            url: record.url.clone(),
            method: record.method.clone(),
            error_message: record.error_message.clone(),
            response_headers: headers_of(&record.response_headers),
            response_body: Text(record.response_body.clone()),
            response_truncated: record.response_truncated,
        }
    }
}

impl From<Details> for AttemptRecord {
    fn from(details: Details) -> Self {
        Self {
            url: details.url,
            method: details.method,
            response_headers: into_headers(details.response_headers),
            response_body: details.response_body.0,
            response_truncated: details.response_truncated,
            error_message: details.error_message,
        }
    }
}
