//! Backups of a store that is written to while they are made, and what is restored from them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;

use super::kit::{LocalSubject, accept_all, everything, files, finish_all, now, put_secrets};
use crate::{
    domain::Timestamp,
    store::{
        Store,
        conformance::{START, Subject},
        local::{
            LocalOptions, LocalStore, OpenError,
            backup::{BackupError, Made, MakeOptions, make, restore},
            open::RESTORING,
            pin::Pin,
        },
    },
};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn small() -> LocalSubject {
    LocalSubject::with(|options| {
        options.retention = Duration::from_millis(DAY_MS);
        options.segment_bytes = 64 * 1024;
    })
}

fn back_up(subject: &LocalSubject, into: &Path) -> Made {
    make(&subject.options().directory, into, MakeOptions { with_key: true, verify: false }, START).unwrap()
}

/// Everything in a backup as a store shows it that was restored from it, with the damage in its journal.
fn restored(subject: &LocalSubject, backup: &Path) -> Vec<String> {
    let data = TempDir::new().unwrap();
    restore(backup, data.path()).unwrap();
    assert!(super::super::check(data.path()).unwrap().is_whole());
    let options = LocalOptions { directory: data.path().to_owned(), ..subject.options() };
    let store = LocalStore::open(options, Arc::new(subject.clock())).unwrap();
    while store.ready().is_err() {
        std::thread::yield_now();
    }
    everything(&store)
}

fn fill(subject: &LocalSubject, count: usize) {
    let store = subject.store();
    for _ in 0..count / 50 {
        let events = accept_all(store.as_ref(), [500; 50]);
        let (done, _): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.seq % 3 != 0);
        finish_all(store.as_ref(), done, now(subject), 200);
    }
}

#[test]
fn a_restored_backup_shows_what_the_store_showed_and_opens_its_secrets() {
    let subject = small();
    put_secrets(subject.store().as_ref());
    fill(&subject, 500);
    let backup = TempDir::new().unwrap();
    let made = back_up(&subject, backup.path());
    assert!(made.segments > 2 && made.damage.is_empty(), "{made:?}");
    assert_eq!(restored(&subject, backup.path()), everything(subject.store().as_ref()));
}

#[test]
fn what_is_restored_may_have_been_sent_meanwhile_even_when_the_gateway_stood_idle() {
    let mut subject = small();
    fill(&subject, 50);
    subject.store().set_idle(true);
    subject.reopen();
    assert!(!subject.store().resumes(), "an idle end before");
    subject.store().set_idle(true);
    subject.store().close();
    let (backup, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    back_up(&subject, backup.path());
    restore(backup.path(), data.path()).unwrap();
    let options = LocalOptions { directory: data.path().to_owned(), ..subject.options() };
    assert!(LocalStore::open(options, Arc::new(subject.clock())).unwrap().resumes());
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_leaves_nothing_of_the_first() {
    let subject = small();
    fill(&subject, 500);
    let backup = TempDir::new().unwrap();
    let first = back_up(&subject, backup.path());
    fill(&subject, 200);
    let second = back_up(&subject, backup.path());
    assert!(second.kept + 1 >= first.segments && second.segments > second.kept, "{first:?} {second:?}");
    assert_eq!(restored(&subject, backup.path()), everything(subject.store().as_ref()));
    // Lock, manifest, CHECKPOINT, key.
    assert_eq!(files(backup.path()).len(), second.segments + 4);
}

#[test]
fn while_everybody_writes_and_retention_takes_segments_away_nothing_acknowledged_before_is_missing() {
    let subject = small();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fill(&subject, 100);
                subject.clock().advance_ms(DAY_MS / 4);
                subject.settle();
                subject.local().retain_now().unwrap();
            }
        });
        for _ in 0..6 {
            let kept: Vec<_> = accept_all(subject.store().as_ref(), [300; 40]);
            let backup = TempDir::new().unwrap();
            back_up(&subject, backup.path());
            let restored = restored(&subject, backup.path());
            for event in kept {
                // Nobody settles these, so retention never takes them: they may only have moved.
                let seq = format!("seq: {},", event.seq);
                let found = restored.iter().find(|seen| seen.contains(&seq));
                let found = found.unwrap_or_else(|| panic!("{event:?} is not in the backup"));
                assert!(!found.contains("Err("), "{found}");
            }
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap();
    });
}

#[test]
fn retention_leaves_segments_alone_while_they_are_copied_and_goes_on_afterwards() {
    let subject = small();
    let events = accept_all(subject.store().as_ref(), [500; 400]);
    finish_all(subject.store().as_ref(), events, now(&subject), 200);
    subject.settle();
    subject.clock().advance_ms(3 * DAY_MS);
    subject.settle();
    let pin = Pin::open(&subject.options().directory).unwrap();
    let held = pin.hold().unwrap();
    assert_eq!(subject.local().retain_now(), Ok(0));
    drop(held);
    subject.settle();
    assert!(subject.local().retain_now().unwrap() > 0);
}

#[test]
fn any_flipped_byte_is_refused_by_file_and_nothing_is_restored() {
    let subject = small();
    fill(&subject, 150);
    let backup = TempDir::new().unwrap();
    back_up(&subject, backup.path());
    for file in files(backup.path()).iter().filter(|file| !file.ends_with("lock")) {
        let whole = fs::read(file).unwrap();
        for place in [0, whole.len() / 3, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            fs::write(file, &flipped).unwrap();
            let data = TempDir::new().unwrap();
            let error = restore(backup.path(), data.path()).unwrap_err();
            assert!(matches!(error, BackupError::Damaged(_) | BackupError::Newer(_)), "{error}");
            assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
            assert_eq!(files(data.path()), Vec::<PathBuf>::new());
        }
        fs::remove_file(file).unwrap();
        let data = TempDir::new().unwrap();
        let error = restore(backup.path(), data.path()).unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
        fs::write(file, &whole).unwrap();
    }
    restore(backup.path(), TempDir::new().unwrap().path()).unwrap();
}

#[test]
fn a_restore_that_was_broken_off_is_refused_by_starts_and_can_be_done_again() {
    let subject = small();
    fill(&subject, 100);
    let backup = TempDir::new().unwrap();
    back_up(&subject, backup.path());
    let data = TempDir::new().unwrap();
    restore(backup.path(), data.path()).unwrap();
    // As it is when everything is there but the last step.
    fs::write(data.path().join(RESTORING), []).unwrap();
    let options = LocalOptions { directory: data.path().to_owned(), ..subject.options() };
    let refused = LocalStore::open(options, Arc::new(subject.clock())).err().unwrap();
    assert!(matches!(refused, OpenError::HalfRestored(_)), "{refused}");
    restore(backup.path(), data.path()).unwrap();
    assert!(!data.path().join(RESTORING).exists());
    let again = restore(backup.path(), data.path()).unwrap_err();
    assert!(matches!(again, BackupError::Directory(OpenError::NotEmpty { .. })), "{again}");
}

#[test]
fn a_directory_with_other_things_in_it_or_of_another_store_takes_no_backup() {
    let (one, other) = (small(), small());
    let backup = TempDir::new().unwrap();
    back_up(&one, backup.path());
    let wrong = make(&other.options().directory, backup.path(), MakeOptions::default(), Timestamp::EPOCH).unwrap_err();
    assert!(matches!(wrong, BackupError::OtherStore(_)), "{wrong}");
    fs::write(backup.path().join("holiday.jpg"), b"x").unwrap();
    let wrong = make(&one.options().directory, backup.path(), MakeOptions::default(), Timestamp::EPOCH).unwrap_err();
    assert!(matches!(&wrong, BackupError::Foreign { found, .. } if found == "holiday.jpg"), "{wrong}");
}

#[test]
fn a_copy_that_went_bad_is_replaced_by_a_backup_that_verifies() {
    let subject = small();
    fill(&subject, 300);
    let backup = TempDir::new().unwrap();
    back_up(&subject, backup.path());
    let is_segment = |file: &PathBuf| file.to_string_lossy().contains(".seg.");
    let copy = files(backup.path()).into_iter().find(is_segment).unwrap();
    let whole = fs::read(&copy).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&copy, flipped).unwrap();
    let kept = back_up(&subject, backup.path()).kept;
    assert!(restore(backup.path(), TempDir::new().unwrap().path()).is_err());
    let options = MakeOptions { with_key: true, verify: true };
    assert_eq!(make(&subject.options().directory, backup.path(), options, START).unwrap().kept, kept - 1);
    assert_eq!(fs::read(&copy).unwrap(), whole);
    assert_eq!(restored(&subject, backup.path()), everything(subject.store().as_ref()));
}
