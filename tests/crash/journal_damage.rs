//! A journal with a flipped bit: never a wrong byte to anybody, and never more lost than what the bit was in.

use std::path::{Path, PathBuf};

use hookgate::testkit::{Answer, ApiClient, Flow, GatewayProcess, NumberedBody, PATIENCE, TestDestination};
use serde_json::Value;

use crate::damage::{FRAME_HEADER_BYTES, RECORD_HEADER_BYTES, find_in_journal, flip, frame_around};
use crate::support::{flows, launch};

/// Sent one after the other: a frame each.
const REQUESTS: u64 = 10;
/// The one that is damaged: frames before and behind it.
const DAMAGED: u64 = 5;
/// Says that something failed on our side, in an exit code.
const INTERNAL: i32 = 70;
/// What the operator can mend.
const USAGE: i32 = 2;

/// Sends numbered requests and gives the ids of their events, by number.
fn send(client: &ApiClient, flow: &Flow, numbers: std::ops::Range<u64>, status: &str) -> Vec<String> {
    let sent = numbers.map(|number| client.ingest(flow, &NumberedBody::numbered(number)));
    let settled = sent.map(|request| {
        client.wait_for_event(flow, PATIENCE, |event| event["request_id"] == request && event["status"] == status)
    });
    settled.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn event(client: &ApiClient, id: &str) -> Value {
    client.get(&format!("/events/{id}"))
}

fn body_number(event: &Value) -> Option<&str> {
    event["data"]["body"]["number"].as_str()
}

/// Flips a bit in the body with this number and gives the place.
fn damage_body(data: &Path, number: u64) -> (PathBuf, usize) {
    let body = NumberedBody::numbered(number);
    let (segment, at) = find_in_journal(data, &body);
    flip(&segment, at + body.len() / 2);
    (segment, at)
}

/// `hookgate check`: its exit code and what it says.
fn check(data: &Path) -> (Option<i32>, String) {
    let ended = launch(data).arguments(&["check"]).run_to_end();
    (ended.status.code(), ended.output)
}

/// A gateway whose requests are all settled, stopped as `stop` says, with the body of [`DAMAGED`] flipped.
fn with_a_damaged_body(data: &Path, destination: &TestDestination, stop: fn(GatewayProcess)) -> (Flow, Vec<String>) {
    let gateway = launch(data).start();
    let flow = flows(&gateway.client(), 1, destination).remove(0);
    let events = send(&gateway.client(), &flow, 0..REQUESTS, "SUCCESSFUL");
    stop(gateway);
    let (segment, at) = damage_body(data, DAMAGED);
    let (code, said) = check(data);
    assert_eq!(code, Some(1), "{said}");
    let named = |line: &str| {
        let offset = line.split("at byte ").nth(1).and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
        line.contains(segment.to_str().unwrap()) && offset.is_some_and(|offset| (at - 1000..at).contains(&offset))
    };
    assert!(said.lines().any(named), "neither file nor offset near {at} is named: {said}");
    (flow, events)
}

fn a_damaged_body_costs_itself_only(stop: fn(GatewayProcess)) {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let (flow, events) = with_a_damaged_body(data.path(), &destination, stop);
    let gateway = launch(data.path()).start();
    let client = gateway.client();
    for (number, id) in events.iter().enumerate() {
        let event = event(&client, id);
        assert_eq!(event["status"], "SUCCESSFUL");
        let expected = (number as u64 != DAMAGED).then(|| format!("{number:016}"));
        assert_eq!(body_number(&event), expected.as_deref(), "{event}");
        assert_eq!(event["data"].is_null(), number as u64 == DAMAGED, "{event}");
    }
    drop(send(&client, &flow, REQUESTS..REQUESTS + 1, "SUCCESSFUL"));
    assert!(destination.arrivals().values().all(|times| *times == 1), "{:?}", destination.arrivals());
}

#[test]
fn a_damaged_body_of_a_settled_event_is_missing_and_named_and_all_else_goes_on() {
    a_damaged_body_costs_itself_only(GatewayProcess::kill);
}

#[test]
fn nor_does_it_cost_more_in_a_sealed_segment() {
    a_damaged_body_costs_itself_only(|gateway| drop(gateway.stop()));
}

#[test]
fn a_manual_retry_of_a_damaged_body_fails_as_an_attempt_that_says_so() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let (_, events) = with_a_damaged_body(data.path(), &destination, GatewayProcess::kill);
    let gateway = launch(data.path()).start();
    let client = gateway.client();
    let id = &events[usize::try_from(DAMAGED).unwrap()];
    drop(client.ok("POST", &format!("/events/{id}/retry"), None));
    let failed = hookgate::testkit::poll(PATIENCE, || Some(event(&client, id)).filter(|e| e["status"] == "FAILED"));
    assert!(failed.is_some(), "{}", event(&client, id));
    let attempts = client.attempts(id);
    let last = attempts.last().unwrap();
    assert_eq!((attempts.len(), &last["error_code"]), (2, &Value::from("PAYLOAD_MISSING")), "{attempts:?}");
    assert_eq!(destination.arrivals()[&DAMAGED], 1, "a body that is not as written was sent");
}

#[test]
fn a_damaged_response_is_told_as_missing_and_never_shown() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let answer = b"an answer that is easily found in the journal";
    destination.answer_always(Answer::Full(200, vec![], answer.to_vec()));
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    let events = send(&gateway.client(), &flow, 0..2, "SUCCESSFUL");
    gateway.kill();
    let (segment, at) = find_in_journal(data.path(), answer);
    flip(&segment, at + 3);

    let gateway = launch(data.path()).start();
    let client = gateway.client();
    let shown: Vec<Value> = events
        .iter()
        .map(|event| client.attempts(event)[0]["id"].as_str().unwrap().to_owned())
        .map(|attempt| client.get(&format!("/attempts/{attempt}")))
        .collect();
    assert!(shown[0]["body"].is_null() && shown[0]["response_status"] == 200, "{}", shown[0]);
    assert!(shown[0]["error_message"].as_str().is_some_and(|text| text.contains("damaged")), "{}", shown[0]);
    assert_eq!(shown[1]["body"], String::from_utf8_lossy(answer).as_ref());
}

/// Damages the frame of [`DAMAGED`] at this distance from its start: the start is refused, salvaging keeps the rest.
fn a_damaged_frame_is_refused_and_salvaged(distance: usize) {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    drop(gateway.client().ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None));
    drop(send(&gateway.client(), &flow, 0..REQUESTS, "HOLD"));
    gateway.kill();
    let (segment, at) = find_in_journal(data.path(), &NumberedBody::numbered(DAMAGED));
    let start = frame_around(&segment, at);
    flip(&segment, start + distance);

    let refused = launch(data.path()).run_to_end();
    assert_eq!(refused.status.code(), Some(INTERNAL), "{}", refused.output);
    let named = [segment.to_str().unwrap(), &format!("byte {start}"), "hookgate rebuild --salvage"];
    assert!(named.iter().all(|word| refused.output.contains(word)), "{}", refused.output);
    let (code, said) = check(data.path());
    assert!(code == Some(1) && said.contains(&format!("byte {start}")), "{said}");
    let plain = launch(data.path()).arguments(&["rebuild"]).run_to_end();
    assert_eq!(plain.status.code(), Some(INTERNAL), "rebuilt without what is damaged, unasked: {}", plain.output);
    let salvaged = launch(data.path()).arguments(&["rebuild", "--salvage"]).run_to_end();
    assert_eq!(salvaged.status.code(), Some(0), "{}", salvaged.output);
    assert_eq!(check(data.path()).0, Some(0), "{}", check(data.path()).1);

    let gateway = launch(data.path()).start();
    drop(gateway.client().ok("PUT", &format!("/connections/{}/unpause", flow.connection_id), None));
    drop(gateway.client().ingest(&flow, &NumberedBody::numbered(REQUESTS)));
    let expected: Vec<u64> = (0..=REQUESTS).filter(|number| *number != DAMAGED).collect();
    drop(destination.wait_for(expected.len(), PATIENCE));
    assert_eq!(
        destination.arrivals().into_iter().collect::<Vec<_>>(),
        expected.iter().map(|n| (*n, 1)).collect::<Vec<_>>()
    );
}

#[test]
fn a_damaged_frame_header_in_the_middle_is_refused_by_name_and_salvaged() {
    a_damaged_frame_is_refused_and_salvaged(0);
}

#[test]
fn a_damaged_frame_length_in_the_middle_is_refused_by_name_and_salvaged() {
    a_damaged_frame_is_refused_and_salvaged(26);
}

#[test]
fn a_damaged_meta_in_the_middle_is_refused_by_name_and_salvaged() {
    a_damaged_frame_is_refused_and_salvaged(FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + 20);
}

#[test]
fn another_key_is_refused_and_told_and_the_right_one_works_again() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    gateway.kill();
    let path = data.path().join("key");
    let right = std::fs::read(&path).unwrap();
    for (wrong, told) in [(vec![7; 32], "does not open with this key"), (vec![7; 31], "must hold 32 bytes, not 31")] {
        std::fs::write(&path, &wrong).unwrap();
        let refused = launch(data.path()).run_to_end();
        assert_eq!(refused.status.code(), Some(USAGE), "{}", refused.output);
        assert!(refused.output.contains(told), "{}", refused.output);
    }
    std::fs::remove_file(&path).unwrap();
    let refused = launch(data.path()).run_to_end();
    assert_eq!(refused.status.code(), Some(USAGE), "{}", refused.output);
    assert!(refused.output.contains("is missing") && !path.exists(), "{}", refused.output);
    std::fs::write(&path, &right).unwrap();
    let gateway = launch(data.path()).start();
    drop(send(&gateway.client(), &flow, 0..1, "SUCCESSFUL"));
}
