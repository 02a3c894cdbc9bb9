//! The system refuses to write or to sync, or takes its time: nothing is acknowledged that is not durable.
//!
//! strace injects the errors. It counts calls for each thread of its own, so the n-th call is the start's, the journal's
//! and the feeder's, whichever comes first.

use std::path::Path;
use std::time::{Duration, Instant};

use hookgate::testkit::{GatewayProcess, Launch, NumberedBody, PATIENCE, TestDestination, poll};

use crate::rig::{assert_refused, is_installed, post, run, skipped};
use crate::support::{Ledger, UnderLoad, flows, launch};

/// Which calls fail, counted for each thread.
const CALLS: std::ops::RangeInclusive<u32> = 1..=6;
/// The file of sled's that has everything.
const SLED: &str = "state/db";
/// How long a sync takes when the disk is slow.
const SLOW: Duration = Duration::from_secs(3);
/// A sender has its answer before the sync is over: it waits for a second, and this is far from both.
const ANSWER_MAX: Duration = Duration::from_millis(2500);

/// A gateway whose system calls fail, those on one file if `file` is given: `strace -D` leaves it our own child.
fn injected(data: &Path, fault: &str, file: Option<&Path>) -> Launch {
    let call = fault.split(':').next().unwrap_or_default();
    let (traced, inject) = (format!("trace={call}"), format!("inject={fault}"));
    let mut words = vec!["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &traced, "-e", &inject];
    if let Some(file) = file {
        words.extend(["-P", file.to_str().unwrap()]);
    }
    launch(data).through(&words)
}

/// Why no errors can be injected here, if so.
fn obstacle() -> Option<String> {
    if !is_installed("strace") {
        return Some("strace is not installed".to_owned());
    }
    run("strace", &["-f", "-o", "/dev/null", "true"]).err()
}

/// Runs under load until the error strikes, for each call; then without errors, and counts.
fn survives(fault: &str, file: Option<&str>) {
    if let Some(why) = obstacle() {
        return skipped(&why);
    }
    let data = tempfile::tempdir().unwrap();
    let file = file.map(|name| data.path().join(name));
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination);
    let mut ledger = Ledger::default();
    let load = UnderLoad::start(&gateway, &flow, 0);
    load.wait_for_acks(50);
    ledger.add(&load.stop());
    gateway.kill();
    for call in CALLS {
        let mut gateway = injected(data.path(), &format!("{fault}:when={call}"), file.as_deref()).spawn();
        let up = poll(PATIENCE, || {
            let ended = gateway.wait(Duration::ZERO).is_some();
            (ended || std::net::TcpStream::connect(gateway.ingress).is_ok()).then_some(!ended)
        });
        if up.expect("it starts or ends") {
            let load = UnderLoad::start(&gateway, &flow, ledger.next_number);
            let status = gateway.wait(PATIENCE);
            ledger.add(&load.stop());
            let status = status.unwrap_or_else(|| panic!("call {call} failed and it goes on: {}", gateway.output()));
            assert_eq!(status.code(), Some(70), "call {call}: {}", gateway.output());
        }
        assert!(!gateway.output().contains("panic"), "call {call}: {}", gateway.output());
        // Each error alone: what it left must not trouble the next start.
        ended_well(launch(data.path()).start());
    }
    let gateway = launch(data.path()).start();
    // A slot is free when its outcome is handed over: while the disk stalls, more than were in flight end unrecorded.
    ledger.settle(&gateway.client(), &destination, usize::MAX);
}

fn ended_well(gateway: GatewayProcess) {
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_failed_sync_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    survives("fdatasync:error=EIO", None);
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_write_without_space_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    survives("pwrite64:error=ENOSPC", None);
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_failed_write_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    survives("pwrite64:error=EIO", None);
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_state_that_cannot_be_written_ends_the_process_and_is_made_again() {
    survives("pwrite64:error=EIO", Some(SLED));
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_state_that_cannot_be_synced_ends_the_process_and_is_made_again() {
    survives("fdatasync:error=EIO", Some(SLED));
}

#[test]
#[ignore = "needs strace: make faults"]
fn a_slow_sync_has_senders_sent_away_before_it_is_over() {
    if let Some(why) = obstacle() {
        return skipped(&why);
    }
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    gateway.kill();
    let slow = format!("fdatasync:delay_exit={}:when=4+", SLOW.as_micros());
    let gateway = injected(data.path(), &slow, None).start();
    let client = gateway.client();
    let mut acked = Vec::new();
    let mut refused = 0;
    for number in 0..8 {
        let since = Instant::now();
        let answer = post(&client, &flow.path, &NumberedBody::numbered(number)).expect("an answer");
        if answer.status == 200 {
            acked.push(number);
            continue;
        }
        assert_refused(&answer, "UNCONFIRMED");
        assert!(since.elapsed() < ANSWER_MAX, "answered after {:?}, the sync takes {SLOW:?}", since.elapsed());
        refused += 1;
    }
    assert!(refused > 0 && !acked.is_empty(), "{refused} were sent away, {} taken", acked.len());
    gateway.kill();
    let gateway = launch(data.path()).start();
    let arrived = poll(PATIENCE, || {
        let arrivals = destination.arrivals();
        acked.iter().all(|number| arrivals.contains_key(number)).then_some(())
    });
    assert!(arrived.is_some(), "acknowledged {acked:?}, arrived {:?}: {}", destination.arrivals(), gateway.output());
}
