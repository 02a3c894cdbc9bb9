//! Requests over connections that made no event of them, replays, bookmarks, erasing.

use super::*;
use crate::{
    actors::{ResendError, Resent},
    domain::{
        BookmarkId, Document, DocumentKey, Family, Ignored, IgnoredCause, RejectionCause,
        document::Bookmark,
        routing::{LATER_INDEX_MIN, RoutingError},
    },
    store::{DocumentChange, RequestFilter, StoreError, faulty::Write},
};

impl World {
    fn route(&self) -> Route {
        Route { connection_id: self.connection, destination_id: self.destination, generation: 0 }
    }

    /// Accepts a request that the world's connection ignored.
    async fn ignored(&mut self) -> RequestId {
        let ignored = Ignored { connection_id: self.connection, cause: IgnoredCause::Disabled };
        let new = NewRequest { ignored: vec![ignored], routes: vec![], ..self.request_for(self.route()) };
        let id = new.request.id;
        self.faulty.accept(new).await.unwrap();
        id
    }

    async fn delivered(&mut self, sent: &Resent) {
        for event in &sent.events {
            self.reached(Milestone::Settled(event.id())).await;
            assert_eq!(self.phase(event.id()), Phase::Successful);
        }
    }
}

#[actix::test]
async fn a_request_that_was_ignored_is_sent_when_it_is_tried_again_and_once() {
    let mut world = World::new(vec![]).await;
    let id = world.ignored().await;
    let sent = world.handle.retry_request(id, None).await.unwrap();
    assert_eq!((sent.request_id, sent.events.len()), (id, 1));
    assert_eq!(sent.events[0].id(), id.event(LATER_INDEX_MIN));
    world.delivered(&sent).await;
    assert_eq!(world.memory.events_of(id).unwrap().len(), 1);
    assert_eq!(world.memory.count_requests(&RequestFilter::default()), Ok(1), "no new request");
    assert_eq!(world.handle.retry_request(id, None).await.unwrap_err(), ResendError::NothingToDo);
    assert_eq!(world.bodies(), [1]);
}

#[actix::test]
async fn two_who_try_a_request_again_at_once_make_one_event_of_it() {
    let mut world = World::new(vec![]).await;
    let id = world.ignored().await;
    let (one, other) = tokio::join!(world.handle.retry_request(id, None), world.handle.retry_request(id, None));
    let mut answers = [one, other];
    answers.sort_by_key(Result::is_err);
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(ResendError::NothingToDo));
    let [Ok(sent), _] = answers else { unreachable!() };
    world.delivered(&sent).await;
    assert_eq!(world.bodies(), [1]);
}

#[actix::test]
async fn a_rejected_request_is_sent_over_the_connections_that_were_there() {
    let mut world = World::new(vec![]).await;
    let younger = async |world: &mut World| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        world.connect("younger", "https://younger.example", vec![]).await.0
    };
    let rejection = Some(RejectionCause::UnparsableJson);
    let new = NewRequest { rejection, routes: vec![], ..world.request_for(world.route()) };
    let id = new.request.id;
    world.faulty.accept(new).await.unwrap();
    let younger = younger(&mut world).await;
    assert_eq!(
        world.handle.retry_request(id, Some(vec![younger])).await.unwrap_err(),
        ResendError::NothingToDo,
        "it was not there"
    );
    let foreign = ConnectionId::from_bits(99);
    assert_eq!(
        world.handle.retry_request(id, Some(vec![foreign])).await.unwrap_err(),
        ResendError::Routing(RoutingError::Foreign(foreign))
    );
    let sent = world.handle.retry_request(id, None).await.unwrap();
    world.delivered(&sent).await;
    assert_eq!(world.bodies(), [1]);
}

#[actix::test]
async fn of_half_a_body_nothing_is_sent() {
    let mut world = World::new(vec![]).await;
    let new = world.request_for(world.route());
    let request = Request { body_truncated: true, ..new.request.as_ref().clone() };
    let rejection = Some(RejectionCause::PayloadTooLarge);
    let new = NewRequest { rejection, routes: vec![], request: Arc::new(request), ..new };
    let id = new.request.id;
    world.faulty.accept(new).await.unwrap();
    assert_eq!(world.handle.retry_request(id, None).await.unwrap_err(), ResendError::Truncated);
    assert_eq!(world.handle.replay_request(id).await.unwrap_err(), ResendError::Truncated);
}

#[actix::test]
async fn a_replay_is_a_new_request_and_leaves_the_old_one_alone() {
    let mut world = World::new(vec![]).await;
    let (_, second) = world.connect("second", "https://second.example", vec![]).await;
    let event = world.ingest().await;
    world.reached(Milestone::Settled(event)).await;
    let before = world.event(event);
    let sent = world.handle.replay_event(event).await.unwrap();
    assert_ne!(sent.request_id, before.request_id);
    assert_eq!(sent.events.iter().map(|event| event.connection_id).collect::<Vec<_>>(), [world.connection]);
    world.delivered(&sent).await;
    let sent = world.handle.replay_request(before.request_id).await.unwrap();
    assert_eq!(sent.events.len(), 2, "over every connection");
    assert!(sent.events.iter().any(|event| event.destination_id == second));
    world.until("sent", |world| world.bodies().len() == 4).await;
    assert_eq!(world.bodies(), [1, 1, 1, 1]);
    assert_eq!(world.event(event), before);
    assert_eq!(world.memory.count_requests(&RequestFilter::default()), Ok(3));
}

#[actix::test]
async fn nothing_is_replayed_over_what_cannot_send() {
    let mut world = World::new(vec![]).await;
    let event = world.ingest().await;
    world.reached(Milestone::Settled(event)).await;
    world.apply(Command::DisableConnection(world.connection)).await;
    let refused = world.handle.replay_event(event).await.unwrap_err();
    assert!(matches!(refused, ResendError::Routing(RoutingError::SwitchedOff(_))), "{refused}");
    let request = world.event(event).request_id;
    assert_eq!(world.handle.replay_request(request).await.unwrap().events, [], "as when it arrives: ignored");
    world.apply(Command::DisableSource(world.source)).await;
    let refused = world.handle.replay_request(request).await.unwrap_err();
    assert_eq!(refused, ResendError::Routing(RoutingError::SourceDisabled(world.source)));
    world.apply(Command::DeleteSource(world.source)).await;
    let refused = world.handle.replay_request(request).await.unwrap_err();
    assert_eq!(refused, ResendError::Routing(RoutingError::SourceDeleted(world.source)));
    assert_eq!(world.handle.replay_event(EventId::from_bits(9)).await.unwrap_err(), ResendError::NotFound("event"));
}

#[actix::test]
async fn a_bookmark_is_sent_over_its_connection_and_notes_when() {
    let mut world = World::new(vec![]).await;
    let pinned = world.request_for(world.route()).request;
    let bookmark = Bookmark {
        id: BookmarkId::from_bits(5),
        name: None,
        label: "kept".to_owned(),
        connection_id: world.connection,
        event_data_id: pinned.id.data(),
        last_used_at: None,
        created_at: T0,
        updated_at: T0,
        version: 1,
    };
    let put = DocumentChange::Put(Document::Bookmark(bookmark.clone()), Some(Arc::clone(&pinned)));
    world.memory.put_documents(vec![put]).await.unwrap();
    world.faulty.fail(Write::Accept, 1, StoreError::Conflict);
    let sent = world.handle.trigger(bookmark.id).await.unwrap();
    world.delivered(&sent).await;
    assert_eq!(world.bodies(), [1]);
    let key = DocumentKey { family: Family::Bookmark, id: 5 };
    let used = Bookmark { last_used_at: Some(sent.request_id.time()), version: 2, ..bookmark };
    assert_eq!(world.memory.document(key), Ok(Document::Bookmark(used)));
    assert!(world.memory.attached(key).is_ok(), "its data stays with it");
    let nobody = BookmarkId::from_bits(6);
    assert_eq!(world.handle.trigger(nobody).await.unwrap_err(), ResendError::NotFound("bookmark"));
}

#[actix::test]
async fn erasing_is_said_once_and_answered_again() {
    let mut world = World::new(vec![]).await;
    let event = world.ingest().await;
    world.reached(Milestone::Settled(event)).await;
    let request = world.event(event).request_id;
    let erased = world.handle.erase(request).await.unwrap();
    assert!(erased.at <= erased.bytes_gone_by);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(world.handle.erase(request).await, Ok(erased));
    assert_eq!(world.handle.replay_request(request).await.unwrap_err(), ResendError::DataGone);
    let nobody = RequestId::from_bits(77);
    assert_eq!(world.handle.erase(nobody).await.unwrap_err(), ResendError::NotFound("request"));
}
