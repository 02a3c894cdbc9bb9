//! The same things in the shapes of each version, and what a version does not have.

use serde_json::{Value, json};

use super::api::failed_event;
use super::kit::{Server, api, call, store};

async fn done(server: &Server, line: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = call(server, line, &body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

fn keys(shape: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = shape.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[actix::test]
async fn the_oldest_version_takes_and_shows_flat_sources_and_destinations() {
    let server = api(store());
    let made = done(
        &server,
        "POST /2024-09-01/connections",
        &json!({
            "name": "c",
            "source": { "name": "shop", "allowed_http_methods": ["PUT"], "verification": null,
                "custom_response": { "content_type": "xml", "body": "<ok/>" } },
            "destination": { "name": "erp", "url": "https://erp.example/in", "http_method": "PATCH", "cli_path": null,
                "auth_method": { "type": "BEARER_TOKEN", "config": { "token": "t" } } },
        }),
    )
    .await;
    let source = &made["source"];
    assert_eq!(
        keys(source),
        [
            "allowed_http_methods",
            "created_at",
            "custom_response",
            "description",
            "disabled_at",
            "id",
            "name",
            "team_id",
            "updated_at",
            "url",
            "verification"
        ]
    );
    assert_eq!(source["custom_response"], json!({ "content_type": "xml", "body": "<ok/>" }));
    let destination = &made["destination"];
    assert_eq!(
        keys(destination),
        [
            "auth_method",
            "cli_path",
            "created_at",
            "description",
            "disabled_at",
            "http_method",
            "id",
            "name",
            "path_forwarding_disabled",
            "rate_limit",
            "rate_limit_period",
            "team_id",
            "updated_at",
            "url"
        ]
    );
    assert_eq!(destination["auth_method"], json!({ "type": "BEARER_TOKEN", "config": {} }));
    let id = destination["id"].as_str().unwrap();
    let shown = done(&server, &format!("GET /2024-03-01/destinations/{id}?include=config.auth"), &Value::Null).await;
    assert_eq!(shown["auth_method"]["config"]["token"], "t");
    let nested = done(&server, &format!("GET /2025-07-01/destinations/{id}"), &Value::Null).await;
    assert_eq!((&nested["type"], &nested["config"]["http_method"]), (&json!("HTTP"), &json!("PATCH")));
    assert!(nested["config"].as_object().unwrap().contains_key("rate_limit"));
    let newest = done(&server, &format!("GET /2026-09-01/destinations/{id}"), &Value::Null).await;
    assert_eq!(newest["config"].get("delivery_policy"), Some(&Value::Null));
    assert!(newest["config"].get("rate_limit").is_none());

    let cli = done(&server, &format!("PUT /2024-03-01/destinations/{id}"), &json!({ "cli_path": "/x" })).await;
    assert_eq!((&cli["cli_path"], &cli["url"], &cli["http_method"]), (&json!("/x"), &Value::Null, &json!("PATCH")));
    let signed = done(&server, &format!("PUT /2024-03-01/destinations/{id}"), &json!({ "auth_method": null })).await;
    assert_eq!(signed["auth_method"]["type"], "HOOKDECK_SIGNATURE");
    let mock = done(&server, "POST /2024-03-01/destinations", &json!({ "name": "mock" })).await;
    let id = mock["id"].as_str().unwrap();
    assert_eq!(done(&server, &format!("GET /destinations/{id}"), &Value::Null).await["type"], "MOCK_API");
}

#[actix::test]
async fn every_version_takes_the_spelling_of_the_others_but_not_both_at_once() {
    let server = api(store());
    let flat = json!({ "name": "a", "url": "https://a.example/" });
    let nested = json!({ "name": "b", "type": "HTTP", "config": { "url": "https://b.example/" } });
    assert_eq!(done(&server, "POST /2026-09-01/destinations", &flat).await["config"]["url"], "https://a.example/");
    assert_eq!(done(&server, "POST /2024-03-01/destinations", &nested).await["url"], "https://b.example/");
    let source = json!({ "name": "s", "custom_response": { "content_type": "text", "body": "hi" } });
    let made = done(&server, "POST /sources", &source).await;
    assert_eq!(made["config"]["custom_response"]["body"], "hi");
    let path = format!("/sources/{}", made["id"].as_str().unwrap());
    let null = done(&server, &format!("PUT {path}"), &json!({ "config": { "custom_response": null } })).await;
    assert_eq!(null["config"]["custom_response"], Value::Null);
    for (path, body, named) in [
        ("destinations", json!({ "name": "c", "url": "https://a/", "config": { "url": "https://b/" } }), "`url`"),
        ("destinations", json!({ "name": "c", "url": "https://a/", "cli_path": "/" }), "cli_path"),
        ("destinations", json!({ "name": "c", "auth_method": { "type": "AWS_SIGNATURE" } }), "auth_method.type"),
        ("destinations", json!({ "name": "c", "auth_method": null, "config": { "auth_type": "X" } }), "auth_method"),
        (
            "destinations",
            json!({ "name": "c", "auth_method": { "type": "API_KEY", "config": {} } }),
            "auth_method.config.key",
        ),
        ("destinations", json!({ "name": "c", "rate_limit": 3 }), "rate_limit"),
        ("sources", json!({ "name": "c", "verification": { "type": "hmac" } }), "verification"),
        ("sources", json!({ "name": "c", "custom_response": { "content_type": "html", "body": "" } }), "content_type"),
    ] {
        let said =
            call(&server, &format!("POST /{path}"), &body.to_string()).await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[actix::test]
async fn events_and_attempts_have_the_words_of_their_version() {
    let store = store();
    super::kit::put(store.as_ref(), vec![crate::domain::ConfigItem::Source(super::kit::source())]);
    let event = failed_event(store.as_ref(), 1);
    let server = api(store);
    let get = |version: &str| format!("GET {version}/events/{}", event.id());
    assert!(done(&server, &get("/2025-07-01"), &Value::Null).await.get("delivery_group").is_none());
    for version in ["", "/2026-09-01"] {
        assert_eq!(done(&server, &get(version), &Value::Null).await.get("delivery_group"), Some(&Value::Null));
    }
    let attempt = |version: &str| format!("GET {version}/attempts/{}", event.id().attempt(1));
    let oldest = done(&server, &attempt("/2024-03-01"), &Value::Null).await;
    assert_eq!((&oldest["status"], &oldest["state"]), (&json!("FAILED"), &json!("COMPLETED")));
    let dated = done(&server, &attempt("/2025-07-01"), &Value::Null).await;
    assert!(dated.get("state").is_none() && dated.get("endpoint_id").is_none());
    let ours = done(&server, &attempt(""), &Value::Null).await;
    for (name, other) in [
        ("endpoint_id", "destination_id"),
        ("endpoint_url", "requested_url"),
        ("response", "body"),
        ("response_status_code", "response_status"),
        ("attempted_at", "delivered_at"),
    ] {
        assert_eq!(ours[name], ours[other], "{name}");
        assert!(!ours[name].is_null(), "{name}");
    }
    assert!(ours["response_headers"].is_object() && ours["scheduled_at"].is_string());
    let request = done(&server, &format!("GET /2024-03-01/requests/{}", event.request_id), &Value::Null).await;
    assert_eq!(request["ingest_priority"], "NORMAL");
}

#[actix::test]
async fn what_other_versions_have_is_not_found_in_this_one() {
    let server = api(store());
    for line in ["GET /2025-07-01/projects", "GET /2024-03-01/metrics/events", "PUT /2024-03-01/events/evt_1/cancel"] {
        let said = call(&server, line, "").await.refusal(404, "NOT_FOUND");
        assert!(said.contains("of other versions"), "{line}: {said}");
    }
}
