//! No file left to open: clients cannot take all of them, and where something else does, that passes.

use std::net::TcpStream;

use hookgate::testkit::{GatewayProcess, NumberedBody, PATIENCE, TestDestination, poll};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::rig::{is_installed, post, skipped};
use crate::support::{Ledger, UnderLoad, flows, launch};

/// Open files the process may have: a few more than it needs for itself.
const FILES_MAX: usize = 64;
/// Clients that say nothing: fewer than the system queues for a listener, where a connection would wait for room.
const IDLE: usize = 100;

/// Waits until the gateway has made a checkpoint more: it opens files for that.
fn wait_for_checkpoint(data: &std::path::Path, gateway: &GatewayProcess) {
    let read = || std::fs::metadata(data.join("CHECKPOINT")).and_then(|file| file.modified()).ok();
    let before = read();
    assert!(poll(PATIENCE, || (read() != before).then_some(())).is_some(), "no checkpoint: {}", gateway.output());
}

#[test]
fn more_clients_than_files_leave_the_api_alone_and_when_they_go_senders_are_served_again() {
    if !is_installed("prlimit") {
        return skipped("prlimit is not installed");
    }
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let limit = format!("--nofile={FILES_MAX}:{FILES_MAX}");
    let gateway = launch(data.path()).through(&["prlimit", &limit]).start();
    let warned = gateway.output().lines().any(|line| line.contains("LimitNOFILE") && line.contains("64"));
    assert!(warned, "it does not say that {FILES_MAX} files are few: {}", gateway.output());
    let client = gateway.client();
    let flow = flows(&client, 1, &destination).remove(0);
    let idle: Vec<TcpStream> = (0..IDLE).filter_map(|_| TcpStream::connect(gateway.ingress).ok()).collect();
    assert!(idle.len() > FILES_MAX, "only {} connections were made", idle.len());
    drop(client.ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None));
    wait_for_checkpoint(data.path(), &gateway);
    drop(client.ok("PUT", &format!("/connections/{}/unpause", flow.connection_id), None));
    drop(idle);
    let answer = post(&client, &flow.path, &NumberedBody::numbered(1)).expect("an answer");
    assert_eq!(answer.status, 200);
    drop(destination.wait_for(1, PATIENCE));
    assert!(gateway.output().len() < 100_000, "it filled its log: {} bytes", gateway.output().len());
}

/// Lets a gateway open no file more; gives what takes that back.
fn leave_no_file(gateway: &GatewayProcess) -> (Option<Pid>, Rlimit) {
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap());
    let before = prlimit(pid, Resource::Nofile, Rlimit { current: Some(1), maximum: None }).or_else(|_| {
        let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(1), maximum: hard })
    });
    (pid, before.expect("an own child's limit can be changed"))
}

#[test]
fn a_start_takes_all_the_files_it_may_have() {
    if !is_installed("prlimit") {
        return skipped("prlimit is not installed");
    }
    let data = tempfile::tempdir().unwrap();
    let gateway = launch(data.path()).through(&["prlimit", "--nofile=64:5000"]).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let files: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(files[3..5], ["5000", "5000"]);
    assert!(!gateway.output().contains("LimitNOFILE"), "{}", gateway.output());
}

#[test]
fn who_could_not_be_accepted_for_want_of_files_is_served_when_there_are_some() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let client = gateway.client();
    let flow = flows(&client, 1, &destination).remove(0);
    let (pid, before) = leave_no_file(&gateway);
    let waiting = std::thread::spawn({
        let (client, path) = (client.clone(), flow.path.clone());
        move || post(&client, &path, &NumberedBody::numbered(1))
    });
    let refused = poll(PATIENCE, || gateway.output().contains("Error accepting connection").then_some(()));
    assert!(refused.is_some(), "{}", gateway.output());
    prlimit(pid, Resource::Nofile, before).unwrap();
    assert_eq!(waiting.join().unwrap().expect("an answer").status, 200);
    drop(destination.wait_for(1, PATIENCE));
}

#[test]
fn without_a_single_file_to_open_what_is_connected_is_served_and_checkpoints_wait() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let client = gateway.client();
    let flow = flows(&client, 1, &destination).remove(0);
    drop(client.ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None));
    let load = UnderLoad::start(&gateway, std::slice::from_ref(&flow), 0);
    load.wait_for_acks(100);

    let (pid, before) = leave_no_file(&gateway);
    let waits = poll(PATIENCE, || gateway.output().contains("no checkpoint was made").then_some(()));
    assert!(waits.is_some(), "{}", gateway.output());
    load.wait_for_acks(load.acks() + 500);
    prlimit(pid, Resource::Nofile, before).unwrap();
    wait_for_checkpoint(data.path(), &gateway);

    let mut ledger = Ledger::default();
    ledger.add(&load.stop());
    drop(client.ok("PUT", &format!("/connections/{}/unpause", flow.connection_id), None));
    ledger.settle(&client, &destination, 0);
}
