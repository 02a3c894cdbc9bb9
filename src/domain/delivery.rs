//! What may happen to one event: CONTRIBUTING, decision 8, as a function from (state, input, moment) to (state, effects).
//!
//! No clock, no dice, no I/O. The connection's actor turns messages into inputs and performs the effects in order:
//! first what is to be recorded, then what comes after it.

#![deny(clippy::wildcard_enum_match_arm)]

use super::{
    AttemptResult, AttemptSummary, AttemptTrigger, ErrorCode, Event, EventStatus, Phase, RetryRule, Timestamp,
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
    /// What caused it.
    pub trigger: AttemptTrigger,
    /// When it started.
    pub started_at: Timestamp,
    /// The automatic retry that stands behind a manual try.
    automatic_due: Option<Timestamp>,
    /// Somebody asked for another try.
    retry_asked: bool,
    /// Somebody gave the event up: no automatic retry follows.
    cancelled: bool,
}

/// What happens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Its turn has come: a slot is free and its due time has passed.
    Start,
    /// The try ended.
    Finished(AttemptSummary),
    /// Somebody asks for one more try.
    RetryNow,
    /// Somebody gives it up.
    Cancel,
    /// Whoever made the try is dead.
    Died,
}

/// The circumstances of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
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
    Send {
        /// The number of the attempt, from 1.
        number: u32,
        /// What caused it.
        trigger: AttemptTrigger,
    },
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
            Input::Start => self.start(at),
            Input::Finished(attempt) => self.finish(attempt, at),
            Input::RetryNow => self.retry_now(at),
            Input::Cancel => self.cancel(),
            Input::Died => self.died(at),
        };
        if let Some(before) = before {
            let broken = invariants::broken(&before, input, at, &step);
            debug_assert!(broken.is_empty(), "{broken:?}: {before:?} + {input:?} = {step:?}");
        }
        step
    }

    fn start(mut self, at: &Moment<'_>) -> Step {
        if self.flight.is_some() {
            return self.unchanged(Then::Nothing);
        }
        let (trigger, automatic_due) = match self.event.phase {
            Phase::Ready { trigger, automatic_due, .. } => (trigger, automatic_due),
            Phase::Waiting { due_at } if due_at <= at.now => (AttemptTrigger::Automatic, None),
            // The timer was early or of another try.
            Phase::Waiting { due_at } => return self.unchanged(Then::Timer { due_at }),
            Phase::Successful | Phase::Failed | Phase::Cancelled => return self.unchanged(Then::Settle),
        };
        self.flight = Some(Flight { trigger, started_at: at.now, automatic_due, retry_asked: false, cancelled: false });
        let number = next_number(&self.event);
        self.unchanged(Then::Send { number, trigger })
    }

    fn finish(mut self, attempt: AttemptSummary, at: &Moment<'_>) -> Step {
        let Some(flight) = self.flight.take() else {
            // A late word of a try that was given up for dead.
            return self.at_rest_again();
        };
        if flight.trigger == AttemptTrigger::Automatic {
            self.event.automatic_used += 1;
        }
        self.event.attempts.push(attempt);
        let given_up = matches!(self.event.phase, Phase::Cancelled);
        let (phase, then) = if given_up {
            (Phase::Cancelled, Then::Settle)
        } else if attempt.result.is_success() {
            (Phase::Successful, Then::Settle)
        } else {
            self.refused(flight, attempt.ended_at(), at)
        };
        self.event.phase = phase;
        self.recorded(Record::Attempt(attempt), then)
    }

    /// Where a refused try leads.
    fn refused(&self, flight: Flight, failed_at: Timestamp, at: &Moment<'_>) -> (Phase, Then) {
        let automatic_due = match flight.trigger {
            _ if flight.cancelled => None,
            AttemptTrigger::Manual => flight.automatic_due,
            AttemptTrigger::Initial | AttemptTrigger::Automatic => at.retry_rule.and_then(|rule| {
                let first = self.event.attempts.first().map_or(failed_at, |first| first.started_at);
                rule.due_at(self.event.automatic_used + 1, first, failed_at, at.jitter)
            }),
        };
        if flight.retry_asked {
            let phase = Phase::Ready { due_at: at.now, trigger: AttemptTrigger::Manual, automatic_due };
            return (phase, Then::Enqueue);
        }
        match automatic_due {
            Some(due_at) => (Phase::Waiting { due_at }, Then::Timer { due_at }),
            None => (Phase::Failed, Then::Settle),
        }
    }

    fn retry_now(mut self, at: &Moment<'_>) -> Step {
        let automatic_due = match (&mut self.flight, self.event.phase) {
            (Some(flight), _) if flight.retry_asked => return self.unchanged(Then::Nothing),
            (None, Phase::Ready { .. }) => return self.unchanged(Then::Nothing),
            (Some(flight), phase) => {
                flight.retry_asked = true;
                // Should this process end before the try does, the try that was cut off stands behind the manual one.
                match flight.trigger {
                    _ if flight.cancelled => None,
                    AttemptTrigger::Manual => flight.automatic_due,
                    AttemptTrigger::Initial | AttemptTrigger::Automatic => phase.due_at(),
                }
            }
            (None, Phase::Waiting { due_at }) => Some(due_at),
            (None, Phase::Successful | Phase::Failed | Phase::Cancelled) => None,
        };
        self.event.phase = Phase::Ready { due_at: at.now, trigger: AttemptTrigger::Manual, automatic_due };
        let then = if self.flight.is_some() { Then::Nothing } else { Then::Enqueue };
        self.recorded(Record::Transition, then)
    }

    fn cancel(mut self) -> Step {
        match self.event.phase {
            Phase::Ready { .. } | Phase::Waiting { .. } => {}
            Phase::Cancelled if self.flight.is_some() => return self.unchanged(Then::Nothing),
            Phase::Cancelled => return self.unchanged(Then::Settle),
            Phase::Successful => return self.unchanged(Then::Refuse(EventStatus::Successful)),
            Phase::Failed => return self.unchanged(Then::Refuse(EventStatus::Failed)),
        }
        self.event.phase = Phase::Cancelled;
        let then = match &mut self.flight {
            Some(flight) => {
                flight.cancelled = true;
                flight.retry_asked = false;
                Then::Nothing
            }
            None => Then::Settle,
        };
        self.recorded(Record::Transition, then)
    }

    fn died(self, at: &Moment<'_>) -> Step {
        let Some(flight) = self.flight else {
            return self.at_rest_again();
        };
        let attempt = AttemptSummary {
            trigger: flight.trigger,
            started_at: flight.started_at,
            latency_ms: u32::try_from(at.now.ms_since(flight.started_at)).unwrap_or(u32::MAX),
            result: AttemptResult::Failed { error: ErrorCode::InternalError, status: None },
        };
        self.finish(attempt, at)
    }

    /// What an event without a try waits for.
    fn at_rest_again(self) -> Step {
        let then = match self.event.phase {
            Phase::Ready { .. } => Then::Enqueue,
            Phase::Waiting { due_at } => Then::Timer { due_at },
            Phase::Successful | Phase::Failed | Phase::Cancelled => Then::Settle,
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
