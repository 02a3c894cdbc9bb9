//! Every way a destination can fail, in the API's words.

use hookgate::testkit::{Answer, TestDestination};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected, id};

/// Delivers once to a destination that behaves so; gives the only attempt.
fn attempt_after(answer: Answer) -> Value {
    let gateway = TestGateway::with(|launch| launch.setting("delivery.timeout_ms", "1000"));
    let destination = TestDestination::start();
    destination.answer_always(answer);
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts[0].clone()
}

#[test]
fn a_status_that_is_no_success_is_kept_with_the_body() {
    let body = br#"{"why":"no"}"#.to_vec();
    let attempt = attempt_after(Answer::Full(422, vec![("x-why".into(), "no".into())], body));
    assert_eq!((&attempt["response_status"], &attempt["error_code"]), (&json!(422), &Value::Null));
    assert_eq!(attempt["status"], "FAILED");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TestDestination::start();
    let attempt = attempt_after(Answer::Full(302, vec![("location".into(), elsewhere.url())], vec![]));
    assert_eq!(attempt["response_status"], 302);
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn a_reset_is_named() {
    assert_eq!(attempt_after(Answer::Reset)["error_code"], "CONNECTION_RESET");
}

#[test]
fn a_close_without_an_answer_is_named() {
    assert_eq!(attempt_after(Answer::Close)["error_code"], "SOCKET_CLOSED");
}

#[test]
fn a_body_that_ends_early_is_no_success() {
    assert_eq!(attempt_after(Answer::ShortBody)["error_code"], "SOCKET_CLOSED");
}

#[test]
fn silence_is_a_timeout() {
    assert_eq!(attempt_after(Answer::Hang)["error_code"], "TIMEOUT");
}

#[test]
fn a_body_that_stalls_is_a_timeout_of_the_whole_attempt() {
    assert_eq!(attempt_after(Answer::StalledBody)["error_code"], "TIMEOUT");
}

#[test]
fn garbage_is_a_protocol_error() {
    assert_eq!(attempt_after(Answer::Garbage)["error_code"], "PROTOCOL_ERROR");
}

#[test]
fn nobody_listening_is_a_refused_connection() {
    let gateway = TestGateway::start();
    let flow = gateway.connect("test", &format!("http://{}", hookgate::testkit::free_address()), &json!([]));
    assert_eq!(gateway.deliver(&flow, b"{}", "FAILED")["error_code"], "CONNECTION_REFUSED");
}

#[test]
fn a_huge_answer_is_read_up_to_a_limit_and_the_status_decides() {
    let (gateway, destination, flow) = connected(&json!([]));
    destination.answer_next([Answer::HugeBody(200 * 1024 * 1024)]);
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    let attempt = gateway.get(&format!("/attempts/{}", id(&gateway.attempts(&id(&event))[0])));
    assert!(attempt.to_string().len() < 1024 * 1024, "far more of the answer is kept than needed");
    assert_eq!(destination.requests().len(), 1);
}
