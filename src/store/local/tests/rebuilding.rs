//! sled's directory is disposable: gone, stale, damaged or of another store, it is rebuilt from the journal.

use std::fs;

use super::kit::{LocalSubject, accept, accept_all, connection, copy_all, everything, files, finish, finish_all, now};
use crate::{
    domain::{AttemptRecord, AttemptStatus, AttemptSummary, AttemptTrigger, Event, Phase, Unsent},
    store::{EventFilter, Store, Transition, conformance::Subject},
};

/// Events in every state, over several blocks and segments, some changed after they were folded.
fn filled() -> LocalSubject {
    let subject = LocalSubject::new();
    let store = subject.store();
    let mut first = accept_all(store.as_ref(), (0..2_600).map(|number| 100 + number % 200));
    let rest = first.split_off(1_300);
    finish_all(store.as_ref(), first, now(&subject), 200);
    subject.settle();
    let mut rest = finish_all(store.as_ref(), rest.into_iter().step_by(3).collect(), now(&subject), 500);
    give_up(store.as_ref(), rest.pop().unwrap());
    subject
}

/// Records a resumed try that no longer counted, and one that will not be made.
fn give_up(store: &dyn Store, mut event: Event) {
    event.version += 1;
    event.generation = 3;
    event.attempts.push(AttemptSummary {
        trigger: AttemptTrigger::Unpause,
        resumed: true,
        status: AttemptStatus::Cancelled,
        ..event.attempts[0]
    });
    let due_at = event.created_at.plus_ms(1);
    event.phase = Phase::Cancelled { unsent: Some(Unsent { trigger: AttemptTrigger::BulkRetry, due_at }) };
    store.record(Transition { event, attempt: Some(AttemptRecord::default()) }).wait().unwrap();
}

fn survives(tamper: impl FnOnce(&std::path::Path)) {
    let mut subject = filled();
    let before = everything(subject.store().as_ref());
    assert!(before.iter().any(|line| line.contains("resumed: true") && line.contains("generation: 3")));
    let queue = subject.store().pending(connection(), now(&subject), None, 5_000).unwrap();
    let held = subject.store().held(connection(), now(&subject));
    tamper(subject.close());
    subject.open();
    assert_eq!(everything(subject.store().as_ref()), before);
    let again = subject.store().pending(connection(), now(&subject), None, 5_000).unwrap();
    assert_eq!(again.events, queue.events);
    assert_eq!(subject.store().held(connection(), now(&subject)), held);
    // What comes after is numbered after what was there, and is found beside it.
    let event = accept(subject.store().as_ref(), 10);
    finish(subject.store().as_ref(), event, now(&subject), 200);
    subject.reopen();
    let count = subject.store().count(&EventFilter::default(), now(&subject)).unwrap();
    assert_eq!(count, before.len() as u64 + 1);
}

#[test]
fn a_removed_state_is_rebuilt() {
    survives(|directory| fs::remove_dir_all(directory.join("state")).unwrap());
}

#[test]
fn a_truncated_state_is_rebuilt() {
    survives(|directory| {
        for file in files(&directory.join("state")) {
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        }
    });
}

#[test]
fn a_state_full_of_noise_is_rebuilt() {
    survives(|directory| {
        for file in files(&directory.join("state")) {
            let mut bytes = fs::read(&file).unwrap();
            bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x5a);
            fs::write(&file, bytes).unwrap();
        }
    });
}

#[test]
fn a_state_of_an_earlier_checkpoint_is_rebuilt() {
    let mut subject = filled();
    let old = tempfile::tempdir().unwrap();
    let directory = subject.close().to_owned();
    copy_all(&directory.join("state"), &old.path().join("state")).unwrap();
    subject.open();
    let events = accept_all(subject.store().as_ref(), [50; 50]);
    finish_all(subject.store().as_ref(), events, now(&subject), 200);
    subject.settle();
    subject.settle();
    let before = everything(subject.store().as_ref());
    subject.close();
    fs::remove_dir_all(directory.join("state")).unwrap();
    copy_all(&old.path().join("state"), &directory.join("state")).unwrap();
    subject.open();
    assert_eq!(everything(subject.store().as_ref()), before);
}

#[test]
fn the_journal_alone_is_enough() {
    survives(|directory| {
        fs::remove_dir_all(directory.join("state")).unwrap();
        fs::remove_file(directory.join("CHECKPOINT")).unwrap();
    });
}

#[test]
fn a_damaged_checkpoint_costs_nothing_but_time() {
    survives(|directory| fs::write(directory.join("CHECKPOINT"), b"not a checkpoint").unwrap());
}

#[test]
fn a_torn_tail_is_cut_and_the_rest_is_there() {
    let mut subject = filled();
    let before = everything(subject.store().as_ref());
    subject.crash();
    accept(subject.store().as_ref(), 10);
    subject.crash();
    let count = |subject: &LocalSubject| subject.store().count(&EventFilter::default(), now(subject)).unwrap();
    assert_eq!(count(&subject), before.len() as u64 + 1);
    // A frame that was being written when the power went: its beginning is there, its end is not.
    let directory = subject.options().directory;
    let newest = files(&directory.join("journal")).into_iter().rfind(|file| fs::read(file).unwrap()[64..72] != [0; 8]);
    let newest = newest.unwrap();
    let frames = fs::read(&newest).unwrap();
    let used = frames.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let torn = &frames[64..104];
    subject.close();
    let mut bytes = fs::read(&newest).unwrap();
    if bytes.len() >= used + 64 + torn.len() && bytes[used..].iter().all(|byte| *byte == 0) {
        let start = used.div_ceil(8) * 8;
        bytes[start..start + torn.len()].copy_from_slice(torn);
        fs::write(&newest, bytes).unwrap();
    }
    subject.open();
    assert_eq!(count(&subject), before.len() as u64 + 1);
}

#[test]
fn requests_are_accepted_while_the_state_is_rebuilt() {
    let mut subject = filled();
    let before = everything(subject.store().as_ref()).len() as u64;
    let directory = subject.close().to_owned();
    fs::remove_dir_all(directory.join("state")).unwrap();
    let clock = std::sync::Arc::new(subject.clock());
    let store = crate::store::local::LocalStore::open(subject.options(), clock).unwrap();
    // Whether or not the rebuild has ended by now, this is taken.
    let accepted = accept(&store, 10);
    store.close();
    drop(store);
    subject.open();
    assert_eq!(subject.store().count(&EventFilter::default(), now(&subject)).unwrap(), before + 1);
    assert_eq!(subject.store().event(accepted.id()).unwrap().event, accepted);
}
