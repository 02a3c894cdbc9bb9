//! `hookgate backup` of a gateway under load, `hookgate restore`, and what happens when either goes wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hookgate::testkit::process::Ended;
use hookgate::testkit::{Answer, ApiClient, Flow, Launch, PATIENCE, TestDestination, poll};
use serde_json::json;

use crate::support::{Seed, UnderLoad, all_events, launch};

/// Small segments, so that there are several.
fn small(data: &Path) -> Launch {
    launch(data).setting("ingress.body_bytes_max", "262144").setting("store.segment_bytes", "1048576")
}

fn command(data: &Path, words: &[&str]) -> Launch {
    small(data).arguments(words)
}

fn back_up(data: &Path, into: &Path) -> Ended {
    command(data, &["backup", "--with-key", into.to_str().unwrap()]).run_to_end()
}

fn restore(data: &Path, from: &Path) -> Ended {
    command(data, &["restore", from.to_str().unwrap()]).run_to_end()
}

#[track_caller]
fn succeeded(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

#[track_caller]
fn refused(ended: &Ended, code: i32, word: &str) {
    assert_eq!(ended.status.code(), Some(code), "{}", ended.output);
    assert!(ended.output.contains(word), "{word} is not in {}", ended.output);
}

/// Sends so many; their requests' ids.
fn send(client: &ApiClient, flow: &Flow, count: usize) -> BTreeSet<String> {
    (0..count).map(|_| client.ingest(flow, b"{}")).collect()
}

fn files_of(backup: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(backup).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lock")).collect()
}

#[test]
fn a_backup_under_load_has_everything_acknowledged_before_it_and_its_pending_events_are_delivered() {
    let (data, copy, backup) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (busy, quiet) = (TestDestination::start(), TestDestination::start());
    let gateway = small(data.path()).start();
    let client = gateway.client();
    let noise = client.connect("noise", &busy.url(), &json!([]));
    let held = client.connect("held", &quiet.url(), &json!([]));
    let done = client.connect("done", &quiet.url(), &json!([]));
    quiet.answer_next([Answer::Status(500)]);
    let mut known = send(&client, &done, 20);
    drop(quiet.wait_for(20, PATIENCE));
    let query = format!("webhook_id={}&limit=100", done.connection_id);
    let settled = || client.events(&query).iter().filter(|event| event["status"] != "QUEUED").count();
    assert!(poll(PATIENCE, || (settled() == 20).then_some(())).is_some(), "{} of 20 settled", settled());
    drop(client.ok("PUT", &format!("/connections/{}/pause", held.connection_id), None));

    let load = UnderLoad::start(&gateway, &[noise], 0);
    load.wait_for_acks(2000);
    known.extend(send(&client, &held, 30));
    let before: BTreeSet<_> = client.events(&query).iter().map(ToString::to_string).collect();
    succeeded(&back_up(data.path(), backup.path()));
    load.wait_for_acks(load.acks() + 200);
    drop(load.stop());
    gateway.kill();

    succeeded(&restore(copy.path(), backup.path()));
    succeeded(&command(copy.path(), &["check"]).run_to_end());
    let again = small(copy.path()).start();
    let client = again.client();
    let after: BTreeSet<_> = client.events(&query).iter().map(ToString::to_string).collect();
    assert_eq!(after, before);
    assert_eq!(quiet.count(), 20);
    drop(client.ok("PUT", &format!("/connections/{}/unpause", held.connection_id), None));
    drop(quiet.wait_for(50, PATIENCE));
    let drained = poll(PATIENCE, || client.events("status=QUEUED&limit=1").is_empty().then_some(()));
    assert!(drained.is_some(), "events are still queued");
    let mut lost = known;
    for flow in [&held, &done] {
        for event in client.events(&format!("webhook_id={}&limit=100", flow.connection_id)) {
            lost.remove(event["request_id"].as_str().unwrap());
        }
    }
    assert!(lost.is_empty(), "not in the backup: {lost:?}");
}

#[test]
fn a_backup_that_is_killed_never_passes_for_whole_and_leaves_the_one_before_it_whole() {
    let mut seed = Seed::new();
    let (data, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let destination = TestDestination::start();
    let gateway = small(data.path()).start();
    let flow = gateway.client().connect("flow", &destination.url(), &json!([]));
    let load = UnderLoad::start(&gateway, &[flow], 0);
    let words = ["backup", "--with-key", backup.path().to_str().unwrap()];
    let mut has_one = false;
    for round in 1..=8 {
        load.wait_for_acks(round * 500);
        let running = command(data.path(), &words).spawn();
        let (files, more) = (files_of(backup.path()).len(), usize::try_from(seed.below(4)).unwrap());
        poll(PATIENCE, || {
            let ended = running.output().contains("backed up");
            (ended || files_of(backup.path()).len() > files + more).then_some(())
        });
        running.kill();
        let copy = tempfile::tempdir().unwrap();
        let ended = restore(copy.path(), backup.path());
        if ended.status.code() == Some(0) {
            has_one = true;
            succeeded(&command(copy.path(), &["check"]).run_to_end());
        } else {
            assert!(!has_one, "the backup before is gone: {}", ended.output);
            refused(&ended, 2, "no whole backup");
        }
    }
    drop(load.stop());
    succeeded(&back_up(data.path(), backup.path()));
    let copy = tempfile::tempdir().unwrap();
    succeeded(&restore(copy.path(), backup.path()));
    let before = all_events(&gateway.client());
    assert!(before.len() > 500);
    let again = small(copy.path()).start();
    assert_eq!(all_events(&again.client()).len(), before.len());
}

#[test]
fn what_cannot_be_restored_is_refused_by_name_and_leaves_nothing() {
    let (data, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gateway = small(data.path()).start();
    let ended = command(data.path(), &["backup", backup.path().to_str().unwrap()]).run_to_end();
    succeeded(&ended);
    assert!(ended.output.contains("key is not in it"), "{}", ended.output);
    refused(&restore(data.path(), backup.path()), 2, "in use");
    drop(gateway);
    refused(&restore(data.path(), backup.path()), 2, "is not empty");

    let copy = tempfile::tempdir().unwrap();
    let ended = restore(copy.path(), backup.path());
    succeeded(&ended);
    assert!(ended.output.contains("put the key file"), "{}", ended.output);
    refused(&small(copy.path()).run_to_end(), 2, "is missing");
    std::fs::copy(data.path().join("key"), copy.path().join("key")).unwrap();
    drop(small(copy.path()).start());

    let file = files_of(backup.path()).into_iter().find(|file| file.to_string_lossy().contains(".seg.")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let empty = tempfile::tempdir().unwrap();
    refused(&restore(empty.path(), backup.path()), 70, file.to_str().unwrap());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    refused(&restore(empty.path(), empty.path()), 2, "no whole backup");
}
