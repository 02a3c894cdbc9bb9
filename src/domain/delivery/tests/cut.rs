//! Disabling and deleting: every state, cut by a new generation, under every input.

use super::*;

/// A walk whose connection was disabled after the event got where it is.
fn cut(phase: Phase) -> Walk {
    let mut walk = Walk::new(Delivery::at_rest(event(phase)), 5);
    walk.generation = 1;
    walk
}

fn pending() -> [Phase; 4] {
    let ready = |trigger, automatic_due| Phase::Ready { due_at: T0, trigger, automatic_due };
    [
        ready(AttemptTrigger::Initial, None),
        ready(AttemptTrigger::Manual, Some(T0.plus_ms(9))),
        Phase::Waiting { due_at: T0 },
        Phase::Waiting { due_at: T0.plus_ms(60_000) },
    ]
}

fn shown(walk: &Walk) -> EventStatus {
    walk.delivery.event.status(Standing { paused: false, generation: walk.generation }, walk.now)
}

#[test]
fn what_was_pending_is_cancelled_and_nothing_is_written() {
    for phase in pending() {
        for input in [START, Input::Cancel, Input::Died] {
            let mut walk = cut(phase);
            assert_eq!(walk.input(input), (None, Then::Settle), "{phase:?} {input:?}");
            assert_eq!((walk.phase(), shown(&walk)), (phase, EventStatus::Cancelled));
            let standing = Standing { paused: true, generation: 1 };
            assert_eq!(walk.delivery.event.status(standing, walk.now), EventStatus::Cancelled, "not on hold");
            assert_eq!(walk.delivery.event.next_attempt_at(standing), None);
        }
    }
}

#[test]
fn what_had_settled_is_as_it_was() {
    for phase in [Phase::Successful, Phase::Failed, Phase::Cancelled { unsent: None }] {
        let mut walk = cut(phase);
        assert_eq!(walk.input(START), (None, Then::Settle));
        assert_eq!(walk.input(Input::Died), (None, Then::Settle));
        assert_eq!(walk.phase(), phase);
    }
    assert_eq!(cut(Phase::Failed).input(Input::Cancel), (None, Then::Refuse(EventStatus::Failed)));
    assert_eq!(cut(Phase::Successful).input(Input::Cancel), (None, Then::Refuse(EventStatus::Successful)));
}

#[test]
fn asking_again_after_enabling_makes_it_ready_without_the_automatic_retry_that_was_cancelled() {
    for phase in pending() {
        let mut walk = cut(phase);
        assert_eq!(walk.input(RETRY), (Some(Record::Transition), Then::Enqueue));
        assert_eq!((walk.phase(), walk.delivery.event.generation), (manual(T0, None), 1));
        assert_eq!(walk.input(START).1, send(1, AttemptTrigger::Manual));
        assert_eq!(walk.finish(500).1, Then::Settle);
        assert_eq!(walk.phase(), Phase::Failed);
    }
}

#[test]
fn a_try_in_flight_ends_and_is_recorded_and_nothing_follows() {
    for (status, counted) in [(200, AttemptStatus::Successful), (500, AttemptStatus::Cancelled)] {
        let mut walk = Walk::new(fresh(), 5);
        walk.input(START);
        walk.generation = 1;
        assert_eq!(shown(&walk), EventStatus::Cancelled);
        assert_eq!(walk.input(START), (None, Then::Nothing));
        assert_eq!(walk.input(Input::Cancel), (None, Then::Nothing), "the same answer again");
        let (record, then) = walk.finish(status);
        assert!(matches!(record, Some(Record::Attempt(attempt)) if attempt.status == counted), "{record:?}");
        assert_eq!((then, walk.phase()), (Then::Settle, Phase::Cancelled { unsent: None }));
        assert_eq!(walk.delivery.event.automatic_used, 0);
    }
}

#[test]
fn a_delivery_that_dies_after_the_cut_is_a_cancelled_attempt() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.generation = 1;
    assert_eq!(walk.input(Input::Died).1, Then::Settle);
    assert_eq!(walk.delivery.event.attempts[0].status, AttemptStatus::Cancelled);
}

#[test]
fn a_retry_that_was_asked_for_before_the_cut_is_cancelled_with_it() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.input(RETRY);
    walk.generation = 1;
    assert_eq!(walk.finish(500).1, Then::Settle);
    assert_eq!(walk.phase(), Phase::Cancelled { unsent: None });
}

#[test]
fn a_retry_that_is_asked_for_before_and_after_the_cut_is_asked_for() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.input(RETRY);
    walk.generation = 1;
    assert_eq!(walk.input(RETRY), (Some(Record::Transition), Then::Nothing));
    assert_eq!(walk.finish(500).1, Then::Enqueue);
    assert_eq!(walk.phase(), manual(T0, None));
}

#[test]
fn a_retry_that_is_asked_for_after_the_cut_follows_the_try_in_flight() {
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.generation = 1;
    assert_eq!(walk.input(Input::Retry(BULK)), (Some(Record::Transition), Then::Nothing));
    assert_eq!(walk.finish(500).1, Then::Enqueue);
    let trigger = AttemptTrigger::BulkRetry;
    assert_eq!(walk.phase(), Phase::Ready { due_at: T0, trigger, automatic_due: None });
    assert_eq!(walk.input(START).1, send(2, trigger));
    assert_eq!(walk.finish(200).1, Then::Settle);
    assert_eq!(walk.phase(), Phase::Successful);
}
