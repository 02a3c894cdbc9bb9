//! What is refused, and how.

use hookgate::testkit::http::Request;
use hookgate::testkit::{ApiClient, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected};

fn is_error(answer: &Value, status: u16) {
    assert_eq!((&answer["handled"], &answer["status"]), (&json!(true), &json!(status)), "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    assert!(answer["code"].is_string(), "{answer}");
}

#[test]
fn an_unknown_token_is_not_found() {
    let gateway = TestGateway::start();
    for target in ["/e/nosuchtoken", "/e/", "/", "/e/nosuchtoken/more?x=1"] {
        assert_eq!(gateway.send(&Request { method: "POST", target, ..Request::default() }).status, 404, "{target}");
    }
}

#[test]
fn a_method_the_source_does_not_take_is_405_and_becomes_no_event() {
    let (gateway, destination, flow) = connected(&json!([]));
    let answer = gateway.send(&Request { method: "GET", target: &flow.path, ..Request::default() });
    assert_eq!(answer.status, 405);
    drop(gateway.deliver(&flow, b"behind it", "SUCCESSFUL"));
    assert_eq!(destination.next_request(PATIENCE).body(), b"behind it");
}

#[test]
fn a_body_up_to_the_limit_is_taken_and_one_byte_more_is_413() {
    let gateway = TestGateway::with(|launch| launch.setting("ingress.body_bytes_max", "2000"));
    let destination = hookgate::testkit::TestDestination::start().strict();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    for (length, status) in [(2001, 413), (2000, 200)] {
        let body = vec![b'x'; length];
        let request =
            Request { method: "POST", target: &flow.path, headers: &[("content-type", "text/plain")], body: &body };
        assert_eq!(gateway.send(&request).status, status, "{length} bytes");
    }
    assert_eq!(destination.next_request(PATIENCE).body().len(), 2000);
}

#[test]
fn the_api_wants_a_key_and_health_does_not() {
    let gateway = TestGateway::start();
    for key in ["", "hk_wrong_0123456789abcdef"] {
        let stranger = ApiClient { key: key.to_owned(), ..ApiClient::clone(&gateway) };
        for (method, target) in
            [("GET", "/events"), ("POST", "/connections"), ("GET", "/events/evt_x"), ("GET", "/2025-07-01/events")]
        {
            let answer = stranger.call(method, target, None);
            assert_eq!(answer.status, 401, "{method} {target}");
            is_error(&answer.json(), 401);
        }
        assert_eq!(stranger.call("GET", "/-/healthz", None).status, 200);
        assert_eq!(stranger.call("GET", "/-/readyz", None).status, 200);
    }
}

#[test]
fn the_key_may_come_as_basic_user_name() {
    let gateway = TestGateway::start();
    let token = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{}:", gateway.key));
    let basic = format!("Basic {token}");
    let headers = [("authorization", basic.as_str())];
    let request = Request { method: "GET", target: "/2026-09-01/events", headers: &headers, body: b"" };
    assert_eq!(request.send(gateway.address).unwrap().status, 200);
}

#[test]
fn what_does_not_exist_is_404_in_the_error_shape() {
    let gateway = TestGateway::start();
    let id = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    for target in ["/nothing", "/events/x", "/connections/web_x"].map(str::to_owned).into_iter().chain([
        format!("/events/evt_{id}"),
        format!("/attempts/atm_{id}"),
        format!("/sources/src_{id}"),
        format!("/destinations/des_{id}"),
        format!("/connections/web_{id}"),
    ]) {
        let answer = gateway.call("GET", &target, None);
        assert_eq!(answer.status, 404, "{target}");
        is_error(&answer.json(), 404);
    }
}

#[test]
fn a_connection_that_makes_no_sense_is_refused_and_leaves_nothing_behind() {
    let gateway = TestGateway::start();
    let (source, destination) =
        (json!({ "name": "s" }), json!({ "name": "d", "type": "HTTP", "config": { "url": "http://127.0.0.1:9" } }));
    let bodies = [
        json!({}),
        json!({ "source": source }),
        json!({ "source": { "name": "not a name" }, "destination": destination }),
        json!({ "source": source, "destination": { "name": "d", "type": "HTTP", "config": { "url": "ftp://x" } } }),
        json!({ "source": source, "destination": destination, "rules": [{ "type": "retry", "strategy": "sometimes" }] }),
        json!({ "source": source, "destination": destination, "rules": [{ "type": "retry", "strategy": "linear", "count": 51 }] }),
        json!({ "source_id": "src_01JZZZZZZZZZZZZZZZZZZZZZZZ", "destination": destination }),
    ];
    for body in bodies {
        let answer = gateway.call("POST", "/connections", Some(&body));
        assert!(matches!(answer.status, 400 | 404 | 422), "{body} answered {}", answer.status);
        is_error(&answer.json(), answer.status);
    }
    // The names are still free: nothing of the refused ones was stored.
    let good = json!({ "name": "c", "source": source, "destination": destination });
    assert_eq!(gateway.call("POST", "/connections", Some(&good)).status, 200);
}

#[test]
fn a_body_that_is_no_json_is_refused_by_the_api() {
    let gateway = TestGateway::start();
    let bearer = format!("Bearer {}", gateway.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let request = Request { method: "POST", target: "/connections", headers: &headers, body: b"{\"name\":" };
    let answer = request.send(gateway.address).unwrap();
    assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
    is_error(&answer.json(), answer.status);
}
