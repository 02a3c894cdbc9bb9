//! Automatic retries.

use hookgate::testkit::{Answer, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{column, connected, id, retry_rule};

#[test]
fn a_refused_event_is_tried_again_by_the_rule_until_it_is_accepted() {
    let (gateway, destination, flow) = connected(&retry_rule(5, 50));
    destination.answer_next([Answer::Reset, Answer::Status(503), Answer::Status(201)]);
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    assert_eq!((&event["attempts"], &event["next_attempt_at"]), (&json!(3), &Value::Null));
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(column(&attempts, "attempt_number"), [1, 2, 3]);
    assert_eq!(column(&attempts, "trigger"), ["INITIAL", "AUTOMATIC", "AUTOMATIC"]);
    assert_eq!(column(&attempts, "response_status"), [Value::Null, json!(503), json!(201)]);
    let requests = destination.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.windows(2).all(|pair| pair[0].body() == pair[1].body()));
}

#[test]
fn retries_are_never_early() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 400));
    destination.answer_next([Answer::Status(500)]);
    drop(gateway.deliver(&flow, b"{}", "SUCCESSFUL"));
    let [first, second] = destination.requests().try_into().unwrap();
    assert!(second.at - first.at >= std::time::Duration::from_millis(400));
}

#[test]
fn an_event_whose_retries_are_used_up_is_failed() {
    let (gateway, destination, flow) = connected(&retry_rule(2, 50));
    destination.answer_always(Answer::Status(500));
    drop(gateway.ingest(&flow, b"{}"));
    let given_up = |event: &Value| event["attempts"] == 3 && event["next_attempt_at"].is_null();
    let event = gateway.wait_for_event(&flow, PATIENCE, given_up);
    assert_eq!(event["status"], "FAILED");
    assert_eq!(destination.requests().len(), 3);
}

#[test]
fn without_a_rule_nothing_is_retried() {
    let (gateway, destination, flow) = connected(&json!([]));
    destination.answer_always(Answer::Status(500));
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    assert_eq!((&event["attempts"], &event["next_attempt_at"]), (&json!(1), &Value::Null));
    assert_eq!(destination.requests().len(), 1);
}

#[test]
fn a_retry_that_is_due_later_survives_a_restart() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 2000));
    destination.answer_next([Answer::Status(500)]);
    let waiting = gateway.deliver(&flow, b"{}", "FAILED");
    assert!(waiting["next_attempt_at"].is_string(), "{waiting}");
    let gateway = gateway.restart();
    let event = gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL");
    assert_eq!(event["id"], waiting["id"]);
    assert_eq!(destination.requests().len(), 2);
}
