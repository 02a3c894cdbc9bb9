//! A full disk: senders are told to come again, everybody else is served, and space is all it takes to go on.

use std::time::{Duration, Instant};

use hookgate::testkit::{GatewayProcess, Launch, NumberedBody, PATIENCE, TestDestination, http::Request, poll};
use serde_json::Value;

use crate::rig::{Ballast, Mounted, assert_refused, data_on, post, skipped};
use crate::support::{Ledger, UnderLoad, flows, launch};

const MIB: u64 = 1 << 20;
/// Of the file system: room for a few small segments and for sled.
const DISK_MIB: u64 = 64;
/// Free space below which nothing is accepted.
const LOW: u64 = 8 * MIB;
/// From the moment the disk is low until senders are told so: it is looked at once a second.
const NOTICED_MAX: Duration = Duration::from_secs(3);
/// Numbers of requests that only look whether they are taken: beyond those of any load.
const PROBES: u64 = 1 << 40;

/// Small segments, because each is allocated whole.
fn launch_small(disk: &Mounted) -> Launch {
    launch(&data_on(disk))
        .setting("ingress.body_bytes_max", "262144")
        .setting("store.segment_bytes", &MIB.to_string())
        .setting("store.disk_low_bytes", &LOW.to_string())
}

fn ready(gateway: &GatewayProcess) -> Option<(u16, Value)> {
    let asked = Request { method: "GET", target: "/-/readyz", ..Request::default() }.send(gateway.api).ok()?;
    Some((asked.status, asked.json()))
}

#[test]
fn a_full_disk_refuses_senders_serves_everybody_else_and_goes_on_when_space_returns() {
    let disk = match Mounted::tmpfs(DISK_MIB) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let destination = TestDestination::start();
    let gateway = launch_small(&disk).start();
    let client = gateway.client();
    let flow = flows(&client, 1, &destination).remove(0);
    let mut ledger = Ledger::default();
    let load = UnderLoad::start(&gateway, std::slice::from_ref(&flow), 0);
    load.wait_for_acks(100);
    let ballast = Ballast::fill(&disk, LOW - 2 * MIB);
    let since = Instant::now();
    let mut probes = PROBES..;
    let mut probe = || post(&client, &flow.path, &NumberedBody::numbered(probes.next()?)).ok();
    let refused = poll(PATIENCE, || probe().filter(|answer| answer.status != 200));
    assert_refused(&refused.expect("a full disk is noticed"), "DISK_FULL");
    assert!(since.elapsed() < NOTICED_MAX, "noticed after {:?}", since.elapsed());
    ledger.add(&load.stop());
    ledger.next_number = u64::MAX;

    // Reads, changes and what was accepted before.
    assert!(!client.events("limit=5").is_empty());
    for change in ["pause", "unpause"] {
        drop(client.ok("PUT", &format!("/connections/{}/{change}", flow.connection_id), None));
    }
    let (status, said) = ready(&gateway).expect("it answers");
    assert_eq!((status, &said["reasons"][0]["check"]), (503, &Value::from("accepting")), "{said}");
    assert!(said["reasons"][0]["reason"].as_str().is_some_and(|text| text.contains("free")), "{said}");
    ledger.settle(&client, &destination, 0);

    drop(ballast);
    let accepted = poll(PATIENCE, || probe().filter(|answer| answer.status == 200));
    assert!(accepted.is_some(), "space is back, requests are not taken: {}", gateway.output());
    assert_eq!(ready(&gateway).expect("it answers").0, 200);
    ledger.settle(&client, &destination, 0);
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

#[test]
#[ignore = "takes long: make faults"]
fn a_disk_that_is_full_to_the_last_byte_costs_a_restart_at_most() {
    let disk = match Mounted::tmpfs(DISK_MIB) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let destination = TestDestination::start();
    // Below the low mark nothing is accepted; without it the disk fills up under the load.
    let careless = || launch_small(&disk).setting("store.disk_low_bytes", "0");
    let mut gateway = careless().start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    let mut ledger = Ledger::default();
    let load = UnderLoad::start(&gateway, std::slice::from_ref(&flow), 0);
    load.wait_for_acks(500);
    let ballast = Ballast::fill(&disk, 0);
    let ended = gateway.wait(PATIENCE).expect("it cannot go on without a byte");
    assert_eq!(ended.code(), Some(70), "{}", gateway.output());
    assert!(gateway.output().contains("No space left"), "{}", gateway.output());
    ledger.add(&load.stop());

    // Without space a start may fail, but it says why, and it does no harm.
    let early = careless().spawn();
    let looked = poll(PATIENCE, || (early.output().contains("o space left") || ready(&early).is_some()).then_some(()));
    assert!(looked.is_some(), "{}", early.output());
    early.kill();
    drop(ballast);
    let gateway = careless().start();
    ledger.settle(&gateway.client(), &destination, 3 * crate::support::IN_FLIGHT);
}

#[test]
fn a_disk_that_is_low_from_the_start_refuses_senders_and_says_why() {
    let data = tempfile::tempdir().unwrap();
    // More than any disk has.
    let gateway = launch(data.path()).setting("store.disk_low_bytes", &(1u64 << 49).to_string()).spawn();
    let (status, said) = poll(PATIENCE, || ready(&gateway)).expect("the API answers");
    assert_eq!((status, &said["reasons"][0]["check"]), (503, &Value::from("accepting")), "{said}");
    assert!(said["reasons"][0]["reason"].as_str().is_some_and(|text| text.contains("free")), "{said}");
    let client = gateway.client();
    let destination = TestDestination::start();
    let flow = flows(&client, 1, &destination).remove(0);
    let answer = post(&client, &flow.path, &NumberedBody::numbered(1)).expect("an answer");
    assert_refused(&answer, "DISK_FULL");
    assert!(client.events("limit=5").is_empty());
}
