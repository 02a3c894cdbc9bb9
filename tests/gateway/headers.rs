//! What a destination is told beside the request itself.

use std::collections::BTreeSet;

use hookgate::testkit::http::Request;
use hookgate::testkit::{Answer, PATIENCE, Received, TestDestination};
use serde_json::json;

use crate::harness::{TestGateway, connected, id, retry_rule};

/// The values under one name, in order.
fn values(received: &Received, name: &str) -> Vec<String> {
    let of_name = received.message.headers.iter().filter(|(given, _)| given == name);
    of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

fn value(received: &Received, name: &str) -> String {
    received.message.header_text(name)
}

#[test]
fn each_try_says_which_it_is_and_when_the_next_one_comes() {
    let (gateway, destination, flow) = connected(&retry_rule(1, 10));
    destination.answer_next([Answer::Status(500), Answer::Status(500)]);
    let event = gateway.deliver(&flow, br#"{"order":1}"#, "FAILED");
    let (first, second) = (destination.next_request(PATIENCE), destination.next_request(PATIENCE));
    for (received, count, trigger) in [(&first, "1", "INITIAL"), (&second, "2", "AUTOMATIC")] {
        assert_eq!(value(received, "x-hookgate-eventid"), id(&event));
        assert_eq!(value(received, "x-hookgate-requestid"), event["request_id"].as_str().unwrap());
        assert_eq!(value(received, "x-hookgate-source-name"), "test-source");
        assert_eq!(value(received, "x-hookgate-connection-name"), "test");
        assert_eq!(value(received, "x-hookgate-destination-name"), "test-destination");
        assert_eq!(value(received, "x-hookgate-attempt-count"), count);
        assert_eq!(value(received, "x-hookgate-attempt-trigger"), trigger);
        assert_eq!(value(received, "x-hookgate-verified"), "false");
        assert_eq!(value(received, "x-hookgate-original-ip"), "127.0.0.1");
        assert!(value(received, "x-hookgate-event-url").ends_with(&format!("/events/{}", id(&event))));
        assert_eq!(value(received, "idempotency-key"), id(&event));
        assert_eq!(value(received, "webhook-id"), id(&event), "the same for every try of an event");
        assert!(value(received, "webhook-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
        assert!(value(received, "webhook-signature").starts_with("v1,"));
    }
    assert_eq!(value(&first, "x-hookgate-will-retry-after"), "1", "10 ms are a second begun");
    assert_eq!(values(&second, "x-hookgate-will-retry-after"), [""; 0], "no retry is left");
    assert_eq!(value(&first, "x-hookgate-signature"), value(&second, "x-hookgate-signature"));
}

#[test]
fn what_a_sender_says_in_our_name_is_left_out_and_what_it_says_itself_is_kept() {
    let (gateway, destination, flow) = connected(&json!([]));
    let headers = [
        ("x-hookgate-verified", "true"),
        ("X-Hookgate-Anything", "forged"),
        ("webhook-id", "msg_theirs"),
        ("webhook-signature", "v1,theirs"),
        ("idempotency-key", "theirs"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("proxy-authorization", "secret"),
        ("te", "trailers"),
        ("x-hookdeck-eventid", "evt_of_another_gateway"),
    ];
    let request = Request { method: "POST", target: &flow.path, headers: &headers, body: b"{}" };
    assert_eq!(gateway.send(&request).status, 200);
    let received = destination.next_request(PATIENCE);
    assert_eq!(values(&received, "x-hookgate-verified"), ["false"]);
    assert_eq!(values(&received, "webhook-id"), ["msg_theirs"]);
    assert_eq!(values(&received, "webhook-signature"), ["v1,theirs"]);
    assert_eq!(values(&received, "idempotency-key"), ["theirs"]);
    assert_eq!(values(&received, "x-twice"), ["1", "2"]);
    assert_eq!(values(&received, "x-hookdeck-eventid"), ["evt_of_another_gateway"]);
    for name in ["x-hookgate-anything", "webhook-timestamp", "x-hop", "proxy-authorization", "te"] {
        assert_eq!(values(&received, name), [""; 0], "{name}");
    }
}

#[test]
fn the_prefix_is_the_one_that_is_set() {
    let gateway = TestGateway::with(|launch| launch.setting("DELIVERY__HEADER_PREFIX", "x-hookdeck-"));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    let received = destination.next_request(PATIENCE);
    let names: BTreeSet<&str> =
        received.message.headers.iter().filter_map(|(name, _)| name.strip_prefix("x-hookdeck-")).collect();
    let expected = [
        "attempt-count",
        "attempt-trigger",
        "connection-name",
        "destination-name",
        "event-url",
        "eventid",
        "original-ip",
        "requestid",
        "signature",
        "source-name",
        "verified",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    assert!(received.message.headers.iter().all(|(name, _)| !name.starts_with("x-hookgate-")));
}

#[test]
fn the_signature_depends_on_the_body_alone() {
    let (gateway, destination, flow) = connected(&json!([]));
    for body in [b"a", b"a", b"b"] {
        assert!(gateway.ingest(&flow, body).starts_with("req_"));
    }
    let received: Vec<Received> = (0..3).map(|_| destination.next_request(PATIENCE)).collect();
    let signatures = |body: &[u8]| -> BTreeSet<String> {
        let of_body = received.iter().filter(|received| received.body() == body);
        of_body.map(|received| value(received, "x-hookgate-signature")).collect()
    };
    assert_eq!((signatures(b"a").len(), signatures(b"b").len()), (1, 1));
    assert_ne!(signatures(b"a"), signatures(b"b"));
}

#[test]
fn the_destinations_method_and_path_win_where_they_are_set() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start();
    let connection = gateway.ok(
        "POST",
        "/connections",
        Some(&json!({
            "name": "fixed",
            "source": { "name": "fixed" },
            "destination": { "name": "fixed", "config": {
                "url": format!("{}/own?k=v", destination.url()),
                "http_method": "PATCH",
                "path_forwarding_disabled": true,
            } },
        })),
    );
    let url = connection["source"]["url"].as_str().unwrap();
    let target = format!("/e/{}/left/out?x=1", url.rsplit('/').next().unwrap());
    assert_eq!(gateway.send(&Request { method: "PUT", target: &target, headers: &[], body: b"{}" }).status, 200);
    let received = destination.next_request(PATIENCE);
    assert_eq!((received.method.as_str(), received.target.as_str()), ("PATCH", "/own?k=v"));
}
