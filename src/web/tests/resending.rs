//! Retries of requests, replays, deleted events and erased data in the API, over a prepared configuration.

use serde_json::{Value, json};

use super::{
    kit::{Server, api, call, put},
    requests::{configured, sent},
};
use crate::{domain::ConfigItem, store::Store};

async fn done(server: &Server, line: &str, body: &str) -> Value {
    let answer = call(server, line, body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

#[actix::test]
async fn a_request_is_tried_again_where_it_was_ignored_once_that_is_enabled() {
    let store = configured();
    let request = sent(&store, "/e/tok", b"{\"a\":1}").await;
    let server = api(store.clone());
    let line = format!("POST /2025-07-01/requests/{request}/retry");
    call(&server, &line, "").await.refusal(400, "BAD_REQUEST");
    let ignored = "web_00000000000000000000000002";
    let refused = call(&server, &line, &json!({ "webhook_ids": [ignored] }).to_string()).await;
    assert!(refused.refusal(422, "UNPROCESSABLE_ENTITY").contains("disabled"));
    let connection = store.configuration().connections.values().find(|one| one.id.to_string() == ignored).cloned();
    let mut enabled = connection.unwrap().as_ref().clone();
    (enabled.disabled_at, enabled.version) = (None, 2);
    put(store.as_ref(), vec![ConfigItem::Connection(enabled)]);
    let answer = done(&server, &line, &json!({ "webhook_ids": [ignored] }).to_string()).await;
    assert_eq!(answer["request"]["id"], request.as_str());
    assert_eq!(answer["events"].as_array().unwrap().len(), 1);
    assert_eq!(answer["events"][0]["webhook_id"], ignored);
    assert_eq!(answer["events"][0]["request_id"], request.as_str());
    let id = answer["events"][0]["id"].as_str().unwrap();
    assert_eq!(done(&server, &format!("GET /events/{id}"), "").await["data"]["body"], json!({ "a": 1 }));
    let shown = done(&server, "GET /requests", "").await;
    assert_eq!((&shown["count"], &shown["models"][0]["events_count"]), (&json!(1), &json!(2)));
    assert_eq!(done(&server, &format!("GET /requests/{request}"), "").await["events_count"], 2);
    assert_eq!(done(&server, &format!("GET /requests/{request}/events"), "").await["count"], 2);
    call(&server, &line, "").await.refusal(400, "BAD_REQUEST");
}

#[actix::test]
async fn what_a_retry_cannot_obey_is_refused_and_named() {
    let store = configured();
    let request = sent(&store, "/e/tok", b"{}").await;
    let server = api(store);
    for (body, named) in [
        (json!({ "webhook_ids": "web_00000000000000000000000002" }), "`webhook_ids`"),
        (json!({ "webhook_ids": [] }), "`webhook_ids`"),
        (json!({ "webhook_ids": [7] }), "`webhook_ids`"),
        (json!({ "webhook_ids": ["src_00000000000000000000000002"] }), "`webhook_ids`"),
        (json!({ "webhook_ids": ["web_00000000000000000000000077"] }), "`webhook_ids`"),
        (json!({ "webhooks": [] }), "`webhooks`"),
    ] {
        let refused = call(&server, &format!("POST /requests/{request}/retry"), &body.to_string()).await;
        let message = refused.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(message.contains(named), "{body}: {message}");
    }
    let nobody = "POST /requests/req_00000000000000000000000077/retry";
    call(&server, nobody, "").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn requests_and_events_are_replayed_as_new_ones_in_the_newest_version() {
    let store = configured();
    let request = sent(&store, "/e/tok/path?q=1", b"body").await;
    let server = api(store);
    let replayed = done(&server, &format!("POST /2026-09-01/requests/{request}/replay"), "").await;
    let new = replayed["request"]["id"].as_str().unwrap().to_owned();
    assert_ne!(new, request);
    assert_eq!((&replayed["request"]["events_count"], &replayed["request"]["ignored_count"]), (&json!(1), &json!(2)));
    let (old, new) = (format!("GET /requests/{request}"), format!("GET /requests/{new}"));
    assert_eq!(done(&server, &old, "").await["data"], done(&server, &new, "").await["data"]);
    let event = replayed["events"][0]["id"].as_str().unwrap();
    let once_more = done(&server, &format!("POST /events/{event}/replay"), "{}").await;
    assert_ne!(once_more["request_id"], replayed["events"][0]["request_id"]);
    assert_eq!(once_more["webhook_id"], replayed["events"][0]["webhook_id"]);
    for path in [format!("requests/{request}"), format!("events/{event}")] {
        call(&server, &format!("POST /2025-07-01/{path}/replay"), "").await.refusal(404, "NOT_FOUND");
    }
}

#[actix::test]
async fn a_deleted_event_is_gone_and_its_attempts_are_not() {
    let store = configured();
    sent(&store, "/e/tok", b"{}").await;
    let server = api(store);
    while done(&server, "GET /events/count?status=SUCCESSFUL", "").await["count"] == 0 {}
    let event = done(&server, "GET /events", "").await["models"][0]["id"].as_str().unwrap().to_owned();
    let attempts = format!("GET /attempts?event_id={event}");
    let before = done(&server, &attempts, "").await;
    assert_eq!(done(&server, &format!("DELETE /events/{event}"), "").await, json!({ "id": event }));
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("PUT", "/cancel"), ("POST", "/replay")] {
        call(&server, &format!("{method} /events/{event}{path}"), "").await.refusal(410, "GONE");
    }
    assert_eq!(done(&server, "GET /events", "").await["count"], 0);
    assert_eq!(done(&server, "GET /events/count", "").await["count"], 0);
    assert_eq!(done(&server, &attempts, "").await, before);
    call(&server, &format!("DELETE /2026-09-01/events/{event}"), "").await.refusal(405, "METHOD_NOT_ALLOWED");
}

#[actix::test]
async fn erased_data_is_gone_at_once_and_the_answer_says_when_its_bytes_are() {
    let store = configured();
    let request = sent(&store, "/e/tok", b"secret").await;
    let server = api(store);
    let line = format!("DELETE /requests/{request}/data");
    let erased = done(&server, &line, "").await;
    assert_eq!(erased["id"], request.as_str());
    assert!(erased["bytes_gone_by"].as_str() >= erased["erased_at"].as_str());
    assert_eq!(done(&server, &line, "").await, erased, "the same answer again");
    let shown = call(&server, &format!("GET /requests/{request}"), "").await;
    assert!(!shown.body.contains("secret"), "{shown:?}");
    call(&server, &format!("POST /requests/{request}/replay"), "").await.refusal(410, "GONE");
    call(&server, "DELETE /requests/req_00000000000000000000000077/data", "").await.refusal(404, "NOT_FOUND");
}
