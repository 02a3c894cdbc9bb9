//! Deleting: every state, and everything that may be asked afterwards.

use super::*;

fn every_phase() -> [Phase; 7] {
    let ready = |trigger, automatic_due| Phase::Ready { due_at: T0, trigger, automatic_due };
    [
        ready(AttemptTrigger::Initial, None),
        ready(AttemptTrigger::Manual, Some(T0.plus_ms(9))),
        Phase::Waiting { due_at: T0 },
        Phase::Waiting { due_at: T0.plus_ms(60_000) },
        Phase::Successful,
        Phase::Failed,
        Phase::Cancelled { unsent: None },
    ]
}

fn unsent(trigger: AttemptTrigger, due_at: Timestamp) -> Phase {
    Phase::Cancelled { unsent: Some(Unsent { trigger, due_at }) }
}

#[test]
fn what_is_pending_is_cancelled_with_the_try_that_was_planned_and_what_settled_stays_what_it_was() {
    let expected = [
        unsent(AttemptTrigger::Initial, T0),
        unsent(AttemptTrigger::Manual, T0),
        unsent(AttemptTrigger::Automatic, T0),
        unsent(AttemptTrigger::Automatic, T0.plus_ms(60_000)),
        Phase::Successful,
        Phase::Failed,
        Phase::Cancelled { unsent: None },
    ];
    for (phase, after) in every_phase().into_iter().zip(expected) {
        let mut walk = Walk::new(Delivery::at_rest(event(phase)), 5);
        assert_eq!(walk.input(Input::Delete), (Some(Record::Transition), Then::Settle), "{phase:?}");
        assert_eq!((walk.phase(), walk.delivery.event.deleted_at), (after, Some(T0)), "{phase:?}");
    }
}

#[test]
fn nothing_more_can_be_asked_of_what_was_deleted() {
    for phase in every_phase() {
        let mut walk = Walk::new(Delivery::at_rest(event(phase)), 5);
        walk.input(Input::Delete);
        let deleted = walk.delivery.clone();
        walk.now = T0.plus_ms(1);
        for input in [RETRY, Input::Retry(BULK), Input::Cancel, Input::Delete] {
            assert_eq!(walk.input(input), (None, Then::Gone), "{phase:?} {input:?}");
        }
        for input in [START, Input::Died] {
            assert_eq!(walk.input(input), (None, Then::Settle), "{phase:?} {input:?}");
        }
        assert_eq!(walk.delivery, deleted);
    }
}

#[test]
fn a_try_in_flight_ends_and_is_recorded_and_nothing_follows() {
    for (status, counted) in [(200, AttemptStatus::Successful), (500, AttemptStatus::Cancelled)] {
        let mut walk = Walk::new(fresh(), 5);
        walk.input(START);
        walk.input(RETRY);
        assert_eq!(walk.input(Input::Delete), (Some(Record::Transition), Then::Nothing));
        assert_eq!(walk.input(RETRY), (None, Then::Gone), "although it is under way");
        let (record, then) = walk.finish(status);
        assert!(matches!(record, Some(Record::Attempt(attempt)) if attempt.status == counted), "{record:?}");
        assert_eq!((then, walk.phase()), (Then::Settle, Phase::Cancelled { unsent: None }));
        assert_eq!(walk.delivery.event.deleted_at, Some(T0));
    }
}

#[test]
fn a_cut_event_keeps_the_try_that_was_cancelled_with_its_connection() {
    let mut walk = Walk::new(fresh(), 5);
    walk.generation = 1;
    assert_eq!(walk.input(Input::Delete), (Some(Record::Transition), Then::Settle));
    assert_eq!(walk.phase(), unsent(AttemptTrigger::Initial, T0));
    let mut walk = Walk::new(fresh(), 5);
    walk.input(START);
    walk.generation = 1;
    assert_eq!(walk.input(Input::Delete), (Some(Record::Transition), Then::Nothing));
    assert_eq!(walk.finish(500).1, Then::Settle);
    assert_eq!(walk.delivery.event.attempts[0].status, AttemptStatus::Cancelled);
}

#[test]
fn an_event_names_the_bulk_operation_that_last_asked_for_it_and_no_other_asking_does() {
    let mut walk = Walk::new(Delivery::at_rest(event(Phase::Failed)), 5);
    assert_eq!(walk.delivery.event.bulk_id, None);
    walk.input(Input::Retry(BULK));
    assert_eq!(walk.delivery.event.bulk_id, BULK.bulk());
    walk.input(START);
    walk.finish(500);
    walk.input(RETRY);
    assert_eq!(walk.delivery.event.bulk_id, BULK.bulk(), "by hand is by no operation");
    walk.input(Input::Retry(Asked::Bulk(BulkId::from_bits(78))));
    assert_eq!(walk.delivery.event.bulk_id, BULK.bulk(), "it was queued already");
}

#[test]
fn an_operation_asks_for_an_event_once_whatever_becomes_of_it() {
    for status in [200, 500] {
        let mut walk = Walk::new(Delivery::at_rest(event(Phase::Failed)), 5);
        assert_eq!(walk.input(Input::Retry(BULK)).1, Then::Enqueue);
        assert_eq!(walk.input(Input::Retry(BULK)), (None, Then::Enqueue));
        walk.input(START);
        assert_eq!(walk.input(Input::Retry(BULK)), (None, Then::Nothing));
        walk.finish(status);
        assert_eq!(walk.input(Input::Retry(BULK)), (None, Then::Settle));
        let other = Input::Retry(Asked::Bulk(BulkId::from_bits(78)));
        assert_eq!(walk.input(other), (Some(Record::Transition), Then::Enqueue), "another one may");
    }
}
