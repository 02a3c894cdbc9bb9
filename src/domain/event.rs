//! An event: one request on one connection, and where it stands.

use super::{
    AttemptSummary, AttemptTrigger, BulkId, ConnectionId, DestinationId, ErrorCode, EventId, RequestId, Route,
    SourceId, Timestamp,
};

/// The dense number of an event: order of acceptance.
pub type Seq = u64;

/// Where an event stands, as it is stored. On hold is not among them: it is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for a slot.
    Ready {
        /// Its place in the queue: since when it has been due.
        due_at: Timestamp,
        /// What will have caused the next try.
        trigger: AttemptTrigger,
        /// The automatic retry that stands behind a manual one and still fires if that fails.
        automatic_due: Option<Timestamp>,
    },
    /// The last try failed and an automatic retry is due.
    Waiting {
        /// When.
        due_at: Timestamp,
    },
    /// Accepted by the destination.
    Successful,
    /// Given up.
    Failed,
    /// Stopped by somebody.
    Cancelled {
        /// The try that will not be made; `None` when one was under way.
        unsent: Option<Unsent>,
    },
}

/// A try that was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsent {
    /// What would have caused it.
    pub trigger: AttemptTrigger,
    /// When it was due.
    pub due_at: Timestamp,
}

/// What the state of its connection says about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Nothing new is sent.
    pub paused: bool,
    /// [`Connection::generation`](super::Connection::generation): pending events of an earlier one are cancelled.
    pub generation: u32,
}

impl Phase {
    /// The key of the queue while it is pending: when the next try is due.
    #[must_use]
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Ready { due_at, .. } | Self::Waiting { due_at } => Some(*due_at),
            Self::Successful | Self::Failed | Self::Cancelled { .. } => None,
        }
    }

    /// The phase as it stands now: what is stored as pending is cancelled when its connection was disabled or deleted since,
    /// which is one record for however many events.
    #[must_use]
    pub fn effective(self, generation: u32, standing: Standing) -> Self {
        if generation >= standing.generation {
            return self;
        }
        match self {
            Self::Ready { due_at, trigger, .. } => Self::Cancelled { unsent: Some(Unsent { trigger, due_at }) },
            Self::Waiting { due_at } => {
                Self::Cancelled { unsent: Some(Unsent { trigger: AttemptTrigger::Automatic, due_at }) }
            }
            Self::Successful | Self::Failed | Self::Cancelled { .. } => self,
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.due_at().is_none()
    }
}

/// The public status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "ARCHITECTURE §1 has them; the names say it")]
pub enum EventStatus {
    Scheduled,
    Queued,
    Hold,
    Successful,
    Failed,
    Cancelled,
}

impl EventStatus {
    /// All, in the API's order.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Queued, Self::Hold, Self::Successful, Self::Failed, Self::Cancelled];

    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Queued => "QUEUED",
            Self::Hold => "HOLD",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The one place where a status comes from: what is stored, what its connection's state makes of it, and the time.
    #[must_use]
    pub fn derive(phase: Phase, generation: u32, standing: Standing, now: Timestamp) -> Self {
        match phase.effective(generation, standing) {
            Phase::Ready { .. } if standing.paused => Self::Hold,
            Phase::Waiting { due_at } if standing.paused && due_at <= now => Self::Hold,
            Phase::Ready { .. } => Self::Queued,
            Phase::Waiting { .. } | Phase::Failed => Self::Failed,
            Phase::Successful => Self::Successful,
            Phase::Cancelled { .. } => Self::Cancelled,
        }
    }
}

/// A try that was not made: it will be, unless the event is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextTry {
    /// The number it has or would have had, from 1.
    pub number: u32,
    /// What causes it.
    pub trigger: AttemptTrigger,
    /// When it is due.
    pub due_at: Timestamp,
    /// Whether it will never be made.
    pub cancelled: bool,
}

/// One request on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Order of acceptance.
    pub seq: Seq,
    /// The request it came from.
    pub request_id: RequestId,
    /// Its place in the request's fan-out, from 0.
    pub index: u16,
    /// The connection it is on.
    pub connection_id: ConnectionId,
    /// The request's source.
    pub source_id: SourceId,
    /// The connection's destination when it was accepted.
    pub destination_id: DestinationId,
    /// When it was committed.
    pub created_at: Timestamp,
    /// Counts its transitions, from 0.
    pub version: u32,
    /// Where it stands, but for what [`Phase::effective`] makes of it.
    pub phase: Phase,
    /// The connection's generation when it was last made ready: by being accepted or by being asked for again.
    pub generation: u32,
    /// Automatic retries used up.
    pub automatic_used: u32,
    /// The bulk operation that last asked for it again.
    pub bulk_id: Option<BulkId>,
    /// Set for ever: lists leave it out; its attempts are still shown by their ids.
    pub deleted_at: Option<Timestamp>,
    /// Every try so far, in order.
    pub attempts: Vec<AttemptSummary>,
}

impl Event {
    /// The event that a request becomes on one route, as it is when it has just been accepted.
    #[must_use]
    pub fn accepted(request: (RequestId, SourceId), index: u16, route: Route, seq: Seq, at: Timestamp) -> Self {
        let (request_id, source_id) = request;
        Self {
            seq,
            request_id,
            index,
            connection_id: route.connection_id,
            source_id,
            destination_id: route.destination_id,
            created_at: at,
            version: 0,
            phase: Phase::Ready { due_at: at, trigger: AttemptTrigger::Initial, automatic_due: None },
            generation: route.generation,
            automatic_used: 0,
            bulk_id: None,
            deleted_at: None,
            attempts: Vec::new(),
        }
    }

    /// Its public id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.request_id.event(self.index)
    }

    /// Its place in the queue of its connection, while it is pending.
    #[must_use]
    pub fn queue_key(&self) -> Option<(Timestamp, Seq)> {
        self.phase.due_at().map(|due| (due, self.seq))
    }

    /// Its public status.
    #[must_use]
    pub fn status(&self, standing: Standing, now: Timestamp) -> EventStatus {
        EventStatus::derive(self.phase, self.generation, standing, now)
    }

    /// When the next automatic retry is due, as the API shows it.
    #[must_use]
    pub fn next_attempt_at(&self, standing: Standing) -> Option<Timestamp> {
        match self.phase.effective(self.generation, standing) {
            Phase::Ready { automatic_due, .. } => automatic_due,
            Phase::Waiting { due_at } => Some(due_at),
            Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => None,
        }
    }

    /// The try that comes next, or would have come had the event not been cancelled. A view: nothing is stored for it, and one
    /// that is under way is still it. `unpaused_at` is when its connection's last pause ended.
    #[must_use]
    pub fn next_try(&self, standing: Standing, unpaused_at: Option<Timestamp>, now: Timestamp) -> Option<NextTry> {
        let phase = self.phase.effective(self.generation, standing);
        let (planned, due_at) = match phase {
            Phase::Ready { trigger, due_at, .. } => (trigger, due_at),
            Phase::Waiting { due_at } => (AttemptTrigger::Automatic, due_at),
            Phase::Cancelled { unsent: Some(unsent) } => (unsent.trigger, unsent.due_at),
            Phase::Successful | Phase::Failed | Phase::Cancelled { unsent: None } => return None,
        };
        let cancelled = matches!(phase, Phase::Cancelled { .. });
        let held = (standing.paused && due_at <= now) || unpaused_at.is_some_and(|unpaused_at| due_at <= unpaused_at);
        let trigger = if held && !cancelled { AttemptTrigger::Unpause } else { planned };
        Some(NextTry { number: super::delivery::next_number(self), trigger, due_at, cancelled })
    }

    /// When its last attempt ended.
    #[must_use]
    pub fn last_attempt_at(&self) -> Option<Timestamp> {
        self.attempts.last().map(AttemptSummary::ended_at)
    }

    /// When it was delivered, as long as it counts as that.
    #[must_use]
    pub fn successful_at(&self) -> Option<Timestamp> {
        self.last_attempt_at().filter(|_| self.phase == Phase::Successful)
    }

    /// The HTTP status of its last attempt, if one came.
    #[must_use]
    pub fn response_status(&self) -> Option<u16> {
        self.attempts.last().and_then(|attempt| attempt.result.status())
    }

    /// Why its last attempt failed, if no complete answer came.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.attempts.last().and_then(|attempt| attempt.result.error())
    }

    /// When anything last happened to it: what retention counts from.
    #[must_use]
    pub fn last_activity_at(&self) -> Timestamp {
        self.attempts.last().map_or(self.created_at, |attempt| attempt.ended_at().max(self.created_at))
    }
}
