//! Documents through rebuilds and retention, and the promise that what was erased is gone from the disk.

use std::{fs, sync::Arc, time::Duration};

use super::kit::{LocalSubject, accept, accept_all, everything, files_with, finish_all, now};
use crate::{
    domain::{Document, Event, Family, RequestId, Timestamp},
    store::{
        DocumentChange, DocumentStretch, NewRequest, Store, StoreError,
        conformance::{
            START, Subject,
            documents::{audit, bookmark, erasure, put, view},
            kit::{new_request, request},
        },
    },
};

const DAY_MS: u64 = 24 * 3600 * 1000;
const HOUR_MS: u64 = 3600 * 1000;
/// What an erased request must not leave behind anywhere.
const PRIVATE: &[u8] = b"private-and-confidential";

fn with_a_day() -> LocalSubject {
    LocalSubject::with(|options| {
        options.retention = Duration::from_millis(DAY_MS);
        options.retention_interval = Duration::from_millis(HOUR_MS);
        options.segment_bytes = 64 * 1024;
    })
}

fn all(store: &dyn Store) -> Vec<Document> {
    let stretch = DocumentStretch { descending: false, after: None, limit: usize::MAX };
    Family::ALL.into_iter().flat_map(|family| store.documents(family, stretch).unwrap()).collect()
}

/// Fills segments with events that are done.
fn fill(subject: &LocalSubject, count: usize) {
    let store = subject.store();
    for _ in (0..count).step_by(50) {
        let events = accept_all(store.as_ref(), [500; 50]);
        finish_all(store.as_ref(), events, now(subject), 200);
    }
}

/// What a day of retention after a day of something else makes of the journal.
fn pass_a_day(subject: &LocalSubject) {
    subject.clock().advance_ms(2 * DAY_MS);
    fill(subject, 200);
    subject.settle();
    subject.local().retain_now().unwrap();
    subject.settle();
}

fn rebuild(subject: &mut LocalSubject) {
    let directory = subject.close().to_owned();
    fs::remove_dir_all(directory.join("state")).unwrap();
    fs::remove_file(directory.join("CHECKPOINT")).unwrap();
    subject.open();
}

#[test]
fn documents_outlive_the_segments_they_were_written_to_with_what_is_attached() {
    let mut subject = with_a_day();
    let store = subject.store();
    let attached = Arc::new(request(9));
    let keep = DocumentChange::Put(bookmark(1, 1), Some(Arc::clone(&attached)));
    store.put_documents(vec![keep]).wait().unwrap();
    put(&*store, (1..6).map(|n| view(n, 1))).unwrap();
    fill(&subject, 500);
    // Its data lies in an older segment than it does itself.
    put(&*store, [bookmark(1, 2), view(2, 2)]).unwrap();
    fill(&subject, 500);
    let gone = [(3, 1), (2, 2)].map(|(n, version)| DocumentChange::Remove(view(n, version).key(), version));
    store.put_documents(gone.to_vec()).wait().unwrap();
    drop(store);
    let expected = vec![view(1, 1), view(4, 1), view(5, 1), bookmark(1, 2)];
    let check = |subject: &LocalSubject| {
        assert_eq!(all(subject.store().as_ref()), expected);
        assert_eq!(subject.store().attached(bookmark(1, 2).key()).as_ref(), Ok(attached.as_ref()));
    };
    check(&subject);
    for _ in 0..3 {
        let before = subject.store().stats().journal_bytes;
        pass_a_day(&subject);
        assert!(subject.store().stats().journal_bytes < before.max(600_000), "segments went");
        check(&subject);
        subject.reopen();
        check(&subject);
        rebuild(&mut subject);
        check(&subject);
    }
}

#[test]
fn a_document_that_was_taken_away_stays_away_when_an_older_segment_that_had_it_stays() {
    let mut subject = with_a_day();
    let store = subject.store();
    put(&*store, [view(1, 1), view(2, 1)]).unwrap();
    // So much waits that its segment is not worth emptying.
    accept_all(store.as_ref(), [500; 100]);
    fill(&subject, 200);
    store.put_documents(vec![DocumentChange::Remove(view(1, 1).key(), 1)]).wait().unwrap();
    drop(store);
    fill(&subject, 500);
    for _ in 0..2 {
        pass_a_day(&subject);
        rebuild(&mut subject);
        assert_eq!(all(subject.store().as_ref()), [view(2, 1)]);
    }
    put(subject.store().as_ref(), [view(1, 1)]).unwrap();
    rebuild(&mut subject);
    assert_eq!(all(subject.store().as_ref()), [view(1, 1), view(2, 1)]);
}

#[test]
fn the_audit_is_kept_as_long_as_events_are() {
    let mut subject = with_a_day();
    put(subject.store().as_ref(), [audit(1), audit(2), view(1, 1)]).unwrap();
    subject.settle();
    subject.clock().advance_ms(DAY_MS + 2);
    let kept = vec![view(1, 1), audit(2)];
    assert_eq!(all(subject.store().as_ref()), kept, "what is past its time is hidden at once");
    assert_eq!(subject.store().document(audit(1).key()), Err(StoreError::NotFound));
    rebuild(&mut subject);
    assert_eq!(all(subject.store().as_ref()), kept);
    pass_a_day(&subject);
    assert_eq!(all(subject.store().as_ref()), [view(1, 1)]);
    rebuild(&mut subject);
    assert_eq!(all(subject.store().as_ref()), [view(1, 1)]);
}

#[test]
fn more_documents_than_a_rebuild_holds_in_memory_are_all_there_after_it() {
    let mut subject = LocalSubject::new();
    let store = subject.store();
    for start in (0..40_000).step_by(1_000) {
        store
            .put_documents((start..start + 1_000).map(|n| DocumentChange::Put(view(n, 1), None)).collect())
            .wait()
            .unwrap();
    }
    put(&*store, (0..40_000).step_by(1_000).map(|n| view(n, 2))).unwrap();
    drop(store);
    rebuild(&mut subject);
    let views = all(subject.store().as_ref());
    assert_eq!(views.len(), 40_000);
    assert!(views.iter().zip(0..).all(|(found, n)| *found == view(n, if n % 1_000 == 0 { 2 } else { 1 })));
}

/// A request with something private in it, on a connection where it waits.
fn private(n: u64) -> NewRequest {
    let request = request(n);
    let body = [PRIVATE, &request.body].concat().into();
    new_request(crate::domain::Request { body, ..request }, &[1])
}

/// Lets time pass as a running gateway does, pass by pass, until a moment; something happens in each hour.
fn run_until(subject: &LocalSubject, end: Timestamp) {
    while now(subject) < end {
        subject.clock().advance_ms(HOUR_MS.min(end.ms_since(now(subject))));
        subject.settle();
        subject.local().retain_now().unwrap();
    }
}

fn private_files(subject: &LocalSubject) -> usize {
    files_with(&subject.options().directory, PRIVATE).len()
}

fn erase(subject: &LocalSubject, n: u64) -> Timestamp {
    put(subject.store().as_ref(), [erasure(n)]).unwrap();
    subject.store().erased_by(request(n).id).unwrap()
}

#[test]
fn what_was_erased_is_gone_from_the_disk_in_time_whatever_else_lives_in_its_segment() {
    let mut subject = with_a_day();
    let store = subject.store();
    let waiting = accept_all(store.as_ref(), [500; 60]);
    store.accept(private(1)).wait().unwrap();
    let more = accept_all(store.as_ref(), [500; 60]);
    drop(store);
    fill(&subject, 500);
    let by = erase(&subject, 1);
    assert!(private_files(&subject) > 0, "nothing is written over");
    run_until(&subject, by);
    assert_eq!(private_files(&subject), 0, "its segment is full of what waits, and gone");
    let check = |subject: &LocalSubject| {
        let store = subject.store();
        let event = store.event(request(1).id.event(0)).unwrap();
        assert_eq!(store.request(event.payload_ref), Err(StoreError::Erased { at: START.plus_ms(7) }));
        assert!(matches!(store.request_by_id(request(1).id).unwrap().content, Err(StoreError::Erased { .. })));
        for event in waiting.iter().chain(&more) {
            let kept = store.event(event.id()).unwrap();
            assert!(store.request(kept.payload_ref).is_ok(), "what waits is whole");
        }
    };
    check(&subject);
    rebuild(&mut subject);
    check(&subject);
}

#[test]
fn what_was_erased_goes_from_a_segment_that_would_stay_open_for_long() {
    let mut subject = with_a_day();
    subject.store().accept(private(1)).wait().unwrap();
    let by = erase(&subject, 1);
    subject.reopen();
    run_until(&subject, by);
    assert_eq!(private_files(&subject), 0);
    assert_eq!(subject.store().events_of(request(1).id).unwrap().len(), 1, "the event still waits");
}

#[test]
fn what_was_carried_before_it_was_erased_goes_as_well() {
    let mut subject = with_a_day();
    subject.store().accept(private(1)).wait().unwrap();
    fill(&subject, 500);
    pass_a_day(&subject);
    assert!(private_files(&subject) > 0, "it waits, and was carried");
    subject.crash();
    put(subject.store().as_ref(), [erasure_at(1, now(&subject))]).unwrap();
    let by = subject.store().erased_by(request(1).id).unwrap();
    subject.crash();
    run_until(&subject, by);
    assert_eq!(private_files(&subject), 0);
}

fn erasure_at(n: u64, at: Timestamp) -> Document {
    Document::Erasure(crate::domain::document::Erasure { request_id: request(n).id, at })
}

#[test]
fn documents_about_requests_that_are_gone_go_too() {
    let mut subject = with_a_day();
    let store = subject.store();
    let events: Vec<Event> = [1, 2]
        .into_iter()
        .map(|n| {
            store.accept(private(n)).wait().unwrap();
            store.events_of(request(n).id).unwrap().remove(0)
        })
        .collect();
    put(&*store, [erasure(1), erasure(2)]).unwrap();
    finish_all(store.as_ref(), events[..1].to_vec(), now(&subject), 200);
    drop(store);
    fill(&subject, 500);
    pass_a_day(&subject);
    let erased = |subject: &LocalSubject| -> Vec<RequestId> {
        let ids = all(subject.store().as_ref()).into_iter().map(|document| RequestId::from_bits(document.key().id));
        ids.collect()
    };
    assert_eq!(erased(&subject), [request(2).id], "one of them still waits");
    let seen = everything(subject.store().as_ref());
    rebuild(&mut subject);
    assert_eq!(erased(&subject), [request(2).id]);
    assert_eq!(everything(subject.store().as_ref()), seen);
    drop(accept(subject.store().as_ref(), 10));
}
