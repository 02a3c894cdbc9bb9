//! sled is state that can be made again: whatever happens to it while the gateway is stopped, nothing changes for clients.

use std::fs;
use std::path::Path;

use hookgate::testkit::{Answer, ApiClient, Flow, NumberedBody, PATIENCE, TestDestination, poll};

use crate::damage::{copy_directory, flip, halve_files, sled_directory};
use crate::support::{all_events, flows, launch};

/// More than one block of the state.
const EVENTS: u64 = 1100;
const MORE: u64 = 100;

/// How the gateway ends before the damage.
#[derive(Clone, Copy)]
enum End {
    Stop,
    Kill,
}

fn send(client: &ApiClient, flow: &Flow, destination: &TestDestination, numbers: std::ops::Range<u64>) {
    let expected = destination.count() + usize::try_from(numbers.end - numbers.start).unwrap();
    // Some fail, so that statuses differ and mixing them up shows.
    destination.answer_next((0..10).map(|_| Answer::Status(500)));
    for number in numbers {
        drop(client.ingest(flow, &NumberedBody::numbered(number)));
    }
    drop(destination.wait_for(expected, PATIENCE));
    let drained = poll(PATIENCE, || client.events("status=QUEUED&limit=1").is_empty().then_some(()));
    assert!(drained.is_some(), "events are still queued");
}

/// Fills a directory in two goes with a stop between them, does the damage, and checks that all is as it was.
fn survives(end: End, damage: impl FnOnce(&Path, &Path)) {
    let (data, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    send(&gateway.client(), &flow, &destination, 0..EVENTS);
    assert_eq!(gateway.stop().status.code(), Some(0));
    copy_directory(&sled_directory(data.path()), old.path());

    let gateway = launch(data.path()).start();
    send(&gateway.client(), &flow, &destination, EVENTS..EVENTS + MORE);
    let before = all_events(&gateway.client());
    match end {
        End::Stop => assert_eq!(gateway.stop().status.code(), Some(0)),
        End::Kill => gateway.kill(),
    }
    damage(&sled_directory(data.path()), old.path());

    let gateway = launch(data.path()).start();
    assert_eq!(all_events(&gateway.client()), before);
    drop(gateway.client().ingest(&flow, &NumberedBody::numbered(EVENTS + MORE)));
    let requests = destination.wait_for(before.len() + 1, PATIENCE);
    assert_eq!(requests.last().unwrap().number(), Some(EVENTS + MORE), "something settled was sent again");
}

#[test]
fn a_state_that_is_gone_is_made_again() {
    survives(End::Stop, |sled, _| fs::remove_dir_all(sled).unwrap());
}

#[test]
fn a_state_that_is_gone_after_a_kill_is_made_again() {
    survives(End::Kill, |sled, _| fs::remove_dir_all(sled).unwrap());
}

#[test]
fn a_state_that_was_cut_is_made_again() {
    survives(End::Stop, |sled, _| halve_files(sled));
}

#[test]
fn an_older_copy_of_the_state_is_not_trusted() {
    survives(End::Stop, |sled, old| {
        fs::remove_dir_all(sled).unwrap();
        copy_directory(old, sled);
    });
}

/// The checkpoint beside sled.
fn checkpoint(sled: &Path) -> std::path::PathBuf {
    sled.with_file_name("CHECKPOINT")
}

#[test]
fn without_a_checkpoint_the_journal_is_read_again() {
    survives(End::Stop, |sled, _| fs::remove_file(checkpoint(sled)).unwrap());
}

#[test]
fn without_a_checkpoint_after_a_kill_as_well() {
    survives(End::Kill, |sled, _| fs::remove_file(checkpoint(sled)).unwrap());
}

#[test]
fn a_damaged_checkpoint_costs_time_only() {
    survives(End::Kill, |sled, _| flip(&checkpoint(sled), 40));
}

#[test]
fn an_empty_checkpoint_costs_time_only() {
    survives(End::Stop, |sled, _| fs::write(checkpoint(sled), b"").unwrap());
}
