//! A journal whose end is torn opens, and loses the torn frame at most.

use std::path::Path;

use hookgate::testkit::{ApiClient, Flow, NumberedBody, PATIENCE, TestDestination};

use crate::damage::{append_garbage, cut_tail};
use crate::support::{Seed, flows, launch};

/// Sent one after the other to a paused connection: each is a frame of its own, and no outcome comes behind.
const REQUESTS: u64 = 10;

fn pause(client: &ApiClient, flow: &Flow) {
    drop(client.ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None));
}

fn unpause(client: &ApiClient, flow: &Flow) {
    drop(client.ok("PUT", &format!("/connections/{}/unpause", flow.connection_id), None));
}

/// Fills a directory, kills the gateway, damages the journal's end, starts again; `survivors` of what was there must arrive,
/// each once and beside what came later. Several are in flight at a time, so their order is not asked for.
fn survive(survivors: u64, damage: impl FnOnce(&Path)) {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    pause(&gateway.client(), &flow);
    for number in 0..REQUESTS {
        drop(gateway.client().ingest(&flow, &NumberedBody::numbered(number)));
    }
    gateway.kill();
    damage(data.path());

    // What is accepted behind a mended end must survive as well: killed once more before anything is sent.
    let mended = launch(data.path()).start();
    drop(mended.client().ingest(&flow, &NumberedBody::numbered(REQUESTS)));
    mended.kill();
    let gateway = launch(data.path()).start();
    unpause(&gateway.client(), &flow);
    let arrived = destination.wait_for(usize::try_from(survivors + 1).unwrap(), PATIENCE);
    let mut numbers: Vec<u64> = arrived.iter().map(|request| request.number().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..survivors).chain([REQUESTS]).collect::<Vec<_>>());
}

#[test]
fn a_cut_frame_costs_itself_only() {
    let cut = 1 + usize::try_from(Seed::new().below(60)).unwrap();
    survive(REQUESTS - 1, |data| cut_tail(data, cut));
}

#[test]
fn garbage_behind_the_last_frame_costs_nothing() {
    let mut seed = Seed::new();
    let garbage: Vec<u8> = (0..1 + seed.below(300)).map(|_| u8::try_from(seed.below(256)).unwrap()).collect();
    survive(REQUESTS, |data| append_garbage(data, &garbage));
}

#[test]
fn an_undamaged_journal_costs_nothing_which_shows_that_these_tests_can_tell() {
    survive(REQUESTS, |_| ());
}
