//! Offers of new events: order, grouping, what rides along.

use std::sync::{Arc, Weak};

use super::{
    START, Subject,
    kit::{Ear, connection_id, eventually, fresh_event, new_request, queued_seqs, request},
};
use crate::store::{Accepted, NewRequest, Store};

pub fn offers_arrive_in_order_with_body_and_permit(subject: &mut dyn Subject) {
    let store = subject.store();
    let ear = Ear::to(&*store);
    let mut expected = Vec::new();
    for n in 0..50 {
        let permit: Arc<dyn std::any::Any + Send + Sync> = Arc::new(n);
        let new = NewRequest { body_permit: Some(Arc::clone(&permit)), ..new_request(request(n), &[1]) };
        let commit = store.accept(new.clone());
        expected.push((new, permit, commit));
    }
    let offers = ear.next_offers(50);
    for (offer, (new, permit, commit)) in offers.iter().zip(expected) {
        let accepted = commit.wait().unwrap();
        assert_eq!(offer.event, fresh_event(&new, &accepted, 0));
        assert!(offer.request.as_ref().is_none_or(|request| *request == new.request));
        assert!(offer.body_permit.as_ref().is_some_and(|carried| Arc::ptr_eq(carried, &permit)));
        assert_eq!(store.request(offer.payload_ref).unwrap(), *new.request);
    }
    assert!(offers.is_sorted_by_key(|offer| offer.event.seq));
    assert!(offers[0].request.is_some(), "there is memory for one small request");
}

pub fn the_offers_of_a_request_are_grouped_by_connection(subject: &mut dyn Subject) {
    let store = subject.store();
    let ear = Ear::to(&*store);
    let Accepted { first_seq, .. } = store.accept(new_request(request(0), &[1, 2, 1, 3])).wait().unwrap();
    let mut calls: Vec<_> = (0..3).map(|_| ear.next()).collect();
    calls.sort_by_key(|(connection, _)| *connection);
    let seqs: Vec<_> = calls
        .iter()
        .map(|(connection, offers)| {
            assert!(offers.iter().all(|offer| offer.event.connection_id == *connection));
            (*connection, offers.iter().map(|offer| offer.event.seq - first_seq).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(seqs, [(connection_id(1), vec![0, 2]), (connection_id(2), vec![1]), (connection_id(3), vec![3])]);
}

pub fn an_event_is_offered_once_and_visible_then(subject: &mut dyn Subject) {
    let store = subject.store();
    let ear = Ear::to(&*store);
    for (n, connections) in [(0, &[1][..]), (0, &[1]), (1, &[]), (2, &[1])] {
        store.accept(new_request(request(n), connections)).detach();
    }
    // Nobody has awaited the commits: what is offered is visible by that alone.
    let offers = ear.next_offers(2);
    for offer in &offers {
        assert_eq!(store.event(offer.event.id()).unwrap().event, offer.event);
    }
    let requests: Vec<_> = offers.iter().map(|offer| offer.event.request_id).collect();
    assert_eq!(requests, [request(0).id, request(2).id]);
    let seqs: Vec<_> = offers.iter().map(|offer| offer.event.seq).collect();
    assert_eq!(queued_seqs(&*store, 1, START), seqs);
}

pub fn the_permit_is_freed_by_the_last_holder_of_an_offer(subject: &mut dyn Subject) {
    let store = subject.store();
    let ear = Ear::to(&*store);
    let permit: Arc<dyn std::any::Any + Send + Sync> = Arc::new("permit");
    let watched: Weak<_> = Arc::downgrade(&permit);
    let new = NewRequest { body_permit: Some(permit), ..new_request(request(0), &[1, 2]) };
    store.accept(new).wait().unwrap();
    let mut offers = ear.next_offers(2);
    offers.pop();
    assert!(watched.upgrade().is_some(), "one offer still holds it");
    offers.pop();
    eventually("the permit is freed", || watched.upgrade().is_none());
    // Nobody to tell: nothing may hold it either.
    subject.crash();
    let permit: Arc<dyn std::any::Any + Send + Sync> = Arc::new("permit");
    let watched: Weak<_> = Arc::downgrade(&permit);
    let store: Arc<dyn Store> = subject.store();
    store.accept(NewRequest { body_permit: Some(permit), ..new_request(request(1), &[1]) }).wait().unwrap();
    eventually("the permit is freed", || watched.upgrade().is_none());
}
