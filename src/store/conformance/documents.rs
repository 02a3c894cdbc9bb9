//! Documents: compare-and-set, all or nothing also together with configuration and requests, and what is read afterwards.

use std::sync::Arc;

use super::{
    START, Subject,
    kit::{connection_id, new_request, request, through},
};
use crate::{
    domain::{
        ApiKeyId, AuditId, BookmarkId, BulkId, ConfigItem, Document, DocumentKey, EventDataId, Family, Project,
        ProjectId, Request, Secret, ViewId,
        document::{Audit, Author, Bookmark, Bulk, BulkKind, Erasure, Retried, View},
    },
    store::{DocumentChange, DocumentStretch, NewRequest, RequestFilter, Store, StoreError},
};

/// View `n` at this version.
pub fn view(n: u64, version: u32) -> Document {
    Document::View(View {
        id: ViewId::from_bits(u128::from(n)),
        name: format!("view {n}"),
        filter: format!("{{\"version\":{version}}}"),
        created_at: START,
        updated_at: START.plus_ms(u64::from(version)),
        version,
    })
}

/// Bookmark `n` at this version.
pub fn bookmark(n: u64, version: u32) -> Document {
    Document::Bookmark(Bookmark {
        id: BookmarkId::from_bits(u128::from(n)),
        name: Some(format!("bookmark {n}")),
        label: "„to try again“".to_owned(),
        connection_id: connection_id(n),
        event_data_id: EventDataId::from_bits(u128::from(n) << 3),
        last_used_at: (version > 1).then_some(START),
        created_at: START,
        updated_at: START.plus_ms(u64::from(version)),
        version,
    })
}

/// That the data of request `n` was erased.
pub fn erasure(n: u64) -> Document {
    Document::Erasure(Erasure { request_id: request(n).id, at: START.plus_ms(7) })
}

fn retried(n: u64, version: u32) -> Document {
    let routes = (0..version).map(|index| (connection_id(u64::from(index)), u16::try_from(index).unwrap())).collect();
    Document::Retried(Retried { request_id: request(n).id, routes, version })
}

fn project(version: u32) -> ConfigItem {
    ConfigItem::Project(Project {
        id: ProjectId::from_bits(5),
        name: format!("name {version}"),
        signing_secret: Secret::new("s3cret"),
        previous_secret: None,
        created_at: START,
        version,
    })
}

/// A record of a change of the project, `n` milliseconds after the start.
pub fn audit(n: u64) -> Document {
    Document::Audit(Audit {
        id: AuditId::from_parts(START.plus_ms(n), 1),
        at: START.plus_ms(n),
        author: if n.is_multiple_of(2) {
            Author::Gateway
        } else {
            Author::Key { id: ApiKeyId::from_bits(3), label: "mine".to_owned() }
        },
        action: "project.rename".to_owned(),
        changes: vec![(None, project(1)), (Some(project(1)), project(2))],
    })
}

fn bulk(n: u64, version: u32) -> Document {
    Document::Bulk(Bulk {
        id: BulkId::from_bits(u128::from(n)),
        kind: BulkKind::RequestsReplay,
        query: "{}".to_owned(),
        seq_end: u64::MAX,
        planned: 10,
        cursor: vec![1, 2, 3],
        completed: 4,
        failed: u64::from(version),
        cancelled_at: Some(START),
        completed_at: None,
        created_at: START,
        updated_at: START,
        version,
    })
}

/// Puts these, each over the one before.
pub fn put(store: &dyn Store, documents: impl IntoIterator<Item = Document>) -> Result<(), StoreError> {
    store.put_documents(documents.into_iter().map(|document| DocumentChange::Put(document, None)).collect()).wait()
}

fn all(store: &dyn Store, family: Family) -> Vec<Document> {
    store.documents(family, DocumentStretch { descending: false, after: None, limit: 1_000 }).unwrap()
}

pub fn every_kind_of_document_is_read_at_once_and_kept(subject: &mut dyn Subject) {
    let every = [view(1, 1), bookmark(2, 1), bulk(3, 1), audit(4), audit(5), erasure(6), retried(7, 1)];
    put(&*subject.store(), every.clone()).unwrap();
    through(subject, |store| {
        for document in &every {
            assert_eq!(store.document(document.key()).as_ref(), Ok(document));
        }
        for family in Family::ALL {
            let of_it: Vec<Document> =
                every.iter().filter(|document| document.key().family == family).cloned().collect();
            assert_eq!(all(store, family), of_it);
        }
    });
}

pub fn a_document_is_replaced_by_its_next_version_only(subject: &mut dyn Subject) {
    let store = subject.store();
    assert_eq!(put(&*store, [view(1, 2)]), Err(StoreError::Conflict), "nothing is there");
    assert_eq!(put(&*store, [view(1, 0)]), Err(StoreError::Conflict), "no version comes before it");
    put(&*store, [view(1, 1)]).unwrap();
    assert_eq!(put(&*store, [view(1, 1)]), Err(StoreError::Conflict));
    assert_eq!(put(&*store, [view(1, 3)]), Err(StoreError::Conflict));
    subject.settle();
    assert_eq!(put(&*store, [view(1, 1)]), Err(StoreError::Conflict), "wherever it lies");
    put(&*store, [view(1, 2), view(1, 3)]).unwrap();
    drop(store);
    through(subject, |store| assert_eq!(all(store, Family::View), [view(1, 3)]));
}

pub fn a_document_that_was_taken_away_is_gone_and_may_come_anew(subject: &mut dyn Subject) {
    let key = view(1, 1).key();
    let remove = |store: &dyn Store, version| store.put_documents(vec![DocumentChange::Remove(key, version)]).wait();
    let store = subject.store();
    assert_eq!(remove(&*store, 1), Err(StoreError::Conflict), "nothing is there");
    put(&*store, [view(1, 1), view(1, 2), view(2, 1)]).unwrap();
    assert_eq!(remove(&*store, 1), Err(StoreError::Conflict), "another version is there");
    subject.settle();
    remove(&*store, 2).unwrap();
    assert_eq!(remove(&*store, 2), Err(StoreError::Conflict));
    drop(store);
    through(subject, |store| {
        assert_eq!(store.document(key), Err(StoreError::NotFound));
        assert_eq!(all(store, Family::View), [view(2, 1)]);
    });
    put(&*subject.store(), [view(1, 1)]).unwrap();
    through(subject, |store| assert_eq!(all(store, Family::View), [view(1, 1), view(2, 1)]));
}

pub fn what_cannot_be_changed_together_is_not_changed_at_all(subject: &mut dyn Subject) {
    let store = subject.store();
    put(&*store, [view(1, 1)]).unwrap();
    assert_eq!(put(&*store, [view(2, 1), view(1, 1)]), Err(StoreError::Conflict));
    let removed = [DocumentChange::Remove(view(1, 1).key(), 1), DocumentChange::Put(view(1, 2), None)];
    assert_eq!(store.put_documents(removed.to_vec()).wait(), Err(StoreError::Conflict), "it begins anew");
    let items = |version| vec![project(version)];
    assert_eq!(store.put_config_with(items(1), vec![view(1, 1)]).wait().map(drop), Err(StoreError::Conflict));
    assert_eq!(store.put_config_with(items(2), vec![view(3, 1)]).wait().map(drop), Err(StoreError::Conflict));
    let new = |n, documents| NewRequest { documents, ..new_request(request(n), &[1]) };
    assert_eq!(store.accept(new(1, vec![view(4, 1), view(1, 1)])).wait().map(drop), Err(StoreError::Conflict));
    drop(store);
    through(subject, |store| {
        assert_eq!(all(store, Family::View), [view(1, 1)]);
        assert!(store.configuration().project.is_none());
        assert_eq!(store.events_of(request(1).id).map(drop), Err(StoreError::NotFound));
    });
    let store = subject.store();
    store.put_config_with(items(1), vec![view(3, 1), audit(1)]).wait().unwrap();
    store.accept(new(1, vec![view(1, 2), retried(1, 1)])).wait().unwrap();
    drop(store);
    through(subject, |store| {
        assert_eq!(all(store, Family::View), [view(1, 2), view(3, 1)]);
        assert_eq!((all(store, Family::Audit), all(store, Family::Retried)), (vec![audit(1)], vec![retried(1, 1)]));
        assert!(store.configuration().project.is_some());
        assert_eq!(store.events_of(request(1).id).map(|events| events.len()), Ok(1));
    });
}

pub fn changes_are_decided_in_the_order_of_submission(subject: &mut dyn Subject) {
    let store = subject.store();
    let submitted: Vec<_> = [1, 2, 2, 3, 5]
        .into_iter()
        .map(|version| store.put_documents(vec![DocumentChange::Put(view(1, version), None)]))
        .collect();
    let answers: Vec<bool> = submitted.into_iter().map(|commit| commit.wait().is_ok()).collect();
    assert_eq!(answers, [true, true, false, true, false]);
    assert_eq!(all(&*store, Family::View), [view(1, 3)]);
}

pub fn documents_are_paged_both_ways_by_id(subject: &mut dyn Subject) {
    let store = subject.store();
    put(&*store, (0..30).map(|n| view(n * 3, 1))).unwrap();
    put(&*store, [bookmark(1, 1), bulk(1, 1)]).unwrap();
    subject.settle();
    // Some changed, some new, some gone since.
    put(&*store, (5..10).map(|n| view(n * 3, 2))).unwrap();
    put(&*store, (10..20).map(|n| view(n * 3 + 1, 1))).unwrap();
    let removed = (20..26).map(|n| DocumentChange::Remove(view(n * 3, 1).key(), 1));
    store.put_documents(removed.collect()).wait().unwrap();
    drop(store);
    let mut expected: Vec<Document> = (0..30)
        .filter(|n| !(20..26).contains(n))
        .map(|n| view(n * 3, if (5..10).contains(&n) { 2 } else { 1 }))
        .chain((10..20).map(|n| view(n * 3 + 1, 1)))
        .collect();
    expected.sort_by_key(Document::key);
    through(subject, |store| {
        for limit in [1, 3, 7, 100] {
            for descending in [false, true] {
                let mut walked = walk(store, descending, limit);
                if descending {
                    walked.reverse();
                }
                assert_eq!(walked, expected, "pages of {limit}");
            }
        }
        let page = |descending, after| {
            let stretch = DocumentStretch { descending, after: Some(after), limit: 1 };
            store.documents(Family::View, stretch).unwrap().len()
        };
        assert_eq!([page(true, 0), page(false, 0), page(true, u128::MAX), page(false, u128::MAX)], [0, 1, 1, 0]);
        assert_eq!(
            store.documents(Family::View, DocumentStretch { descending: false, after: None, limit: 0 }),
            Ok(vec![])
        );
    });
}

fn walk(store: &dyn Store, descending: bool, limit: usize) -> Vec<Document> {
    let mut walked: Vec<Document> = Vec::new();
    loop {
        let after = walked.last().map(|last| last.key().id);
        let page = store.documents(Family::View, DocumentStretch { descending, after, limit }).unwrap();
        if page.is_empty() {
            return walked;
        }
        walked.extend(page);
    }
}

pub fn a_request_stays_attached_until_its_document_goes(subject: &mut dyn Subject) {
    let (one, other) = (Arc::new(request(1)), Arc::new(request(2)));
    let key = bookmark(1, 1).key();
    let put = |store: &dyn Store, version, attached| {
        store.put_documents(vec![DocumentChange::Put(bookmark(1, version), attached)]).wait().unwrap();
    };
    let is = |request: &Arc<Request>| {
        let request = request.as_ref().clone();
        move |store: &dyn Store| assert_eq!(store.attached(key).as_ref(), Ok(&request))
    };
    put(&*subject.store(), 1, Some(Arc::clone(&one)));
    through(subject, is(&one));
    put(&*subject.store(), 2, None);
    put(&*subject.store(), 3, None);
    through(subject, is(&one));
    put(&*subject.store(), 4, Some(Arc::clone(&other)));
    through(subject, is(&other));
    let store = subject.store();
    store.put_documents(vec![DocumentChange::Remove(key, 4)]).wait().unwrap();
    assert_eq!(store.attached(key), Err(StoreError::NotFound));
    put(&*store, 1, None);
    put(&*store, 2, None);
    drop(store);
    through(subject, |store| assert_eq!(store.attached(key), Err(StoreError::NotFound), "it is another one"));
}

pub fn erased_data_is_refused_to_every_reader(subject: &mut dyn Subject) {
    let store = subject.store();
    for n in [1, 2] {
        store.accept(new_request(request(n), &[1, 2])).wait().unwrap();
    }
    let place = |store: &dyn Store, n| store.event(request(n).id.event(0)).unwrap().payload_ref;
    assert!(store.request(place(&*store, 1)).is_ok());
    assert_eq!(store.erased_by(request(1).id), Err(StoreError::NotFound));
    put(&*store, [erasure(1)]).unwrap();
    let at = START.plus_ms(7);
    drop(store);
    through(subject, |store| {
        assert_eq!(store.request(place(store, 1)), Err(StoreError::Erased { at }));
        let kept = store.request_by_id(request(1).id).unwrap();
        assert_eq!((kept.summary.events, kept.content), (2, Err(StoreError::Erased { at })));
        assert!(store.erased_by(request(1).id).unwrap() >= at);
        assert_eq!(store.events_of(request(1).id).unwrap().len(), 2, "what became of it is no secret");
        assert_eq!(store.request(place(store, 2)), Ok(request(2)));
        assert!(store.request_by_id(request(2).id).unwrap().content.is_ok());
    });
    let further = NewRequest { first_index: 2, ..new_request(request(1), &[3]) };
    assert_eq!(subject.store().accept(further).wait(), Err(StoreError::Erased { at }));
}

pub fn further_events_of_a_request_are_found_and_listed_with_it(subject: &mut dyn Subject) {
    let store = subject.store();
    for n in 1..=5 {
        store.accept(new_request(request(n), &[1, 2])).wait().unwrap();
    }
    subject.settle();
    // Far from the events it had.
    for n in 100..1_300 {
        store.accept(new_request(request(n), &[1])).detach();
    }
    let further = |first_index| NewRequest {
        first_index,
        documents: vec![retried(3, u32::from(first_index) - 1)],
        ..new_request(request(3), &[4])
    };
    let first = store.accept(further(2)).wait().unwrap();
    assert_eq!(store.accept(further(2)).wait(), Err(StoreError::Conflict), "the document tells it");
    let second = store.accept(further(3)).wait().unwrap();
    assert_ne!(second, first);
    store.accept(new_request(request(6), &[1])).wait().unwrap();
    drop(store);
    through(subject, |store| {
        let events = store.events_of(request(3).id).unwrap();
        let found: Vec<_> = events.iter().map(|event| (event.index, event.connection_id)).collect();
        assert_eq!(found, [(0, connection_id(1)), (1, connection_id(2)), (2, connection_id(4)), (3, connection_id(4))]);
        assert_eq!(events[2].created_at, second.created_at);
        for event in events {
            let kept = store.event(event.id()).unwrap();
            assert_eq!(kept.event, event);
            assert_eq!(store.request(kept.payload_ref), Ok(request(3)));
            assert_eq!(store.attempt(event.id().attempt(1)).unwrap().event, event);
        }
        let filter = RequestFilter { ids: vec![request(3).id], ..RequestFilter::default() };
        assert_eq!(store.count_requests(&filter), Ok(1));
        assert_eq!(store.request_by_id(request(3).id).unwrap().summary.events, 2, "as it was accepted");
        assert_eq!(store.events_of(request(2).id).unwrap().len(), 2);
        assert_eq!(all(store, Family::Retried), [retried(3, 2)]);
    });
}

/// A key of no document.
pub fn unknown() -> DocumentKey {
    DocumentKey { family: Family::Bulk, id: 77 }
}

pub fn what_is_not_there_is_not_found(subject: &mut dyn Subject) {
    put(&*subject.store(), [view(77, 1)]).unwrap();
    through(subject, |store| {
        assert_eq!(store.document(unknown()), Err(StoreError::NotFound), "whatever another family has");
        assert_eq!(store.attached(unknown()), Err(StoreError::NotFound));
        assert_eq!(store.attached(view(77, 1).key()), Err(StoreError::NotFound));
        assert_eq!(all(store, Family::Bulk), []);
    });
    subject.store().close();
    assert_eq!(put(&*subject.store(), [view(78, 1)]), Err(StoreError::Closed));
}
