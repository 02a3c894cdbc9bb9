//! What the overlay keeps of documents, and what sled makes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Attached, Changed, Documents, KeptDocument, Newest, NewestDocuments};
use crate::{
    domain::{DocumentKey, Family},
    store::local::{RecordRef, state::State},
};

fn key(id: u128) -> DocumentKey {
    DocumentKey { family: Family::Bookmark, id }
}

fn at(offset: u64) -> RecordRef {
    RecordRef { segment: 3, offset }
}

fn changed(id: u128, version: u32, attaches: bool) -> Changed {
    Changed { key: key(id), version, attaches, content: Some(vec![7; 100]) }
}

fn removed(id: u128, version: u32) -> Changed {
    Changed { content: None, ..changed(id, version, false) }
}

fn attached(documents: &Documents, id: u128) -> Attached {
    match documents.get(key(id)) {
        Some(Newest::Kept(document)) => document.attached,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_attached_is_known_from_before_or_from_sled() {
    let mut documents = Documents::default();
    documents.apply(changed(1, 4, false), at(64));
    assert_eq!(attached(&documents, 1), Attached::AsBefore);
    documents.apply(changed(1, 5, true), at(128));
    documents.apply(changed(1, 6, false), at(192));
    assert_eq!(attached(&documents, 1), Attached::At(at(128)));
    documents.apply(removed(1, 6), at(256));
    documents.apply(changed(1, 1, false), at(320));
    assert_eq!(attached(&documents, 1), Attached::No);
    documents.apply(changed(2, 1, false), at(384));
    assert_eq!(attached(&documents, 2), Attached::No, "nothing was before");
}

#[test]
fn what_changed_while_it_was_written_stays_and_the_books_balance() {
    let bytes: Arc<AtomicUsize> = Arc::default();
    let mut documents = Documents::new(Arc::clone(&bytes));
    for id in 0..5 {
        documents.apply(changed(id, 1, false), at(64));
        documents.apply(changed(id, 2, false), at(128));
    }
    documents.apply(removed(4, 2), at(192));
    let written: NewestDocuments = documents.newest.clone();
    documents.apply(changed(2, 3, false), at(256));
    documents.apply(changed(4, 1, false), at(320));
    documents.written(&written);
    assert_eq!(documents.newest.keys().map(|key| key.id).collect::<Vec<_>>(), [2, 4]);
    documents.written(&documents.newest.clone());
    assert_eq!((documents.len(), bytes.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn a_stretch_tells_as_much_as_can_matter() {
    let mut documents = Documents::default();
    for id in 0..10 {
        documents.apply(if id % 3 == 0 { removed(id, 1) } else { changed(id, 1, false) }, at(64));
    }
    let ids = |descending, limit| {
        let stretch = documents.stretch(Family::Bookmark, 2..=8, descending, limit);
        stretch.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ids(false, 2), [2, 3, 4]);
    assert_eq!(ids(true, 3), [8, 7, 6, 5]);
    assert_eq!(ids(true, 0), [0; 0]);
    assert_eq!(documents.stretch(Family::View, 0..=u128::MAX, false, 9), []);
    assert!(documents.has(Family::Bookmark) && !documents.has(Family::View));
}

#[test]
fn sled_keeps_documents_and_where_the_attached_lies() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path(), 1 << 20).unwrap();
    let kept = |version, attached| {
        Newest::Kept(Arc::new(KeptDocument { version, at: at(64), attached, content: vec![1, 2, 3] }))
    };
    let write = |id, newest| state.write_documents(&NewestDocuments::from([(key(id), newest)])).unwrap();
    write(1, kept(1, Attached::At(at(64))));
    write(1, kept(2, Attached::AsBefore));
    write(2, kept(1, Attached::AsBefore));
    write(3, kept(1, Attached::No));
    let found = |id| state.document(key(id)).unwrap().map(|document| (document.version, document.attached));
    assert_eq!(found(1), Some((2, Attached::At(at(64)))));
    assert_eq!(found(2), Some((1, Attached::No)));
    write(1, Newest::Removed);
    assert_eq!((found(1), found(4)), (None, None));
    assert!(state.has_documents(Family::Bookmark).unwrap() && !state.has_documents(Family::View).unwrap());
    state.forget_documents(Family::Bookmark, 3).unwrap();
    let ids = state.documents(Family::Bookmark, 0..=u128::MAX, true, 9).unwrap();
    assert_eq!(ids.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [3]);
}
