//! A delivery attempt: one try, and what came back.

use bytes::Bytes;

use super::{ErrorCode, Timestamp};

/// What caused a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptTrigger {
    /// The first one.
    Initial,
    /// The retry rule.
    Automatic,
    /// Somebody asked.
    Manual,
    /// Somebody asked for many at once.
    BulkRetry,
    /// It had waited for a pause to end.
    Unpause,
}

impl AttemptTrigger {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Initial, Self::Automatic, Self::Manual, Self::BulkRetry, Self::Unpause];

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Automatic => "AUTOMATIC",
            Self::Manual => "MANUAL",
            Self::BulkRetry => "BULK_RETRY",
            Self::Unpause => "UNPAUSE",
        }
    }
}

/// How a try is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptStatus {
    /// The destination accepted.
    Successful,
    /// It did not, or could not be asked.
    Failed,
    /// It did not, and the event had been given up meanwhile: nobody waited for it any more.
    Cancelled,
}

impl AttemptStatus {
    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// How a try ended: a status, or a reason why there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// The destination answered.
    Answered {
        /// Its HTTP status.
        status: u16,
    },
    /// No complete answer came.
    Failed {
        /// Why.
        error: ErrorCode,
        /// The status, when a head had come before the failure.
        status: Option<u16>,
    },
}

impl AttemptResult {
    /// Whether the answer is complete and a 2xx: accepted, unless the connection's rule says otherwise.
    #[must_use]
    pub const fn is_2xx(self) -> bool {
        matches!(self, Self::Answered { status: 200..=299 })
    }

    /// The HTTP status, where one was read.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Answered { status } => Some(status),
            Self::Failed { status, .. } => status,
        }
    }

    /// Why no answer came.
    #[must_use]
    pub const fn error(self) -> Option<ErrorCode> {
        match self {
            Self::Answered { .. } => None,
            Self::Failed { error, .. } => Some(error),
        }
    }
}

/// What every list shows of a try. Its number is its place in [`Event::attempts`](super::Event::attempts), from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptSummary {
    /// What caused it.
    pub trigger: AttemptTrigger,
    /// Whether the same try may already have gone out: the process or the connection's actor ended while events like
    /// this one were being sent.
    pub resumed: bool,
    /// How it is counted.
    pub status: AttemptStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// Until the answer was complete or the try given up, in milliseconds.
    pub latency_ms: u32,
    /// How it ended.
    pub result: AttemptResult,
}

impl AttemptSummary {
    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Timestamp {
        self.started_at.plus_ms(u64::from(self.latency_ms))
    }
}

/// What a single attempt's page shows beside the summary: an audit record for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttemptRecord {
    /// The URL as it was then; empty for a mock destination.
    pub url: String,
    /// The method that was sent.
    pub method: String,
    /// Response headers as they came, names in lower case.
    pub response_headers: Vec<(String, Bytes)>,
    /// The response body as it came, at most 64 KiB of it.
    pub response_body: Bytes,
    /// Whether the body was longer than what is kept.
    pub response_truncated: bool,
    /// The real message behind an error code.
    pub error_message: Option<String>,
}
