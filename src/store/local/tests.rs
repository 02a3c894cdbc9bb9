//! The local store: the conformance suite, and what only it promises: rebuild, retention, limits, locks, sealed
//! secrets.

mod backing_up;
mod documents;
mod kit;
mod limits;
mod rebuilding;
mod requests;
mod retaining;

use std::sync::Arc;

use kit::LocalSubject;

use super::*;
use crate::store::conformance::{Subject, conformance_tests};

conformance_tests!(|| Box::new(LocalSubject::new()) as Box<dyn Subject>, cases: 12);

#[test]
fn a_second_store_on_the_same_directory_is_refused_by_name() {
    let subject = LocalSubject::new();
    let error = LocalStore::open(subject.options(), Arc::new(subject.clock())).err().unwrap();
    let message = error.to_string();
    assert!(
        message.contains("in use") && message.contains(&subject.options().directory.display().to_string()),
        "{message}"
    );
}

#[test]
fn no_secret_reaches_the_disk_in_the_clear() {
    let mut subject = LocalSubject::new();
    kit::put_secrets(subject.store().as_ref());
    subject.settle();
    subject.reopen();
    let found = kit::files_with(&subject.options().directory, kit::SECRET.as_bytes());
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
    let destination = subject.store().configuration().destinations.values().next().cloned().unwrap();
    assert_eq!(destination.kind, kit::secret_destination_kind());
}
