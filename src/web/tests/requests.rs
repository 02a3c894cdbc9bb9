//! Requests in the API: what became of each, over a prepared configuration.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kit::{AT, Server, api, call, connection, ingress, put, send, source, store};
use crate::{
    domain::{
        CliDestination, ConfigItem, Destination, DestinationAuth, DestinationId, DestinationKind, RejectionCause,
        Request, RequestId, Source, SourceId, SourceToken,
    },
    ingress::BodyBudget,
    store::{NewRequest, Store, memory::MemoryStore},
};

/// `tok` leads over an enabled connection, a disabled one and one to a `listen` session that nobody holds; `lone` nowhere.
pub(super) fn configured() -> Arc<MemoryStore> {
    let store = store();
    let mut disabled = connection(2);
    disabled.disabled_at = Some(AT);
    let mut listening = connection(3);
    listening.destination_id = DestinationId::from_bits(10);
    let cli = CliDestination {
        path: "/hook".to_owned(),
        http_method: None,
        path_forwarding_disabled: false,
        auth: DestinationAuth::HookdeckSignature,
    };
    let lone =
        Source { id: SourceId::from_bits(8), name: "lone".to_owned(), token: SourceToken::new("lone"), ..source() };
    let destination = |id: u128, kind| Destination {
        id: DestinationId::from_bits(id),
        name: format!("destination-{id}"),
        description: None,
        kind,
        disabled_at: None,
        deleted_at: None,
        created_at: AT,
        updated_at: AT,
        version: 1,
    };
    put(
        store.as_ref(),
        vec![
            ConfigItem::Source(source()),
            ConfigItem::Source(lone),
            ConfigItem::Destination(destination(9, DestinationKind::MockApi)),
            ConfigItem::Destination(destination(10, DestinationKind::Cli(cli))),
            ConfigItem::Connection(connection(1)),
            ConfigItem::Connection(disabled),
            ConfigItem::Connection(listening),
        ],
    );
    store
}

/// Sends a request to a source and gives its id.
pub(super) async fn sent(store: &Arc<MemoryStore>, target: &str, body: &[u8]) -> String {
    let store: Arc<dyn Store> = store.clone();
    let server = ingress(store, BodyBudget::new(BodyBudget::DEFAULT_BYTES), 10_000);
    let answer = send(&server, &format!("POST {target}"), "x-a: 1\r\nx-a: 2\r\n", body).await;
    answer.json()["request_id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

pub(super) async fn got(server: &Server, target: &str) -> Value {
    let answer = call(server, &format!("GET {target}"), "").await;
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer.json()
}

pub(super) async fn ids(server: &Server, target: &str) -> Vec<String> {
    let page = got(server, target).await;
    let models = page["models"].as_array().unwrap();
    assert_eq!(page["count"], models.len(), "{page}");
    models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[actix::test]
async fn a_request_tells_what_became_of_it_and_who_made_no_event_of_it() {
    let store = configured();
    let id = sent(&store, "/e/tok/a%20b?q=1&q=2", br#"{"n":1.50}"#).await;
    let server = api(store);
    let request = got(&server, &format!("/2025-07-01/requests/{id}")).await;
    assert_eq!((&request["rejection_cause"], &request["verified"]), (&Value::Null, &json!(false)));
    assert_eq!((&request["events_count"], &request["ignored_count"]), (&json!(1), &json!(2)));
    assert_eq!(request["cli_events_count"], 0);
    assert_eq!(request["source_id"], source().id.to_string());
    assert_eq!(request["original_event_data_id"], id.replace("req_", "edt_"));
    for field in ["ingested_at", "created_at", "updated_at"] {
        assert!(request[field].as_str().unwrap().ends_with('Z'), "{request}");
    }
    let data = &request["data"];
    assert_eq!((&data["method"], &data["path"], &data["query"]), (&json!("POST"), &json!("/a%20b"), &json!("q=1&q=2")));
    assert_eq!(
        (&data["parsed_query"], data["body"]["n"].to_string()),
        (&json!({ "q": ["1", "2"] }), "1.50".to_owned())
    );
    assert_eq!((&data["headers"]["x-a"], &data["is_large_payload"]), (&json!("1, 2"), &json!(false)));
    assert_eq!(got(&server, &format!("/requests/{id}/raw_body")).await, json!({ "body": "{\"n\":1.50}" }));

    let mut listed = got(&server, "/requests").await["models"][0].take();
    listed["data"] = data.clone();
    assert_eq!(listed, request, "a list has all but the data");

    let events = got(&server, &format!("/requests/{id}/events")).await;
    assert_eq!((&events["count"], &events["models"][0]["request_id"]), (&json!(1), &json!(id)));
    let ignored = got(&server, &format!("/requests/{id}/ignored_events?dir=asc")).await;
    let [disabled, listening] = ignored["models"].as_array().unwrap().as_slice() else { panic!("{ignored}") };
    assert!(disabled["id"].as_str().unwrap().starts_with("ign_"));
    for (model, number, cause) in [(disabled, 2, "DISABLED"), (listening, 3, "CLI_DISCONNECTED")] {
        let expected = json!({
            "id": model["id"], "team_id": request["team_id"], "webhook_id": connection(number).id.to_string(),
            "cause": cause, "meta": null, "request_id": id, "created_at": request["created_at"],
        });
        assert_eq!(*model, expected);
    }
    let one = listening["id"].as_str().unwrap();
    assert_eq!(ids(&server, &format!("/requests/{id}/ignored_events?id={one}")).await, [one]);
}

#[actix::test]
async fn requests_are_filtered_by_what_became_of_them() {
    let store = configured();
    let accepted = sent(&store, "/e/tok", b"").await;
    let rejected = sent(&store, "/e/lone", b"").await;
    // What is read of a body that was too large, some milliseconds before it was committed.
    let large = Request {
        id: RequestId::from_parts(AT, 7),
        source_id: source().id,
        received_at: AT,
        method: "POST".to_owned(),
        path: String::new(),
        query: None,
        headers: vec![],
        body: "beginning".into(),
        body_truncated: true,
        client_ip: None,
    };
    let large_id = large.id.to_string();
    let rejection = Some(RejectionCause::PayloadTooLarge);
    let new = NewRequest {
        request: Arc::new(large),
        routes: vec![],
        first_index: 0,
        documents: vec![],
        ignored: vec![],
        rejection,
        body_permit: None,
    };
    store.accept(new).await.unwrap();
    let server = api(store);
    let all = [&large_id, &rejected, &accepted];
    for (query, expected) in [
        ("", &all[..]),
        ("dir=asc", &[&accepted, &rejected, &large_id]),
        ("status=accepted", &[&accepted]),
        ("status=REJECTED", &[&large_id, &rejected]),
        ("rejection_cause=NO_CONNECTION", &[&rejected]),
        ("rejection_cause[]=NO_CONNECTION&rejection_cause[]=PAYLOAD_TOO_LARGE", &[&large_id, &rejected]),
        ("rejection_cause=SOURCE_DISABLED", &[]),
        ("ignored_count[gt]=0", &[&accepted]),
        ("ignored_count=0", &[&large_id, &rejected]),
        ("events_count[gte]=1&events_count[lt]=2", &[&accepted]),
        ("events_count=0,5", &[&large_id, &rejected]),
        ("created_at[gte]=2001-01-01", &all[..]),
        ("created_at[lt]=2001-01-01", &[]),
        ("ingested_at=2026-09-21T14:13:20.000Z", &[&large_id]),
        (&format!("source_id={}", source().id), &[&large_id, &accepted]),
        (&format!("id={rejected},{large_id}&status=rejected"), &[&large_id, &rejected]),
    ] {
        assert_eq!(ids(&server, &format!("/requests?{query}")).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let shown = got(&server, &format!("/requests/{large_id}")).await;
    assert_eq!((&shown["data"]["is_large_payload"], &shown["data"]["body"]), (&json!(true), &json!("beginning")));
    for path in ["events", "ignored_events"] {
        assert!(ids(&server, &format!("/requests/{rejected}/{path}")).await.is_empty());
    }
}

#[actix::test]
async fn what_cannot_be_asked_of_requests_is_refused() {
    let store = configured();
    let id = sent(&store, "/e/tok", b"").await;
    let server = api(store);
    for query in ["status=FAILED", "rejection_cause=NOPE", "events_count=x", "ignored_count[any]=1", "id=evt_1"] {
        call(&server, &format!("GET /2025-07-01/requests?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
    for query in ["order_by=ingested_at", "next=AQAAAAAAAAAB", "colour=red"] {
        call(&server, &format!("GET /requests?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
    assert_eq!(ids(&server, "/2025-07-01/requests?colour=red").await, [id.as_str()], "as the hosted API");
    call(&server, "GET /requests?bulk_retry_id=bch_1", "").await.refusal(501, "NOT_IMPLEMENTED");
    for path in ["", "/raw_body", "/events", "/ignored_events"] {
        for id in ["req_x", "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV", "req_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            call(&server, &format!("GET /requests/{id}{path}"), "").await.refusal(404, "NOT_FOUND");
        }
    }
}

#[actix::test]
async fn pages_of_one_request_lead_on_and_back() {
    let store = configured();
    let id = sent(&store, "/e/tok", b"").await;
    let server = api(store);
    let list = format!("/requests/{id}/ignored_events");
    let all = ids(&server, &format!("{list}?dir=asc")).await;
    let first = got(&server, &format!("{list}?dir=asc&limit=1")).await;
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = got(&server, &format!("{list}?dir=asc&limit=1&next={next}")).await;
    assert_eq!(second["models"][0]["id"], all[1]);
    assert_eq!(second["pagination"]["next"], Value::Null);
    let prev = second["pagination"]["prev"].as_str().unwrap();
    assert_eq!(got(&server, &format!("{list}?dir=asc&limit=1&prev={prev}")).await["models"], first["models"]);
}
