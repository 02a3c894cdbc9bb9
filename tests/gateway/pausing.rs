//! Pausing a connection.

use hookgate::testkit::{Answer, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected, retry_rule};

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
    assert_eq!(gateway.unpause(&flow)["paused_at"], Value::Null);
    for number in 0..20 {
        assert_eq!(destination.next_request(PATIENCE).body(), format!("{number}").as_bytes());
    }
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
