//! Pausing a connection.

use hookgate::testkit::{Answer, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id, retry_rule};

#[test]
fn a_paused_connection_holds_what_comes_and_lets_it_go_in_order() {
    let gateway = TestGateway::with(|launch| launch.setting("delivery.concurrency", "1"));
    let destination = hookgate::testkit::TestDestination::start().strict();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    assert!(gateway.pause(&flow)["paused_at"].is_string());
    for number in 0..20 {
        drop(gateway.deliver(&flow, format!("{number}").as_bytes(), "HOLD"));
    }
    assert_eq!(destination.count(), 0);
    let oldest = gateway.events("order_by=created_at&dir=asc&limit=1").remove(0);
    let unpaused = gateway.unpause(&flow);
    assert_eq!(unpaused["paused_at"], Value::Null);
    // 0 to 9 and 10 to 19.
    assert_eq!(unpaused["released"], json!({ "count": 20, "oldest_at": oldest["created_at"], "bytes": 10 + 2 * 10 }));
    for number in 0..20 {
        assert_eq!(destination.next_request(PATIENCE).body(), format!("{number}").as_bytes());
    }
}

#[test]
fn what_was_held_is_sent_with_the_trigger_unpause() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    let event = gateway.deliver(&flow, b"{}", "HOLD");
    let path = format!("/2025-07-01/connections/{}/unpause", flow.connection_id);
    assert_eq!(gateway.put(&path).get("released"), None, "the hosted API's shape has no such field");
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    assert_eq!(destination.requests().len(), 1);
    assert_eq!(column(&gateway.attempts(&id(&event)), "trigger"), ["UNPAUSE"]);
    let nothing = json!({ "count": 0, "oldest_at": null, "bytes": 0 });
    assert_eq!(gateway.unpause(&flow)["released"], nothing);
}

#[test]
fn a_held_retry_waits_across_a_restart() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 200));
    destination.answer_next([Answer::Status(500)]);
    let failed = gateway.deliver(&flow, b"{}", "FAILED");
    drop(gateway.pause(&flow));
    let held = gateway.wait_for_status(&flow, PATIENCE, "HOLD");
    assert_eq!(held["next_attempt_at"], failed["next_attempt_at"]);
    let gateway = gateway.restart();
    assert_eq!(gateway.wait_for_status(&flow, PATIENCE, "HOLD")["next_attempt_at"], failed["next_attempt_at"]);
    assert_eq!(destination.requests().len(), 1);
    drop(gateway.unpause(&flow));
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    assert_eq!(column(&gateway.attempts(&id(&failed)), "trigger"), ["INITIAL", "UNPAUSE"]);
    assert_eq!(destination.requests().len(), 2);
}

#[test]
fn a_pause_survives_a_restart() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    drop(gateway.deliver(&flow, b"{}", "HOLD"));
    let gateway = gateway.restart();
    drop(gateway.wait_for_status(&flow, PATIENCE, "HOLD"));
    assert_eq!(destination.count(), 0);
    drop(gateway.unpause(&flow));
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
}

#[test]
fn a_paused_connection_holds_due_retries() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 100));
    destination.answer_next([Answer::HangThen(Box::new(Answer::Status(500)))]);
    drop(gateway.ingest(&flow, b"{}"));
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
    drop(gateway.pause(&flow));
    destination.release();
    drop(gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 1 && event["status"] == "HOLD"));
    assert_eq!(destination.count(), 1);
    drop(gateway.unpause(&flow));
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
}

#[test]
fn pausing_twice_is_the_same_as_once() {
    let (gateway, _destination, flow) = connected(&json!([]));
    let first = gateway.pause(&flow);
    assert_eq!(gateway.pause(&flow)["paused_at"], first["paused_at"]);
    drop(gateway.unpause(&flow));
    assert_eq!(gateway.unpause(&flow)["paused_at"], Value::Null);
}
