//! Keys, the signing secret, the audit, views and bookmarks: what holds also after a crash.

use hookgate::testkit::{ApiClient, PATIENCE};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id};

/// A client with another key.
fn with_key(gateway: &TestGateway, key: &str) -> ApiClient {
    ApiClient { key: key.to_owned(), ..ApiClient::clone(gateway) }
}

fn new_key(gateway: &TestGateway, scope: &str) -> (String, String) {
    let made = gateway.ok("POST", "/keys", Some(&json!({ "label": scope, "scope": scope })));
    (id(&made), made["key"].as_str().unwrap().to_owned())
}

fn status(client: &ApiClient, method: &str, target: &str) -> u16 {
    client.call(method, target, Some(&json!({}))).status
}

#[test]
fn keys_allow_what_their_scope_says_and_a_crash_changes_nothing() {
    let mut gateway = TestGateway::start();
    let ((read_id, read), (_, write)) = (new_key(&gateway, "read"), new_key(&gateway, "write"));
    for round in 0..2 {
        let (reader, writer) = (with_key(&gateway, &read), with_key(&gateway, &write));
        assert_eq!((status(&reader, "GET", "/events"), status(&reader, "POST", "/sources")), (200, 403), "{round}");
        assert_eq!((status(&writer, "POST", "/sources"), status(&writer, "GET", "/keys")), (422, 403), "{round}");
        gateway = gateway.crash();
    }
    let rolled = gateway.ok("POST", &format!("/keys/{read_id}/roll"), Some(&json!({ "delay_sec": 0 })));
    assert_eq!(status(&with_key(&gateway, &read), "GET", "/events"), 401);
    let fresh = rolled["key"].as_str().unwrap();
    assert_eq!(gateway.ok("DELETE", &format!("/keys/{read_id}"), None)["id"], json!(read_id));
    let gateway = gateway.crash();
    assert_eq!(status(&with_key(&gateway, fresh), "GET", "/events"), 401, "revoked is revoked");
    let own = gateway.get("/session")["key_id"].as_str().unwrap().to_owned();
    let refused = gateway.call("DELETE", &format!("/keys/{own}"), None);
    assert_eq!(refused.status, 422, "the environment's key is the environment's");
}

#[test]
fn a_rolled_secret_signs_beside_the_new_one() {
    let (gateway, destination, flow) = connected(&json!([]));
    gateway.deliver(&flow, b"1", "SUCCESSFUL");
    let before = destination.next_request(PATIENCE).message.header_text("x-hookgate-signature");
    drop(gateway.ok("POST", "/signing-secret/roll", Some(&json!({ "delay_sec": 600 }))));
    gateway.deliver(&flow, b"1", "SUCCESSFUL");
    let both = destination.next_request(PATIENCE).message;
    assert_eq!(both.header_text("x-hookgate-signature-2"), before);
    assert_ne!(both.header_text("x-hookgate-signature"), before);
    assert_eq!(both.header_text("webhook-signature").split(' ').count(), 2);
    drop(gateway.ok("POST", "/signing-secret/roll", Some(&json!({ "delay_sec": 0 }))));
    gateway.deliver(&flow, b"1", "SUCCESSFUL");
    let alone = destination.next_request(PATIENCE).message;
    assert!(alone.headers.iter().all(|(name, _)| name != "x-hookgate-signature-2"));
}

#[test]
fn the_audit_has_every_change_since_the_first_start_also_after_a_crash() {
    let gateway = TestGateway::start();
    let (writer_id, write) = new_key(&gateway, "write");
    let flow = with_key(&gateway, &write).connect("audited", "http://127.0.0.1:9/", &json!([]));
    gateway.pause(&flow);
    let listed = |gateway: &TestGateway| gateway.get("/audit")["models"].clone();
    let before = listed(&gateway);
    let actions: Vec<&Value> = before.as_array().unwrap().iter().map(|audit| &audit["action"]).collect();
    assert_eq!(json!(actions), json!(["connection.pause", "connection.create", "key.create", "start"]));
    assert_eq!(before[1]["author"], json!({ "type": "key", "id": writer_id, "label": "write" }));
    assert_eq!(
        (&before[3]["author"]["type"], &before[0]["changes"][0]["before"]["paused_at"]),
        (&json!("gateway"), &Value::Null)
    );
    let gateway = gateway.crash();
    let after = listed(&gateway);
    assert_eq!(after[0], before[0]);
    for field in ["id", "created_at", "author", "action"] {
        let column = |audits: &Value| column(audits.as_array().unwrap(), field);
        assert_eq!(column(&after), column(&before));
    }
}

#[test]
fn views_and_bookmarks_survive_a_crash_and_what_is_kept_stays_what_it_was() {
    let (gateway, destination, flow) = connected(&json!([]));
    let event = gateway.deliver(&flow, br#"{"order":7}"#, "SUCCESSFUL");
    let view =
        gateway.ok("POST", "/views", Some(&json!({ "name": "Failed last week", "filter": { "status": "FAILED" } })));
    let body = json!({ "event_data_id": event["event_data_id"], "webhook_id": flow.connection_id, "label": "seven" });
    let made = gateway.ok("POST", "/bookmarks", Some(&body));
    let gateway = gateway.crash();
    assert_eq!(gateway.get(&format!("/views/{}", id(&view))), view);
    let path = format!("/bookmarks/{}", id(&made));
    assert_eq!(gateway.get(&path), made);
    drop(gateway.ok("DELETE", &format!("/requests/{}/data", event["request_id"].as_str().unwrap()), None));
    assert_eq!(gateway.get(&format!("{path}/raw_body")), json!({ "body": "{\"order\":7}" }));
    drop(destination.next_request(PATIENCE));
    drop(gateway.ok("POST", &format!("{path}/trigger"), None));
    assert_eq!(destination.next_request(PATIENCE).body(), br#"{"order":7}"#);
    assert!(gateway.get(&path)["last_used_at"].is_string());
    for path in [path, format!("/views/{}", id(&view))] {
        assert_eq!(gateway.ok("DELETE", &path, None)["id"].as_str(), path.rsplit('/').next());
        assert_eq!(gateway.call("GET", &path, None).status, 404);
    }
}
