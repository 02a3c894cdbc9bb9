//! Deliveries and their retries.

use super::{super::ActionError, *};
use crate::{
    domain::{AttemptTrigger, ErrorCode},
    store::{StoreError, faulty::Write},
    transport::scripted::Script,
};

#[actix::test]
async fn an_event_is_delivered_once_and_settles() {
    let mut world = World::new(vec![]).await;
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.phase(id), Phase::Successful);
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    let header = |name: &str| sent[0].headers.iter().find(|header| header.0 == name).unwrap().1.clone();
    assert_eq!(header("webhook-id"), id.to_string());
    assert_eq!(header("x-hookgate-attempt-trigger"), "INITIAL");
    world.until("nothing in memory", |world| world.snapshot().in_flight == 0).await;
}

#[actix::test]
async fn retries_over_days_keep_their_schedule() {
    let mut world = World::new(retry(RetryStrategy::Exponential, HOUR_MS, 6)).await;
    world.transport.script(URL, [Script::status(500); 7]);
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    let hours: Vec<u64> = [0, 1, 3, 7, 15, 31, 63].iter().map(|hours| hours * HOUR_MS).collect();
    assert_eq!(world.starts_ms(id), hours);
    assert_eq!(world.phase(id), Phase::Failed);
    assert_eq!(world.event(id).automatic_used, 6);
}

#[actix::test]
async fn short_retries_keep_their_delivery_and_long_ones_do_not() {
    let mut world = World::new(retry(RetryStrategy::Linear, 5_000, 2)).await;
    world.transport.script(URL, [Script::status(500), Script::Fail(ErrorCode::ConnectionRefused)]);
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.starts_ms(id), [0, 5_000, 10_000]);
    let triggers: Vec<_> = world.event(id).attempts.iter().map(|attempt| attempt.trigger).collect();
    assert_eq!(triggers, [AttemptTrigger::Initial, AttemptTrigger::Automatic, AttemptTrigger::Automatic]);

    let (slow, to) = world.connect("slow", "https://slow.example/", retry(RetryStrategy::Linear, 60_000, 1)).await;
    world.transport.script("https://slow.example/", [Script::status(500)]);
    let id = world.ingest_for(slow, to).await;
    world.reached(Milestone::Passivated(id)).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!(world.starts_ms(id), [0, 60_000]);
}

#[actix::test]
async fn a_hanging_destination_times_out_and_does_not_hold_up_others() {
    let mut world = World::with_concurrency(vec![], 1).await;
    world.transport.script(URL, [Script::Hang]);
    let hanging = world.ingest().await;
    let behind = world.ingest().await;
    let (other, to) = world.connect("other", "https://other.example/", vec![]).await;
    let id = world.ingest_for(other, to).await;
    world.reached(Milestone::Settled(id)).await;
    assert!(world.now() < T0.plus_ms(1_000), "another connection does not wait");
    assert_eq!(world.snapshot().in_flight, 1);
    world.reached(Milestone::Settled(hanging)).await;
    assert_eq!(world.event(hanging).attempts[0].result.error(), Some(ErrorCode::Timeout));
    assert!((60_000..=60_001).contains(&world.event(hanging).attempts[0].latency_ms));
    world.reached(Milestone::Settled(behind)).await;
}

#[actix::test]
async fn starts_are_in_order_and_within_the_limit() {
    let mut world = World::with_concurrency(vec![], 3).await;
    let slow = Script::Answer { status: 200, after: Duration::from_millis(10) };
    world.transport.script(URL, [slow; 2_000]);
    let mut ids = Vec::new();
    for n in 0..2_000 {
        ids.push(world.ingest().await);
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(world.snapshot().in_flight <= 3);
    }
    world.until("all settled", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
    let starts = ids.iter().map(|id| world.event(*id).attempts[0].started_at);
    assert!(starts.is_sorted());
    assert_eq!(world.sent().len(), 2_000);
}

#[actix::test]
async fn a_mock_destination_answers_inside() {
    let mut world = World::new(vec![]).await;
    let mut new = new_connection("mock", URL, vec![]);
    new.destination = Some(Reference::Inline(DestinationDraft {
        name: Some("mock".to_owned()),
        kind: Some(DestinationType::MockApi),
        ..DestinationDraft::default()
    }));
    let applied = world.handle.apply(Command::CreateConnection(new), Author::Gateway).await.unwrap();
    let mock = applied.configuration.connections.values().find(|one| one.name.as_deref() == Some("mock")).unwrap();
    let id = world.ingest_for(mock.id, mock.destination_id).await;
    world.reached(Milestone::Settled(id)).await;
    assert_eq!((world.phase(id), world.sent().len()), (Phase::Successful, 0));
}

#[actix::test]
async fn a_change_that_cannot_be_is_refused_and_one_that_cannot_be_kept_is_undone() {
    let mut world = World::new(vec![]).await;
    let taken = world
        .handle
        .apply(Command::CreateConnection(new_connection("one", URL, vec![])), Author::Gateway)
        .await
        .unwrap_err();
    assert!(matches!(taken, ActionError::Config(_)), "{taken}");
    world.faulty.fail(Write::PutConfig, 1, StoreError::DiskFull { low_bytes: 1 });
    let unkept = world.handle.apply(Command::Pause(world.connection), Author::Gateway).await.unwrap_err();
    assert!(matches!(unkept, ActionError::Store(_)), "{unkept}");
    let id = world.ingest().await;
    world.reached(Milestone::Settled(id)).await;
}

#[actix::test]
async fn data_that_was_erased_is_not_sent_even_if_it_lies_in_memory() {
    let mut world = World::with_concurrency(vec![], 1).await;
    world.transport.script(URL, [Script::Answer { status: 200, after: Duration::from_secs(5) }]);
    let under_way = world.ingest().await;
    let (erased, behind) = (world.ingest().await, world.ingest().await);
    world.until("in the window", |world| world.snapshot().window == 2).await;
    world.handle.erase(world.event(erased).request_id).await.unwrap();
    world.reached(Milestone::Settled(behind)).await;
    assert_eq!(world.bodies(), [1, 3]);
    assert_eq!(world.phase(under_way), Phase::Successful, "what is under way is");
    assert_eq!(world.event(erased).attempts[0].result.error(), Some(ErrorCode::PayloadMissing));
}
