//! Looking single things up, and what is not there.

use super::{
    START, Subject,
    kit::{accept_events, attempt, new_request, request, request_id, through},
};
use crate::{
    domain::{Event, EventId, Phase, Request, RequestId},
    store::{PayloadRef, Store, StoreError},
};

/// Nothing may be found under any of these: an event, its first attempt, a request of that number.
fn assert_absent(store: &dyn Store, id: EventId) {
    assert_eq!(store.event(id), Err(StoreError::NotFound), "{id}");
    assert_eq!(store.attempt(id.attempt(1)), Err(StoreError::NotFound), "{id}");
    assert_eq!(store.events_of(RequestId::from_bits(id.bits())), Err(StoreError::NotFound), "{id}");
}

pub fn ids_that_do_not_exist_are_not_found(subject: &mut dyn Subject) {
    assert_absent(&*subject.store(), request(0).id.event(0));
    let events = accept_events(&*subject.store(), 5, &[1, 2]);
    let tried = attempt(&*subject.store(), &events[0], START, 500, Phase::Failed);
    through(subject, |store| {
        let known = request(5).id;
        // Another fan-out place, other milliseconds, both ends of time.
        assert_absent(store, known.event(2));
        assert_absent(store, known.event(u16::MAX));
        for at in [START.plus_ms(4), START.plus_ms(6), crate::domain::Timestamp::EPOCH, START.plus_ms(1 << 40)] {
            assert_absent(store, request_id(5, at).event(0));
        }
        assert_absent(store, EventId::from_bits(0));
        assert_absent(store, EventId::from_bits(u128::MAX));
        // The request's own number names no event.
        assert_eq!(store.event(EventId::from_bits(known.bits())), Err(StoreError::NotFound));
        // The attempt that comes next is found without details.
        for (index, number) in [(0, 2), (1, 1)] {
            let next = store.attempt(events[index].id().attempt(number)).unwrap();
            assert_eq!((next.number, next.record), (number, None));
        }
        // Attempts beyond it, and the number that is none.
        let missing = [(0, 3), (0, u32::MAX), (1, 2), (0, 0)];
        for (index, number) in missing {
            assert_eq!(store.attempt(events[index].id().attempt(number)), Err(StoreError::NotFound), "{number}");
        }
        assert_eq!(store.attempt(tried.id().attempt(1)).unwrap().event, tried);
        assert!(store.request(PayloadRef(u64::MAX, u64::MAX)).is_err());
    });
}

/// Accepts a request under this id and tries its first event once.
fn accept_as(store: &dyn Store, id: RequestId, connections: &[u64]) -> Vec<Event> {
    store.accept(new_request(Request { id, ..request(0) }, connections)).wait().unwrap();
    let mut events = store.events_of(id).unwrap();
    events[0] = attempt(store, &events[0], START, 500, Phase::Failed);
    events
}

/// Everything of these events is found under their ids.
fn assert_found(store: &dyn Store, events: &[Event]) {
    for event in events {
        let found = store.event(event.id()).unwrap();
        assert_eq!(found.event, *event);
        assert_eq!(store.request(found.payload_ref).unwrap().id, event.request_id);
        let attempt = store.attempt(event.id().attempt(1)).unwrap();
        assert_eq!((attempt.event, attempt.number), (event.clone(), 1));
        assert_eq!(attempt.record.is_some(), !event.attempts.is_empty());
    }
    assert_eq!(store.events_of(events[0].request_id).unwrap(), events);
}

pub fn neighbours_of_the_same_millisecond_are_told_apart(subject: &mut dyn Subject) {
    // Near enough for the attempts' numbers of one to reach the ids of the next, and out of order.
    let randoms = [700, 10_000, 4_000, (1 << 79) + 70_000, 1 << 79, (1 << 32) * 90];
    let ids: Vec<RequestId> = randoms.map(|random| RequestId::from_parts(START, random)).to_vec();
    let events: Vec<Vec<Event>> = ids.iter().map(|id| accept_as(&*subject.store(), *id, &[1, 2, 3])).collect();
    through(subject, |store| {
        for of_one in &events {
            assert_found(store, of_one);
        }
        assert_absent(store, RequestId::from_parts(START, 701).event(7));
        assert_absent(store, RequestId::from_parts(START, (1 << 79) + 1).event(7));
    });
}

pub fn ids_that_wrap_in_their_random_part_are_found(subject: &mut dyn Subject) {
    // The first event of one and the second of the other lie beyond the end of the random part.
    let randoms = [u128::MAX, (1 << 80) - (1 << 32) - (1 << 31)];
    let ids: Vec<RequestId> = randoms.map(|random| RequestId::from_parts(START, random)).to_vec();
    let events: Vec<Vec<Event>> = ids.iter().map(|id| accept_as(&*subject.store(), *id, &[1, 2, 3])).collect();
    assert!(events[0][0].id().bits() < ids[0].bits(), "it wraps");
    through(subject, |store| {
        for of_one in &events {
            assert_found(store, of_one);
        }
    });
}
