//! Accepting requests: fan-out, numbers, times, repetition, bytes.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::{
    Happening, START, Subject,
    kit::{Ear, accept, fresh_event, new_request, queued_seqs, request, request_id, through, walk},
};
use crate::{
    clock::Clock,
    domain::{Request, Timestamp},
    store::{EventFilter, EventOrder, NewRequest, PageRequest, StoreError},
};

pub fn a_request_becomes_one_ready_event_per_route(subject: &mut dyn Subject) {
    let new = new_request(request(1), &[3, 1, 2]);
    let accepted = subject.store().accept(new.clone()).wait().unwrap();
    assert_eq!((accepted.events, accepted.created_at), (3, START));
    let expected: Vec<_> = (0..3).map(|index| fresh_event(&new, &accepted, index)).collect();
    through(subject, |store| {
        assert_eq!(store.events_of(new.request.id).unwrap(), expected);
        assert_eq!(walk(store, &EventFilter::default(), false, 10, START), expected);
        for event in &expected {
            assert_eq!(store.event(event.id()).unwrap().event, *event);
        }
        assert_eq!(store.stats().events, 3);
    });
}

pub fn seqs_are_dense_and_rise_from_request_to_request(subject: &mut dyn Subject) {
    let store = subject.store();
    let first = accept(&*store, 0, &[1, 2]);
    let second = accept(&*store, 1, &[]);
    let third = accept(&*store, 2, &[1]);
    let fourth = accept(&*store, 3, &[1, 2, 3, 4]);
    let base = first.first_seq;
    assert_eq!([second.first_seq, third.first_seq, fourth.first_seq], [base + 2, base + 2, base + 3]);
    drop(store);
    let mut last = fourth.first_seq + 3;
    // What comes after a restart may leave numbers out, but never takes one twice.
    let restarts: [(u64, Happening); 2] = [(10, |subject| subject.crash()), (11, |subject| subject.reopen())];
    for (n, restart) in restarts {
        restart(subject);
        let after = accept(&*subject.store(), n, &[1]);
        assert!(after.first_seq > last, "{} after {last}", after.first_seq);
        last = after.first_seq;
    }
}

pub fn created_at_never_goes_back_with_the_clock(subject: &mut dyn Subject) {
    let clock = subject.clock();
    let late = START.plus_ms(5_000);
    let mut created = Vec::new();
    for (n, at) in [(0, START), (1, late), (2, START), (3, START.plus_ms(4_999)), (4, late.plus_ms(1))] {
        clock.set(at);
        created.push(accept(&*subject.store(), n, &[1]).created_at);
    }
    assert_eq!(created, [START, late, late, late, late.plus_ms(1)]);
    clock.set(START);
    subject.crash();
    assert_eq!(accept(&*subject.store(), 5, &[1]).created_at, late.plus_ms(1));
    subject.reopen();
    assert_eq!(accept(&*subject.store(), 6, &[1]).created_at, late.plus_ms(1));
    let found = walk(&*subject.store(), &EventFilter::default(), false, 3, clock.now());
    assert!(found.is_sorted_by_key(|event| (event.created_at, event.seq)));
}

pub fn the_same_request_id_again_answers_as_before_and_stores_nothing(subject: &mut dyn Subject) {
    let store = subject.store();
    let accepted = accept(&*store, 0, &[1, 2]);
    let rejected = accept(&*store, 1, &[]);
    subject.clock().advance_ms(1_000);
    let other = Request { body: Bytes::from_static(b"other"), ..request(0) };
    assert_eq!(store.accept(new_request(other, &[1, 2, 3])).wait(), Ok(accepted.clone()));
    assert_eq!(store.accept(new_request(request(1), &[])).wait(), Ok(rejected));
    let payload_ref = store.event(request(0).id.event(0)).unwrap().payload_ref;
    assert_eq!(store.request(payload_ref).unwrap(), request(0));
    through(subject, |store| assert_eq!(store.count(&EventFilter::default(), START), Ok(2)));
    assert!(accept(&*subject.store(), 2, &[1]).first_seq >= accepted.first_seq + 2);
}

pub fn a_request_without_routes_is_taken_and_becomes_no_event(subject: &mut dyn Subject) {
    let accepted = accept(&*subject.store(), 0, &[]);
    assert_eq!((accepted.events, accepted.created_at), (0, START));
    through(subject, |store| {
        assert_eq!(store.count(&EventFilter::default(), START), Ok(0));
        assert_eq!(store.events_of(request(0).id), Err(StoreError::NotFound));
        let page = PageRequest { order: EventOrder::Created, descending: true, after: None, limit: 10 };
        assert!(store.events(&EventFilter::default(), &page, START).unwrap().events.is_empty());
    });
}

pub fn a_request_reads_back_byte_for_byte(subject: &mut dyn Subject) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let odd = Request {
        method: "PATCH".to_owned(),
        path: "/a%20b/%ff%FE%00//../ü".to_owned(),
        query: Some("q=%zz&a=2&a=1&%c3%28&empty=&+".to_owned()),
        headers: [
            ("x-twice", &b"second"[..]),
            ("accept", b"*/*"),
            ("x-twice", b"first"),
            ("x-bytes", &all_bytes[128..]),
            ("x-empty", b""),
        ]
        .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value)))
        .to_vec(),
        body: Bytes::from(all_bytes.repeat(5)),
        client_ip: Some("2001:db8::7".parse().unwrap()),
        received_at: Timestamp::from_ms(START.ms() - 7),
        ..request(0)
    };
    let bare = Request { query: Some(String::new()), headers: Vec::new(), body: Bytes::new(), ..request(1) };
    let large = Request {
        body: Bytes::from(all_bytes.repeat(4096)),
        client_ip: Some("203.0.113.9".parse().unwrap()),
        ..request(2)
    };
    let requests = [odd, bare, large];
    for request in &requests {
        subject.store().accept(new_request(request.clone(), &[1, 2])).wait().unwrap();
    }
    through(subject, |store| {
        for request in &requests {
            for index in 0..2 {
                let found = store.event(request.id.event(index)).unwrap();
                assert!(store.request(found.payload_ref).unwrap() == *request, "{} differs", request.id);
            }
        }
        let queue = store.pending(super::kit::connection_id(1), START, None, 10).unwrap().events;
        let read: Vec<_> = queue.iter().map(|pending| store.request(pending.payload_ref).unwrap()).collect();
        assert!(read == requests, "a request of the queue differs");
    });
}

pub fn the_largest_fan_out_is_all_there(subject: &mut dyn Subject) {
    let connections: Vec<u64> = (0..10_000).collect();
    let new = new_request(request(0), &connections);
    let accepted = subject.store().accept(new.clone()).wait().unwrap();
    assert_eq!(accepted.events, 10_000);
    through(subject, |store| {
        let events = store.events_of(new.request.id).unwrap();
        assert_eq!(events.len(), 10_000);
        for (index, event) in (0..).zip(&events) {
            assert_eq!(*event, fresh_event(&new, &accepted, index));
        }
        assert_eq!(store.count(&EventFilter::default(), START), Ok(10_000));
        assert_eq!(queued_seqs(store, 9_999, START), [accepted.first_seq + 9_999]);
    });
}

pub fn requests_of_many_threads_get_seqs_of_their_own(subject: &mut dyn Subject) {
    const THREADS: u64 = 4;
    const EACH: u64 = 50;
    let store = subject.store();
    let ear = Ear::to(&*store);
    let of_thread = |thread: u64| {
        let store = Arc::clone(&store);
        move || {
            let accepted = (0..EACH).map(|n| {
                let request = Request { id: request_id(thread * EACH + n, START), ..request(n) };
                store.accept(NewRequest { ..new_request(request, &[1, 1]) }).wait().unwrap().first_seq
            });
            accepted.collect::<Vec<_>>()
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|thread| std::thread::spawn(of_thread(thread))).collect();
    let seqs: Vec<Vec<u64>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(seqs.iter().all(|of_one| of_one.is_sorted()), "one thread's requests keep their order");
    let all: BTreeSet<u64> = seqs.into_iter().flatten().collect();
    let first = *all.first().unwrap();
    assert!(all.iter().copied().eq((0..THREADS * EACH).map(|n| first + 2 * n)), "dense, each once: {all:?}");
    let offers = ear.next_offers(usize::try_from(THREADS * EACH * 2).unwrap());
    assert!(offers.iter().map(|offer| offer.event.seq).eq(first..first + THREADS * EACH * 2), "offered in order");
}
