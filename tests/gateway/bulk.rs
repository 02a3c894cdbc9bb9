//! Bulk operations, retries of requests and replays through the front door, and what a kill in the middle leaves of them.

use std::collections::BTreeMap;

use hookgate::testkit::{Answer, Flow, NumberedBody, PATIENCE, TestDestination, poll};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected, id};

/// Events of the operation that is killed: enough for some seconds of work.
const EVENTS: u64 = 3_000;
/// Things a second in that operation: a few batches before the kill, and some after it.
const RATE: &str = "1000";
/// Deliveries at once: what a kill may repeat of them is twice that.
const AT_ONCE: usize = 8;

/// Sends so many requests through a connection, numbered from 0.
fn ingest_many(gateway: &TestGateway, flow: &Flow, count: u64) {
    for number in 0..count {
        drop(gateway.ingest(flow, &NumberedBody::numbered(number)));
    }
}

fn count(gateway: &TestGateway, filter: &str) -> u64 {
    gateway.get(&format!("/events/count?{filter}"))["count"].as_u64().unwrap()
}

fn wait_until_counted(gateway: &TestGateway, filter: &str, wanted: u64) {
    let reached = poll(PATIENCE, || (count(gateway, filter) == wanted).then_some(()));
    assert!(reached.is_some(), "{filter}: {} instead of {wanted}", count(gateway, filter));
}

/// Waits until an operation has ended, and gives it.
fn ended(gateway: &TestGateway, path: &str) -> Value {
    let ended = poll(PATIENCE, || Some(gateway.get(path)).filter(|bulk| bulk["in_progress"] == false));
    ended.unwrap_or_else(|| panic!("it goes on: {}", gateway.get(path)))
}

#[test]
fn an_operation_that_is_killed_goes_on_repeats_nothing_and_forgets_nothing() {
    let at_once = AT_ONCE.to_string();
    let gateway =
        TestGateway::with(|launch| launch.setting("bulk.rate_per_s", RATE).setting("delivery.concurrency", &at_once));
    let destination = TestDestination::start();
    destination.answer_always(Answer::Status(500));
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    ingest_many(&gateway, &flow, EVENTS);
    wait_until_counted(&gateway, "status=FAILED", EVENTS);
    let first = destination.arrivals();
    destination.answer_always(Answer::Status(200));
    let begun = gateway.ok("POST", "/bulk/events/retry", Some(&json!({ "query": { "status": "FAILED" } })));
    let path = format!("/bulk/events/retry/{}", id(&begun));
    assert_eq!(begun["estimated_count"], EVENTS);
    let reached = poll(PATIENCE, || gateway.get(&path)["completed_count"].as_u64().filter(|done| *done > EVENTS / 4));
    assert!(reached.is_some_and(|done| done < EVENTS), "in the middle: {reached:?}");
    let gateway = gateway.crash();
    let bulk = ended(&gateway, &path);
    wait_until_counted(&gateway, "status=SUCCESSFUL", EVENTS);
    assert_eq!((&bulk["completed_count"], &bulk["failed_count"]), (&json!(EVENTS), &json!(0)), "{bulk}");
    assert_eq!(count(&gateway, &format!("bulk_retry_id={}", id(&begun))), EVENTS);
    let mut again = BTreeMap::<usize, usize>::new();
    for (number, times) in destination.arrivals() {
        *again.entry(times - first[&number]).or_default() += 1;
    }
    let (once, twice) = (again.remove(&1).unwrap_or(0), again.remove(&2).unwrap_or(0));
    assert!(again.is_empty() && (once + twice) as u64 == EVENTS, "none is missing, none came oftener: {again:?}");
    assert!(twice <= 2 * AT_ONCE, "{twice} came twice, which is more than what was in flight");
    // The store knows of one try each, however often the destination saw it.
    assert_eq!(count(&gateway, "attempts=2"), EVENTS);
}

#[test]
fn a_replay_that_is_killed_makes_each_request_once() {
    const REQUESTS: u64 = 1_500;
    let gateway = TestGateway::with(|launch| launch.setting("bulk.rate_per_s", RATE));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    drop(gateway.pause(&flow));
    ingest_many(&gateway, &flow, REQUESTS);
    let begun = gateway.ok("POST", "/2026-09-01/bulk/requests/replay", Some(&json!({})));
    let path = format!("/bulk/requests/replay/{}", id(&begun));
    let some = poll(PATIENCE, || gateway.get(&path)["completed_count"].as_u64().filter(|done| *done > 0));
    assert!(some.is_some_and(|done| done < REQUESTS), "in the middle: {some:?}");
    let gateway = gateway.crash();
    let bulk = ended(&gateway, &path);
    assert_eq!(bulk["completed_count"], REQUESTS, "{bulk}");
    assert_eq!(gateway.get("/requests/count")["count"], 2 * REQUESTS);
    assert_eq!(count(&gateway, "status=HOLD"), 2 * REQUESTS);
    assert_eq!(destination.requests().len(), 0);
}

#[test]
fn an_operation_is_stopped_and_what_it_did_stays_done() {
    let gateway = TestGateway::with(|launch| launch.setting("bulk.rate_per_s", "50"));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    drop(gateway.pause(&flow));
    ingest_many(&gateway, &flow, 300);
    let begun = gateway.ok("POST", "/bulk/requests/replay", None);
    let path = format!("/bulk/requests/replay/{}", id(&begun));
    let some = poll(PATIENCE, || (gateway.get("/requests/count")["count"].as_u64() > Some(310)).then_some(()));
    assert!(some.is_some());
    let stopped = gateway.ok("POST", &format!("{path}/cancel"), None);
    assert_eq!((&stopped["in_progress"], &stopped["completed_at"]), (&json!(false), &Value::Null));
    let restarted = gateway.restart();
    let there = restarted.get("/requests/count")["count"].as_u64().unwrap();
    assert!((311..600).contains(&there), "{there}");
    assert_eq!(restarted.get(&path)["cancelled_at"], stopped["cancelled_at"]);
    assert_eq!(restarted.get("/bulk/requests/replay?in_progress=true")["count"], 0);
}

#[test]
fn a_request_that_was_ignored_is_delivered_when_it_is_retried() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.put(&format!("/connections/{}/disable", flow.connection_id)));
    let request = gateway.ingest(&flow, b"{\"late\":true}");
    drop(gateway.put(&format!("/connections/{}/enable", flow.connection_id)));
    let path = format!("/requests/{request}/retry");
    let answer = gateway.ok("POST", &path, Some(&json!({ "webhook_ids": [flow.connection_id] })));
    assert_eq!(answer["events"][0]["request_id"], request.as_str());
    assert_eq!(destination.next_request(PATIENCE).body(), b"{\"late\":true}");
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    assert_eq!(gateway.call("POST", &path, None).status, 400, "it has its event");
    let gateway = gateway.crash();
    assert_eq!(gateway.call("POST", &path, None).status, 400, "after a crash as well");
    assert_eq!(gateway.get(&format!("/requests/{request}"))["events_count"], 1);
    assert_eq!(gateway.get("/requests/count")["count"], 1);
    assert_eq!(destination.requests().len(), 1);
}

#[test]
fn a_replayed_event_is_delivered_as_a_new_request_with_the_same_bytes() {
    let (gateway, destination, flow) = connected(&json!([]));
    let event = gateway.deliver(&flow, b"{\"a\": 1}", "SUCCESSFUL");
    let new = gateway.ok("POST", &format!("/events/{}/replay", id(&event)), None);
    assert_ne!(new["request_id"], event["request_id"]);
    let bodies: Vec<_> = destination.wait_for(2, PATIENCE).iter().map(|request| request.body().to_vec()).collect();
    assert_eq!(bodies, [b"{\"a\": 1}", b"{\"a\": 1}"]);
}

#[test]
fn a_deleted_event_is_not_sent_and_stays_deleted() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    let held = gateway.deliver(&flow, b"first", "HOLD");
    let path = format!("/events/{}", id(&held));
    assert_eq!(gateway.ok("DELETE", &path, None), json!({ "id": held["id"] }));
    let gateway = gateway.crash();
    assert_eq!(gateway.call("GET", &path, None).status, 410);
    assert_eq!(count(&gateway, ""), 0);
    drop(gateway.ingest(&flow, b"second"));
    drop(gateway.unpause(&flow));
    assert_eq!(destination.next_request(PATIENCE).body(), b"second");
}

#[test]
fn a_filter_on_what_arrived_picks_what_is_retried() {
    let (gateway, destination, flow) = connected(&json!([]));
    for number in 0..6 {
        let body = json!({ "kind": if number % 2 == 0 { "even" } else { "odd" } }).to_string();
        drop(gateway.deliver(&flow, body.as_bytes(), "SUCCESSFUL"));
    }
    drop(destination.wait_for(6, PATIENCE));
    let query = json!({ "query": { "webhook_id": [flow.connection_id], "body": { "kind": "even" } } });
    let begun = gateway.ok("POST", "/bulk/events/retry", Some(&query));
    assert_eq!(begun["estimated_count"], 3);
    let again = destination.wait_for(9, PATIENCE);
    assert!(again[6..].iter().all(|request| request.body() == b"{\"kind\":\"even\"}"));
    assert_eq!(ended(&gateway, &format!("/bulk/events/retry/{}", id(&begun)))["completed_count"], 3);
}
