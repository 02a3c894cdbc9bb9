//! Figures of the gateway, and requests that are made up to try a source.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kit::{Server, api, call, put, source, store};
use crate::{
    clock::{Clock, SystemClock},
    domain::{ConfigItem, RequestId, Source},
    store::{Store, memory::MemoryStore},
};

async fn done(server: &Server, line: &str, body: &str) -> Value {
    let answer = call(server, line, body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

/// A source, and a paused connection from it.
async fn paused() -> (Arc<MemoryStore>, Server, String) {
    let store = store();
    put(store.as_ref(), vec![ConfigItem::Source(source())]);
    let server = api(store.clone());
    let body = json!({
        "name": "orders",
        "source_id": source().id.to_string(),
        "destination": { "name": "erp", "config": { "url": "http://127.0.0.1:1/" } },
    });
    let made = done(&server, "POST /connections", &body.to_string()).await;
    let id = made["id"].as_str().unwrap().to_owned();
    done(&server, &format!("PUT /connections/{id}/pause"), "").await;
    (store, server, id)
}

fn test_line() -> String {
    format!("POST /sources/{}/test", source().id)
}

#[actix::test]
async fn a_made_up_request_goes_the_way_of_one_that_arrives() {
    let (store, server, connection) = paused().await;
    let body = json!({
        "path": "/orders?x=1",
        "headers": { "X-Topic": "order" },
        "body": { "id": 7 },
    });
    let sent = done(&server, &test_line(), &body.to_string()).await;
    assert_eq!(
        (&sent["status"], &sent["rejection_cause"], &sent["message"]),
        (&json!("ACCEPTED"), &Value::Null, &Value::Null)
    );
    assert_eq!(sent["events"].as_array().map(Vec::len), Some(1));
    let event = &sent["events"][0];
    assert_eq!((&event["webhook_id"], &event["status"]), (&json!(connection), &json!("HOLD")));
    let id: RequestId = sent["request_id"].as_str().unwrap().parse().unwrap();
    let kept = store.request_by_id(id).unwrap();
    let request = store.request(kept.summary.payload_ref).unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), request.query.as_deref()),
        ("POST", "/orders", Some("x=1"))
    );
    let header = |name: &str| request.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
    assert_eq!(header("x-topic").unwrap(), "order");
    assert_eq!(header("x-hookgate-test").unwrap(), "true");
    assert_eq!(header("content-type").unwrap(), "application/json");
    assert_eq!(request.body, r#"{"id":7}"#);
}

#[actix::test]
async fn a_made_up_request_is_refused_as_one_that_arrives_and_says_why() {
    let (_, server, _) = paused().await;
    for (body, cause) in [
        (json!({ "method": "GET" }), "UNSUPPORTED_HTTP_METHOD"),
        (json!({ "headers": { "content-type": "application/json" }, "body": "{" }), "UNPARSABLE_JSON"),
    ] {
        let sent = done(&server, &test_line(), &body.to_string()).await;
        assert_eq!((&sent["status"], &sent["rejection_cause"]), (&json!("REJECTED"), &json!(cause)));
        assert!(sent["message"].is_string() && sent["request_id"].is_string(), "{sent}");
        assert_eq!(sent["events"], json!([]));
        let id = sent["request_id"].as_str().unwrap();
        let recorded = done(&server, &format!("GET /requests/{id}"), "").await;
        assert_eq!(recorded["rejection_cause"], cause);
    }
    let unknown = call(&server, "POST /sources/src_00000000000000000000000009/test", "").await;
    unknown.refusal(404, "NOT_FOUND");
    call(&server, &test_line(), r#"{"path":"nowhere"}"#).await.refusal(422, "UNPROCESSABLE_ENTITY");
}

#[actix::test]
async fn a_deleted_source_cannot_be_tried() {
    let store = store();
    let deleted = Source { deleted_at: Some(super::kit::AT), ..source() };
    put(store.as_ref(), vec![ConfigItem::Source(deleted)]);
    call(&api(store), &test_line(), "").await.refusal(410, "GONE");
}

#[actix::test]
async fn stats_tell_how_every_connection_and_the_gateway_are_doing() {
    let (_, server, connection) = paused().await;
    let before = SystemClock.now();
    for _ in 0..3 {
        done(&server, &test_line(), "").await;
    }
    let stats = done(&server, "GET /stats", "").await;
    let shown = stats["connections"].as_array().unwrap();
    assert_eq!(shown.len(), 1);
    let one = &shown[0];
    assert_eq!(one["id"], connection);
    assert_eq!(
        (&one["name"], &one["source"]["name"], &one["destination"]["name"]),
        (&json!("orders"), &json!("shop"), &json!("erp"))
    );
    assert_eq!((&one["status"], &one["health"]), (&json!("paused"), &json!("paused")));
    assert_eq!(one["health_reason"], "It is paused and holds 3 events.");
    assert_eq!((&one["depth"], &one["held"], &one["in_flight"]), (&json!(3), &json!(3), &json!(0)));
    assert!(one["oldest_due_at"].as_str().unwrap() >= before.to_string().as_str());
    assert_eq!(
        one["last_minute"],
        json!({
            "accepted": 3,
            "successful": 0,
            "failed": 0,
            "events_per_s": 0.05,
            "success_ratio": null,
        })
    );
    assert_eq!(one["last_hour"]["accepted"], 3);
    assert_eq!((&stats["totals"]["connections"], &stats["totals"]["depth"]), (&json!(1), &json!(3)));
    assert_eq!((&stats["storage"]["events"], &stats["storage"]["quota_bytes"]), (&json!(3), &Value::Null));
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert!(stats["uptime_ms"].is_u64() && stats["settings"].is_object());
}

#[actix::test]
async fn a_series_tells_what_came_and_what_became_of_it() {
    let (_, server, _) = paused().await;
    for _ in 0..3 {
        done(&server, &test_line(), "").await;
    }
    let sum = |series: &Value, field: &str| -> u64 {
        let buckets = series["buckets"].as_array().unwrap();
        buckets.iter().map(|bucket| bucket[field].as_u64().unwrap()).sum()
    };
    let last_day = done(&server, "GET /stats/series", "").await;
    assert_eq!(["in", "delivered", "failed"].map(|field| sum(&last_day, field)), [3, 0, 0]);
    let narrow = "GET /stats/series?date_range[start]=2020-01-01&date_range[end]=2020-01-02&granularity=1d";
    let narrow = done(&server, narrow, "").await;
    assert_eq!(narrow["granularity"], "1d");
    let times: Vec<&str> =
        narrow["buckets"].as_array().unwrap().iter().map(|bucket| bucket["time_bucket"].as_str().unwrap()).collect();
    assert_eq!(times, ["2020-01-01T00:00:00.000Z", "2020-01-02T00:00:00.000Z"]);
    for (query, field) in [
        ("granularity=1x", "granularity"),
        ("granularity=1s", "granularity"),
        ("date_range=2020", "date_range"),
        ("date_range[start]=soon", "start"),
        ("date_range[begin]=2020-01-01", "begin"),
        ("date_range[start]=2020-01-02&date_range[end]=2020-01-01", "date_range"),
        ("range=1", "range"),
    ] {
        let said = call(&server, &format!("GET /stats/series?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains(field), "{query}: {said}");
    }
}
