//! Bulk operations: what they find, how fast they go, what stops them, and what a crash repeats.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    actors::{BulkError, BulkSettings, Selection, is_unfinished},
    domain::{
        AttemptTrigger, BulkId, Document, DocumentKey, Family, Ignored, IgnoredCause, RejectionCause,
        document::{Bulk, BulkKind},
    },
    store::{EventFilter, RequestFilter, StoreError, faulty::Write},
    transport::scripted::Script,
};

/// Things a second in these tests.
const RATE: u32 = 100;

/// Filters as words: what the API says in objects.
pub(super) fn settings() -> BulkSettings {
    let reader = |kind, query: &str| selection(kind, query).ok_or_else(|| format!("{query} is no filter"));
    BulkSettings { rate_per_s: RATE, reader: Arc::new(reader) }
}

fn selection(kind: BulkKind, query: &str) -> Option<Selection> {
    let with = |statuses: &[EventStatus]| EventFilter { statuses: statuses.to_vec(), ..EventFilter::default() };
    Some(match (kind, query) {
        (BulkKind::EventsRetry | BulkKind::EventsCancel, "") => {
            Selection::Events { filter: Arc::default(), content: None }
        }
        (BulkKind::EventsRetry | BulkKind::EventsCancel, "FAILED") => {
            Selection::Events { filter: Arc::new(with(&[EventStatus::Failed])), content: None }
        }
        (BulkKind::EventsRetry | BulkKind::EventsCancel, "even") => Selection::Events {
            filter: Arc::default(),
            content: Some(Arc::new(|request| request.body.last().is_some_and(|digit| digit % 2 == 0))),
        },
        (BulkKind::RequestsRetry | BulkKind::RequestsReplay, "") => {
            Selection::Requests { filter: RequestFilter::default(), content: None }
        }
        (BulkKind::IgnoredEventsRetry, "") => Selection::Ignored { causes: Vec::new(), connections: Vec::new() },
        _ => return None,
    })
}

impl World {
    async fn start(&self, kind: BulkKind, query: &str) -> Result<BulkId, BulkError> {
        let selection = selection(kind, query).unwrap();
        Ok(self.handle.start_bulk(kind, query.to_owned(), selection).await?.id)
    }

    fn bulk(&self, id: BulkId) -> Bulk {
        match self.memory.document(DocumentKey { family: Family::Bulk, id: id.bits() }) {
            Ok(Document::Bulk(bulk)) => bulk,
            other => panic!("{other:?}"),
        }
    }

    /// Ingests so many, which fail.
    async fn failed(&mut self, count: usize) -> Vec<EventId> {
        self.transport.script(URL, vec![Script::status(500); count]);
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.ingest().await);
        }
        let all = ids.clone();
        self.until("all failed", move |world| all.iter().all(|id| world.phase(*id) == Phase::Failed)).await;
        ids
    }

    /// How often each request was sent.
    fn times(&self) -> BTreeMap<u32, usize> {
        let mut times = BTreeMap::new();
        for body in self.bodies() {
            *times.entry(body).or_default() += 1;
        }
        times
    }
}

#[actix::test]
async fn what_failed_is_tried_again_once_and_says_by_whom_and_what_comes_later_is_left_alone() {
    let mut world = World::new(vec![]).await;
    let ids = world.failed(300).await;
    let good = world.ingest().await;
    world.reached(Milestone::Settled(good)).await;
    let begun = world.now();
    let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    assert_eq!(world.bulk(bulk).planned, 300);
    let later = world.failed(1).await;
    world.reached(Milestone::BulkEnded(bulk)).await;
    let took = world.now().ms_since(begun);
    assert!((2_800..4_000).contains(&took), "a hundred a second, not {took} ms for all");
    world.until("all sent", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
    let ended = world.bulk(bulk);
    assert_eq!((ended.completed, ended.failed, is_unfinished(&ended)), (300, 0, false));
    assert!(ended.completed_at.is_some() && ended.cancelled_at.is_none());
    let event = world.event(ids[7]);
    assert_eq!((event.bulk_id, event.attempts[1].trigger), (Some(bulk), AttemptTrigger::BulkRetry));
    assert_eq!((world.phase(later[0]), world.event(later[0]).attempts.len()), (Phase::Failed, 1));
    let expected: BTreeMap<u32, usize> = (1..=300).map(|body| (body, 2)).chain([(301, 1), (302, 1)]).collect();
    assert_eq!(world.times(), expected);
}

#[actix::test]
async fn a_crash_in_the_middle_repeats_nothing_and_forgets_nothing() {
    for writes in [0, 1, 2] {
        let mut world = World::new(vec![]).await;
        let ids = world.failed(250).await;
        // The progress of a batch is lost with the process, while the batch itself was done.
        world.faulty.fail(Write::PutDocuments, writes + 3, StoreError::Closed);
        let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
        let asked = move |world: &World, id: &EventId| world.event(*id).bulk_id == Some(bulk);
        let done = (writes + 1) * RATE as usize;
        world.until("a batch", |world| ids.iter().filter(|id| asked(world, id)).count() == done.min(250)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(world.bulk(bulk).completed, (writes * RATE as usize) as u64, "not written down");
        let before = world.times();
        let mut world = world.reborn(4).await;
        if done < 250 {
            world.reached(Milestone::BulkEnded(bulk)).await;
        }
        world.until("ended", |world| !is_unfinished(&world.bulk(bulk))).await;
        world.until("all sent", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
        assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).failed), (250, 0));
        let mut times = before;
        for (body, again) in world.times() {
            *times.entry(body).or_default() += again;
        }
        assert_eq!(times, (1..=250).map(|body| (body, 2)).collect(), "{writes} batches were written down");
        tokio::time::resume();
    }
}

#[actix::test]
async fn an_event_is_decided_on_its_state_at_its_turn() {
    let mut world = World::new(vec![]).await;
    let ids = world.failed(200).await;
    let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    let last = ids[99];
    world.handle.retry(last, Asked::Manual).await.unwrap();
    world.reached(Milestone::Settled(last)).await;
    world.handle.delete(ids[150]).await.unwrap();
    world.reached(Milestone::BulkEnded(bulk)).await;
    assert_eq!((world.phase(last), world.event(last).attempts.len()), (Phase::Successful, 2), "it failed no more");
    assert_eq!(world.event(ids[150]).attempts.len(), 1);
    assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).failed), (198, 0));
}

#[actix::test]
async fn a_stopped_operation_begins_nothing_more_and_stays_stopped_after_a_crash() {
    let mut world = World::new(vec![]).await;
    let ids = world.failed(500).await;
    let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    world.until("some", |world| world.event(ids[120]).bulk_id.is_some()).await;
    let stopped = world.handle.stop_bulk(BulkKind::EventsRetry, bulk).await.unwrap();
    assert!(stopped.cancelled_at.is_some());
    world.reached(Milestone::BulkEnded(bulk)).await;
    let asked = |world: &World| ids.iter().filter(|id| world.event(**id).bulk_id == Some(bulk)).count();
    let there = asked(&world);
    assert!((121..200).contains(&there), "{there}");
    assert_eq!(world.bulk(bulk).completed, there as u64);
    assert_eq!(world.bulk(bulk).completed_at, None);
    let again = world.handle.stop_bulk(BulkKind::EventsRetry, bulk).await.unwrap();
    assert_eq!(again.cancelled_at, stopped.cancelled_at, "as it was");
    let wrong = world.handle.stop_bulk(BulkKind::EventsCancel, bulk).await.unwrap_err();
    assert_eq!(wrong, BulkError::NotFound);
    let world = world.reborn(4).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(asked(&world), there);
}

#[actix::test]
async fn what_is_pending_is_cancelled_and_what_has_settled_is_not_even_counted() {
    let mut world = World::new(vec![]).await;
    let settled = world.failed(3).await;
    world.pause().await;
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(world.ingest().await);
    }
    let bulk = world.start(BulkKind::EventsCancel, "").await.unwrap();
    assert_eq!(world.bulk(bulk).planned, 150);
    world.reached(Milestone::BulkEnded(bulk)).await;
    assert!(held.iter().all(|id| world.status(*id) == EventStatus::Cancelled));
    assert!(settled.iter().all(|id| world.phase(*id) == Phase::Failed));
    assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).failed), (150, 0));
    world.unpause().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bodies().len(), 3);
    assert_eq!(world.start(BulkKind::EventsCancel, "").await.unwrap_err(), BulkError::Empty);
}

#[actix::test]
async fn what_cannot_be_sent_counts_as_failed() {
    let mut world = World::new(vec![]).await;
    world.failed(20).await;
    world.apply(Command::DisableConnection(world.connection)).await;
    let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    world.reached(Milestone::BulkEnded(bulk)).await;
    assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).failed), (0, 20));
}

#[actix::test]
async fn a_filter_on_data_is_read_and_kept_to() {
    let mut world = World::new(vec![]).await;
    world.failed(10).await;
    let plan = world.handle.plan_bulk(BulkKind::EventsRetry, selection(BulkKind::EventsRetry, "even").unwrap());
    let plan = plan.await.unwrap();
    assert_eq!((plan.count, plan.complete), (5, true));
    let bulk = world.start(BulkKind::EventsRetry, "even").await.unwrap();
    world.reached(Milestone::BulkEnded(bulk)).await;
    world.until("sent", |world| world.bodies().len() == 15).await;
    let twice: BTreeSet<u32> =
        world.times().into_iter().filter(|(_, times)| *times == 2).map(|(body, _)| body).collect();
    assert_eq!(twice, [2, 4, 6, 8, 10].into());
}

#[actix::test]
async fn operations_of_different_kinds_run_side_by_side_and_of_one_kind_after_each_other() {
    let mut world = World::new(vec![]).await;
    let ids = world.failed(200).await;
    let first = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = world.start(BulkKind::EventsRetry, "").await.unwrap();
    let replays = world.start(BulkKind::RequestsReplay, "").await.unwrap();
    world.until("both run", |world| world.bodies().len() > 210).await;
    assert!(ids.iter().all(|id| world.event(*id).bulk_id != Some(second)));
    for bulk in [first, second, replays] {
        world.until("ended", |world| !is_unfinished(&world.bulk(bulk))).await;
    }
    world.until("sent", |world| world.bodies().len() == 4 * 200).await;
    assert!(ids.iter().all(|id| world.event(*id).bulk_id == Some(second)));
}

#[actix::test]
async fn replayed_requests_come_once_however_often_a_batch_is_repeated() {
    let mut world = World::new(vec![]).await;
    world.failed(150).await;
    world.faulty.fail(Write::PutDocuments, 3, StoreError::Closed);
    let bulk = world.start(BulkKind::RequestsReplay, "").await.unwrap();
    world.until("a batch", |world| world.bodies().len() == 250).await;
    let before = world.bodies().len();
    let world = world.reborn(4).await;
    world.until("ended", |world| !is_unfinished(&world.bulk(bulk))).await;
    world.until("all sent", |world| before + world.bodies().len() == 300).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(before + world.bodies().len(), 300);
    assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).planned), (150, 150));
    assert_eq!(world.memory.count_requests(&RequestFilter::default()), Ok(300));
}

#[actix::test]
async fn rejected_and_ignored_requests_are_retried_where_they_made_no_event() {
    let mut world = World::new(vec![]).await;
    world.transport.script(URL, vec![]);
    let route =
        |world: &World| Route { connection_id: world.connection, destination_id: world.destination, generation: 0 };
    let ignored = Ignored { connection_id: world.connection, cause: IgnoredCause::Disabled };
    tokio::time::sleep(Duration::from_millis(5)).await;
    for number in 0..30 {
        let mut new = world.request_for(route(&world));
        match number % 3 {
            0 => {}
            1 => (new.routes, new.ignored) = (Vec::new(), vec![ignored]),
            _ => (new.routes, new.rejection) = (Vec::new(), Some(RejectionCause::UnparsableJson)),
        }
        world.faulty.accept(new).await.unwrap();
    }
    let ignored = world.start(BulkKind::IgnoredEventsRetry, "").await.unwrap();
    assert_eq!(world.bulk(ignored).planned, 10);
    world.reached(Milestone::BulkEnded(ignored)).await;
    assert_eq!(world.bulk(ignored).completed, 10);
    let requests = world.start(BulkKind::RequestsRetry, "").await.unwrap();
    assert_eq!(world.bulk(requests).planned, 20, "what was ignored or rejected");
    world.reached(Milestone::BulkEnded(requests)).await;
    assert_eq!((world.bulk(requests).completed, world.bulk(requests).failed), (10, 0), "ten had theirs by then");
    world.until("all sent", |world| world.bodies().len() == 30).await;
    assert_eq!(world.times(), (1..=30).map(|body| (body, 1)).collect());
}

#[actix::test]
async fn an_operation_whose_filter_cannot_be_read_ends_as_failed() {
    let mut world = World::new(vec![]).await;
    world.failed(3).await;
    let all = selection(BulkKind::EventsRetry, "").unwrap();
    let bulk = world.handle.start_bulk(BulkKind::EventsRetry, "of tomorrow".to_owned(), all).await.unwrap().id;
    world.until("ended", |world| !is_unfinished(&world.bulk(bulk))).await;
    assert_eq!((world.bulk(bulk).completed, world.bulk(bulk).failed), (0, 3));
}

#[actix::test]
async fn a_store_without_room_holds_an_operation_up_and_loses_nothing_of_it() {
    let mut world = World::new(vec![]).await;
    let ids = world.failed(150).await;
    world.faulty.fail(Write::PutDocuments, 3, StoreError::Overloaded("the queue"));
    let bulk = world.start(BulkKind::EventsRetry, "FAILED").await.unwrap();
    world.until("ended", |world| !is_unfinished(&world.bulk(bulk))).await;
    world.until("all sent", |world| ids.iter().all(|id| world.phase(*id) == Phase::Successful)).await;
    assert_eq!(world.bulk(bulk).completed, 150);
    assert_eq!(world.times(), (1..=150).map(|body| (body, 2)).collect());
}
