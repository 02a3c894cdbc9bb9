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

/// Fills a directory, kills the gateway, damages the journal's end, starts again; gives what arrives then.
fn arrivals_after(damage: impl FnOnce(&Path)) -> Vec<u64> {
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
    let numbers = std::iter::repeat_with(|| destination.next_request(PATIENCE).number().unwrap());
    let arrived: Vec<u64> = numbers.take_while(|number| *number < REQUESTS).collect();
    assert_eq!(destination.count(), arrived.len() + 1, "the newest came last and once");
    arrived
}

#[test]
fn a_cut_frame_costs_itself_only() {
    let cut = 1 + usize::try_from(Seed::new().below(60)).unwrap();
    assert_eq!(arrivals_after(|data| cut_tail(data, cut)), (0..REQUESTS - 1).collect::<Vec<_>>());
}

#[test]
fn garbage_behind_the_last_frame_costs_nothing() {
    let mut seed = Seed::new();
    let garbage: Vec<u8> = (0..1 + seed.below(300)).map(|_| u8::try_from(seed.below(256)).unwrap()).collect();
    assert_eq!(arrivals_after(|data| append_garbage(data, &garbage)), (0..REQUESTS).collect::<Vec<_>>());
}

#[test]
fn an_undamaged_journal_costs_nothing_which_shows_that_these_tests_can_tell() {
    assert_eq!(arrivals_after(|_| ()), (0..REQUESTS).collect::<Vec<_>>());
}
