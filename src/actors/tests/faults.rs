//! Bugs, full stores, lost hints, and the end.

use super::*;
use crate::{
    actors::supervision::RESTARTS_MAX,
    domain::ErrorCode,
    store::{StoreError, faulty::Write},
    transport::scripted::Script,
};

#[actix::test]
async fn a_panic_in_an_attempt_is_a_failed_attempt_and_others_go_on() {
    let mut world = World::new(retry(RetryStrategy::Linear, 1_000, 1)).await;
    world.transport.script(URL, [Script::Panic]);
    let id = world.ingest().await;
    let other = world.ingest().await;
    world.reached(Milestone::Settled(other)).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.event(id).attempts[0].result.error(), Some(ErrorCode::InternalError));
    assert_eq!((world.phase(id), world.event(id).attempts.len()), (Phase::Successful, 2));
    assert_eq!(world.snapshot().restarts, 0);
}

#[actix::test]
async fn a_delivery_that_dies_is_a_failed_attempt() {
    let mut world = World::new(retry(RetryStrategy::Linear, 1_000, 1)).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_millis(50) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    // The delivery is the next to ask for the time: when its answer is there.
    world.trap.clock_set.store(true, Ordering::Relaxed);
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.event(id).attempts[0].result.error(), Some(ErrorCode::InternalError));
    assert_eq!((world.phase(id), world.snapshot().restarts), (Phase::Successful, 0));
}

#[actix::test]
async fn a_connection_that_dies_is_rebuilt_and_loses_and_repeats_nothing() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, HOUR_MS, 1), 1).await;
    world.transport.script(URL, [Script::status(200), Script::status(200), Script::status(500)]);
    let mut ids = Vec::new();
    world.trap.dice_set.store(true, Ordering::Relaxed);
    for _ in 0..6 {
        ids.push(world.ingest().await);
    }
    // The third was refused and its outcome lost with the actor: it alone is sent again.
    world.reached(Milestone::ConnectionRestarted(world.connection)).await;
    world.reached(Milestone::Settled(ids[5])).await;
    assert_eq!(world.bodies(), [1, 2, 3, 3, 4, 5, 6]);
    assert!(ids.iter().all(|id| world.phase(*id) == Phase::Successful));
    assert_eq!(world.snapshot().restarts, 1);
}

#[actix::test]
async fn a_rebuilt_connection_waits_for_the_outcomes_its_forerunner_handed_over() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, HOUR_MS, 1), 2).await;
    let late = Script::Answer { status: 500, after: Duration::from_millis(5) };
    world.transport.script(URL, [Script::status(200), late]);
    let first = world.ingest().await;
    let second = world.ingest().await;
    world.faulty.hold();
    world.trap.dice_set.store(true, Ordering::Relaxed);
    world.until("dead", |world| world.snapshot().restarts == 1).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(world.bodies(), [1, 2], "nothing is read before the outcome of the first is there");
    world.faulty.release_all();
    world.reached(Milestone::Settled(second)).await;
    assert_eq!(world.bodies(), [1, 2, 2]);
    assert_eq!(world.event(first).attempts.len(), 1);
}

#[actix::test]
async fn a_crash_can_repeat_no_more_than_twice_what_may_be_in_flight() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, HOUR_MS, 1), 2).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_millis(5) }; 8]);
    let mut last = None;
    for _ in 0..8 {
        last = Some(world.ingest().await);
    }
    world.faulty.hold();
    world.until("outcomes wait", |world| world.faulty.held() == 4).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    // Two at a time: which of a pair is first is not promised.
    let sent = |world: &World| world.bodies().into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sent(&world), (1..=4).collect(), "outcomes that are not durable take slots beyond the limit");
    world.faulty.release_all();
    world.reached(Milestone::Settled(last.unwrap())).await;
    assert_eq!((sent(&world), world.bodies().len()), ((1..=8).collect(), 8));
}

#[actix::test]
async fn a_connection_that_keeps_dying_is_quarantined_until_it_is_unpaused() {
    let mut world = World::new(retry(RetryStrategy::Linear, HOUR_MS, 1)).await;
    world.transport.script(URL, [Script::status(500); RESTARTS_MAX + 1]);
    let id = world.ingest().await;
    for _ in 0..=RESTARTS_MAX {
        world.trap.dice_set.store(true, Ordering::Relaxed);
        world.until("dead", |world| !world.trap.dice_set.load(Ordering::Relaxed)).await;
    }
    world.reached(Milestone::Quarantined(world.connection)).await;
    assert!(world.snapshot().quarantined);
    let later = world.ingest().await;
    assert!(matches!(world.phase(later), Phase::Ready { .. }), "still queued durably");
    assert_eq!(world.handle.retry(id, Asked::Manual).await.unwrap_err(), crate::actors::ActionError::Busy);
    world.unpause().await;
    world.reached(Milestone::Settled(later)).await;
    assert_eq!(world.phase(id), Phase::Successful);
    assert!(!world.snapshot().quarantined);
}

#[actix::test]
async fn a_directory_that_dies_is_rebuilt() {
    let mut world = World::new(vec![]).await;
    world.trap.dice_set.store(true, Ordering::Relaxed);
    let refused = world.handle.apply(Command::Pause(world.connection), Author::Gateway).await.unwrap_err();
    assert_eq!(refused, crate::actors::ActionError::Busy);
    world.pause().await;
    world.unpause().await;
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
}

#[actix::test]
async fn an_outcome_that_the_store_has_no_room_for_is_recorded_later() {
    let mut world = World::with_concurrency(vec![], 1).await;
    for _ in 0..5 {
        world.faulty.fail(Write::Record, 1, StoreError::Overloaded("the queue"));
    }
    let ids = [world.ingest().await, world.ingest().await];
    world.reached(Milestone::Settled(ids[0])).await;
    assert!(world.now() >= T0.plus_ms(100), "the store was left alone for a while");
    world.until("both", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
    assert_eq!(world.bodies(), [1, 2], "nothing was sent again");
}

#[actix::test]
async fn an_event_that_changed_behind_the_actors_back_is_read_again() {
    let mut world = World::new(vec![]).await;
    let stale = StoreError::Stale { seq: 0, stored: 9, given: 1 };
    world.faulty.fail(Write::Record, 1, stale);
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!((world.phase(id), world.sent().len()), (Phase::Successful, 2));
}

#[actix::test]
async fn offers_missed_through_a_full_mailbox_are_found() {
    let mut world = World::new(vec![]).await;
    let mut ids = Vec::new();
    // Nobody gets a turn meanwhile, so the mailbox fills up.
    for _ in 0..3_000 {
        ids.push(world.ingest().await);
    }
    world.until("all settled", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
    let mut bodies = world.bodies();
    bodies.sort_unstable();
    assert_eq!(bodies, (1..=3_000).collect::<Vec<_>>(), "each exactly once");
}

#[actix::test]
async fn draining_waits_for_what_is_in_flight_and_starts_nothing_more() {
    let mut world = World::with_concurrency(vec![], 1).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_secs(5) }]);
    let first = world.ingest().await;
    let second = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    assert_eq!(world.handle.drain(Duration::from_secs(30)).await.unfinished, 0);
    assert_eq!(world.phase(first), Phase::Successful);
    assert!(matches!(world.phase(second), Phase::Ready { .. }));
    assert_eq!(world.handle.retry(second, Asked::Manual).await.unwrap_err(), crate::actors::ActionError::Busy);
}

#[actix::test]
async fn draining_gives_up_when_its_time_is_over() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Hang]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    assert_eq!(world.handle.drain(Duration::from_secs(10)).await.unfinished, 1);
    assert!(matches!(world.phase(id), Phase::Ready { .. }), "it is sent again after the next start");
}
