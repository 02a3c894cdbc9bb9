//! Pausing and releasing.

use super::*;
use crate::{domain::AttemptTrigger, transport::scripted::Script};

#[actix::test]
async fn a_paused_connection_holds_due_retries_and_releases_in_order() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, 2_000, 3), 1).await;
    world.transport.script(URL, [Script::status(500)]);
    let first = world.ingest().await;
    world.reached(Milestone::AttemptRecorded { event: first, number: 1 }).await;
    world.pause().await;
    world.reached(Milestone::Paused(world.connection)).await;
    let mut later = Vec::new();
    for _ in 0..3 {
        later.push(world.ingest().await);
    }
    tokio::time::advance(Duration::from_secs(3_600)).await;
    world.until("held", |world| world.snapshot().paused).await;
    assert_eq!(world.bodies(), [1], "nothing is sent while paused, due or not");
    let released = world.apply(Command::Unpause(world.connection)).await.released.unwrap();
    assert_eq!((released.events, released.body_bytes), (4, 4));
    assert_eq!(released.oldest_at, Some(world.event(first).created_at));
    world.reached(Milestone::Released(world.connection)).await;
    world.reached(Milestone::Settled(first)).await;
    // The others became due before the retry did.
    assert_eq!(world.bodies(), [1, 2, 3, 4, 1]);
    assert!(later.iter().all(|id| world.phase(*id) == Phase::Successful));
    let triggers = |id| world.event(id).attempts.iter().map(|attempt| attempt.trigger).collect::<Vec<_>>();
    assert_eq!(triggers(first), [AttemptTrigger::Initial, AttemptTrigger::Unpause]);
    assert_eq!(triggers(later[2]), [AttemptTrigger::Unpause]);
}

#[actix::test]
async fn an_attempt_in_flight_finishes_while_paused() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_secs(5) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    world.pause().await;
    assert!(world.memory.configuration().is_paused(world.connection), "recorded before it is answered");
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.phase(id), Phase::Successful);
}

#[actix::test]
async fn what_was_held_is_released_slowly() {
    let mut world = World::with_concurrency(vec![], 64).await;
    world.transport.script(URL, [Script::Hang; 200]);
    world.pause().await;
    for _ in 0..100 {
        world.ingest().await;
    }
    assert_eq!((world.snapshot().window, world.snapshot().in_flight), (0, 0), "held events cost no memory");
    world.unpause().await;
    world.reached(Milestone::Refilled(world.connection)).await;
    for step in 0..5 {
        let slots = 4 << step;
        world.until("the next step", |world| world.snapshot().in_flight >= slots).await;
        assert_eq!(world.snapshot().in_flight, slots);
        assert!(world.now() >= T0.plus_ms(step * 1_000), "a second for each step");
    }
}

#[actix::test]
async fn pausing_twice_and_unpausing_what_is_not_paused_change_nothing() {
    let mut world = World::new(vec![]).await;
    world.unpause().await;
    world.pause().await;
    world.pause().await;
    let id = world.ingest().await;
    world.unpause().await;
    world.reached(Milestone::Settled(id)).await;
}

#[actix::test]
async fn a_pause_that_is_on_its_way_while_connections_are_started_holds_once_it_is_answered() {
    let before = World::new(vec![]).await;
    let (connection, destination) = (before.connection, before.destination);
    let memory = before.memory.restart();
    let mut world = World::prepared(memory, before.trap, 4, |store| store.set_rebuilding(true)).await;
    (world.connection, world.destination, world.source) = (connection, destination, before.source);
    world.faulty.hold();
    let handle = world.handle.clone();
    let paused = actix::spawn(async move { handle.apply(Command::Pause(connection), Author::Gateway).await });
    world.until("on its way", |world| world.faulty.held() == 1).await;
    world.faulty.set_rebuilding(false);
    world.reached(Milestone::Refilled(connection)).await;
    world.faulty.release_all();
    paused.await.unwrap().unwrap();
    let id = world.ingest().await;
    world.until("paused", |world| world.snapshot().paused).await;
    assert_eq!((world.status(id), world.sent().len()), (EventStatus::Hold, 0));
}
