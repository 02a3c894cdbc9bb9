//! The API: objects as they are answered, and pages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kit::{AT, Server, api, call, put, source, store};
use crate::{
    clock::{Clock, SystemClock},
    domain::{
        AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, ConfigItem, ErrorCode, Event,
        Phase, Request, RequestId, Route,
    },
    store::{NewRequest, Store, Transition, memory::MemoryStore},
};

/// Sends a call that must succeed.
async fn done(server: &Server, line: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = call(server, line, &body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

fn with_source() -> Arc<MemoryStore> {
    let store = store();
    put(store.as_ref(), vec![ConfigItem::Source(source())]);
    store
}

#[actix::test]
async fn a_connection_is_made_with_what_stands_inline_and_read_back_as_it_was_given() {
    let server = api(store());
    let rule = json!({ "type": "retry", "strategy": "exponential", "count": 5 });
    let made = done(
        &server,
        "POST /2025-07-01/connections",
        &json!({
            "name": "orders",
            "description": null,
            "source": { "name": "shop", "type": "HTTP", "config": { "allowed_http_methods": ["POST", "GET"], "auth": null } },
            "destination": {
                "name": "erp",
                "config": {
                    "url": "https://erp.example/hook?a=%20",
                    "http_method": "PUT",
                    "path_forwarding_disabled": true,
                    "rate_limit": null,
                    "auth_type": "API_KEY",
                    "auth": { "key": "X-Key", "api_key": "s3cret", "to": "header" },
                },
            },
            "rules": [rule],
        }),
    )
    .await;
    let connection = made["id"].as_str().unwrap();
    assert!(connection.starts_with("web_"));
    assert_eq!((&made["name"], &made["full_name"]), (&json!("orders"), &json!("shop -> orders")));
    assert_eq!(made["rules"], json!([rule]), "no key is added");
    assert_eq!(made["source"]["type"], "HTTP");
    assert_eq!(made["source"]["config"]["allowed_http_methods"], json!(["POST", "GET"]));
    let url = made["source"]["url"].as_str().unwrap();
    assert!(url.starts_with("https://in.example/e/") && url.len() == "https://in.example/e/".len() + 26, "{url}");
    assert_eq!(made["destination"]["config"]["url"], "https://erp.example/hook?a=%20");
    assert_eq!(made["destination"]["config"]["auth"], json!({}), "credentials are masked");
    let path = format!("/2025-07-01/connections/{connection}");
    assert_eq!(done(&server, &format!("GET {path}"), &Value::Null).await, made);

    let destination = made["destination"]["id"].as_str().unwrap();
    assert_eq!(
        done(&server, &format!("GET /2025-07-01/destinations/{destination}"), &Value::Null).await,
        made["destination"]
    );
    let shown = done(&server, &format!("GET /destinations/{destination}?include=config.auth"), &Value::Null).await;
    assert_eq!(shown["config"]["auth"], json!({ "key": "X-Key", "api_key": "s3cret", "to": "header" }));
    let source = made["source"]["id"].as_str().unwrap();
    assert_eq!(
        done(&server, &format!("GET /sources/{source}?include=config.auth"), &Value::Null).await,
        made["source"]
    );

    let by_reference = json!({ "source_id": source, "destination": { "name": "erp" } });
    let second = done(&server, "POST /2025-07-01/connections", &by_reference).await;
    assert_eq!((&second["destination"], &second["rules"]), (&made["destination"], &json!([])));
    call(
        &server,
        "POST /connections",
        &json!({ "name": "orders", "source_id": source, "destination_id": destination }).to_string(),
    )
    .await
    .refusal(422, "UNPROCESSABLE_ENTITY");
}

#[actix::test]
async fn pausing_and_unpausing_may_be_repeated() {
    let server = api(store());
    let body = json!({ "source": { "name": "a" }, "destination": { "name": "b", "type": "MOCK_API" } });
    let made = done(&server, "POST /connections", &body).await;
    assert_eq!((&made["destination"]["type"], &made["paused_at"]), (&json!("MOCK_API"), &Value::Null));
    let id = made["id"].as_str().unwrap();
    let paused = done(&server, &format!("PUT /connections/{id}/pause"), &json!({})).await;
    assert!(paused["paused_at"].is_string());
    assert_eq!(done(&server, &format!("PUT /connections/{id}/pause"), &Value::Null).await, paused);
    assert_eq!(done(&server, &format!("PUT /connections/{id}/unpause"), &Value::Null).await["paused_at"], Value::Null);
    let other = id.replace("web_", "web_0").split_at(30).0.to_owned();
    call(&server, &format!("PUT /connections/{other}/pause"), "").await.refusal(404, "NOT_FOUND");
}

/// Stores a request with one event on connection 5 and settles it as failed after two tries.
pub(super) fn failed_event(store: &dyn Store, number: u128) -> Event {
    let id = RequestId::from_parts(SystemClock.now(), number << 40);
    let request = Request {
        id,
        source_id: source().id,
        received_at: AT,
        method: "POST".to_owned(),
        path: "/x".to_owned(),
        query: Some("a=1&a=2&b=%20".to_owned()),
        headers: vec![("x-a".to_owned(), "1".into()), ("x-a".to_owned(), "2".into())],
        body: r#"{"n":1}"#.into(),
        body_truncated: false,
        client_ip: None,
    };
    let route = Route {
        connection_id: super::kit::connection(5).id,
        destination_id: super::kit::connection(5).destination_id,
        generation: 0,
    };
    let new = NewRequest {
        request: Arc::new(request),
        routes: vec![route],
        first_index: 0,
        documents: Vec::new(),
        ignored: Vec::new(),
        rejection: None,
        body_permit: None,
    };
    futures_util::FutureExt::now_or_never(store.accept(new)).unwrap().unwrap();
    let mut event = store.event(id.event(0)).unwrap().event;
    for (result, phase) in [
        (AttemptResult::Answered { status: 503 }, Phase::Waiting { due_at: AT }),
        (AttemptResult::Failed { error: ErrorCode::Timeout, status: None }, Phase::Failed),
    ] {
        let started_at = AT.plus_ms(1000 * (event.attempts.len() as u64 + 1));
        let status = if result.is_2xx() { AttemptStatus::Successful } else { AttemptStatus::Failed };
        event.attempts.push(AttemptSummary {
            trigger: AttemptTrigger::Initial,
            resumed: false,
            status,
            started_at,
            latency_ms: 7,
            result,
        });
        event.version += 1;
        event.phase = phase;
        let record = AttemptRecord {
            url: "https://erp.example/x".to_owned(),
            method: "POST".to_owned(),
            response_headers: vec![("x-r".to_owned(), "1".into())],
            response_body: "no".into(),
            response_truncated: false,
            error_message: None,
        };
        let transition = Transition { event: event.clone(), attempt: Some(record) };
        futures_util::FutureExt::now_or_never(store.record(transition)).unwrap().unwrap();
    }
    event
}

#[actix::test]
async fn an_event_and_its_attempts_are_shown_with_all_that_is_kept() {
    let store = with_source();
    let event = failed_event(store.as_ref(), 1);
    let server = api(store);
    let shown = done(&server, &format!("GET /events/{}", event.id()), &Value::Null).await;
    assert_eq!(
        (&shown["status"], &shown["attempts"], &shown["next_attempt_at"]),
        (&json!("FAILED"), &json!(2), &Value::Null)
    );
    assert_eq!((&shown["error_code"], &shown["response_status"]), (&json!("TIMEOUT"), &Value::Null));
    assert_eq!(shown["data"]["body"], json!({ "n": 1 }));
    assert_eq!(shown["data"]["headers"], json!({ "x-a": "1, 2" }));
    assert_eq!(shown["data"]["parsed_query"], json!({ "a": ["1", "2"], "b": " " }));

    let list = done(&server, &format!("GET /2025-07-01/attempts?event_id={}", event.id()), &Value::Null).await;
    let numbers: Vec<_> =
        list["models"].as_array().unwrap().iter().map(|model| model["attempt_number"].clone()).collect();
    assert_eq!(numbers, [2, 1], "newest first");
    let first = list["models"][1].clone();
    assert_eq!((&first["status"], &first["response_status"]), (&json!("FAILED"), &json!(503)));
    let whole = done(&server, &format!("GET /attempts/{}", first["id"].as_str().unwrap()), &Value::Null).await;
    assert_eq!((&whole["body"], &whole["requested_url"]), (&json!("no"), &json!("https://erp.example/x")));
    assert_eq!(whole["response_headers"], json!({ "x-r": "1" }));
    call(&server, &format!("GET /attempts/{}", event.id().attempt(3)), "").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn pages_lead_through_all_events_and_back() {
    let store = with_source();
    let mut ids: Vec<String> = (1..=5).map(|number| failed_event(store.as_ref(), number).id().to_string()).collect();
    ids.reverse();
    let server = api(store);
    let ids_of = |page: &Value| -> Vec<String> {
        page["models"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut next, mut last) = (Vec::new(), String::new(), Value::Null);
    for _ in 0..3 {
        last = done(&server, &format!("GET /events?limit=2&status=FAILED&status[]=QUEUED{next}"), &Value::Null).await;
        assert_eq!((&last["pagination"]["dir"], &last["pagination"]["limit"]), (&json!("desc"), &json!(2)));
        seen.extend(ids_of(&last));
        next = last["pagination"]["next"].as_str().map(|next| format!("&next={next}")).unwrap_or_default();
    }
    assert_eq!((&seen, next.as_str()), (&ids, ""));
    let prev = last["pagination"]["prev"].as_str().unwrap();
    let back = done(&server, &format!("GET /events?limit=2&prev={prev}"), &Value::Null).await;
    assert_eq!(ids_of(&back), ids[2..4]);
    assert!(back["pagination"]["next"].is_string() && back["pagination"]["prev"].is_string());
    let ascending = done(&server, "GET /events?limit=255&dir=ASC", &Value::Null).await;
    ids.reverse();
    assert_eq!(ids_of(&ascending), ids);
    assert!(ascending["pagination"].get("prev").is_none());
    for none in [
        "status=SUCCESSFUL,CANCELLED",
        "created_at[lt]=2020-01-01",
        "limit=0",
        "webhook_id=web_00000000000000000000000001",
    ] {
        assert_eq!(done(&server, &format!("GET /events?{none}"), &Value::Null).await["count"], 0, "{none}");
    }
}

#[actix::test]
async fn attempts_page_like_events() {
    let store = with_source();
    let events = [failed_event(store.as_ref(), 1), failed_event(store.as_ref(), 2)];
    let server = api(store);
    let ids = format!("event_id={}&event_id[1]={}", events[0].id(), events[1].id());
    let mut numbers = Vec::new();
    let (mut cursor, mut last) = (String::new(), Value::Null);
    for _ in 0..4 {
        last = done(&server, &format!("GET /attempts?limit=1&{ids}{cursor}"), &Value::Null).await;
        numbers.push(last["models"][0]["attempt_number"].clone());
        cursor = last["pagination"]["next"].as_str().map(|next| format!("&next={next}")).unwrap_or_default();
    }
    assert_eq!((numbers, cursor.as_str()), (vec![json!(2), json!(2), json!(1), json!(1)], ""));
    let prev = last["pagination"]["prev"].as_str().unwrap();
    let back = done(&server, &format!("GET /attempts?limit=2&{ids}&prev={prev}"), &Value::Null).await;
    assert_eq!((&back["count"], &back["models"][1]["attempt_number"]), (&json!(2), &json!(1)));
}
