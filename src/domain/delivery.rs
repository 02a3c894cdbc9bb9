//! What may happen to one event: CONTRIBUTING, decision 8, as a function from (state, input, moment) to (state, effects).
//!
//! No clock, no dice, no I/O. The connection's actor turns messages into inputs and performs the effects in order:
//! first what is to be recorded, then what comes after it.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{
    AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, BulkId, ErrorCode, Event, EventStatus, Phase,
    RetryAfter, RetryRule, Standing, Timestamp, Unsent,
    rule::{DELAY_MS_MAX, RETRIES_MAX},
};

/// An event being worked on: its row as it is to be stored, and the try that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The row; every recorded change raises its version by one.
    pub event: Event,
    /// The try under way. Known to memory only: after a crash there is none.
    pub flight: Option<Flight>,
}

/// A try under way, and what was asked of the event meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// What caused it, as it is shown.
    pub trigger: AttemptTrigger,
    /// What it was planned as, before a pause came between.
    cause: AttemptTrigger,
    /// Whether the same try may already have gone out.
    pub resumed: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// The automatic retry that stands behind a manual try.
    automatic_due: Option<Timestamp>,
    /// Somebody asked for another try, so or with many others.
    retry_asked: Option<AttemptTrigger>,
    /// Somebody gave the event up: no automatic retry follows.
    cancelled: bool,
}

/// What happens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Its turn has come: a slot is free and its due time has passed.
    Start {
        /// Whether the same try may already have gone out.
        resumed: bool,
    },
    /// The try ended.
    Finished(Ended),
    /// Somebody asks for one more try, of this event or of many.
    Retry(Asked),
    /// Somebody gives it up.
    Cancel,
    /// Somebody takes it away: it is given up, and nothing more can be asked of it.
    Delete,
    /// Whoever made the try is dead.
    Died,
}

/// How somebody asks for one more try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// For this event.
    Manual,
    /// For many at once, by this operation.
    Bulk(BulkId),
}

impl Asked {
    const fn trigger(self) -> AttemptTrigger {
        match self {
            Self::Manual => AttemptTrigger::Manual,
            Self::Bulk(_) => AttemptTrigger::BulkRetry,
        }
    }

    /// The operation that asks.
    const fn bulk(self) -> Option<BulkId> {
        match self {
            Self::Manual => None,
            Self::Bulk(id) => Some(id),
        }
    }
}

/// How a try ended, before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When it started.
    pub started_at: Timestamp,
    /// Until the answer was complete or the try given up, in milliseconds.
    pub latency_ms: u32,
    /// What came back.
    pub result: AttemptResult,
    /// When the destination wants to be asked again.
    pub retry_after: Option<RetryAfter>,
}

impl Ended {
    fn at(&self) -> Timestamp {
        self.started_at.plus_ms(u64::from(self.latency_ms))
    }
}

/// The circumstances of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// The connection's generation: pending events of an earlier one are cancelled.
    pub generation: u32,
    /// When the connection's last pause ended.
    pub unpaused_at: Option<Timestamp>,
    /// The connection's rule as it is now.
    pub retry_rule: Option<&'a RetryRule>,
    /// A sample in 0..=1.
    pub jitter: f64,
}

/// What is written before anything else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// The row.
    Transition,
    /// The row and the last of its attempts.
    Attempt(AttemptSummary),
}

/// What happens after the record was handed to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it waits for what it waited for.
    Nothing,
    /// Send it.
    Send(Try),
    /// It waits for a slot.
    Enqueue,
    /// It waits for its due time.
    Timer {
        /// When.
        due_at: Timestamp,
    },
    /// It needs nobody any more.
    Settle,
    /// The input is refused: the event has settled with this status.
    Refuse(EventStatus),
    /// The input is refused: the event was deleted.
    Gone,
}

/// A try to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Its number, from 1.
    pub number: u32,
    /// What caused it.
    pub trigger: AttemptTrigger,
    /// Whether the same try may already have gone out.
    pub resumed: bool,
    /// What follows if it is refused, as far as that is known before.
    pub follow_up: FollowUp,
}

/// What follows a refused try by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing.
    Nothing,
    /// The automatic retry that stands behind a manual try.
    At(Timestamp),
    /// What the rule says.
    ByRule {
        /// The automatic retry it would be, from 1.
        number: u32,
        /// When the first attempt was made; `None` when this is it.
        first_attempt_at: Option<Timestamp>,
    },
}

impl FollowUp {
    /// How long after `now` it would come, in milliseconds, leaving jitter aside.
    #[must_use]
    pub fn delay_ms(self, rule: Option<&RetryRule>, now: Timestamp) -> Option<u64> {
        let due_at = match self {
            Self::Nothing => None,
            Self::At(due_at) => Some(due_at),
            Self::ByRule { number, first_attempt_at } => {
                rule.and_then(|rule| rule.due_at(number, first_attempt_at.unwrap_or(now), now, 0.0))
            }
        };
        due_at.map(|due_at| due_at.ms_since(now))
    }
}

/// The next state and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state afterwards.
    pub next: Delivery,
    /// Performed first.
    pub record: Option<Record>,
    /// Performed after it.
    pub then: Then,
}

impl Delivery {
    /// An event at rest, as the store has it.
    #[must_use]
    pub const fn at_rest(event: Event) -> Self {
        Self { event, flight: None }
    }

    /// Decides.
    #[must_use]
    pub fn step(self, input: Input, at: &Moment<'_>) -> Step {
        let before = cfg!(debug_assertions).then(|| self.clone());
        let step = match input {
            Input::Start { resumed } => self.start(resumed, at),
            Input::Finished(ended) => self.finish(ended, at),
            Input::Retry(asked) => self.retry(asked, at),
            Input::Cancel => self.cancel(at),
            Input::Delete => self.delete(at),
            Input::Died => self.died(at),
        };
        if let Some(before) = before {
            let broken = invariants::broken(&before, input, at, &step);
            debug_assert!(broken.is_empty(), "{broken:?}: {before:?} + {input:?} = {step:?}");
        }
        step
    }

    fn start(mut self, resumed: bool, at: &Moment<'_>) -> Step {
        if self.flight.is_some() {
            return self.unchanged(Then::Nothing);
        }
        let (cause, due_at, automatic_due) = match self.effective(at) {
            Phase::Ready { due_at, trigger, automatic_due } => (trigger, due_at, automatic_due),
            Phase::Waiting { due_at } if due_at <= at.now => (AttemptTrigger::Automatic, due_at, None),
            // The timer was early or of another try.
            Phase::Waiting { due_at } => return self.unchanged(Then::Timer { due_at }),
            Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => return self.unchanged(Then::Settle),
        };
        let held = at.unpaused_at.is_some_and(|unpaused_at| due_at <= unpaused_at);
        let trigger = if held { AttemptTrigger::Unpause } else { cause };
        let started_at = at.now;
        self.flight =
            Some(Flight { trigger, cause, resumed, started_at, automatic_due, retry_asked: None, cancelled: false });
        let follow_up = match (cause, automatic_due) {
            (AttemptTrigger::Manual | AttemptTrigger::BulkRetry, None) => FollowUp::Nothing,
            (AttemptTrigger::Manual | AttemptTrigger::BulkRetry, Some(due_at)) => FollowUp::At(due_at),
            (AttemptTrigger::Initial | AttemptTrigger::Automatic | AttemptTrigger::Unpause, _) => FollowUp::ByRule {
                number: self.event.automatic_used + 1 + u32::from(cause == AttemptTrigger::Automatic),
                first_attempt_at: self.event.attempts.first().map(|first| first.started_at),
            },
        };
        let number = next_number(&self.event);
        self.unchanged(Then::Send(Try { number, trigger, resumed, follow_up }))
    }

    fn finish(mut self, ended: Ended, at: &Moment<'_>) -> Step {
        let Some(mut flight) = self.flight.take() else {
            // A late word of a try that was given up for dead.
            return self.at_rest_again(at);
        };
        if self.is_cut(at) {
            flight.cancelled = true;
            self.event.phase = Phase::Cancelled { unsent: None };
        }
        if flight.cause == AttemptTrigger::Automatic {
            self.event.automatic_used += 1;
        }
        let refused_anyway =
            ended.result.status().is_some_and(|status| at.retry_rule.is_some_and(|rule| rule.refuses(status)));
        let accepted = ended.result.is_2xx() && !refused_anyway;
        let given_up = matches!(self.event.phase, Phase::Cancelled { .. });
        let (status, phase, then) = match (accepted, given_up) {
            (true, true) => (AttemptStatus::Successful, self.event.phase, Then::Settle),
            (true, false) => (AttemptStatus::Successful, Phase::Successful, Then::Settle),
            (false, true) => (AttemptStatus::Cancelled, self.event.phase, Then::Settle),
            (false, false) => {
                let (phase, then) = self.refused(flight, &ended, at);
                (AttemptStatus::Failed, phase, then)
            }
        };
        let attempt = AttemptSummary {
            trigger: flight.trigger,
            resumed: flight.resumed,
            status,
            started_at: ended.started_at,
            latency_ms: ended.latency_ms,
            result: ended.result,
        };
        self.event.attempts.push(attempt);
        self.event.phase = phase;
        self.recorded(Record::Attempt(attempt), then)
    }

    /// Where a refused try leads.
    fn refused(&self, flight: Flight, ended: &Ended, at: &Moment<'_>) -> (Phase, Then) {
        let automatic_due = match flight.cause {
            _ if flight.cancelled => None,
            // It only moves the automatic retry that stands behind; on its own a try that was asked for has no next one.
            AttemptTrigger::Manual | AttemptTrigger::BulkRetry => match (flight.automatic_due, ended.retry_after) {
                (None, _) => None,
                (Some(due_at), None) => Some(due_at),
                (Some(due_at), Some(asked)) => self.granted(asked, ended).map(|granted| granted.max(due_at)),
            },
            AttemptTrigger::Initial | AttemptTrigger::Automatic | AttemptTrigger::Unpause => {
                self.automatic_due(ended, at)
            }
        };
        if let Some(trigger) = flight.retry_asked {
            let phase = Phase::Ready { due_at: at.now, trigger, automatic_due };
            return (phase, Then::Enqueue);
        }
        match automatic_due {
            Some(due_at) => (Phase::Waiting { due_at }, Then::Timer { due_at }),
            None => (Phase::Failed, Then::Settle),
        }
    }

    /// When the next automatic retry is due: when the destination asked for it, otherwise as the rule says.
    fn automatic_due(&self, ended: &Ended, at: &Moment<'_>) -> Option<Timestamp> {
        let number = self.event.automatic_used + 1;
        match ended.retry_after {
            Some(asked) => self.granted(asked, ended),
            None => at
                .retry_rule
                .filter(|rule| rule.covers(ended.result))
                .and_then(|rule| rule.due_at(number, self.first_started_at(ended), ended.at(), at.jitter)),
        }
    }

    /// When the next automatic retry is due as the destination asked for it; `None` for one beyond what any rule may have.
    fn granted(&self, asked: RetryAfter, ended: &Ended) -> Option<Timestamp> {
        let latest = self.first_started_at(ended).plus_ms(DELAY_MS_MAX);
        asked.due_at(ended.at()).filter(|due_at| self.event.automatic_used < RETRIES_MAX && *due_at <= latest)
    }

    fn first_started_at(&self, ended: &Ended) -> Timestamp {
        self.event.attempts.first().map_or(ended.started_at, |first| first.started_at)
    }

    fn retry(mut self, asked: Asked, at: &Moment<'_>) -> Step {
        if self.event.deleted_at.is_some() {
            return self.unchanged(Then::Gone);
        }
        if asked.bulk().is_some_and(|bulk| self.event.bulk_id == Some(bulk)) {
            // An operation asks for an event once, however often it comes by: it may not know that it was here.
            return if self.flight.is_some() { self.unchanged(Then::Nothing) } else { self.at_rest_again(at) };
        }
        if self.is_cut(at) {
            self.event.phase = Phase::Cancelled { unsent: None };
            if let Some(flight) = &mut self.flight {
                flight.cancelled = true;
                // What was asked for before was cancelled as well.
                flight.retry_asked = None;
            }
        }
        let trigger = asked.trigger();
        let automatic_due = match (&mut self.flight, self.event.phase) {
            (Some(flight), _) if flight.retry_asked.is_some() => return self.unchanged(Then::Nothing),
            (None, Phase::Ready { .. }) => return self.unchanged(Then::Nothing),
            (Some(flight), phase) => {
                flight.retry_asked = Some(trigger);
                // Should this process end before the try does, the try that was cut off stands behind the manual one.
                match flight.cause {
                    _ if flight.cancelled => None,
                    AttemptTrigger::Manual | AttemptTrigger::BulkRetry => flight.automatic_due,
                    AttemptTrigger::Initial | AttemptTrigger::Automatic | AttemptTrigger::Unpause => phase.due_at(),
                }
            }
            (None, Phase::Waiting { due_at }) => Some(due_at),
            (None, Phase::Successful | Phase::Failed | Phase::Cancelled { .. }) => None,
        };
        self.event.phase = Phase::Ready { due_at: at.now, trigger, automatic_due };
        self.event.generation = at.generation;
        self.event.bulk_id = asked.bulk().or(self.event.bulk_id);
        let then = if self.flight.is_some() { Then::Nothing } else { Then::Enqueue };
        self.recorded(Record::Transition, then)
    }

    fn cancel(mut self, at: &Moment<'_>) -> Step {
        if self.event.deleted_at.is_some() {
            return self.unchanged(Then::Gone);
        }
        match self.effective(at) {
            Phase::Ready { .. } | Phase::Waiting { .. } => {}
            Phase::Cancelled { .. } if self.flight.is_some() => return self.unchanged(Then::Nothing),
            Phase::Cancelled { .. } => return self.unchanged(Then::Settle),
            Phase::Successful => return self.unchanged(Then::Refuse(EventStatus::Successful)),
            Phase::Failed => return self.unchanged(Then::Refuse(EventStatus::Failed)),
        }
        let then = self.give_up(at);
        self.recorded(Record::Transition, then)
    }

    fn delete(mut self, at: &Moment<'_>) -> Step {
        if self.event.deleted_at.is_some() {
            return self.unchanged(Then::Gone);
        }
        let then = self.give_up(at);
        self.event.deleted_at = Some(at.now);
        self.recorded(Record::Transition, then)
    }

    /// Cancels what is pending; the try in flight ends and is recorded, and nothing follows it.
    fn give_up(&mut self, at: &Moment<'_>) -> Then {
        let unsent = match self.effective(at) {
            Phase::Ready { due_at, trigger, .. } => Some(Unsent { trigger, due_at }),
            Phase::Waiting { due_at } => Some(Unsent { trigger: AttemptTrigger::Automatic, due_at }),
            Phase::Cancelled { unsent } => unsent,
            // Nothing is pending, nor in flight.
            Phase::Successful | Phase::Failed => return Then::Settle,
        };
        let (unsent, then) = match &mut self.flight {
            Some(flight) => {
                flight.cancelled = true;
                flight.retry_asked = None;
                (None, Then::Nothing)
            }
            None => (unsent, Then::Settle),
        };
        self.event.phase = Phase::Cancelled { unsent };
        then
    }

    fn died(self, at: &Moment<'_>) -> Step {
        let Some(flight) = self.flight else {
            return self.at_rest_again(at);
        };
        let ended = Ended {
            started_at: flight.started_at,
            latency_ms: u32::try_from(at.now.ms_since(flight.started_at)).unwrap_or(u32::MAX),
            result: AttemptResult::Failed { error: ErrorCode::InternalError, status: None },
            retry_after: None,
        };
        self.finish(ended, at)
    }

    fn effective(&self, at: &Moment<'_>) -> Phase {
        self.event.phase.effective(self.event.generation, Standing { paused: false, generation: at.generation })
    }

    /// Whether what is stored as pending is cancelled, because its connection was disabled or deleted since.
    fn is_cut(&self, at: &Moment<'_>) -> bool {
        !self.event.phase.is_settled() && self.event.generation < at.generation
    }

    /// What an event without a try waits for.
    fn at_rest_again(self, at: &Moment<'_>) -> Step {
        let then = match self.effective(at) {
            Phase::Ready { .. } => Then::Enqueue,
            Phase::Waiting { due_at } => Then::Timer { due_at },
            Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => Then::Settle,
        };
        self.unchanged(then)
    }

    const fn unchanged(self, then: Then) -> Step {
        Step { next: self, record: None, then }
    }

    fn recorded(mut self, record: Record, then: Then) -> Step {
        self.event.version += 1;
        Step { next: self, record: Some(record), then }
    }
}

/// The number of an event's next attempt, from 1.
#[must_use]
pub fn next_number(event: &Event) -> u32 {
    u32::try_from(event.attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
}

pub mod invariants;
#[cfg(test)]
mod tests;
