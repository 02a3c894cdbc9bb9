//! Questions about events and requests: every filter, what is refused by name, searches, counts, histograms, and why.

use serde_json::{Value, json};

use super::{
    api::failed_event,
    kit::{AT, api, call, connection, put, source, store},
    requests::{configured, got, ids, sent},
};
use crate::{
    domain::{ConfigItem, Event},
    store::Store,
};

/// Three events that failed twice, oldest first.
fn three() -> (std::sync::Arc<crate::store::memory::MemoryStore>, [Event; 3]) {
    let store = store();
    put(store.as_ref(), vec![ConfigItem::Source(source()), ConfigItem::Connection(connection(5))]);
    let events = [1, 2, 3].map(|number| failed_event(store.as_ref(), number));
    (store, events)
}

#[actix::test]
async fn events_are_filtered_by_everything_the_api_names() {
    let (store, [first, second, third]) = three();
    let server = api(store);
    let id = |event: &Event| event.id().to_string();
    let all = [id(&third), id(&second), id(&first)];
    let data = first.id().data();
    let connection = connection(5).id;
    for (query, expected) in [
        (String::new(), &all[..]),
        (format!("id={}&id[]={}", id(&first), id(&third)), &[id(&third), id(&first)]),
        (format!("event_data_id={data}"), &all[2..]),
        (format!("event_data_id={data}&id={}", id(&second)), &[]),
        (format!("request_id={},{}", second.request_id, third.request_id), &all[..2]),
        (format!("webhook_id[0]={connection}&status=FAILED"), &all),
        ("attempts=2".to_owned(), &all),
        ("attempts[gt]=2".to_owned(), &[]),
        ("attempts[gte]=1&attempts[le]=2".to_owned(), &all),
        ("error_code=TIMEOUT".to_owned(), &all),
        ("error_code=TTL_EXPIRED".to_owned(), &[]),
        ("error_code=TTL_EXPIRED,TIMEOUT".to_owned(), &all),
        ("response_status[any]=false".to_owned(), &all),
        ("response_status=400-499,503".to_owned(), &[]),
        ("successful_at[any]=false".to_owned(), &all),
        ("successful_at[any]=true".to_owned(), &[]),
        (format!("last_attempt_at[gte]={AT}"), &all),
        (format!("last_attempt_at[lt]={AT}"), &[]),
        ("last_attempt_at=2026-09-21".to_owned(), &all),
        ("last_attempt_at=2026-09-20".to_owned(), &[]),
        ("next_attempt_at[any]=true".to_owned(), &[]),
        ("cli_id[any]=false".to_owned(), &all),
        ("cli_id=cl_1".to_owned(), &[]),
        ("issue_id=iss_1".to_owned(), &[]),
        ("created_at[gt]=2100-01-01".to_owned(), &[]),
        ("body[n]=1".to_owned(), &all),
        ("body[n]=2".to_owned(), &[]),
        ("body=%7B%22n%22%3A%7B%22%24gte%22%3A1%7D%7D".to_owned(), &all),
        ("headers[X-A]=1, 2".to_owned(), &all),
        ("parsed_query[a]=2&path=x".to_owned(), &all),
        ("path=y".to_owned(), &[]),
        ("search_term=X-A".to_owned(), &all),
        ("search_term=nowhere".to_owned(), &[]),
        ("order_by=last_attempt_at&dir=asc&progressive=true".to_owned(), &[id(&first), id(&second), id(&third)]),
    ] {
        let query = query.replace(' ', "%20");
        for version in ["", "/2025-07-01"] {
            assert_eq!(ids(&server, &format!("{version}/events?{query}")).await, expected, "{query}");
        }
        let asks_content = ["body", "headers", "parsed_query", "path", "search_term"];
        if !asks_content.iter().any(|name| query.contains(name)) && !query.contains("order_by") {
            assert_eq!(
                got(&server, &format!("/events/count?{query}")).await,
                json!({ "count": expected.len() }),
                "{query}"
            );
        }
    }
}

#[actix::test]
async fn what_no_filter_can_mean_is_refused_by_its_name() {
    let (store, [event, ..]) = three();
    let server = api(store);
    let by_attempt = got(&server, "/events?limit=1&order_by=last_attempt_at").await;
    let by_attempt = by_attempt["pagination"]["next"].as_str().unwrap().to_owned();
    let many = vec!["evt_00000000000000000000000001"; 1001].join(",");
    let deep = format!("body={}{}", "[".repeat(200), "]".repeat(200));
    let queries = [
        format!("next={by_attempt}"),
        format!("order_by=last_attempt_at&prev={}", by_attempt.replace('B', "A")),
        "attempts=many".to_owned(),
        "attempts[any]=maybe".to_owned(),
        "response_status=12".to_owned(),
        "response_status[contains]=4".to_owned(),
        "error_code=NOPE".to_owned(),
        "error_code[contains]=T".to_owned(),
        "created_at[contains]=2026".to_owned(),
        "created_at[gt]=2030-01-01&created_at[lt]=2020-01-01".to_owned(),
        "attempts[gt]=5&attempts[lt]=3".to_owned(),
        "last_attempt_at=soon".to_owned(),
        "id=x".to_owned(),
        format!("id={many}"),
        "bulk_retry_id=evt_1".to_owned(),
        "event_data_id=1".to_owned(),
        "search_term=ab".to_owned(),
        "search_term[]=abc".to_owned(),
        "body=nonsense".to_owned(),
        deep,
        "include=everything".to_owned(),
        "progressive=1".to_owned(),
        "limit=1&limit=2".to_owned(),
        "order_by=ingested_at".to_owned(),
    ];
    for query in queries {
        let name = query.split(['=', '[', '&']).find(|name| *name != "order_by" && *name != "last_attempt_at");
        let name =
            if query.starts_with("last_") || query == "order_by=ingested_at" { query.split('=').next() } else { name };
        for version in ["", "/2025-07-01"] {
            let answer = call(&server, &format!("GET {version}/events?{}", query.replace(' ', "%20")), "").await;
            let said = answer.refusal(422, "UNPROCESSABLE_ENTITY");
            assert!(said.contains(&format!("`{}", name.unwrap())) && said.len() < 1200, "{query}: {said}");
        }
    }
    for (query, meant) in [("stauts=FAILED", "`status`"), ("webhookid=web_1", "`webhook_id`")] {
        let said = call(&server, &format!("GET /events?{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains(meant), "{said}");
        assert_eq!(got(&server, &format!("/2025-07-01/events?{query}")).await["count"], 3);
    }
    let said = call(&server, &format!("GET /events/{}?colour=red", event.id()), "").await;
    said.refusal(422, "UNPROCESSABLE_ENTITY");
    for path in ["/events/count?body[a]=1", "/events/histogram?search_term=abc", "/requests/count?path=x"] {
        let said = call(&server, &format!("GET {path}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains("list them instead"), "{said}");
    }
    for granularity in ["1x", "0m", "m"] {
        let path = format!("GET /events/histogram?granularity={granularity}");
        let said = call(&server, &path, "").await.refusal(422, "UNPROCESSABLE_ENTITY");
        assert!(said.contains("`granularity`"), "{said}");
    }
    let wide = "GET /events/histogram?granularity=1s&created_at[gte]=2026-01-01&created_at[lt]=2026-02-01";
    let said = call(&server, wide, "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    assert!(said.contains("2678400 buckets"), "{said}");
}

#[actix::test]
async fn a_histogram_counts_every_event_that_matches_once() {
    let (store, _) = three();
    let server = api(store);
    for query in ["", "granularity=1h", "status=FAILED&granularity=1d&created_at[gte]=2026-01-01"] {
        let found = got(&server, &format!("/events/histogram?{query}")).await;
        let buckets = found["buckets"].as_array().unwrap();
        assert!((1..=1000).contains(&buckets.len()), "{found}");
        assert_eq!(buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum::<u64>(), 3, "{query}: {found}");
        assert!(buckets.is_sorted_by_key(|bucket| bucket["time_bucket"].as_str().unwrap()), "{found}");
    }
    assert_eq!(got(&server, "/events/histogram?status=HOLD").await["buckets"], json!([]));
    let day = "/events/histogram?granularity=1h&created_at=2026-01-01";
    let found = got(&server, day).await;
    assert_eq!((found["buckets"].as_array().unwrap().len(), &found["granularity"]), (24, &json!("1h")));
}

#[actix::test]
async fn lists_show_what_arrived_where_that_is_asked_for() {
    let (store, [event, ..]) = three();
    let server = api(store);
    let page = got(&server, "/2024-03-01/events?include=data&limit=2").await;
    assert_eq!((&page["models"][0]["data"]["body"], &page["count"]), (&json!({ "n": 1 }), &json!(2)));
    assert!(got(&server, "/events").await["models"][0].get("data").is_none());
    let page = got(&server, "/requests?include=data&search_term=x-a").await;
    assert_eq!((&page["models"][2]["data"]["path"], &page["count"]), (&json!("/x"), &json!(3)));
    assert_eq!(
        (&page["pagination"]["complete"], &page["pagination"]["searched"], &page["pagination"]["not_searched"]),
        (&json!(true), &json!(3), &json!(0))
    );
    let of_one = format!("/requests/{}/events?include=data&body[n]=1", event.request_id);
    assert_eq!(got(&server, &of_one).await["models"][0]["data"]["method"], "POST");
    assert_eq!(got(&server, &of_one.replace("n]=1", "n]=2")).await["count"], 0);
    let raw = got(&server, &format!("/events/{}/raw_body", event.id())).await;
    assert_eq!(raw, json!({ "body": r#"{"n":1}"# }));
    let muted = call(&server, &format!("PUT /2024-03-01/events/{}/mute", event.id()), "{}").await;
    muted.refusal(422, "UNPROCESSABLE_ENTITY");
}

#[actix::test]
async fn pages_of_a_search_lead_on_and_back() {
    let (store, _) = three();
    let server = api(store);
    for list in ["/events?body[n]=1&limit=2", "/requests?body[n]=1&limit=2"] {
        let first = got(&server, list).await;
        let next = first["pagination"]["next"].as_str().unwrap();
        let second = got(&server, &format!("{list}&next={next}")).await;
        assert_eq!((&second["count"], &second["pagination"]["next"]), (&json!(1), &Value::Null), "{second}");
        let prev = second["pagination"]["prev"].as_str().unwrap();
        assert_eq!(got(&server, &format!("{list}&prev={prev}")).await["models"], first["models"]);
    }
}

#[actix::test]
async fn attempts_are_filtered_and_found_by_their_ids() {
    let (store, [event, other, _]) = three();
    let server = api(store);
    let count = async |query: &str| {
        got(&server, &format!("/attempts?event_id={}&{query}", event.id())).await["count"].as_u64().unwrap()
    };
    for (query, expected) in [
        ("", 2),
        ("status=FAILED", 2),
        ("status=SUCCESSFUL", 0),
        ("response_status=503", 1),
        ("response_status[any]=false", 1),
        ("error_code=TIMEOUT", 1),
        ("trigger=INITIAL", 2),
        ("trigger=MANUAL", 0),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    let id = other.id().attempt(2);
    assert_eq!(ids(&server, &format!("/attempts?id={id}")).await, [id.to_string()]);
    assert_eq!(count(&format!("id={id}")).await, 0, "of another event");
    for query in ["", "?status=FAILED", "?event_id=x", "?event_id=evt_00000000000000000000000001&trigger=WHIM"] {
        call(&server, &format!("GET /attempts{query}"), "").await.refusal(422, "UNPROCESSABLE_ENTITY");
    }
}

#[actix::test]
async fn requests_are_filtered_by_what_nothing_has() {
    let store = configured();
    let id = sent(&store, "/e/tok", b"{}").await;
    let server = api(store);
    for (query, expected) in [
        ("verified=false", 1),
        ("verified=true", 0),
        ("cli_events_count=0", 1),
        ("cli_events_count[gt]=0", 0),
        ("rejection_cause[any]=false", 1),
        ("rejection_cause[any]=true", 0),
        ("rejection_cause=UNKNOWN", 0),
        ("status=rejected&rejection_cause[any]=false", 0),
    ] {
        assert_eq!(ids(&server, &format!("/requests?{query}")).await.len(), expected, "{query}");
        assert_eq!(got(&server, &format!("/requests/count?{query}")).await["count"], expected, "{query}");
    }
    assert_eq!(ids(&server, &format!("/requests?id={id}&verified=false&include=data")).await, [id]);
}

#[actix::test]
async fn why_tells_of_each_connection_what_became_of_a_request() {
    let store = configured();
    let (accepted, rejected) = (sent(&store, "/e/tok", b"{}").await, sent(&store, "/e/lone", b"{}").await);
    let mut younger = connection(4);
    younger.created_at = crate::domain::Timestamp::MAX;
    put(store.as_ref(), vec![ConfigItem::Connection(younger)]);
    let event = store.events_of(accepted.parse().unwrap()).unwrap().remove(0);
    let server = api(store);
    let why = got(&server, &format!("/requests/{accepted}/why")).await;
    assert_eq!(
        (&why["status"], &why["rejection_cause"], &why["replayable"]),
        (&json!("accepted"), &Value::Null, &json!(true))
    );
    let told: Vec<_> =
        why["connections"].as_array().unwrap().iter().map(|one| (&one["connection"]["id"], &one["outcome"])).collect();
    let id = |number| json!(connection(number).id.to_string());
    let expected = [(1, "event"), (2, "disabled"), (3, "ignored"), (4, "no_route")]
        .map(|(number, word)| (id(number), json!(word)));
    assert_eq!(told, expected.iter().map(|(id, word)| (id, word)).collect::<Vec<_>>());
    let first = &why["connections"][0];
    assert_eq!(
        (&first["event"]["id"], &first["how"]),
        (&json!(event.id().to_string()), &json!(format!("POST /events/{}/retry", event.id())))
    );
    assert_eq!(why["connections"][1]["cause"], "DISABLED");
    assert_eq!(why["connections"][1]["replayable"], false, "as long as it is disabled");

    let why = got(&server, &format!("/requests/{rejected}/why")).await;
    assert_eq!(
        (&why["status"], &why["rejection_cause"], &why["connections"]),
        (&json!("rejected"), &json!("NO_CONNECTION"), &json!([]))
    );
    assert!(why["text"].as_str().unwrap().contains("no connection"), "{why}");
    call(&server, &format!("GET /2026-09-01/requests/{accepted}/why"), "").await.refusal(404, "NOT_FOUND");
    call(&server, "GET /requests/req_00000000000000000000000001/why", "").await.refusal(404, "NOT_FOUND");
}
