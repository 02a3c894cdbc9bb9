//! Automatic retries.

use chrono::{DateTime, FixedOffset, TimeDelta};
use hookgate::testkit::{Answer, Flow, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id, retry_rule};

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

/// An answer that asks to be left alone for a while.
fn come_again(status: u16, retry_after: &str) -> Answer {
    // Far more than is kept of headers, before and after the one that counts.
    let others = |from: usize| (from..from + 40).map(|n| (format!("x-filler-{n}"), "x".repeat(600)));
    let asked = ("Retry-After".to_owned(), retry_after.to_owned());
    Answer::Full(status, others(0).chain([asked]).chain(others(40)).collect(), Vec::new())
}

fn time(value: &Value) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(value.as_str().unwrap_or_else(|| panic!("no time: {value}"))).unwrap()
}

#[test]
fn retry_after_is_obeyed_to_the_second_without_a_rule_and_across_a_restart() {
    let (gateway, destination, flow) = connected(&json!([]));
    destination.answer_next([come_again(503, "3")]);
    let waiting = gateway.deliver(&flow, b"{}", "FAILED");
    let attempt = gateway.attempts(&id(&waiting)).remove(0);
    let due = time(&waiting["next_attempt_at"]);
    assert_eq!(due - time(&attempt["responded_at"]), TimeDelta::seconds(3));
    let gateway = gateway.restart();
    let again = gateway.get(&format!("/events/{}", id(&waiting)));
    assert_eq!(again["next_attempt_at"], waiting["next_attempt_at"]);
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    let second = gateway.attempts(&id(&waiting)).remove(1);
    assert!(time(&second["delivered_at"]) >= due, "{second} was due at {due}");
    assert_eq!(second["trigger"], "AUTOMATIC");
    assert_eq!(destination.requests().len(), 2);
}

#[test]
fn a_destination_that_wants_no_retry_gets_none() {
    let (gateway, destination, flow) = connected(&retry_rule(5, 50));
    destination.answer_next([come_again(429, "-1")]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    assert_eq!((&event["attempts"], &event["next_attempt_at"]), (&json!(1), &Value::Null));
    assert_eq!(destination.requests().len(), 1);
}

#[test]
fn only_the_answers_that_the_rule_names_are_tried_again() {
    let rule = json!([{
        "type": "retry", "strategy": "linear", "interval": 50, "count": 5, "response_status_codes": ["500-599", "!501"],
    }]);
    let (gateway, destination, flow) = connected(&rule);
    destination.answer_next([Answer::Status(502), Answer::Status(501)]);
    drop(gateway.ingest(&flow, b"{}"));
    let event = gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 2);
    assert_eq!((&event["status"], &event["next_attempt_at"]), (&json!("FAILED"), &Value::Null));
    assert_eq!(destination.requests().len(), 2);
}

#[test]
fn a_destination_without_a_url_fails_by_name_and_a_mock_answers() {
    for (config, status) in [
        (json!({ "name": "none", "type": "HTTP", "config": {} }), "FAILED"),
        (json!({ "name": "mock", "type": "MOCK_API" }), "SUCCESSFUL"),
    ] {
        let gateway = TestGateway::start();
        let body = json!({ "name": "c", "source": { "name": "s" }, "destination": config });
        let flow = Flow::read(&gateway.ok("POST", "/connections", Some(&body)));
        let event = gateway.deliver(&flow, b"{}", status);
        let attempt = gateway.attempts(&id(&event)).remove(0);
        let expected = if status == "FAILED" { json!(["MISSING_URL", null]) } else { json!([null, 200]) };
        assert_eq!(json!([attempt["error_code"], attempt["response_status"]]), expected);
    }
}
