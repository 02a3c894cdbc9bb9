//! Everything that the API refuses: a clear 4xx that names what is wrong, never a 500.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::kit::{Answered, KEY, Server, api, call, put, raw, send, source, store};
use crate::{
    domain::ConfigItem,
    store::{Store, memory::MemoryStore},
};
use std::sync::Arc;

fn with_source() -> Arc<MemoryStore> {
    let store = store();
    put(store.as_ref(), vec![ConfigItem::Source(source())]);
    store
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
        "GET /2024-03-01/metrics/events",
        "POST /2025-07-01/events/evt_1/replay",
        "PUT /2024-03-01/events/evt_1/cancel",
        "POST *",
    ] {
        call(&server, line, "").await.refusal(404, "NOT_FOUND");
    }
    for line in ["POST /cli-sessions", "GET /metrics/events", "PUT /2026-09-01/notifications/webhooks"] {
        call(&server, line, "").await.refusal(501, "NOT_IMPLEMENTED");
    }
    for (line, allow) in [
        ("DELETE /events", "get"),
        ("GET /events/x/retry", "post"),
        ("BREW /sources", "get, post, put"),
        ("HEAD /-/nothing", ""),
    ] {
        let answer = call(&server, line, "").await;
        assert!(answer.head.contains(&format!("allow: {allow}\r\n")) != allow.is_empty(), "{answer:?}");
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
        "created_at[any]=yes",
        "created_at[gte]=1600000000",
    ] {
        for version in ["", "/2025-07-01"] {
            call(&server, &format!("GET {version}/events?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        }
    }
    call(&server, "GET /events?a=%ff", "").await.refusal(400, "BAD_REQUEST");
    call(&server, "GET /events?stauts=FAILED", "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    assert_eq!(call(&server, "GET /2025-07-01/events?stauts=FAILED", "").await.status, 200);
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
        (r#"{"name":"a","type":"CLI","config":{"path":"hooks"}}"#.to_owned(), "config.path"),
        (r#"{"name":"a","type":"CLI","config":{"path":"/","url":"http://x"}}"#.to_owned(), "config.url"),
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
