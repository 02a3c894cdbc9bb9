//! Disabling, enabling, deleting: what stops, what is cancelled, what never comes back.

use super::*;
use crate::{
    actors::ActionError,
    domain::{ApiKeyId, AttemptStatus, AttemptTrigger, BulkId, Document, Family, SwitchedOff},
    store::{DocumentStretch, StoreError, faulty::Write},
    transport::scripted::Script,
};

type OnConnection = fn(ConnectionId) -> Command;
type OnDestination = fn(DestinationId) -> Command;

/// The two ways to disable the world's connection.
fn ways(world: &World) -> [(Command, Command); 2] {
    let own: [OnConnection; 2] = [Command::DisableConnection, Command::EnableConnection];
    let by_destination: [OnDestination; 2] = [Command::DisableDestination, Command::EnableDestination];
    let (connection, destination) = (world.connection, world.destination);
    [(own[0](connection), own[1](connection)), (by_destination[0](destination), by_destination[1](destination))]
}

#[actix::test]
async fn disabling_cancels_what_is_pending_and_enabling_brings_only_new_ones() {
    for way in 0..2 {
        let mut world = World::with_concurrency(retry(RetryStrategy::Linear, 5_000, 3), 1).await;
        let (disable, enable) = ways(&world)[way].clone();
        world
            .transport
            .script(URL, [Script::status(500), Script::Answer { status: 500, after: Duration::from_secs(1) }]);
        let waiting = world.ingest().await;
        world.reached(Milestone::AttemptRecorded { event: waiting, number: 1 }).await;
        let flying = world.ingest().await;
        let queued = world.ingest().await;
        world.until("in flight", |world| world.snapshot().in_flight == 1).await;
        world.apply(disable.clone()).await;
        for id in [waiting, flying, queued] {
            assert_eq!(world.status(id), EventStatus::Cancelled);
        }
        world.reached(Milestone::AttemptRecorded { event: flying, number: 1 }).await;
        assert_eq!(world.event(flying).attempts[0].status, AttemptStatus::Cancelled);
        world.until("nothing in memory", |world| world.snapshot().window == 0).await;
        tokio::time::advance(Duration::from_secs(24 * 3_600)).await;
        world.apply(disable).await;
        world.apply(enable).await;
        let later = world.ingest().await;
        world.reached(Milestone::Settled(later)).await;
        assert_eq!((world.status(later), world.bodies()), (EventStatus::Successful, vec![1, 2, 4]), "way {way}");
        assert_eq!((world.status(waiting), world.status(queued)), (EventStatus::Cancelled, EventStatus::Cancelled));
        tokio::time::resume();
    }
}

#[actix::test]
async fn an_attempt_in_flight_that_succeeds_after_disabling_is_a_success_of_a_cancelled_event() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_secs(5) }]);
    let id = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    world.apply(Command::DisableConnection(world.connection)).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.status(id), EventStatus::Cancelled);
    assert_eq!(world.event(id).attempts[0].status, AttemptStatus::Successful);
}

#[actix::test]
async fn a_million_are_as_one_because_nothing_is_written_per_event() {
    let mut world = World::new(vec![]).await;
    world.pause().await;
    let mut ids = Vec::new();
    for _ in 0..2_000 {
        ids.push(world.ingest().await);
    }
    let applied = world.apply(Command::DisableConnection(world.connection)).await;
    assert_eq!(applied.changed.len(), 1, "one record");
    assert!(ids.iter().all(|id| world.event(*id).version == 0 && world.status(*id) == EventStatus::Cancelled));
    assert_eq!(world.apply(Command::Unpause(world.connection)).await.released.unwrap().events, 0);
}

#[actix::test]
async fn a_reading_that_began_before_sends_nothing_of_what_was_cancelled_meanwhile() {
    let mut world = World::new(vec![]).await;
    world.pause().await;
    for _ in 0..100 {
        world.ingest().await;
    }
    world.faulty.hold_readings();
    world.unpause().await;
    // Not `until`: virtual time stands still while a reading is on its way.
    while world.faulty.held_readings() == 0 {
        tokio::task::yield_now().await;
    }
    world.apply(Command::DisableConnection(world.connection)).await;
    world.apply(Command::EnableConnection(world.connection)).await;
    world.faulty.release_readings();
    let later = world.ingest().await;
    world.reached(Milestone::Settled(later)).await;
    assert_eq!(world.bodies(), [101]);
}

#[actix::test]
async fn an_offer_of_an_earlier_generation_is_not_sent() {
    let mut world = World::new(vec![]).await;
    world.apply(Command::DisableConnection(world.connection)).await;
    world.apply(Command::EnableConnection(world.connection)).await;
    // Routed by the configuration of before, committed after.
    let (connection_id, destination_id) = (world.connection, world.destination);
    let late = world.request_for(Route { connection_id, destination_id, generation: 0 });
    let id = late.request.id.event(0);
    world.faulty.accept(late).await.unwrap();
    assert_eq!(world.status(id), EventStatus::Cancelled);
    let later = world.ingest().await;
    world.reached(Milestone::Settled(later)).await;
    assert_eq!(world.bodies(), [2]);
}

#[actix::test]
async fn nothing_is_tried_again_by_hand_while_it_is_switched_off() {
    for way in 0..2 {
        let mut world = World::new(vec![]).await;
        let (disable, enable) = ways(&world)[way].clone();
        let why =
            [SwitchedOff::ConnectionDisabled(world.connection), SwitchedOff::DestinationDisabled(world.destination)]
                [way];
        world.pause().await;
        let id = world.ingest().await;
        world.apply(disable).await;
        let refused = world.handle.retry(id, Asked::Manual).await.unwrap_err();
        assert_eq!(refused, ActionError::SwitchedOff(why));
        let cancelled = world.handle.cancel(id).await.unwrap();
        assert!(cancelled.version == 0, "it was cancelled already: {cancelled:?}");
        world.unpause().await;
        world.apply(enable).await;
        // What is asked for now did not wait for the pause to end.
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(world.handle.cancel(id).await.unwrap().version, 0);
        let trigger = if way == 0 { Asked::Bulk(BulkId::from_bits(1)) } else { Asked::Manual };
        world.handle.retry(id, trigger).await.unwrap();
        world.reached(Milestone::Settled(id)).await;
        let expected = if way == 0 { AttemptTrigger::BulkRetry } else { AttemptTrigger::Manual };
        assert_eq!((world.status(id), world.event(id).attempts[0].trigger), (EventStatus::Successful, expected));
        tokio::time::resume();
    }
}

#[actix::test]
async fn a_deleted_connection_ends_when_nothing_is_in_flight_any_more() {
    let mut world = World::with_concurrency(vec![], 1).await;
    world.transport.script(URL, [Script::Answer { status: 500, after: Duration::from_secs(5) }]);
    let flying = world.ingest().await;
    let queued = world.ingest().await;
    world.until("in flight", |world| world.snapshot().in_flight == 1).await;
    world.apply(Command::DeleteConnection(world.connection)).await;
    assert!(world.handle.snapshot(world.connection).is_some(), "its last attempt is under way");
    world.reached(Milestone::AttemptRecorded { event: flying, number: 1 }).await;
    world.reached(Milestone::ConnectionEnded(world.connection)).await;
    assert!(world.handle.snapshot(world.connection).is_none());
    assert_eq!((world.status(flying), world.status(queued)), (EventStatus::Cancelled, EventStatus::Cancelled));
    assert_eq!(world.bodies(), [1]);
    let why = SwitchedOff::ConnectionDeleted(world.connection);
    assert_eq!(world.handle.retry(queued, Asked::Manual).await.unwrap_err(), ActionError::SwitchedOff(why));
    assert!(world.handle.cancel(queued).await.is_ok());
    assert_eq!(world.handle.drain(Duration::from_secs(1)).await.unfinished, 0);
}

#[actix::test]
async fn deleting_a_destination_ends_all_its_connections() {
    let world = World::new(vec![]).await;
    let mut new = new_connection("two", URL, vec![]);
    new.destination = Some(Reference::Existing(world.destination));
    let applied = world.apply(Command::CreateConnection(new)).await;
    let second = applied.configuration.connection_named("two").unwrap().id;
    world.apply(Command::DeleteDestination(world.destination)).await;
    world.until("ended", |world| world.handle.snapshot(world.connection).is_none()).await;
    world.until("ended", |world| world.handle.snapshot(second).is_none()).await;
}

#[actix::test]
async fn a_disabling_that_cannot_be_kept_is_undone() {
    let mut world = World::new(vec![]).await;
    world.faulty.fail(Write::PutConfig, 1, StoreError::DiskFull { low_bytes: 1 });
    let unkept = world.handle.apply(Command::DisableDestination(world.destination), Author::Gateway).await.unwrap_err();
    assert!(matches!(unkept, ActionError::Store(_)), "{unkept}");
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.status(id), EventStatus::Successful);
}

#[actix::test]
async fn what_was_for_a_destination_that_its_connection_left_is_not_sent_there_once_that_is_disabled() {
    let mut world = World::new(vec![]).await;
    world.apply(Command::Pause(world.connection)).await;
    let id = world.ingest().await;
    let elsewhere = DestinationDraft {
        name: Some("elsewhere".to_owned()),
        url: Some(Some("https://elsewhere.example/".to_owned())),
        ..DestinationDraft::default()
    };
    let mut moved = new_connection("one", URL, vec![]);
    moved.destination = Some(Reference::Inline(elsewhere));
    world.apply(Command::UpsertConnection(moved)).await;
    world.apply(Command::DisableDestination(world.destination)).await;
    world.apply(Command::Unpause(world.connection)).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.status(id), EventStatus::Failed);
    assert_eq!(world.sent().len(), 0);
}

#[actix::test]
async fn each_change_is_written_down_with_who_made_it_and_one_that_failed_is_not() {
    let world = World::new(vec![]).await;
    let author = Author::Key { id: ApiKeyId::from_bits(5), label: "desk".to_owned() };
    world.handle.apply(Command::Pause(world.connection), author.clone()).await.unwrap();
    world.handle.apply(Command::Pause(world.connection), author.clone()).await.unwrap();
    world.faulty.fail(Write::PutConfig, 1, StoreError::Conflict);
    world.handle.apply(Command::Unpause(world.connection), author.clone()).await.unwrap_err();
    let all = DocumentStretch { descending: true, after: None, limit: 10 };
    let audits = world.memory.documents(Family::Audit, all).unwrap();
    let [Document::Audit(paused), Document::Audit(created)] = audits.as_slice() else { panic!("{audits:?}") };
    assert_eq!((paused.action.as_str(), &paused.author), ("connection.pause", &author));
    assert_eq!((created.action.as_str(), &created.author), ("connection.create", &Author::Gateway));
    let [(Some(ConfigItem::Connection(before)), ConfigItem::Connection(after))] = paused.changes.as_slice() else {
        panic!("{paused:?}")
    };
    assert_eq!((before.paused_at, after.paused_at), (None, Some(T0)));
    assert!(created.changes.len() == 3 && created.changes.iter().all(|(before, _)| before.is_none()));
}
