//! The API: objects as they are answered, pages, and everything that is refused.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::kit::{AT, Answered, KEY, Server, api, call, put, raw, send, source, store};
use crate::{
    clock::{Clock, SystemClock},
    domain::{
        AttemptRecord, AttemptResult, AttemptSummary, AttemptTrigger, ConfigItem, ErrorCode, Event, Phase, Request,
        RequestId, Route,
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
            "source": { "name": "shop", "type": "SHOPIFY", "config": { "allowed_http_methods": ["POST", "GET"], "auth": null } },
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
    assert_eq!(made["source"]["type"], "SHOPIFY");
    assert_eq!(made["source"]["config"]["allowed_http_methods"], json!(["POST", "GET"]));
    let url = made["source"]["url"].as_str().unwrap();
    assert!(url.starts_with("https://in.example/e/") && url.len() == "https://in.example/e/".len() + 26, "{url}");
    assert_eq!(made["destination"]["config"]["url"], "https://erp.example/hook?a=%20");
    assert_eq!(made["destination"]["config"]["auth"], json!({}), "credentials are masked");
    for line in [format!("GET /connections/{connection}"), format!("GET /2026-09-01/connections/{connection}")] {
        assert_eq!(done(&server, &line, &Value::Null).await, made);
    }

    let destination = made["destination"]["id"].as_str().unwrap();
    assert_eq!(done(&server, &format!("GET /destinations/{destination}"), &Value::Null).await, made["destination"]);
    let shown = done(&server, &format!("GET /destinations/{destination}?include=config.auth"), &Value::Null).await;
    assert_eq!(shown["config"]["auth"], json!({ "key": "X-Key", "api_key": "s3cret", "to": "header" }));
    let source = made["source"]["id"].as_str().unwrap();
    assert_eq!(
        done(&server, &format!("GET /sources/{source}?include=config.auth"), &Value::Null).await,
        made["source"]
    );

    let by_reference = json!({ "source_id": source, "destination": { "name": "erp" } });
    let second = done(&server, "POST /connections", &by_reference).await;
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
fn failed_event(store: &dyn Store, number: u128) -> Event {
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
        client_ip: None,
    };
    let route =
        Route { connection_id: super::kit::connection(5).id, destination_id: super::kit::connection(5).destination_id };
    let new = NewRequest { request: Arc::new(request), routes: vec![route], rejection: None, body_permit: None };
    futures_util::FutureExt::now_or_never(store.accept(new)).unwrap().unwrap();
    let mut event = store.event(id.event(0)).unwrap().event;
    for (result, phase) in [
        (AttemptResult::Answered { status: 503 }, Phase::Waiting { due_at: AT }),
        (AttemptResult::Failed { error: ErrorCode::Timeout, status: None }, Phase::Failed),
    ] {
        let started_at = AT.plus_ms(1000 * (event.attempts.len() as u64 + 1));
        event.attempts.push(AttemptSummary { trigger: AttemptTrigger::Initial, started_at, latency_ms: 7, result });
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

#[actix::test]
async fn nobody_enters_without_a_key_but_health_is_open() {
    let server = api(store());
    for headers in
        ["", "authorization: Bearer hgk_other\r\n", "authorization: Basic x\r\n", "authorization: \u{fc}\r\n"]
    {
        for line in ["GET /events", "GET /nonsense", "POST /sources", "GET /2024-03-01/events", "DELETE /-/healthz"] {
            let answer = send(&server, line, headers, b"").await;
            answer.refusal(401, "UNAUTHORIZED");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(format!("{KEY}:")));
    assert_eq!(send(&server, "GET /events", &basic, b"").await.status, 200);
    for line in ["GET /-/healthz", "GET /-/readyz"] {
        assert_eq!(send(&server, line, "", b"").await.json()["status"], "ok");
    }
}

#[actix::test]
async fn a_store_that_is_closed_is_alive_and_not_ready() {
    let store = store();
    store.close();
    let server = api(store);
    assert_eq!(send(&server, "GET /-/healthz", "", b"").await.status, 200);
    let answer = send(&server, "GET /-/readyz", "", b"").await;
    assert_eq!((answer.status, &answer.json()["reasons"][0]["check"]), (503, &json!("accepting")));
}

#[actix::test]
async fn paths_that_are_not_there_say_why() {
    let server = api(store());
    for line in [
        "GET /",
        "GET /event",
        "GET /events/",
        "GET /events//retry",
        "GET /2025-07-01",
        "GET /2025-07-01/",
        "GET /%ff",
        "GET /2025-02-31/events",
        "GET /events/a/b/c",
        "GET /-/nonsense",
        "POST *",
    ] {
        call(&server, line, "").await.refusal(404, "NOT_FOUND");
    }
    for line in [
        "GET /connections",
        "PUT /2025-07-01/sources",
        "GET /requests/req_1/events",
        "GET /metrics/events",
        "POST /2026-09-01/events/evt_1/replay",
        "GET /2024-03-01/events",
    ] {
        call(&server, line, "").await.refusal(501, "NOT_IMPLEMENTED");
    }
    for (line, allow) in [
        ("DELETE /events", "get"),
        ("GET /events/x/retry", "post"),
        ("BREW /sources", "get, post, put"),
        ("HEAD /-/nothing", ""),
    ] {
        let answer = call(&server, line, "").await;
        assert!(answer.head.contains(&format!("allow: {allow}\r\n")) == !allow.is_empty(), "{answer:?}");
        assert_eq!(answer.status, if allow.is_empty() { 404 } else { 405 });
    }
}

#[actix::test]
async fn ids_and_parameters_that_cannot_be_are_a_clear_4xx() {
    let server = api(with_source());
    let long = format!("evt_{}", "A".repeat(5000));
    for id in [
        "x",
        "evt_",
        "evt_1",
        "web_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "%00",
        "%ff%fe",
        "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        long.as_str(),
    ] {
        for line in [
            format!("GET /events/{id}"),
            format!("POST /events/{id}/retry"),
            format!("PUT /events/{id}/cancel"),
            format!("GET /attempts/{id}"),
            format!("GET /destinations/{id}"),
        ] {
            call(&server, &line, "").await.refusal(404, "NOT_FOUND");
        }
    }
    for query in [
        "limit=-1",
        "limit=256",
        "limit=abc",
        "limit=1e3",
        "next=x",
        "prev=%00",
        "next=AQ&prev=AQ",
        "dir=x",
        "order_by=status",
        "status=failed",
        "status[not]=FAILED",
        "status=",
        "webhook_id=x",
        "source_id=web_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "destination_id=,",
        "created_at=x",
        "created_at[gte]=2026-99-01",
        "created_at[gte]=",
        "created_at[any]=true",
        "created_at[gte]=1600000000",
    ] {
        for version in ["", "/2025-07-01"] {
            call(&server, &format!("GET {version}/events?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        }
    }
    call(&server, "GET /events?a=%ff", "").await.refusal(400, "BAD_REQUEST");
    call(&server, "GET /events?stauts=FAILED", "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    assert_eq!(call(&server, "GET /2025-07-01/events?stauts=FAILED", "").await.status, 200);
    for query in ["response_status=500", "body={}", "include=data", "attempts[gt]=1", "id=evt_1"] {
        call(&server, &format!("GET /2025-07-01/events?{query}"), "").await.refusal(501, "NOT_IMPLEMENTED");
    }
    for query in ["", "?event_id=", "?event_id=x"] {
        call(&server, &format!("GET /attempts{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
}

/// A refusal of a body, and that it names what is wrong.
async fn refused(server: &Server, path: &str, body: &str, status: u16, named: &str) {
    let code = if status == 400 { "BAD_REQUEST" } else { "UNPROCESSABLE_ENTITY" };
    let message = call(server, &format!("POST /{path}"), body).await.refusal(status, code);
    assert!(message.contains(named), "{body} should name {named}: {message}");
    assert!(message.len() < 600, "{message}");
}

#[actix::test]
async fn bodies_that_are_not_json_objects_are_refused() {
    let server = api(store());
    for body in ["{", "nonsense", "{\"name\":\"a\"} x", "\0", "{\"name\": NaN}", "{\"name\":\"\\ud800\"}"] {
        refused(&server, "sources", body, 400, "not JSON").await;
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    refused(&server, "sources", &deep, 400, "recursion").await;
    for body in ["[]", "null", "1", "\"text\""] {
        refused(&server, "sources", body, 422, "the body").await;
    }
    let answer =
        send(&server, "POST /sources", &format!("authorization: Bearer {KEY}\r\n"), b"{\"name\":\"\xff\"}").await;
    answer.refusal(400, "BAD_REQUEST");
    let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(1024 * 1024));
    call(&server, "POST /sources", &huge).await.refusal(413, "PAYLOAD_TOO_LARGE");
    for header in [
        "content-type: text/plain\r\n",
        "content-type: \u{fc}\r\n",
        "content-encoding: gzip\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    ] {
        let headers = format!("authorization: Bearer {KEY}\r\n{header}");
        send(&server, "POST /sources", &headers, b"{\"name\":\"a\"}").await.refusal(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let unannounced = format!("authorization: Bearer {KEY}\r\n");
    assert_eq!(send(&server, "POST /sources", &unannounced, b"{\"name\":\"a\"}").await.status, 200);
}

#[actix::test]
async fn sources_that_cannot_be_obeyed_are_refused_by_field() {
    let server = api(store());
    let long = format!("{{\"name\":\"{}\"}}", "a".repeat(156));
    for (body, named) in [
        ("{}", "name"),
        ("", "name"),
        (r#"{"name":1}"#, "name"),
        (r#"{"name":""}"#, "name"),
        (r#"{"name":"a b"}"#, "name"),
        (r#"{"name":"a\u0000"}"#, "name"),
        (long.as_str(), "name"),
        (r#"{"name":"a","type":"webhook"}"#, "type"),
        (r#"{"name":"a","type":["WEBHOOK"]}"#, "type"),
        (r#"{"name":"a","description":{}}"#, "description"),
        (r#"{"name":"a","config":[]}"#, "config"),
        (r#"{"name":"a","config":{"allowed_http_methods":"POST"}}"#, "config.allowed_http_methods"),
        (r#"{"name":"a","config":{"allowed_http_methods":["HEAD"]}}"#, "HEAD"),
        (r#"{"name":"a","config":{"allowed_http_methods":[]}}"#, "config.allowed_http_methods"),
        (r#"{"name":"a","config":{"auth":{"username":"u"}}}"#, "config.auth"),
        (r#"{"name":"a","config":{"custom_response":{"body":""}}}"#, "config.custom_response"),
        (r#"{"name":"a","colour":"red"}"#, "colour"),
    ] {
        refused(&server, "sources", body, 422, named).await;
    }
}

#[actix::test]
async fn destinations_that_cannot_be_obeyed_are_refused_by_field() {
    let server = api(store());
    let http = |config: &str| format!(r#"{{"name":"a","config":{{"url":"http://x.example"{config}}}}}"#);
    for (body, named) in [
        (r#"{"name":"a"}"#.to_owned(), "config.url"),
        (r#"{"name":"a","type":"CLI","config":{"path":"/"}}"#.to_owned(), "CLI"),
        (r#"{"name":"a","type":"SMTP"}"#.to_owned(), "type"),
        (r#"{"name":"a","type":"MOCK_API","config":{"url":"http://x"}}"#.to_owned(), "config.url"),
        (http(r#","rate_limit":5"#), "config.rate_limit"),
        (http(r#","delivery_policy":{"rate":5}"#), "config.delivery_policy"),
        (http(r#","http_method":"post""#), "config.http_method"),
        (http(r#","path_forwarding_disabled":"yes""#), "config.path_forwarding_disabled"),
        (http(r#","auth_type":"BEARER_TOKEN""#), "config.auth"),
        (http(r#","auth":{"token":"t"}"#), "config.auth_type"),
        (http(r#","auth_type":"BEARER_TOKEN","auth":{}"#), "config.auth.token"),
        (http(r#","auth_type":"BEARER_TOKEN","auth":{"token":"a\nb"}"#), "config.auth.token"),
        (http(r#","auth_type":"HOOKDECK_SIGNATURE","auth":{"token":"t"}"#), "config.auth.token"),
        (http(r#","auth_type":"API_KEY","auth":{"key":"x","api_key":"k","to":"query"}"#), "config.auth.to"),
        (http(r#","auth_type":"API_KEY","auth":{"key":"a b","api_key":"k"}"#), "config.auth.key"),
        (http(r#","auth_type":"API_KEY","auth":{"key":"Host","api_key":"k"}"#), "config.auth.key"),
        (http(r#","auth_type":"AWS_SIGNATURE","auth":{}"#), "AWS_SIGNATURE"),
        (http(r#","auth_type":"MAGIC","auth":{}"#), "MAGIC"),
    ] {
        refused(&server, "destinations", &body, 422, named).await;
    }
    for url in [
        "",
        "x",
        "/x",
        "ftp://x/",
        "http://",
        "http://a b/",
        "http://x/\\u0000",
        "http://u:p@x/",
        "https://:1/",
        "javascript:alert(1)",
    ] {
        refused(&server, "destinations", &format!(r#"{{"name":"a","config":{{"url":"{url}"}}}}"#), 422, "config.url")
            .await;
    }
}

#[actix::test]
async fn connections_that_cannot_be_obeyed_are_refused_by_field() {
    let server = api(with_source());
    let with =
        |rest: &str| format!(r#"{{"source":{{"name":"a"}},"destination":{{"name":"b","type":"MOCK_API"}}{rest}}}"#);
    for (body, named) in [
        ("{}".to_owned(), "source_id"),
        (r#"{"source":{"name":"a"}}"#.to_owned(), "destination_id"),
        (r#"{"source":{"name":"a"},"source_id":"src_1"}"#.to_owned(), "exclude"),
        (r#"{"source_id":"x"}"#.to_owned(), "source_id"),
        (
            r#"{"source":{"name":"a"},"destination":{"name":"b","config":{"url":"x"}}}"#.to_owned(),
            "destination.config.url",
        ),
        (r#"{"source":{"name":"a","type":1}}"#.to_owned(), "source.type"),
        (with(r#","rules":{}"#), "rules"),
        (with(r#","rules":[{"type":"filter","body":{}}]"#), "filter"),
        (with(r#","rules":[{"type":"retry","strategy":"linear","count":51}]"#), "rules[0].count"),
        (with(r#","rules":[{"type":"retry","strategy":"linear"},{"type":"retry","strategy":"linear"}]"#), "rules[1]"),
        (with(r#","paused_at":"2026-01-01T00:00:00Z""#), "paused_at"),
    ] {
        refused(&server, "connections", &body, 422, named).await;
    }
    let gone = r#"{"source_id":"src_01ARZ3NDEKTSV4RRFFQ69G5FAV","destination":{"name":"b","type":"MOCK_API"}}"#;
    call(&server, "POST /connections", gone).await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn what_is_not_http_is_a_4xx_for_the_api_too() {
    let server = api(store());
    for request in [
        &b"GET /events\xff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"[..],
        b"GET /events\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer: Answered = raw(&server, request).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
}
