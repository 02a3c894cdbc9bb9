//! What every step of a delivery keeps, named once: asserted in debug builds and checked by the property tests.

use super::{Delivery, Input, Moment, Record, Step, Then, Try};
use crate::domain::{
    AttemptTrigger, Phase,
    rule::{DELAY_MS_MAX, RETRIES_MAX},
};

/// The names of the invariants that a step breaks.
#[must_use]
pub fn broken(before: &Delivery, input: Input, at: &Moment<'_>, step: &Step) -> Vec<&'static str> {
    let checks = [
        ("I2: settled is final, except for a manual retry", settled_is_final(before, input, at, step)),
        ("I3: automatic attempts stay within the rule's limit", attempts_are_bounded(step)),
        ("I4: a live delivery waits for exactly one thing", waits_for_one_thing(at, step)),
        ("I5: what was cut stays cancelled until it is asked for", cut_stays_cancelled(before, input, at, step)),
        ("what was deleted stays so, and nothing is done with it", deleted_stays_so(before, step)),
        ("I6: no automatic retry is early", never_early(before, at, step)),
        ("no automatic retry is due later than the limit", never_too_late(step)),
        ("versions count what is recorded", versions_count_records(before, step)),
    ];
    checks.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect()
}

fn settled_is_final(before: &Delivery, input: Input, at: &Moment<'_>, step: &Step) -> bool {
    let settled = before.flight.is_none() && before.effective(at).is_settled();
    // Deleting takes it out of sight, as what it settled as.
    let only_deleted = matches!(input, Input::Delete) && step.next.effective(at) == before.effective(at);
    !settled || matches!(input, Input::Retry(_)) || only_deleted || step.next == *before
}

fn deleted_stays_so(before: &Delivery, step: &Step) -> bool {
    let Some(deleted_at) = before.event.deleted_at else { return true };
    let idle = match step.then {
        Then::Send(_) | Then::Enqueue | Then::Timer { .. } | Then::Refuse(_) => false,
        Then::Nothing | Then::Settle | Then::Gone => true,
    };
    idle && step.next.event.deleted_at == Some(deleted_at)
}

fn attempts_are_bounded(step: &Step) -> bool {
    let automatic =
        step.next.event.attempts.iter().filter(|attempt| attempt.trigger == AttemptTrigger::Automatic).count();
    automatic <= RETRIES_MAX as usize
}

fn waits_for_one_thing(at: &Moment<'_>, step: &Step) -> bool {
    let flying = step.next.flight.is_some();
    let phase = step.next.effective(at);
    match step.then {
        Then::Send(_) => flying,
        Then::Nothing => flying || matches!(phase, Phase::Ready { .. }),
        Then::Enqueue => !flying && matches!(phase, Phase::Ready { .. }),
        Then::Timer { due_at } => !flying && phase == Phase::Waiting { due_at },
        Then::Settle => !flying && phase.is_settled(),
        Then::Refuse(_) | Then::Gone => phase.is_settled(),
    }
}

fn cut_stays_cancelled(before: &Delivery, input: Input, at: &Moment<'_>, step: &Step) -> bool {
    let cancelled = matches!(before.effective(at), Phase::Cancelled { .. });
    !cancelled || matches!(input, Input::Retry(_)) || matches!(step.next.effective(at), Phase::Cancelled { .. })
}

/// Of the event's own retries; one that somebody asked for is due whenever that was.
fn never_too_late(step: &Step) -> bool {
    let first = step.next.event.attempts.first().map(|first| first.started_at);
    match (step.next.event.phase, first) {
        (Phase::Waiting { due_at } | Phase::Ready { automatic_due: Some(due_at), .. }, Some(first)) => {
            step.next.flight.is_some() || due_at <= first.plus_ms(DELAY_MS_MAX)
        }
        (Phase::Waiting { .. } | Phase::Ready { .. }, _)
        | (Phase::Successful | Phase::Failed | Phase::Cancelled { .. }, _) => true,
    }
}

fn never_early(before: &Delivery, at: &Moment<'_>, step: &Step) -> bool {
    let asked_for =
        before.flight.is_some_and(|flight| matches!(flight.cause, AttemptTrigger::Manual | AttemptTrigger::BulkRetry));
    match (step.then, step.record) {
        // Sent by the rule: its due time has passed.
        (Then::Send(Try { trigger: AttemptTrigger::Automatic, .. }), _) => {
            step.next.event.phase.due_at().is_none_or(|due_at| due_at <= at.now)
        }
        // Scheduled by the rule or the destination: not before the failure and its delay.
        (Then::Timer { due_at }, Some(Record::Attempt(attempt))) => asked_for || due_at >= attempt.ended_at(),
        (Then::Timer { .. }, Some(Record::Transition) | None)
        | (Then::Send(_) | Then::Nothing | Then::Enqueue | Then::Settle | Then::Refuse(_) | Then::Gone, _) => true,
    }
}

fn versions_count_records(before: &Delivery, step: &Step) -> bool {
    let raised = u32::from(step.record.is_some());
    step.next.event.version == before.event.version + raised && (raised == 1 || step.next.event == before.event)
}
