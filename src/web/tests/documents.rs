//! Views and bookmarks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::kit::{AT, Server, api, call, connection, put, source, store};
use crate::{
    domain::{ConfigItem, Connection, ConnectionId, DestinationId, Request, RequestId, Route},
    store::{NewRequest, Store, memory::MemoryStore},
};

async fn get(server: &Server, target: &str) -> Value {
    let answer = call(server, &format!("GET {target}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn refused(server: &Server, line: &str, body: &str, named: &str) {
    let message = call(server, line, body).await.refusal(422, "UNPROCESSABLE_ENTITY");
    assert!(message.contains(named), "{line} {body} should name {named}: {message}");
    assert!(message.len() < 1000, "{message}");
}

#[actix::test]
async fn four_views_are_always_there_and_stay_as_they_are() {
    let server = api(store());
    let all = get(&server, "/views").await;
    let names: Vec<&Value> = all["models"].as_array().unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(json!(names), json!(["Successful", "Failed", "Pending", "Paused"]));
    assert_eq!(all["models"][2]["filter"], json!({ "status": ["QUEUED", "SCHEDULED"] }));
    for view in all["models"].as_array().unwrap() {
        let path = format!("/views/{}", view["id"].as_str().unwrap());
        assert_eq!(&get(&server, &path).await, view);
        refused(&server, &format!("PUT {path}"), r#"{"name":"other"}"#, "always there").await;
        refused(&server, &format!("DELETE {path}"), "", "always there").await;
        refused(&server, "POST /views", &json!({ "name": view["name"] }).to_string(), "taken").await;
    }
}

#[actix::test]
async fn a_view_is_kept_renamed_changed_and_deleted() {
    let server = api(store());
    let filter = json!({
        "status": ["FAILED"], "created_at": { "gte": "2026-01-01" }, "attempts": { "gt": 3 }, "order_by": "last_attempt_at",
    });
    let body = json!({ "name": "  Failed last week ", "filter": filter }).to_string();
    let made = call(&server, "POST /views", &body).await.json();
    assert_eq!(
        (&made["name"], &made["filter"], &made["built_in"]),
        (&json!("Failed last week"), &filter, &json!(false))
    );
    let path = format!("/views/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&server, &path).await, made);
    let renamed = call(&server, &format!("PUT {path}"), r#"{"name":"Müde"}"#).await.json();
    assert_eq!((&renamed["name"], &renamed["filter"]), (&json!("Müde"), &filter));
    let changed = call(&server, &format!("PUT {path}"), r#"{"filter":{}}"#).await.json();
    assert_eq!((&changed["name"], &changed["filter"]), (&json!("Müde"), &json!({})));
    let same = call(&server, &format!("PUT {path}"), r#"{"name":"Müde"}"#).await.json();
    assert_eq!(same, changed, "its own name is free to itself");
    assert_eq!(get(&server, "/views").await["count"], 5);
    assert_eq!(call(&server, &format!("DELETE {path}"), "").await.json()["id"], made["id"]);
    for line in [format!("GET {path}"), format!("PUT {path}"), format!("DELETE {path}")] {
        call(&server, &line, "").await.refusal(404, "NOT_FOUND");
    }
    let again = call(&server, "POST /views", &body).await;
    assert_eq!(again.status, 200, "{again:?}");
    refused(&server, "POST /views", &body, "taken").await;
}

#[actix::test]
async fn a_view_that_no_list_would_obey_is_refused_by_its_field() {
    let server = api(store());
    let long = json!({ "name": "a".repeat(156) }).to_string();
    let large = json!({ "name": "a", "filter": { "id": vec!["evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"; 900] } }).to_string();
    for (body, named) in [
        ("{}", "name"),
        (r#"{"name":1}"#, "name"),
        (r#"{"name":" "}"#, "name"),
        (r#"{"name":"a\u0000"}"#, "name"),
        (long.as_str(), "155"),
        (large.as_str(), "filter"),
        (r#"{"name":"a","filter":[]}"#, "filter"),
        (r#"{"name":"a","filter":"status=FAILED"}"#, "filter"),
        (r#"{"name":"a","filter":{"stauts":"FAILED"}}"#, "filter.status"),
        (r#"{"name":"a","filter":{"status":"failed"}}"#, "filter.status"),
        (r#"{"name":"a","filter":{"status":{"gt":"FAILED"}}}"#, "filter.status"),
        (r#"{"name":"a","filter":{"created_at":{"gte":"soon"}}}"#, "filter.created_at"),
        (r#"{"name":"a","filter":{"webhook_id":"x"}}"#, "filter.webhook_id"),
        (r#"{"name":"a","filter":{"attempts":null}}"#, "filter.attempts"),
        (r#"{"name":"a","filter":{"order_by":"name"}}"#, "filter.order_by"),
        (r#"{"name":"a","filter":{"dir":"up"}}"#, "filter.dir"),
        (r#"{"name":"a","filter":{"limit":10}}"#, "filter.limit"),
        (r#"{"name":"a","filter":{"next":"x"}}"#, "filter.next"),
        (r#"{"name":"a","colour":"red"}"#, "colour"),
    ] {
        refused(&server, "POST /views", body, named).await;
    }
    call(&server, "POST /views", "[").await.refusal(400, "BAD_REQUEST");
    assert_eq!(get(&server, "/views").await["count"], 4, "nothing was kept");
    call(&server, "GET /views/x", "").await.refusal(404, "NOT_FOUND");
    call(&server, "GET /2026-09-01/views", "").await.refusal(404, "NOT_FOUND");
}

const REQUEST: RequestId = RequestId::from_bits(77 << 80);

/// A store with a connection, and one request that became one event on it.
async fn with_event() -> Arc<MemoryStore> {
    let store = store();
    let over = connection(11);
    let deleted = Connection { deleted_at: Some(AT), ..connection(12) };
    let items = [over, deleted].map(ConfigItem::Connection);
    put(store.as_ref(), [ConfigItem::Source(source())].into_iter().chain(items).collect());
    store.accept(arriving(REQUEST, b"{\"a\":1}", false)).await.unwrap();
    store.accept(arriving(RequestId::from_bits(78 << 80), b"{\"a\":", true)).await.unwrap();
    store
}

fn arriving(id: RequestId, body: &'static [u8], body_truncated: bool) -> NewRequest {
    let request = Request {
        id,
        source_id: source().id,
        received_at: AT,
        method: "POST".to_owned(),
        path: "/in".to_owned(),
        query: Some("q=1".to_owned()),
        headers: vec![("x-a".to_owned(), Bytes::from_static(b"1"))],
        body: Bytes::from_static(body),
        body_truncated,
        client_ip: None,
    };
    let over = Route {
        connection_id: ConnectionId::from_bits(11),
        destination_id: DestinationId::from_bits(9),
        generation: 0,
    };
    NewRequest {
        request: Arc::new(request),
        routes: vec![over],
        first_index: 0,
        documents: Vec::new(),
        ignored: Vec::new(),
        rejection: None,
        body_permit: None,
    }
}

fn bookmark(data: &str, label: &str, name: Option<&str>) -> String {
    let over = ConnectionId::from_bits(11).to_string();
    json!({ "event_data_id": data, "webhook_id": over, "label": label, "name": name }).to_string()
}

#[actix::test]
async fn a_bookmark_keeps_what_arrived_and_is_changed_and_deleted() {
    let server = api(with_event().await);
    let (of_event, of_request) = (REQUEST.event(0).data().to_string(), REQUEST.data().to_string());
    let made = call(&server, "POST /2024-03-01/bookmarks", &bookmark(&of_event, "a label", Some("one"))).await.json();
    assert_eq!((&made["event_data_id"], &made["alias"]), (&json!(of_event), &json!("one")));
    assert_eq!((&made["data"]["body"], &made["data"]["path"]), (&json!({ "a": 1 }), &json!("/in")));
    assert_eq!((&made["last_used_at"], made["name"].is_null()), (&Value::Null, true));
    let path = format!("/bookmarks/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&server, &format!("{path}/raw_body")).await, json!({ "body": "{\"a\":1}" }));
    assert_eq!(get(&server, &path).await["data"]["headers"], json!({ "x-a": "1" }));

    let body = json!({ "label": "other", "event_data_id": of_request }).to_string();
    let changed = call(&server, &format!("PUT {path}"), &body).await.json();
    assert_eq!(
        (&changed["label"], &changed["name"], &changed["event_data_id"]),
        (&json!("other"), &json!("one"), &json!(of_request))
    );
    let unnamed = call(&server, &format!("PUT {path}"), r#"{"name":null}"#).await.json();
    assert!(unnamed["name"].is_null() && unnamed["data"]["body"] == json!({ "a": 1 }), "{unnamed}");
    assert_eq!(call(&server, &format!("DELETE {path}"), "").await.json()["id"], made["id"]);
    for line in [format!("GET {path}"), format!("GET {path}/raw_body"), format!("PUT {path}"), format!("DELETE {path}")]
    {
        call(&server, &line, "").await.refusal(404, "NOT_FOUND");
    }
}

#[actix::test]
async fn bookmarks_are_listed_filtered_and_paged() {
    let server = api(with_event().await);
    let data = REQUEST.data().to_string();
    for (label, name) in [("red, blue", Some("one")), ("blue", Some("two")), ("green", None)] {
        assert_eq!(call(&server, "POST /bookmarks", &bookmark(&data, label, name)).await.status, 200);
    }
    let over = ConnectionId::from_bits(11);
    for (query, count) in [
        ("", 3),
        ("name=one&name=two", 2),
        ("name=three", 0),
        ("label=blue", 1),
        (&format!("webhook_id={over}&event_data_id={data}"), 3),
        (&format!("webhook_id={}", ConnectionId::from_bits(5)), 0),
        ("last_used_at[any]=true", 0),
        ("last_used_at[any]=false", 3),
    ] {
        assert_eq!(get(&server, &format!("/bookmarks?{query}")).await["count"], count, "{query}");
    }
    let first = get(&server, "/bookmarks?limit=2").await;
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = get(&server, &format!("/bookmarks?limit=2&next={next}")).await;
    assert_eq!((&second["count"], &second["models"][0]["label"]), (&json!(1), &json!("red, blue")));
    let prev = second["pagination"]["prev"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/bookmarks?limit=2&prev={prev}")).await["models"], first["models"]);
    for query in ["id=x", "webhook_id=x", "order_by=label", "next=x", "last_used_at=x", "colour=red"] {
        call(&server, &format!("GET /bookmarks?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
}

#[actix::test]
async fn a_bookmark_that_cannot_be_is_refused_by_its_field() {
    let server = api(with_event().await);
    let data = REQUEST.data().to_string();
    assert_eq!(call(&server, "POST /bookmarks", &bookmark(&data, "a", Some("one"))).await.status, 200);
    let (over, gone) = (ConnectionId::from_bits(11).to_string(), ConnectionId::from_bits(12).to_string());
    let truncated = RequestId::from_bits(78 << 80).data().to_string();
    let unknown = RequestId::from_bits(79 << 80).data().to_string();
    for (body, named) in [
        ("{}".to_owned(), "event_data_id"),
        (json!({ "event_data_id": data }).to_string(), "webhook_id"),
        (json!({ "event_data_id": data, "webhook_id": over }).to_string(), "label"),
        (json!({ "event_data_id": data, "webhook_id": gone, "label": "a" }).to_string(), "webhook_id"),
        (json!({ "event_data_id": data, "webhook_id": "web_1", "label": "a" }).to_string(), "webhook_id"),
        (json!({ "event_data_id": 1, "webhook_id": over, "label": "a" }).to_string(), "event_data_id"),
        (json!({ "event_data_id": data, "webhook_id": over, "label": ["a"] }).to_string(), "label"),
        (json!({ "event_data_id": data, "webhook_id": over, "label": "a", "colour": 1 }).to_string(), "colour"),
        (bookmark(&data, " ", None), "label"),
        (bookmark(&data, &"a".repeat(501), None), "label"),
        (bookmark(&data, "a", Some("one")), "taken"),
        (bookmark(&data, "a", Some("has space")), "name"),
        (bookmark(&data, "a", Some(&"a".repeat(156))), "155"),
        (bookmark(&truncated, "a", None), "event_data_id"),
        (bookmark(&unknown, "a", None), "event_data_id"),
        (bookmark("evt_01ARZ3NDEKTSV4RRFFQ69G5FAV", "a", None), "event_data_id"),
    ] {
        refused(&server, "POST /bookmarks", &body, named).await;
    }
    assert_eq!(get(&server, "/bookmarks").await["count"], 1, "nothing was kept");
}
