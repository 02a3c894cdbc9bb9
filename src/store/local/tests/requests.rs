//! The list of requests through rebuilds, retention and quota.

use std::{fs, time::Duration};

use super::kit::{LocalSubject, files_with};
use crate::{
    domain::{Ignored, IgnoredCause, Phase, Request},
    store::{
        NewRequest, RequestFilter, RequestStretch, RequestSummary, StoreError,
        conformance::{
            Subject,
            kit::{accept, attempt, connection_id, new_request, request},
        },
    },
};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn with_a_day() -> LocalSubject {
    LocalSubject::with(|options| {
        options.retention = Duration::from_millis(DAY_MS);
        options.segment_bytes = 64 * 1024;
    })
}

/// Accepts so many requests, each with a body of 500 bytes: most rejected, every tenth with an event and one that ignores it.
fn fill(subject: &LocalSubject, numbers: std::ops::Range<u64>) {
    let store = subject.store();
    let accept = |n: u64| {
        let request = Request { body: vec![7; 500].into(), ..request(n) };
        if n.is_multiple_of(10) {
            let ignored = vec![Ignored { connection_id: connection_id(9), cause: IgnoredCause::Disabled }];
            store.accept(NewRequest { ignored, ..new_request(request, &[1]) })
        } else {
            store.accept(new_request(request, &[]))
        }
    };
    // Waves shorter than a segment: one batch of the writer never spans segments, so on a busy machine one could hold them all.
    for wave in numbers.collect::<Vec<_>>().chunks(50) {
        let commits: Vec<_> = wave.iter().copied().map(accept).collect();
        for commit in commits {
            commit.wait().unwrap();
        }
    }
}

/// Everything a client could see of requests.
fn everything(subject: &LocalSubject) -> Vec<String> {
    let store = subject.store();
    let stretch = RequestStretch { descending: false, after: None, limit: 10_000 };
    let listed = store.requests(&RequestFilter::default(), &stretch).unwrap();
    assert_eq!(store.count_requests(&RequestFilter::default()), Ok(listed.requests.len() as u64));
    let seen = listed.requests.into_iter().map(|summary| {
        let kept = store.request_by_id(summary.id).unwrap();
        assert_eq!(kept.summary, summary);
        format!("{kept:?}")
    });
    seen.collect()
}

fn rebuild(subject: &mut LocalSubject) {
    let directory = subject.close().to_owned();
    fs::remove_dir_all(directory.join("state")).unwrap();
    fs::remove_file(directory.join("CHECKPOINT")).unwrap();
    subject.open();
}

#[test]
fn the_list_is_the_same_after_a_rebuild_and_goes_on() {
    let mut subject = with_a_day();
    fill(&subject, 0..1_500);
    subject.settle();
    fill(&subject, 1_500..2_500);
    let before = everything(&subject);
    assert_eq!(before.len(), 2_500);
    rebuild(&mut subject);
    assert_eq!(everything(&subject), before);
    fill(&subject, 2_500..2_600);
    assert_eq!(everything(&subject).len(), 2_600);
    // The chunks of both lives and their seam are there after a kill as well.
    subject.crash();
    assert_eq!(everything(&subject)[..2_500], before);
    assert_eq!(everything(&subject).len(), 2_600);
}

#[test]
fn a_request_past_retention_is_hidden_at_once_and_its_chunk_goes_with_a_checkpoint() {
    let mut subject = with_a_day();
    fill(&subject, 1..1_500);
    subject.settle();
    subject.clock().advance_ms(2 * DAY_MS);
    accept(&*subject.store(), 5_001, &[]);
    assert_eq!(everything(&subject).len(), 1);
    assert_eq!(subject.store().request_by_id(request(1).id), Err(StoreError::NotFound));
    subject.settle();
    let old = RequestFilter { ids: vec![request(1).id], ..RequestFilter::default() };
    let shared = &subject.local().shared;
    let new = shared.overlay.lock().requests.snapshot();
    assert_eq!(shared.state().unwrap().count_requests(&new, &old).unwrap(), 0, "the chunk is still there");
    rebuild(&mut subject);
    assert_eq!(everything(&subject).len(), 1);
}

#[test]
fn a_request_past_retention_is_there_for_as_long_as_an_event_of_it() {
    let mut subject = with_a_day();
    fill(&subject, 0..2_000);
    subject.settle();
    let before = subject.store().request_by_id(request(10).id).unwrap();
    // One of its events was tried again by hand the next day.
    subject.clock().advance_ms(2 * DAY_MS);
    for number in (0..2_000).step_by(10).filter(|number| number % 1_000 != 10) {
        let event = subject.store().events_of(request(number).id).unwrap().remove(0);
        attempt(&*subject.store(), &event, event.created_at, 200, Phase::Successful);
    }
    accept(&*subject.store(), 5_000, &[1]);
    assert_eq!(subject.store().request_by_id(request(10).id).unwrap(), before, "its record is still there");
    subject.settle();
    assert!(subject.local().retain_now().unwrap() > 0);
    subject.settle();
    let check = |subject: &LocalSubject| {
        let carried = subject.store().request_by_id(request(10).id).unwrap();
        assert_eq!(carried.content, before.content, "body and who ignored it");
        assert_eq!(RequestSummary { payload_ref: before.summary.payload_ref, ..carried.summary }, before.summary);
        assert_ne!(carried.summary.payload_ref, before.summary.payload_ref);
        assert_eq!(subject.store().request_by_id(request(11).id), Err(StoreError::NotFound));
    };
    check(&subject);
    rebuild(&mut subject);
    check(&subject);
}

#[test]
fn requests_go_with_the_segments_that_the_quota_takes_and_stay_gone() {
    let mut subject = LocalSubject::with(|options| {
        options.segment_bytes = 64 * 1024;
        options.quota_bytes = Some(512 * 1024);
    });
    let numbers: Vec<u64> = (0..3_000).filter(|number| number % 10 != 0).collect();
    let store = subject.store();
    // Waves, as above.
    for wave in numbers.chunks(50) {
        let accept = |n| store.accept(new_request(Request { body: vec![7; 500].into(), ..request(n) }, &[]));
        let commits: Vec<_> = wave.iter().copied().map(accept).collect();
        for commit in commits {
            commit.wait().unwrap();
        }
    }
    drop(store);
    subject.settle();
    assert!(subject.local().retain_now().unwrap() > 0);
    subject.settle();
    let kept = everything(&subject);
    assert!((100..2_000).contains(&kept.len()), "{} are left", kept.len());
    assert_eq!(subject.store().request_by_id(request(1).id), Err(StoreError::NotFound));
    assert!(subject.store().request_by_id(request(2_999).id).is_ok(), "the newest are left");
    rebuild(&mut subject);
    assert_eq!(everything(&subject), kept);
}

#[test]
fn a_request_with_a_damaged_body_is_listed_and_says_what_is_wrong() {
    let mut subject = LocalSubject::new();
    fill(&subject, 0..3);
    subject.settle();
    let marked = Request { body: b"a body to be damaged".to_vec().into(), ..request(3) };
    subject.store().accept(new_request(marked, &[])).wait().unwrap();
    fill(&subject, 4..6);
    subject.settle();
    let directory = subject.close().to_owned();
    for file in files_with(&directory.join("journal"), b"a body to be damaged") {
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.windows(20).position(|window| window == b"a body to be damaged").unwrap();
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    subject.open();
    let kept = subject.store().request_by_id(request(3).id).unwrap();
    assert!(matches!(kept.content, Err(StoreError::Damaged(_))), "{kept:?}");
    assert_eq!(subject.store().count_requests(&RequestFilter::default()), Ok(6));
}
