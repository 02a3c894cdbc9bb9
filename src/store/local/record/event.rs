//! Events and attempts as they are stored.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{StoredRequest, moment};
use crate::domain::{
    AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, BulkId, ConnectionId, DestinationId,
    ErrorCode, Event, Phase, RequestId, Seq, SourceId, Timestamp, Unsent,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredPhase {
    Ready { due_at: i64, trigger: StoredTrigger, automatic_due: Option<i64> },
    Waiting { due_at: i64 },
    Successful,
    Failed,
    Cancelled { unsent: Option<(StoredTrigger, i64)> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredTrigger {
    Initial,
    Automatic,
    Manual,
    BulkRetry,
    Unpause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoredStatus {
    Successful,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredSummary {
    pub(super) trigger: StoredTrigger,
    pub(super) resumed: bool,
    pub(super) status: StoredStatus,
    pub(super) started_at: i64,
    pub(super) latency_ms: u32,
    pub(super) response: Option<u16>,
    /// 0 when the answer was complete.
    pub(super) error: u8,
}

/// An event's row, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
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
    pub(super) bulk: Option<[u8; 16]>,
    pub(super) deleted_at: Option<i64>,
    pub(super) attempts: Vec<StoredSummary>,
}

/// An event after an attempt, with the attempt's details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOutcome<'a> {
    /// The row afterwards.
    pub event: StoredEvent,
    /// Details of its last attempt.
    pub attempt: StoredAttempt<'a>,
}

/// An attempt's details but for the response's headers and body, which are in the blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAttempt<'a> {
    url: Cow<'a, str>,
    method: Cow<'a, str>,
    truncated: bool,
    error_message: Option<Cow<'a, str>>,
    /// How much of the blob is headers; the rest is the body.
    headers_len: u32,
    /// How long the blob is: tells the parts of a carried record apart.
    blob_len: u32,
}

/// Events that are no more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredGone {
    /// First and last of each range.
    pub ranges: Vec<(Seq, Seq)>,
}

/// An event's whole history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCarried<'a> {
    /// Its request; `None` when it was damaged or gone already.
    pub request: Option<StoredRequest<'a>>,
    /// How much of the blob is the body.
    pub body_len: u32,
    /// Its row.
    pub event: StoredEvent,
    /// Each attempt; `None` where it was damaged or gone already.
    pub attempts: Vec<Option<StoredAttempt<'a>>>,
}

impl From<AttemptTrigger> for StoredTrigger {
    fn from(trigger: AttemptTrigger) -> Self {
        match trigger {
            AttemptTrigger::Initial => Self::Initial,
            AttemptTrigger::Automatic => Self::Automatic,
            AttemptTrigger::Manual => Self::Manual,
            AttemptTrigger::BulkRetry => Self::BulkRetry,
            AttemptTrigger::Unpause => Self::Unpause,
        }
    }
}

impl From<StoredTrigger> for AttemptTrigger {
    fn from(trigger: StoredTrigger) -> Self {
        match trigger {
            StoredTrigger::Initial => Self::Initial,
            StoredTrigger::Automatic => Self::Automatic,
            StoredTrigger::Manual => Self::Manual,
            StoredTrigger::BulkRetry => Self::BulkRetry,
            StoredTrigger::Unpause => Self::Unpause,
        }
    }
}

impl From<AttemptStatus> for StoredStatus {
    fn from(status: AttemptStatus) -> Self {
        match status {
            AttemptStatus::Successful => Self::Successful,
            AttemptStatus::Failed => Self::Failed,
            AttemptStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<StoredStatus> for AttemptStatus {
    fn from(status: StoredStatus) -> Self {
        match status {
            StoredStatus::Successful => Self::Successful,
            StoredStatus::Failed => Self::Failed,
            StoredStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<&AttemptSummary> for StoredSummary {
    fn from(summary: &AttemptSummary) -> Self {
        Self {
            trigger: summary.trigger.into(),
            resumed: summary.resumed,
            status: summary.status.into(),
            started_at: summary.started_at.ms(),
            latency_ms: summary.latency_ms,
            response: summary.result.status(),
            error: summary.result.error().map_or(0, ErrorCode::number),
        }
    }
}

impl From<StoredSummary> for AttemptSummary {
    fn from(summary: StoredSummary) -> Self {
        let result = match (summary.error, summary.response) {
            (0, Some(status)) => AttemptResult::Answered { status },
            (number, status) => {
                AttemptResult::Failed { error: ErrorCode::from_number(number).unwrap_or(ErrorCode::Unknown), status }
            }
        };
        Self {
            trigger: summary.trigger.into(),
            resumed: summary.resumed,
            status: summary.status.into(),
            started_at: moment(summary.started_at),
            latency_ms: summary.latency_ms,
            result,
        }
    }
}

impl From<&Event> for StoredEvent {
    fn from(event: &Event) -> Self {
        let phase = match event.phase {
            Phase::Ready { due_at, trigger, automatic_due } => StoredPhase::Ready {
                due_at: due_at.ms(),
                trigger: trigger.into(),
                automatic_due: automatic_due.map(Timestamp::ms),
            },
            Phase::Waiting { due_at } => StoredPhase::Waiting { due_at: due_at.ms() },
            Phase::Successful => StoredPhase::Successful,
            Phase::Failed => StoredPhase::Failed,
            Phase::Cancelled { unsent } => {
                StoredPhase::Cancelled { unsent: unsent.map(|unsent| (unsent.trigger.into(), unsent.due_at.ms())) }
            }
        };
        Self {
            request: event.request_id.bits().to_be_bytes(),
            index: event.index,
            connection: event.connection_id.bits().to_be_bytes(),
            source: event.source_id.bits().to_be_bytes(),
            destination: event.destination_id.bits().to_be_bytes(),
            created_at: event.created_at.ms(),
            version: event.version,
            phase,
            generation: event.generation,
            automatic_used: event.automatic_used,
            bulk: event.bulk_id.map(|id| id.bits().to_be_bytes()),
            deleted_at: event.deleted_at.map(Timestamp::ms),
            attempts: event.attempts.iter().map(StoredSummary::from).collect(),
        }
    }
}

impl StoredEvent {
    /// The request alone.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        RequestId::from_bits(u128::from_be_bytes(self.request))
    }

    /// The row; its number stands in the record's header.
    #[must_use]
    pub fn into_event(self, seq: Seq) -> Event {
        let phase = match self.phase {
            StoredPhase::Ready { due_at, trigger, automatic_due } => Phase::Ready {
                due_at: moment(due_at),
                trigger: trigger.into(),
                automatic_due: automatic_due.map(moment),
            },
            StoredPhase::Waiting { due_at } => Phase::Waiting { due_at: moment(due_at) },
            StoredPhase::Successful => Phase::Successful,
            StoredPhase::Failed => Phase::Failed,
            StoredPhase::Cancelled { unsent } => Phase::Cancelled {
                unsent: unsent.map(|(trigger, due_at)| Unsent { trigger: trigger.into(), due_at: moment(due_at) }),
            },
        };
        Event {
            seq,
            request_id: RequestId::from_bits(u128::from_be_bytes(self.request)),
            index: self.index,
            connection_id: ConnectionId::from_bits(u128::from_be_bytes(self.connection)),
            source_id: SourceId::from_bits(u128::from_be_bytes(self.source)),
            destination_id: DestinationId::from_bits(u128::from_be_bytes(self.destination)),
            created_at: moment(self.created_at),
            version: self.version,
            phase,
            generation: self.generation,
            automatic_used: self.automatic_used,
            bulk_id: self.bulk.map(|id| BulkId::from_bits(u128::from_be_bytes(id))),
            deleted_at: self.deleted_at.map(moment),
            attempts: self.attempts.into_iter().map(AttemptSummary::from).collect(),
        }
    }
}

impl<'a> StoredAttempt<'a> {
    /// Splits an attempt's details into what is stored here and the first part of the blob, its response headers; the second
    /// part is the response body.
    #[must_use]
    pub fn new(record: &'a AttemptRecord) -> (Self, Vec<u8>) {
        let headers =
            if record.response_headers.is_empty() { Vec::new() } else { super::encode(&record.response_headers) };
        let stored = Self {
            url: Cow::Borrowed(&record.url),
            method: Cow::Borrowed(&record.method),
            truncated: record.response_truncated,
            error_message: record.error_message.as_deref().map(Cow::Borrowed),
            headers_len: length(headers.len()),
            blob_len: length(headers.len() + record.response_body.len()),
        };
        (stored, headers)
    }

    /// How long this attempt's part of the blob is.
    #[must_use]
    pub fn blob_len(&self) -> usize {
        self.blob_len as usize
    }

    /// The details, with this attempt's part of the blob; `None` when the two do not belong together.
    #[must_use]
    pub fn into_record(self, blob: &Bytes) -> Option<AttemptRecord> {
        let headers_len = self.headers_len as usize;
        if blob.len() != self.blob_len() || headers_len > blob.len() {
            return None;
        }
        let response_headers =
            if headers_len == 0 { Vec::new() } else { postcard::from_bytes(&blob[..headers_len]).ok()? };
        Some(AttemptRecord {
            url: self.url.into_owned(),
            method: self.method.into_owned(),
            response_headers,
            response_body: blob.slice(headers_len..),
            response_truncated: self.truncated,
            error_message: self.error_message.map(Cow::into_owned),
        })
    }
}

/// Lengths here are bounded far below 4 GiB by the limits on bodies.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
