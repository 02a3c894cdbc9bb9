//! Retries and cancellations that people ask for, in every state of an event.

use super::*;
use crate::{
    actors::ActionError,
    domain::{AttemptStatus, AttemptTrigger},
    transport::scripted::Script,
};

#[actix::test]
async fn a_settled_event_is_tried_again_by_hand_whatever_it_settled_as() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::status(200), Script::status(500), Script::status(200)]);
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    let answer = world.handle.retry(id, Asked::Manual).await.unwrap();
    assert!(matches!(answer.phase, Phase::Ready { trigger: AttemptTrigger::Manual, .. }), "{:?}", answer.phase);
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.phase(id), Phase::Failed);
    world.handle.retry(id, Asked::Manual).await.unwrap();
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.phase(id), Phase::Successful);
    assert_eq!(world.event(id).attempts.len(), 3);
}

#[actix::test]
async fn a_manual_retry_does_not_wait_for_the_automatic_one_and_leaves_it_standing() {
    for interval_ms in [5_000, HOUR_MS] {
        let mut world = World::new(retry(RetryStrategy::Linear, interval_ms, 1)).await;
        world.transport.script(URL, [Script::status(500), Script::status(500)]);
        let id = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: id, number: 1 }).await;
        world.handle.retry(id, Asked::Manual).await.unwrap();
        world.reached(Milestone::Settled(id)).await;
        assert_eq!(world.starts_ms(id), [0, 0, interval_ms]);
        let triggers: Vec<_> = world.event(id).attempts.iter().map(|attempt| attempt.trigger).collect();
        assert_eq!(triggers, [AttemptTrigger::Initial, AttemptTrigger::Manual, AttemptTrigger::Automatic]);
        tokio::time::resume();
    }
}

#[actix::test]
async fn a_retry_of_an_event_in_flight_means_one_more_try_if_it_fails() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Answer { status: 500, after: Duration::from_secs(1) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    world.handle.retry(id, Asked::Manual).await.unwrap();
    world.reached(Milestone::Settled(id)).await;
    assert_eq!((world.phase(id), world.event(id).attempts.len()), (Phase::Successful, 2));
}

#[actix::test]
async fn a_waiting_event_that_is_cancelled_is_never_sent_again() {
    for interval_ms in [5_000, HOUR_MS] {
        let mut world = World::new(retry(RetryStrategy::Linear, interval_ms, 5)).await;
        world.transport.script(URL, [Script::status(500); 5]);
        let id = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: id, number: 1 }).await;
        assert!(matches!(world.handle.cancel(id).await.unwrap().phase, Phase::Cancelled { unsent: Some(_) }));
        tokio::time::advance(Duration::from_secs(24 * 3_600)).await;
        let next = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: next, number: 1 }).await;
        assert_eq!(world.bodies(), [1, 2]);
        let again = world.handle.cancel(id).await.unwrap().phase;
        assert!(matches!(again, Phase::Cancelled { unsent: Some(_) }), "the same answer again");
        tokio::time::resume();
    }
}

#[actix::test]
async fn an_attempt_in_flight_ends_after_a_cancel_and_is_recorded() {
    let mut world = World::new(retry(RetryStrategy::Linear, 1_000, 5)).await;
    world.transport.script(URL, [Script::Answer { status: 500, after: Duration::from_secs(1) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    assert_eq!(world.handle.cancel(id).await.unwrap().phase, Phase::Cancelled { unsent: None });
    world.reached(Milestone::Settled(id)).await;
    assert_eq!((world.phase(id), world.event(id).attempts.len()), (Phase::Cancelled { unsent: None }, 1));
}

#[actix::test]
async fn a_held_event_is_cancelled_and_retried_without_being_sent() {
    let mut world = World::new(vec![]).await;
    world.pause().await;
    let id = world.ingest().await;
    let other = world.ingest().await;
    assert!(matches!(world.handle.retry(other, Asked::Manual).await.unwrap().phase, Phase::Ready { .. }));
    assert!(matches!(world.handle.cancel(id).await.unwrap().phase, Phase::Cancelled { unsent: Some(_) }));
    assert!(world.sent().is_empty());
    world.unpause().await;
    world.reached(Milestone::Settled(other)).await;
    assert_eq!(world.bodies(), [2]);
}

#[actix::test]
async fn what_settled_cannot_be_cancelled_and_what_is_not_there_is_not_found() {
    let mut world = World::new(vec![]).await;
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    let refused = world.handle.cancel(id).await.unwrap_err();
    assert_eq!(refused, ActionError::AlreadySettled { status: EventStatus::Successful });
    let nobody = EventId::from_bits(12_345);
    assert_eq!(world.handle.retry(nobody, Asked::Manual).await.unwrap_err(), ActionError::NotFound);
}

#[actix::test]
async fn a_deleted_event_is_sent_no_more_wherever_it_was_and_nothing_more_can_be_asked_of_it() {
    for interval_ms in [5_000, HOUR_MS] {
        let mut world = World::new(retry(RetryStrategy::Linear, interval_ms, 5)).await;
        world.transport.script(URL, [Script::status(500); 5]);
        let id = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: id, number: 1 }).await;
        let deleted = world.handle.delete(id).await.unwrap();
        assert!(matches!(deleted.phase, Phase::Cancelled { unsent: Some(_) }), "{:?}", deleted.phase);
        assert_eq!(world.event(id), deleted, "it is durable");
        tokio::time::advance(Duration::from_secs(24 * 3_600)).await;
        let next = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: next, number: 1 }).await;
        assert_eq!(world.bodies(), [1, 2]);
        assert_eq!(world.handle.delete(id).await.unwrap_err(), ActionError::Deleted);
        assert_eq!(world.handle.cancel(id).await.unwrap_err(), ActionError::Deleted);
        assert_eq!(world.handle.retry(id, Asked::Manual).await.unwrap_err(), ActionError::Deleted);
        tokio::time::resume();
    }
}

#[actix::test]
async fn an_event_in_flight_is_deleted_at_once_and_its_attempt_recorded() {
    let mut world = World::new(retry(RetryStrategy::Linear, 1_000, 5)).await;
    world.transport.script(URL, [Script::Answer { status: 500, after: Duration::from_secs(1) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    assert!(world.handle.delete(id).await.unwrap().deleted_at.is_some());
    assert_eq!(world.handle.retry(id, Asked::Manual).await.unwrap_err(), ActionError::Deleted);
    world.reached(Milestone::Settled(id)).await;
    let event = world.event(id);
    assert_eq!((event.attempts.len(), event.attempts[0].status), (1, AttemptStatus::Cancelled));
    assert!(event.deleted_at.is_some());
}

#[actix::test]
async fn an_event_of_a_deleted_connection_can_be_deleted_too() {
    let mut world = World::new(vec![]).await;
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    world.apply(Command::DeleteConnection(world.connection)).await;
    world.reached(Milestone::ConnectionEnded(world.connection)).await;
    let deleted = world.handle.delete(id).await.unwrap();
    assert_eq!((world.event(id), deleted.phase), (deleted.clone(), Phase::Successful));
    assert_eq!(world.handle.delete(id).await.unwrap_err(), ActionError::Deleted);
}
