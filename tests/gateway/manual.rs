//! Retrying and cancelling by hand.

use hookgate::testkit::{Answer, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{column, connected, id, retry_rule};

#[test]
fn a_failed_event_is_sent_again_when_somebody_asks() {
    let (gateway, destination, flow) = connected(&json!([]));
    destination.answer_next([Answer::Status(500)]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    assert_eq!(gateway.retry(&event)["id"], event["id"]);
    drop(destination.wait_for(2, PATIENCE));
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    assert_eq!(column(&gateway.attempts(&id(&event)), "trigger"), ["INITIAL", "MANUAL"]);
}

#[test]
fn a_delivered_event_can_be_sent_again_as_well() {
    let (gateway, destination, flow) = connected(&json!([]));
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    drop(gateway.retry(&event));
    drop(gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 2 && event["status"] == "SUCCESSFUL"));
    assert_eq!(destination.requests().len(), 2);
}

#[test]
fn a_manual_retry_that_fails_leaves_the_automatic_one_standing() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 3_600_000));
    destination.answer_always(Answer::Status(500));
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    drop(gateway.retry(&event));
    let tried = gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 2 && event["status"] == "FAILED");
    assert_eq!(tried["next_attempt_at"], event["next_attempt_at"]);
    assert_eq!(destination.requests().len(), 2);
}

#[test]
fn a_cancelled_event_is_not_retried_any_more() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 3_600_000));
    destination.answer_always(Answer::Status(500));
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    let cancelled = gateway.cancel(&event);
    assert_eq!((&cancelled["status"], &cancelled["next_attempt_at"]), (&json!("CANCELLED"), &Value::Null));
    assert_eq!(gateway.cancel(&event)["status"], "CANCELLED");
    assert_eq!(destination.requests().len(), 1);
}

#[test]
fn an_event_cancelled_on_hold_is_never_sent() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    let held = gateway.deliver(&flow, b"first", "HOLD");
    drop(gateway.cancel(&held));
    drop(gateway.ingest(&flow, b"second"));
    drop(gateway.unpause(&flow));
    assert_eq!(destination.next_request(PATIENCE).body(), b"second");
}

#[test]
fn cancelling_a_delivered_event_is_refused() {
    let (gateway, destination, flow) = connected(&json!([]));
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    let refused = gateway.call("PUT", &format!("/events/{}/cancel", id(&event)), None);
    assert_eq!((refused.status, &refused.json()["status"]), (422, &json!(422)));
    assert_eq!(destination.requests().len(), 1);
}
