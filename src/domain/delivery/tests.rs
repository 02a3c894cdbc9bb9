//! The table of decision 8, cell by cell, then the invariants over random histories.

mod cut;
mod deleting;
mod obeying;

use proptest::prelude::*;

use super::*;
use crate::domain::{ConnectionId, DestinationId, RequestId, RetryStrategy, SourceId};

const T0: Timestamp = Timestamp::from_ms(1_700_000_000_000);

const START: Input = Input::Start { resumed: false };
const RETRY: Input = Input::Retry(Asked::Manual);
const BULK: Asked = Asked::Bulk(BulkId::from_bits(77));

const fn send(number: u32, trigger: AttemptTrigger) -> Then {
    Then::Send(Try { number, trigger, resumed: false, follow_up: FollowUp::Nothing })
}

fn event(phase: Phase) -> Event {
    Event {
        seq: 1,
        request_id: RequestId::from_bits(1),
        index: 0,
        connection_id: ConnectionId::from_bits(2),
        source_id: SourceId::from_bits(3),
        destination_id: DestinationId::from_bits(4),
        created_at: T0,
        version: 0,
        phase,
        generation: 0,
        automatic_used: 0,
        bulk_id: None,
        deleted_at: None,
        attempts: Vec::new(),
    }
}

fn fresh() -> Delivery {
    Delivery::at_rest(event(Phase::Ready { due_at: T0, trigger: AttemptTrigger::Initial, automatic_due: None }))
}

fn rule(count: u32) -> RetryRule {
    RetryRule {
        strategy: RetryStrategy::Linear,
        interval_ms: Some(1000),
        count: Some(count),
        response_status_codes: Vec::new(),
    }
}

/// Steps through a history with one rule, a moment a second.
struct Walk {
    delivery: Delivery,
    now: Timestamp,
    rule: Option<RetryRule>,
    generation: u32,
    unpaused_at: Option<Timestamp>,
    /// What every answer asks for.
    retry_after: Option<RetryAfter>,
}

impl Walk {
    fn new(delivery: Delivery, count: u32) -> Self {
        Self { delivery, now: T0, rule: Some(rule(count)), generation: 0, unpaused_at: None, retry_after: None }
    }

    fn moment(&self) -> Moment<'_> {
        Moment {
            now: self.now,
            generation: self.generation,
            unpaused_at: self.unpaused_at,
            retry_rule: self.rule.as_ref(),
            jitter: 0.0,
        }
    }

    fn input(&mut self, input: Input) -> (Option<Record>, Then) {
        let step = self.delivery.clone().step(input, &self.moment());
        self.delivery = step.next;
        let then = match step.then {
            // What follows is asked of it in a test of its own.
            Then::Send(attempt) => Then::Send(Try { follow_up: FollowUp::Nothing, ..attempt }),
            other @ (Then::Nothing
            | Then::Enqueue
            | Then::Timer { .. }
            | Then::Settle
            | Then::Refuse(_)
            | Then::Gone) => other,
        };
        (step.record, then)
    }

    fn finish(&mut self, status: u16) -> (Option<Record>, Then) {
        let flight = self.delivery.flight.expect("in flight");
        let ended = Ended {
            started_at: flight.started_at,
            latency_ms: 0,
            result: AttemptResult::Answered { status },
            retry_after: self.retry_after,
        };
        self.input(Input::Finished(ended))
    }

    fn phase(&self) -> Phase {
        self.delivery.event.phase
    }
}

fn manual(due_at: Timestamp, automatic_due: Option<Timestamp>) -> Phase {
    Phase::Ready { due_at, trigger: AttemptTrigger::Manual, automatic_due }
}

#[test]
fn accepted_at_once_is_one_record() {
    let mut walk = Walk::new(fresh(), 3);
    assert_eq!(walk.input(START), (None, send(1, AttemptTrigger::Initial)));
    let (record, then) = walk.finish(204);
    assert!(matches!(record, Some(Record::Attempt(_))));
    assert_eq!((then, walk.phase(), walk.delivery.event.version), (Then::Settle, Phase::Successful, 1));
}

#[test]
fn refused_waits_and_is_given_up_when_no_retry_is_left() {
    let mut walk = Walk::new(fresh(), 1);
    walk.input(START);
    let due_at = T0.plus_ms(1000);
    assert_eq!(walk.finish(500).1, Then::Timer { due_at });
    assert_eq!(walk.input(START), (None, Then::Timer { due_at }), "an early timer is re-armed");
    walk.now = due_at;
    assert_eq!(walk.input(START), (None, send(2, AttemptTrigger::Automatic)));
    assert_eq!(walk.input(START), (None, Then::Nothing), "a stale timer changes nothing");
    assert_eq!(walk.finish(500).1, Then::Settle);
    assert_eq!(walk.phase(), Phase::Failed);
    assert_eq!(walk.input(START), (None, Then::Settle));
}

#[test]
fn a_manual_retry_of_a_waiting_event_keeps_the_automatic_one_behind_it() {
    let mut walk = Walk::new(fresh(), 1);
    walk.input(START);
    walk.finish(500);
    let due_at = T0.plus_ms(1000);
    assert_eq!(walk.input(RETRY), (Some(Record::Transition), Then::Enqueue));
    assert_eq!(walk.phase(), manual(T0, Some(due_at)));
    assert_eq!(walk.input(RETRY), (None, Then::Nothing), "it is queued already");
    assert_eq!(walk.input(START).1, send(2, AttemptTrigger::Manual));
    assert_eq!(walk.finish(500).1, Then::Timer { due_at });
    walk.now = due_at;
    assert_eq!(walk.input(START).1, send(3, AttemptTrigger::Automatic));
    assert_eq!(walk.finish(500).1, Then::Settle, "manual tries spend nothing and add nothing");
}

#[test]
fn a_manual_success_drops_the_automatic_retry() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.finish(500);
    walk.input(RETRY);
    walk.input(START);
    assert_eq!(walk.finish(200).1, Then::Settle);
    assert_eq!((walk.phase(), walk.delivery.event.next_attempt_at(Standing::default())), (Phase::Successful, None));
}

#[test]
fn a_manual_retry_in_flight_means_one_more_try_if_this_one_fails() {
    let mut walk = Walk::new(fresh(), 2);
    walk.input(START);
    assert_eq!(walk.input(RETRY), (Some(Record::Transition), Then::Nothing));
    assert_eq!(walk.input(RETRY), (None, Then::Nothing));
    assert_eq!(walk.finish(500).1, Then::Enqueue);
    assert_eq!(walk.phase(), manual(T0, Some(T0.plus_ms(1000))), "with the automatic retry behind it");
    let mut walk = Walk::new(fresh(), 2);
    walk.input(START);
    walk.input(RETRY);
    assert_eq!(walk.finish(200).1, Then::Settle, "success answers it");
}

#[test]
fn every_settled_event_can_be_tried_again_by_hand_and_fails_for_good() {
    for phase in [Phase::Successful, Phase::Failed, Phase::Cancelled { unsent: None }] {
        let mut walk = Walk::new(Delivery::at_rest(event(phase)), 5);
        assert_eq!(walk.input(RETRY), (Some(Record::Transition), Then::Enqueue));
        assert_eq!(walk.phase(), manual(T0, None));
        walk.input(START);
        assert_eq!(walk.finish(500).1, Then::Settle);
        assert_eq!(walk.phase(), Phase::Failed, "no automatic retry follows one that was asked for");
    }
}

#[test]
fn cancel_ends_what_waits_and_is_refused_by_what_settled() {
    let mut walk = Walk::new(fresh(), 5);
    assert_eq!(walk.input(Input::Cancel), (Some(Record::Transition), Then::Settle));
    assert_eq!(walk.input(Input::Cancel), (None, Then::Settle), "the same answer again");
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.finish(500);
    assert_eq!(walk.input(Input::Cancel), (Some(Record::Transition), Then::Settle));
    for (phase, status) in [(Phase::Successful, EventStatus::Successful), (Phase::Failed, EventStatus::Failed)] {
        let mut walk = Walk::new(Delivery::at_rest(event(phase)), 5);
        assert_eq!(walk.input(Input::Cancel), (None, Then::Refuse(status)));
    }
}

#[test]
fn a_try_in_flight_ends_after_a_cancel_and_is_recorded() {
    for status in [200, 500] {
        let mut walk = Walk::new(fresh(), 5);
        walk.input(START);
        assert_eq!(walk.input(Input::Cancel), (Some(Record::Transition), Then::Nothing));
        assert_eq!(walk.input(Input::Cancel), (None, Then::Nothing));
        let (record, then) = walk.finish(status);
        assert!(matches!(record, Some(Record::Attempt(_))));
        assert_eq!((then, walk.phase()), (Then::Settle, Phase::Cancelled { unsent: None }));
        assert_eq!(walk.delivery.event.attempts.len(), 1);
    }
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.input(Input::Cancel);
    walk.input(RETRY);
    assert_eq!(walk.finish(500).1, Then::Enqueue, "a retry asked after the cancel");
    assert_eq!(walk.phase(), manual(T0, None), "without automatic ones");
}

#[test]
fn a_dead_delivery_is_a_failed_attempt() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.now = T0.plus_ms(70);
    assert_eq!(walk.input(Input::Died).1, Then::Timer { due_at: T0.plus_ms(1070) });
    let attempt = walk.delivery.event.attempts[0];
    assert_eq!((attempt.result.error(), attempt.latency_ms), (Some(ErrorCode::InternalError), 70));
    assert_eq!(walk.input(Input::Died), (None, Then::Timer { due_at: T0.plus_ms(1070) }), "the queue re-arms");
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Start,
    Finish(u16),
    Retry(Asked),
    Cancel,
    Delete,
    Die,
    Crash,
    Pass(u64),
    /// The connection is disabled, and at once enabled again.
    Cut,
    Unpause,
    /// What the destination asks for from now on.
    Ask(Option<RetryAfter>),
    /// The rule is replaced.
    Rule(Option<u32>),
}

fn retry_after() -> impl Strategy<Value = RetryAfter> {
    prop_oneof![
        (0u64..1_000_000).prop_map(RetryAfter::Seconds),
        Just(RetryAfter::Seconds(u64::MAX)),
        (0u64..1_000_000).prop_map(|ms| RetryAfter::At(T0.plus_ms(ms))),
        Just(RetryAfter::Never),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Start),
        4 => prop_oneof![Just(200u16), Just(500)].prop_map(Act::Finish),
        1 => prop_oneof![Just(Asked::Manual), Just(BULK)].prop_map(Act::Retry),
        1 => Just(Act::Cut),
        1 => Just(Act::Unpause),
        1 => prop::option::of(retry_after()).prop_map(Act::Ask),
        1 => prop::option::of(1u32..6).prop_map(Act::Rule),
        1 => Just(Act::Cancel),
        1 => Just(Act::Delete),
        1 => Just(Act::Die),
        1 => Just(Act::Crash),
        3 => prop_oneof![0u64..5_000, 0u64..400_000_000].prop_map(Act::Pass),
    ]
}

proptest! {
    /// `step` asserts the invariants itself; here are those that need a whole history.
    #[test]
    fn random_histories_keep_the_invariants(acts in prop::collection::vec(act(), 0..80), count in 1u32..6) {
        let mut walk = Walk::new(fresh(), count);
        let (mut asked, mut by_destination) = (0, false);
        for act in acts {
            let was_cut = walk.delivery.is_cut(&walk.moment());
            let was_deleted = walk.delivery.event.deleted_at.is_some();
            match act {
                Act::Start => {
                    let (_, then) = walk.input(START);
                    let gone = was_cut || was_deleted;
                    prop_assert!(!(gone && matches!(then, Then::Send(_))), "what was cut or deleted is never sent");
                }
                Act::Finish(status) if walk.delivery.flight.is_some() => { walk.finish(status); }
                Act::Finish(_) => {}
                Act::Retry(how) => {
                    asked += 1;
                    let (record, _) = walk.input(Input::Retry(how));
                    let known = walk.delivery.event.bulk_id == how.bulk() || how.bulk().is_none();
                    prop_assert!(record.is_none() || known, "what is recorded says who asked");
                }
                Act::Cut => walk.generation += 1,
                Act::Unpause => walk.unpaused_at = Some(walk.now),
                Act::Ask(what) => { by_destination |= what.is_some(); walk.retry_after = what; }
                Act::Rule(count) => { by_destination = true; walk.rule = count.map(rule); }
                Act::Cancel => { walk.input(Input::Cancel); }
                Act::Delete => {
                    let (record, then) = walk.input(Input::Delete);
                    prop_assert_eq!(record.is_none(), was_deleted, "once");
                    prop_assert_eq!(then == Then::Gone, was_deleted);
                }
                Act::Die => { walk.input(Input::Died); }
                // What memory knew is gone; the row is all there is.
                Act::Crash => walk.delivery.flight = None,
                Act::Pass(ms) => walk.now = walk.now.plus_ms(ms),
            }
            let attempts = walk.delivery.event.attempts.len();
            let by_itself = if by_destination { RETRIES_MAX } else { count };
            prop_assert!(attempts <= 1 + by_itself as usize + asked, "I3: {attempts} attempts");
        }
    }

    #[test]
    fn resuming_from_the_row_gives_the_same_schedule(
        statuses in prop::collection::vec(prop_oneof![Just(200u16), Just(500)], 1..8),
        at in 0usize..8,
    ) {
        let run = |crash_at: Option<usize>| {
            let mut walk = Walk::new(fresh(), 5);
            let mut schedule = Vec::new();
            for (n, status) in statuses.iter().enumerate() {
                let Some(due_at) = walk.phase().due_at() else { break };
                walk.now = walk.now.max(due_at);
                if crash_at == Some(n) {
                    // I8: the try is cut off before its outcome is known, and made again.
                    walk.input(START);
                    walk.delivery.flight = None;
                }
                walk.input(START);
                schedule.push((walk.now, walk.finish(*status)));
            }
            schedule
        };
        prop_assert_eq!(run(None), run(Some(at)));
    }
}
