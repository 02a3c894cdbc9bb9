//! Bulk operations in the API: what they take, what they answer, what they refuse.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::kit::{AT, Server, api_with, call, connection, put, source, store};
use crate::{
    actors::{Milestone, Milestones},
    domain::{ConfigItem, Destination, DestinationId, DestinationKind, Request, RequestId, Route},
    store::{NewRequest, Store, memory::MemoryStore},
};

/// A gateway whose connection is paused, with so many events.
async fn with_events(count: u128) -> (Server, Arc<MemoryStore>, UnboundedReceiver<Milestone>) {
    let store = store();
    let destination = Destination {
        id: DestinationId::from_bits(9),
        name: "nowhere".to_owned(),
        description: None,
        kind: DestinationKind::MockApi,
        disabled_at: None,
        deleted_at: None,
        created_at: AT,
        updated_at: AT,
        version: 1,
    };
    let mut paused = connection(1);
    paused.paused_at = Some(AT);
    let items = [ConfigItem::Source(source()), ConfigItem::Destination(destination), ConfigItem::Connection(paused)];
    put(store.as_ref(), items.into());
    for number in 1..=count {
        let request = Request {
            id: RequestId::from_parts(AT, number << 40),
            source_id: source().id,
            received_at: AT,
            method: "POST".to_owned(),
            path: String::new(),
            query: None,
            headers: Vec::new(),
            body: number.to_string().into(),
            body_truncated: false,
            client_ip: None,
        };
        let new = NewRequest {
            request: Arc::new(request),
            routes: vec![Route {
                connection_id: connection(1).id,
                destination_id: DestinationId::from_bits(9),
                generation: 0,
            }],
            first_index: 0,
            documents: Vec::new(),
            ignored: Vec::new(),
            rejection: None,
            body_permit: None,
        };
        store.accept(new).await.unwrap();
    }
    let (milestones, reached) = Milestones::channel();
    (api_with(Arc::clone(&store) as Arc<dyn Store>, milestones, Arc::default()), store, reached)
}

async fn ended(reached: &mut UnboundedReceiver<Milestone>) {
    while !matches!(reached.recv().await, Some(Milestone::BulkEnded(_))) {}
}

async fn done(server: &Server, line: &str, body: &str) -> Value {
    let answer = call(server, line, body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    answer.json()
}

#[actix::test]
async fn an_operation_is_planned_started_listed_and_shown_to_its_end() {
    let (server, _, mut reached) = with_events(30).await;
    let planned = done(
        &server,
        "GET /bulk/events/cancel/plan?query[status]=HOLD&query[webhook_id][]=web_00000000000000000000000001",
        "",
    )
    .await;
    assert_eq!((&planned["estimated_count"], &planned["estimated_batch"]), (&json!(30), &json!(1)));
    assert!(planned["oldest_at"].is_string() && planned["newest_at"].is_string());
    let dated = done(&server, "GET /2025-07-01/bulk/events/cancel/plan?query[status]=HOLD", "").await;
    assert_eq!(dated, json!({ "estimated_batch": 1, "estimated_count": 30, "progress": 0 }));
    let query = json!({ "status": ["HOLD"], "created_at": { "gte": "2020-01-01" } });
    let begun = done(&server, "POST /2025-07-01/bulk/events/cancel", &json!({ "query": query }).to_string()).await;
    assert_eq!((&begun["in_progress"], &begun["query"], &begun["estimated_count"]), (&json!(true), &query, &json!(30)));
    let id = begun["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("bch_"));
    ended(&mut reached).await;
    let shown = done(&server, &format!("GET /bulk/events/cancel/{id}"), "").await;
    assert_eq!((&shown["in_progress"], &shown["progress"]), (&json!(false), &json!(1.0)));
    assert_eq!((&shown["completed_count"], &shown["failed_count"]), (&json!(30), &json!(0)));
    assert!(shown["completed_at"].is_string() && shown["cancelled_at"].is_null());
    let list = done(&server, "GET /bulk/events/cancel?in_progress=false&limit=1", "").await;
    assert_eq!(list["models"], json!([shown]));
    assert_eq!(done(&server, "GET /bulk/events/cancel?in_progress=true", "").await["count"], 0);
    let with = "GET /bulk/events/cancel?query[status]=HOLD";
    assert_eq!(done(&server, with, "").await["count"], 0, "it has more in its query");
    assert_eq!(done(&server, &format!("{with}&query_partial_match=true"), "").await["count"], 1);
    let other = "GET /bulk/events/cancel?query[status]=FAILED&query_partial_match=[object%20Object]";
    assert_eq!(done(&server, other, "").await["count"], 0);
    assert_eq!(done(&server, "GET /bulk/events/retry", "").await["count"], 0, "another kind");
    assert_eq!(done(&server, "GET /events/count?status=CANCELLED", "").await["count"], 30);
    call(&server, &format!("GET /bulk/events/retry/{id}"), "").await.refusal(404, "NOT_FOUND");
    call(&server, &format!("POST /bulk/events/cancel/{id}/cancel"), "").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn lists_of_operations_are_paged_newest_first() {
    let (server, _, mut reached) = with_events(3).await;
    for _ in 0..3 {
        done(&server, "POST /bulk/requests/replay", "{}").await;
        ended(&mut reached).await;
    }
    let mut seen = Vec::new();
    let mut line = "GET /2026-09-01/bulk/requests/replay?limit=2".to_owned();
    loop {
        let page = done(&server, &line, "").await;
        seen.extend(page["models"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        line = format!("GET /2026-09-01/bulk/requests/replay?limit=2&next={next}");
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    assert_eq!((seen.len(), &seen), (3, &sorted));
    assert_eq!(done(&server, "GET /requests/count", "").await["count"], 3 * 8, "each doubles what there is");
    call(&server, "GET /2025-07-01/bulk/requests/replay", "").await.refusal(404, "NOT_FOUND");
    call(&server, "GET /2024-03-01/bulk/events/cancel", "").await.refusal(404, "NOT_FOUND");
}

#[actix::test]
async fn a_stopped_operation_says_so_and_one_that_ended_stays_as_it_is() {
    let (server, _, mut reached) = with_events(1).await;
    let begun = done(&server, "POST /bulk/requests/replay", "{}").await;
    ended(&mut reached).await;
    let id = begun["id"].as_str().unwrap();
    let stopped = done(&server, &format!("POST /bulk/requests/replay/{id}/cancel"), "").await;
    assert_eq!((&stopped["cancelled_at"], &stopped["completed_count"]), (&Value::Null, &json!(1)));
}

#[actix::test]
async fn what_cannot_be_obeyed_is_refused_and_named() {
    let (server, store, _) = with_events(2).await;
    let refused = [
        ("POST /bulk/events/retry", r#"{"query":{"status":"SUCCESSFUL"}}"#, 422, "`query`"),
        ("POST /2025-07-01/bulk/events/retry", r#"{"query":{"stauts":"FAILED"}}"#, 422, "`query.stauts`"),
        ("POST /bulk/events/retry", r#"{"query":"{}"}"#, 422, "`query` must be of type object"),
        ("POST /bulk/events/retry", r#"{"query":[]}"#, 422, "`query` must be of type object"),
        ("POST /bulk/events/retry", r#"{"query":{"status":"NEVER"}}"#, 422, "`query.status`"),
        ("POST /bulk/events/retry", r#"{"query":{"status":null}}"#, 422, "`query.status`"),
        ("POST /bulk/events/retry", r#"{"query":{"created_at":{"gte":"soon"}}}"#, 422, "`query.created_at`"),
        ("POST /bulk/events/retry", r#"{"qeury":{}}"#, 422, "`qeury`"),
        (
            "POST /bulk/requests/retry",
            r#"{"query":{"webhook_id":"web_00000000000000000000000001"}}"#,
            422,
            "`query.webhook_id`",
        ),
        ("POST /bulk/requests/retry", "{}", 422, "`query`"),
        ("POST /bulk/requests/replay", r#"{"target":{}}"#, 422, "`target`"),
        ("POST /bulk/ignored-events/retry", r#"{"query":{"cause":"FILTERED"}}"#, 422, "`query.cause`"),
        ("POST /bulk/ignored-events/retry", r#"{"query":{"cause":"BAD"}}"#, 422, "`query.cause`"),
        ("POST /bulk/events/retry", "[", 400, "JSON"),
        ("GET /bulk/events/retry/plan?query=%7B%7D", "", 422, "`query` must be of type object"),
        ("GET /bulk/events/retry/plan?query[stauts]=FAILED", "", 422, "`query.stauts`"),
        ("GET /bulk/events/retry?limit=-1", "", 422, "`limit`"),
        ("GET /bulk/events/retry?next=nonsense", "", 422, "`next`"),
        ("GET /bulk/events/retry?query=7", "", 422, "`query`"),
        ("GET /bulk/events/retry?query_partial_match=perhaps", "", 422, "`query_partial_match`"),
        ("GET /bulk/events/retry/bch_00000000000000000000000001", "", 404, ""),
        ("GET /bulk/events/retry/nonsense", "", 404, ""),
        ("POST /bulk/events/retry/bch_00000000000000000000000001/cancel", "", 404, ""),
    ];
    for (line, body, status, named) in refused {
        let answer = call(&server, line, body).await;
        assert_eq!(answer.status, status, "{line} {body}: {answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(named), "{line} {body}: {message}");
    }
    let stretch = crate::store::DocumentStretch { descending: false, after: None, limit: 9 };
    assert_eq!(store.documents(crate::domain::Family::Bulk, stretch), Ok(vec![]), "nothing was begun");
}
