//! What is shown of the tries of an event: the next one as a view, made ones as records.

use std::time::Duration;

use hookgate::testkit::{Answer, PATIENCE, TestDestination};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id, retry_rule};

/// Too far away to come in a test.
const NEVER_MS: u64 = 3_600_000;

#[test]
fn the_next_try_is_shown_as_pending_and_not_counted() {
    let (gateway, destination, flow) = connected(&retry_rule(5, NEVER_MS));
    destination.answer_next([Answer::Status(500)]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(column(&attempts, "status"), ["FAILED", "PENDING"]);
    assert_eq!(column(&attempts, "attempt_number"), [1, 2]);
    assert_eq!(column(&attempts, "trigger"), ["INITIAL", "AUTOMATIC"]);
    assert_eq!((&event["attempts"], &event["next_attempt_at"]), (&json!(1), &attempts[1]["scheduled_at"]));
    let alone = gateway.get(&format!("/attempts/{}", id(&attempts[1])));
    assert_eq!(alone, attempts[1]);
    let dated = gateway.get(&format!("/2025-07-01/attempts?event_id={}", id(&event)));
    assert_eq!(
        column(dated["models"].as_array().unwrap(), "status"),
        ["FAILED"],
        "lists of versions have made ones only"
    );
    let unknown = gateway.call("GET", &format!("/attempts/{}", id(&event).replace("evt_", "atm_")), None);
    assert_eq!(unknown.status, 404);
}

#[test]
fn a_held_event_waits_for_a_try_that_the_end_of_the_pause_will_cause() {
    let (gateway, destination, flow) = connected(&json!([]));
    gateway.pause(&flow);
    let event = gateway.deliver(&flow, b"{}", "HOLD");
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(
        (column(&attempts, "status"), column(&attempts, "trigger")),
        (vec![json!("PENDING")], vec![json!("UNPAUSE")])
    );
    gateway.unpause(&flow);
    assert_eq!(destination.next_request(PATIENCE).message.header_text("x-hookgate-attempt-trigger"), "UNPAUSE");
    assert_eq!(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL")["id"], event["id"]);
    assert_eq!(column(&gateway.attempts(&id(&event)), "trigger"), ["UNPAUSE"]);
}

#[test]
fn the_try_that_a_cancelled_event_will_not_get_is_shown_as_cancelled() {
    let (gateway, destination, flow) = connected(&retry_rule(5, NEVER_MS));
    destination.answer_next([Answer::Status(500)]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
    gateway.cancel(&event);
    let before = gateway.attempts(&id(&event));
    assert_eq!(column(&before, "status"), ["FAILED", "CANCELLED"]);
    assert_eq!(column(&before, "trigger"), ["INITIAL", "AUTOMATIC"]);
    assert_eq!(column(&before, "error_code"), [Value::Null, json!("CANCELLED")]);
    let gateway = gateway.restart();
    assert_eq!(gateway.attempts(&id(&event)), before);
}

#[test]
fn a_try_under_way_when_its_event_is_cancelled_is_recorded_as_cancelled_with_what_came_back() {
    let (gateway, destination, flow) = connected(&retry_rule(5, NEVER_MS));
    destination.answer_next([Answer::HangThen(Box::new(Answer::Status(503)))]);
    let event = gateway.deliver(&flow, b"{}", "QUEUED");
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
    gateway.cancel(&event);
    destination.release();
    let event = gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 1);
    assert_eq!(event["status"], "CANCELLED");
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(
        (column(&attempts, "status"), column(&attempts, "response_status")),
        (vec![json!("CANCELLED")], vec![json!(503)])
    );
}

#[test]
fn a_made_try_keeps_the_url_as_it_was_and_the_answer_as_it_came() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let body = br#"{"z":123456789012345678901234567890,"a":1.10}"#.to_vec();
    let headers = vec![("x-answer".to_owned(), "yes".to_owned())];
    destination.answer_next([Answer::Full(422, headers, body.clone())]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    let attempt = &gateway.attempts(&id(&event))[0];
    let url = format!("{}/", destination.url());
    assert!(attempt["requested_url"] == destination.url().as_str() || attempt["requested_url"] == url.as_str());
    assert_eq!((&attempt["http_method"], &attempt["response_status"]), (&json!("POST"), &json!(422)));
    assert_eq!(attempt["body"].to_string().as_bytes(), body, "digits and order as they came");
    assert_eq!(attempt["response_headers"]["x-answer"], "yes");
    assert_eq!((&attempt["error_code"], &attempt["resumed"]), (&Value::Null, &json!(false)));
    assert_eq!(attempt["endpoint_id"], flow.destination_id.as_str());
    for (name, of) in [
        ("endpoint_url", "requested_url"),
        ("response", "body"),
        ("response_status_code", "response_status"),
        ("attempted_at", "delivered_at"),
    ] {
        assert_eq!(attempt[name], attempt[of], "{name}");
    }
    let latency = Duration::from_millis(attempt["response_latency"].as_u64().unwrap());
    assert!(latency < PATIENCE);
    let dated = gateway.get(&format!("/2025-07-01/attempts/{}", id(attempt)));
    assert_eq!((&dated["endpoint_id"], &dated["body"]), (&Value::Null, &attempt["body"]));
}

#[test]
fn a_destination_without_a_url_fails_by_that_name_and_a_mock_accepts_inside() {
    let gateway = TestGateway::start();
    for (name, config, status, code) in [
        ("nowhere", json!({ "name": "nowhere", "type": "HTTP" }), "FAILED", json!("MISSING_URL")),
        ("mock", json!({ "name": "mock", "type": "MOCK_API" }), "SUCCESSFUL", Value::Null),
    ] {
        let body = json!({ "name": name, "source": { "name": name }, "destination": config });
        let flow = hookgate::testkit::Flow::read(&gateway.ok("POST", "/connections", Some(&body)));
        let event = gateway.deliver(&flow, b"{}", status);
        assert_eq!(event["error_code"], code);
        let attempt = &gateway.attempts(&id(&event))[0];
        assert_eq!(
            attempt["error_message"].as_str().is_some_and(|text| text.contains("config.url")),
            name == "nowhere"
        );
    }
}
