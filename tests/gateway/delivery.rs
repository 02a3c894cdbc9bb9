//! What arrives at a source arrives at its destinations.

use hookgate::testkit::http::Request;
use hookgate::testkit::{PATIENCE, TestDestination};
use serde_json::json;

use crate::harness::{connected, id};

#[test]
fn a_request_becomes_an_event_that_is_delivered_once() {
    let (gateway, destination, flow) = connected(&json!([]));
    let event = gateway.deliver(&flow, br#"{"order":1}"#, "SUCCESSFUL");
    assert_eq!(destination.next_request(PATIENCE).body(), br#"{"order":1}"#);
    assert_eq!((&event["attempts"], &event["response_status"]), (&json!(1), &json!(200)));
    assert_eq!(event["webhook_id"], flow.connection_id.as_str());
    assert_eq!(event["source_id"], flow.source_id.as_str());
    assert_eq!(event["destination_id"], flow.destination_id.as_str());
    assert_eq!(gateway.get(&format!("/events/{}", id(&event)))["id"], event["id"]);
    assert_eq!(destination.count(), 1);
}

#[test]
fn every_byte_arrives_as_it_came() {
    let (gateway, destination, flow) = connected(&json!([]));
    let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let bodies: [&[u8]; 4] = [b"", b"{ \"a\" : 1.0, \"a\":2 }\r\n", "\u{feff}caf\u{e9}\0".as_bytes(), &all_bytes];
    for body in bodies {
        let headers = [("content-type", "application/octet-stream")];
        let request = Request { method: "POST", target: &flow.path, headers: &headers, body };
        assert_eq!(gateway.send(&request).status, 200);
        let received = destination.next_request(PATIENCE);
        assert!(received.body() == body, "{} bytes came for {}", received.body().len(), body.len());
        assert_eq!(received.message.header_text("content-type"), "application/octet-stream");
    }
}

#[test]
fn method_path_query_and_headers_are_forwarded() {
    let (gateway, destination, flow) = connected(&json!([]));
    let target = format!("{}/orders/a%20b?x=1&x=2&empty=", flow.path);
    let headers =
        [("content-type", "text/plain"), ("x-provider-signature", "sha256=abc"), ("x-twice", "1"), ("x-twice", "2")];
    assert_eq!(gateway.send(&Request { method: "PUT", target: &target, headers: &headers, body: b"hi" }).status, 200);
    let received = destination.next_request(PATIENCE);
    assert_eq!((received.method.as_str(), received.target.as_str()), ("PUT", "/orders/a%20b?x=1&x=2&empty="));
    assert_eq!(received.message.header_text("x-provider-signature"), "sha256=abc");
    let twice: Vec<_> = received.message.headers.iter().filter(|(name, _)| name == "x-twice").collect();
    assert_eq!(twice.len(), 2, "{:?}", received.message.headers);
    assert_eq!(received.message.header_text("host"), destination.url().trim_start_matches("http://"));
}

#[test]
fn two_connections_of_a_source_get_an_event_each_and_one_failing_does_not_matter_to_the_other() {
    let (gateway, first, flow) = connected(&json!([]));
    let second = TestDestination::start();
    second.answer_always(hookgate::testkit::Answer::Status(500));
    let other = gateway.connect_from(&flow.source_id, "other", &second.url(), &json!([]));
    assert_eq!(other.path, flow.path);
    let request_id = gateway.ingest(&flow, b"{}");
    assert_eq!(first.next_request(PATIENCE).body(), b"{}");
    assert_eq!(second.next_request(PATIENCE).body(), b"{}");
    let good = gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL");
    let bad = gateway.wait_for_status(&other, PATIENCE, "FAILED");
    assert_eq!((&good["request_id"], &bad["request_id"]), (&json!(request_id), &json!(request_id)));
    assert_ne!(good["id"], bad["id"]);
}
