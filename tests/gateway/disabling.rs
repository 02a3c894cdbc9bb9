//! Disabling, enabling and deleting connections, destinations and sources.

use hookgate::testkit::http::Request;
use hookgate::testkit::{Answer, Flow, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected, id, retry_rule};

/// The paths of the two ways to disable a connection.
fn ways(flow: &Flow) -> [String; 2] {
    [format!("/connections/{}", flow.connection_id), format!("/destinations/{}", flow.destination_id)]
}

/// One event that waits for a retry and one on hold.
fn pending(gateway: &TestGateway, flow: &Flow) -> [Value; 2] {
    let waiting = gateway.deliver(flow, b"waits", "FAILED");
    drop(gateway.pause(flow));
    [waiting, gateway.deliver(flow, b"held", "HOLD")]
}

#[test]
fn what_is_pending_is_cancelled_visibly_and_enabling_brings_only_what_comes_then() {
    for (way, again) in [("disable", "enable"), ("archive", "unarchive")] {
        for kind in 0..2 {
            let (gateway, destination, flow) = connected(&retry_rule(1, 3_600_000));
            destination.answer_next([Answer::Status(500)]);
            let pending = pending(&gateway, &flow);
            drop(gateway.unpause(&flow));
            let sent = |event: &Value| event["id"] == pending[1]["id"] && event["status"] == "SUCCESSFUL";
            drop(gateway.wait_for_event(&flow, PATIENCE, sent));
            destination.answer_always(Answer::Status(500));
            let path = &ways(&flow)[kind];
            let disabled = gateway.put(&format!("{path}/{way}"));
            assert!(disabled["disabled_at"].is_string(), "{disabled}");
            assert_eq!(gateway.put(&format!("{path}/{way}"))["disabled_at"], disabled["disabled_at"]);
            assert_eq!(gateway.get(path)["disabled_at"], disabled["disabled_at"]);
            let cancelled = gateway.get(&format!("/events/{}", id(&pending[0])));
            assert_eq!((&cancelled["status"], &cancelled["next_attempt_at"]), (&json!("CANCELLED"), &Value::Null));
            // Taken, and ignored.
            drop(gateway.ingest(&flow, b"meanwhile"));
            assert_eq!(gateway.put(&format!("{path}/{again}"))["disabled_at"], Value::Null);
            destination.answer_always(Answer::Status(200));
            drop(gateway.deliver(&flow, b"after", "SUCCESSFUL"));
            assert_eq!(gateway.count(&flow, "CANCELLED"), 1);
            let bodies: Vec<_> = destination.requests().iter().map(|request| request.body().to_vec()).collect();
            assert_eq!(bodies, [b"waits".to_vec(), b"held".to_vec(), b"after".to_vec()]);
        }
    }
}

#[test]
fn what_was_cancelled_stays_so_across_a_restart_and_a_kill() {
    for kind in 0..2 {
        let (gateway, destination, flow) = connected(&retry_rule(1, 3_600_000));
        destination.answer_next([Answer::Status(500)]);
        drop(pending(&gateway, &flow));
        assert_eq!(gateway.count(&flow, "CANCELLED"), 0);
        let path = &ways(&flow)[kind];
        drop(gateway.put(&format!("{path}/disable")));
        assert_eq!((gateway.count(&flow, "CANCELLED"), gateway.count(&flow, "HOLD")), (2, 0));
        let gateway = gateway.restart();
        assert_eq!(gateway.count(&flow, "CANCELLED"), 2);
        drop(gateway.put(&format!("{path}/enable")));
        let gateway = gateway.crash();
        assert_eq!(gateway.count(&flow, "CANCELLED"), 2);
        drop(gateway.unpause(&flow));
        drop(gateway.deliver(&flow, b"after", "SUCCESSFUL"));
        assert_eq!(gateway.count(&flow, "CANCELLED"), 2);
        let bodies: Vec<_> = destination.requests().iter().map(|request| request.body().to_vec()).collect();
        assert_eq!(bodies, [b"waits".to_vec(), b"after".to_vec()]);
    }
}

#[test]
fn an_attempt_in_flight_ends_and_is_shown() {
    for (answer, counted) in [(500, "CANCELLED"), (200, "SUCCESSFUL")] {
        let (gateway, destination, flow) = connected(&retry_rule(3, 50));
        destination.answer_next([Answer::HangThen(Box::new(Answer::Status(answer)))]);
        drop(gateway.ingest(&flow, b"{}"));
        drop(destination.next_request(PATIENCE));
        drop(gateway.put(&format!("{}/disable", ways(&flow)[0])));
        destination.release();
        let event = gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 1);
        assert_eq!(event["status"], "CANCELLED");
        let attempt = gateway.attempts(&id(&event)).remove(0);
        assert_eq!((&attempt["status"], &attempt["response_status"]), (&json!(counted), &json!(answer)));
    }
}

#[test]
fn a_cancelled_event_is_tried_again_by_hand_once_it_is_enabled() {
    for kind in 0..2 {
        let (gateway, destination, flow) = connected(&json!([]));
        drop(gateway.pause(&flow));
        let event = gateway.deliver(&flow, b"{}", "HOLD");
        drop(gateway.unpause(&flow));
        drop(destination.next_request(PATIENCE));
        drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
        let path = &ways(&flow)[kind];
        drop(gateway.put(&format!("{path}/disable")));
        let refused = gateway.call("POST", &format!("/events/{}/retry", id(&event)), None);
        assert_eq!(refused.status, 422);
        let message = refused.json()["message"].to_string();
        assert!(message.contains("disabled") && message.contains("enable"), "{message}");
        drop(gateway.put(&format!("{path}/enable")));
        drop(gateway.retry(&event));
        drop(destination.next_request(PATIENCE));
        drop(gateway.wait_for_event(&flow, PATIENCE, |event| event["attempts"] == 2));
    }
}

#[test]
fn what_is_deleted_is_gone_and_its_name_is_free() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    let event = gateway.deliver(&flow, b"{}", "HOLD");
    let connection = ways(&flow)[0].clone();
    let deleted = gateway.ok("DELETE", &connection, None);
    assert_eq!(deleted, json!({ "id": flow.connection_id }));
    for (method, path) in [
        ("GET", connection.clone()),
        ("DELETE", connection.clone()),
        ("PUT", format!("{connection}/pause")),
        ("PUT", format!("{connection}/enable")),
    ] {
        let answer = gateway.call(method, &path, None);
        assert_eq!((answer.status, &answer.json()["code"]), (410, &json!("GONE")), "{method} {path}");
    }
    assert_eq!(gateway.get(&format!("/events/{}", id(&event)))["status"], "CANCELLED");
    assert_eq!(gateway.cancel(&event)["status"], "CANCELLED");
    assert_eq!(gateway.call("POST", &format!("/events/{}/retry", id(&event)), None).status, 422);
    // The source is still there: nothing listens to it.
    drop(gateway.ingest(&flow, b"unheard"));
    let again = gateway.connect_from(&flow.source_id, "test", &destination.url(), &json!([]));
    assert_ne!(again.connection_id, flow.connection_id);
    assert_eq!(again.destination_id, flow.destination_id, "its destination was not deleted");
    let gateway = gateway.crash();
    assert_eq!(gateway.call("GET", &connection, None).status, 410);
    drop(gateway.deliver(&again, b"heard", "SUCCESSFUL"));
    assert_eq!(destination.next_request(PATIENCE).body(), b"heard");
}

#[test]
fn a_deleted_source_or_destination_takes_its_connections_along() {
    for kind in ["source", "destination"] {
        let (gateway, destination, flow) = connected(&json!([]));
        drop(gateway.pause(&flow));
        drop(gateway.deliver(&flow, b"{}", "HOLD"));
        let of_kind = if kind == "source" { &flow.source_id } else { &flow.destination_id };
        let path = format!("/{kind}s/{of_kind}");
        assert_eq!(gateway.ok("DELETE", &path, None)["id"], of_kind.as_str());
        assert_eq!(gateway.call("GET", &path, None).status, 410);
        assert_eq!(gateway.call("GET", &ways(&flow)[0], None).status, 410);
        assert_eq!(gateway.count(&flow, "CANCELLED"), 1);
        let (source, to) =
            (json!({ "name": "test-source" }), json!({ "name": "test-destination", "type": "MOCK_API" }));
        let by_id = match kind {
            "source" => json!({ "source_id": of_kind, "destination": to }),
            _ => json!({ "source": source, "destination_id": of_kind }),
        };
        let refused = gateway.call("POST", "/connections", Some(&by_id));
        assert_eq!(refused.status, 422);
        assert!(refused.json()["message"].to_string().contains("was deleted"));
        // By name it is made anew.
        let again = gateway.connect("test", &destination.url(), &json!([]));
        assert_eq!((again.source_id == flow.source_id, again.path == flow.path), (kind != "source", kind != "source"));
        drop(gateway.deliver(&again, b"anew", "SUCCESSFUL"));
        assert_eq!(destination.next_request(PATIENCE).body(), b"anew");
        if kind == "source" {
            let lost = Request { method: "POST", target: &flow.path, ..Request::default() };
            assert_eq!(gateway.send(&lost).status, 404, "its URL leads nowhere");
        }
    }
}

#[test]
fn a_disabled_source_keeps_what_it_has_and_is_enabled_again() {
    let (gateway, destination, flow) = connected(&json!([]));
    drop(gateway.pause(&flow));
    drop(gateway.deliver(&flow, b"before", "HOLD"));
    let path = format!("/sources/{}", flow.source_id);
    assert!(gateway.put(&format!("{path}/disable"))["disabled_at"].is_string());
    drop(gateway.unpause(&flow));
    assert_eq!(destination.next_request(PATIENCE).body(), b"before");
    assert_eq!(gateway.put(&format!("{path}/enable"))["disabled_at"], Value::Null);
    drop(gateway.deliver(&flow, b"after", "SUCCESSFUL"));
    assert_eq!(destination.next_request(PATIENCE).body(), b"after");
}
