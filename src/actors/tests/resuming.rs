//! Which attempts say that they may have gone out before: after a crash, after a panic, and after neither.

use super::*;
use crate::transport::scripted::Script;

/// Whether each attempt of an event says so.
fn marks(world: &World, id: EventId) -> Vec<bool> {
    world.event(id).attempts.iter().map(|attempt| attempt.resumed).collect()
}

/// A world with this many events, the first of them in flight, whose process is then gone; and the next one.
async fn crashed(concurrency: usize, events: usize) -> (World, Vec<EventId>) {
    let mut world = World::with_concurrency(vec![], concurrency).await;
    world.transport.script(URL, [Script::Hang; 64]);
    let mut ids = Vec::new();
    for _ in 0..events {
        ids.push(world.ingest().await);
    }
    world.until("in flight", |world| world.snapshot().in_flight == concurrency.min(events)).await;
    let mut next = world.reborn(concurrency).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    ids.push(next.ingest().await);
    next.reached(Milestone::Settled(ids[events])).await;
    (next, ids)
}

#[actix::test]
async fn after_a_crash_what_may_have_gone_out_says_so_and_nothing_else() {
    let (world, ids) = crashed(1, 5).await;
    let marked: Vec<_> = ids.iter().map(|id| marks(&world, *id)).collect();
    assert_eq!(marked, [[true], [true], [false], [false], [false], [false]]);
}

#[actix::test]
async fn what_comes_after_the_crash_does_not_say_so() {
    let (mut world, ids) = crashed(4, 1).await;
    assert_eq!((marks(&world, ids[0]), marks(&world, ids[1])), (vec![true], vec![false]));
    world.handle.retry(ids[0], Asked::Manual).await.unwrap();
    world.reached(Milestone::Settled(ids[0])).await;
    assert_eq!(marks(&world, ids[0]), [true, false]);
}

#[actix::test]
async fn after_an_orderly_end_nothing_says_so() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, HOUR_MS, 1), 1).await;
    world.transport.script(URL, [Script::status(500)]);
    let id = world.ingest().await;
    world.reached(Milestone::AttemptRecorded { event: id, number: 1 }).await;
    assert_eq!(world.handle.drain(Duration::from_secs(1)).await.unfinished, 0);
    world.faulty.close();
    let mut world = world.reborn(1).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(marks(&world, id), [false, false]);
    assert!(!world.memory.resumes());
}

#[actix::test]
async fn an_end_that_cut_attempts_off_is_not_forgotten() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Hang]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    assert_eq!(world.handle.drain(Duration::from_secs(10)).await.unfinished, 1);
    world.faulty.close();
    let mut world = world.reborn(4).await;
    assert!(world.memory.resumes());
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(marks(&world, id), [true]);
}

#[actix::test]
async fn marks_that_were_not_used_up_outlive_an_orderly_end() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Hang]);
    let flying = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.pause().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let held = world.ingest().await;
    let world = world.reborn(4).await;
    assert_eq!(world.handle.drain(Duration::from_secs(1)).await.unfinished, 0);
    world.faulty.close();
    let mut world = world.reborn(4).await;
    world.unpause().await;
    world.reached(Milestone::Settled(held)).await;
    world.until("both", |world| world.status(flying) == EventStatus::Successful).await;
    assert_eq!((marks(&world, flying), marks(&world, held)), (vec![true], vec![false]), "the pause kept it back");
}

#[actix::test]
async fn after_a_panic_what_may_have_gone_out_says_so() {
    let mut world = World::with_concurrency(retry(RetryStrategy::Linear, HOUR_MS, 1), 1).await;
    world.transport.script(URL, [Script::status(500)]);
    world.trap.dice_set.store(true, Ordering::Relaxed);
    let ids = [world.ingest().await, world.ingest().await, world.ingest().await];
    world.reached(Milestone::ConnectionRestarted(world.connection)).await;
    world.until("all", |world| ids.iter().all(|id| world.status(*id) == EventStatus::Successful)).await;
    let marked: Vec<_> = ids.iter().map(|id| marks(&world, *id)).collect();
    assert_eq!(marked, [[true], [true], [false]]);
}

#[actix::test]
async fn a_connection_that_is_disabled_leaves_nothing_to_resume() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Hang]);
    world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    world.handle.apply(Command::DisableConnection(world.connection), Author::Gateway).await.unwrap();
    let world = world.reborn(4).await;
    assert_eq!(world.handle.drain(Duration::from_secs(1)).await.unfinished, 0);
    world.faulty.close();
    assert!(!world.reborn(4).await.memory.resumes());
}
