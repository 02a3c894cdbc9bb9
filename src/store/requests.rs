//! What can be asked about requests: filters, pages, one by its id. Every implementation answers the same.

use super::{PayloadRef, StoreError};
use crate::domain::{Ignored, RejectionCause, Request, RequestId, SourceId, Span, Timestamp};

/// A request as lists show it. Never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestSummary {
    /// Where its data lies; in a list also its place in the order of commit.
    pub payload_ref: PayloadRef,
    /// Its id.
    pub id: RequestId,
    /// Where it arrived.
    pub source_id: SourceId,
    /// When its head was read.
    pub received_at: Timestamp,
    /// When it was committed.
    pub created_at: Timestamp,
    /// Why nothing came of it; `None` when it was accepted.
    pub rejection: Option<RejectionCause>,
    /// How many events it became.
    pub events: u32,
    /// How many connections made no event of it.
    pub ignored: u32,
}

/// Which requests. Empty lists and `None` do not restrict; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Any of these.
    pub ids: Vec<RequestId>,
    /// At any of these sources.
    pub sources: Vec<SourceId>,
    /// Only accepted ones, or only rejected ones.
    pub accepted: Option<bool>,
    /// Rejected for any of these causes.
    pub rejections: Vec<RejectionCause>,
    /// When they were committed.
    pub created: Span,
    /// When they were received.
    pub received: Span,
    /// With a number of events in any of these closed ranges.
    pub events: Vec<(u32, u32)>,
    /// Ignored by a number of connections in any of these closed ranges.
    pub ignored: Vec<(u32, u32)>,
}

impl RequestFilter {
    /// Whether a request matches.
    #[must_use]
    pub fn matches(&self, request: &RequestSummary) -> bool {
        (self.ids.is_empty() || self.ids.contains(&request.id))
            && (self.sources.is_empty() || self.sources.contains(&request.source_id))
            && self.matches_outcome(request.rejection, request.events, request.ignored)
            && self.matches_times(request.created_at, request.received_at)
    }

    /// Whether what became of a request matches.
    #[must_use]
    pub fn matches_outcome(&self, rejection: Option<RejectionCause>, events: u32, ignored: u32) -> bool {
        let within = |ranges: &[(u32, u32)], count: u32| {
            ranges.is_empty() || ranges.iter().any(|(low, high)| (*low..=*high).contains(&count))
        };
        self.accepted.is_none_or(|accepted| accepted == rejection.is_none())
            && (self.rejections.is_empty() || rejection.is_some_and(|cause| self.rejections.contains(&cause)))
            && within(&self.events, events)
            && within(&self.ignored, ignored)
    }

    /// Whether the times of a request match.
    #[must_use]
    pub fn matches_times(&self, created_at: Timestamp, received_at: Timestamp) -> bool {
        self.created.contains(created_at) && self.received.contains(received_at)
    }
}

/// Which stretch of the result, in order of (`created_at`, commit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestStretch {
    /// Newest first when true.
    pub descending: bool,
    /// Just after this place in the direction of the page; `None` begins at its end.
    pub after: Option<PayloadRef>,
    /// At most this many.
    pub limit: usize,
}

/// A stretch of the result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestPage {
    /// In the order asked for.
    pub requests: Vec<RequestSummary>,
    /// Whether more follow in that direction.
    pub more: bool,
}

/// What is kept of a request beside its summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContent {
    /// What arrived.
    pub request: Request,
    /// The connections that made no event of it, and why.
    pub ignored: Vec<Ignored>,
}

/// A request with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRequest {
    /// As lists show it.
    pub summary: RequestSummary,
    /// The rest; an error when its bytes are damaged or gone.
    pub content: Result<RequestContent, StoreError>,
}
