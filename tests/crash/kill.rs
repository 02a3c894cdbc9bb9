//! kill -9 and SIGTERM under load.

use std::time::Duration;

use hookgate::testkit::{TestDestination, poll};

use crate::support::{IN_FLIGHT, Ledger, Seed, UnderLoad, flows, launch};

/// Kills in a row on one data directory.
const CYCLES: usize = 20;
/// Each kill comes after at most so many acknowledgements.
const ACKS_MAX: u64 = 1500;
const CONNECTIONS: usize = 4;
/// A start is killed after this at the latest.
const START_MAX: Duration = Duration::from_millis(500);

#[test]
fn nothing_acknowledged_is_lost_in_twenty_kills_and_only_what_was_in_flight_comes_twice() {
    survives_kills(CYCLES);
}

#[test]
#[ignore = "takes minutes: make faults"]
fn nothing_acknowledged_is_lost_in_two_hundred_kills_either() {
    survives_kills(10 * CYCLES);
}

fn survives_kills(cycles: usize) {
    let mut seed = Seed::new();
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let mut ledger = Ledger::default();
    let gateway = launch(data.path()).start();
    let flows = flows(&gateway.client(), CONNECTIONS, &destination);
    let mut gateway = Some(gateway);
    for _ in 0..cycles {
        let running = gateway.take().unwrap_or_else(|| launch(data.path()).start());
        let load = UnderLoad::start(&running, &flows, ledger.next_number);
        load.wait_for_acks(seed.below(ACKS_MAX));
        running.kill();
        ledger.add(&load.stop());
    }
    let last = launch(data.path()).start();
    ledger.settle(&last.client(), &destination, cycles * CONNECTIONS * IN_FLIGHT);
}

#[test]
fn a_start_that_is_killed_loses_nothing_either() {
    let mut seed = Seed::new();
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let mut ledger = Ledger::default();
    let gateway = launch(data.path()).start();
    let flows = flows(&gateway.client(), CONNECTIONS, &destination);
    let load = UnderLoad::start(&gateway, &flows, 0);
    load.wait_for_acks(500);
    gateway.kill();
    ledger.add(&load.stop());
    for _ in 0..CYCLES {
        let starting = launch(data.path()).spawn();
        // Its log is the only sign of how far a start has come; one that says little is killed after the bound.
        let lines = usize::try_from(seed.below(6)).unwrap();
        poll(START_MAX, || (starting.output().lines().count() >= lines).then_some(()));
        starting.kill();
    }
    let last = launch(data.path()).start();
    ledger.settle(&last.client(), &destination, (CYCLES + 1) * CONNECTIONS * IN_FLIGHT);
}

#[test]
fn sigterm_under_load_ends_with_zero_and_nothing_is_lost_or_sent_twice() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let mut ledger = Ledger::default();
    let gateway = launch(data.path()).start();
    let flows = flows(&gateway.client(), CONNECTIONS, &destination);
    let load = UnderLoad::start(&gateway, &flows, 0);
    load.wait_for_acks(1000);
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    ledger.add(&load.stop());
    let again = launch(data.path()).start();
    ledger.settle(&again.client(), &destination, 0);
}
