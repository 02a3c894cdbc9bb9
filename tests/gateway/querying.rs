//! Questions about what happened: filters of every kind, searches in what arrived, counts, histograms, why.

use hookgate::testkit::{Answer, TestDestination};
use serde_json::json;

use crate::harness::{TestGateway, column, id};

#[test]
fn what_happened_is_found_by_what_arrived_and_by_what_came_back() {
    let (gateway, destination) = (TestGateway::start(), TestDestination::start());
    let flow = gateway.connect("orders", &destination.url(), &json!([]));
    let paid = gateway.deliver(&flow, br#"{"order":{"id":7,"state":"paid"}}"#, "SUCCESSFUL");
    destination.answer_next([Answer::Status(503)]);
    let open = gateway.deliver(&flow, br#"{"order":{"id":8,"state":"open"}}"#, "FAILED");
    let found = |query: &str| column(&gateway.events(query), "id");
    let (paid_id, open_id) = (json!(id(&paid)), json!(id(&open)));
    for (query, expected) in [
        ("body[order][id]=7", vec![&paid_id]),
        ("body=%7B%22order%22%3A%7B%22id%22%3A%7B%22%24gt%22%3A7%7D%7D%7D", vec![&open_id]),
        ("search_term=PAID", vec![&paid_id]),
        ("search_term=order&status=FAILED", vec![&open_id]),
        ("response_status=500-599", vec![&open_id]),
        ("response_status[lt]=300", vec![&paid_id]),
        ("successful_at[any]=true", vec![&paid_id]),
        ("attempts=1&order_by=last_attempt_at", vec![&open_id, &paid_id]),
        ("created_at[gte]=2026-01-01&dir=asc", vec![&paid_id, &open_id]),
        ("created_at[gte]=2200-01-01", vec![]),
    ] {
        assert_eq!(found(query).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(gateway.get("/events/count?status=FAILED"), json!({ "count": 1 }));
    let histogram = gateway.get("/events/histogram");
    let counts = column(histogram["buckets"].as_array().unwrap(), "count");
    assert_eq!(counts.iter().filter_map(serde_json::Value::as_u64).sum::<u64>(), 2, "{histogram}");

    let why = gateway.get(&format!("/requests/{}/why", open["request_id"].as_str().unwrap()));
    assert_eq!(why["connections"][0]["event"]["id"], open_id);
    assert_eq!(why["connections"][0]["how"], format!("POST /events/{}/retry", id(&open)));
    let restarted = gateway.restart();
    assert_eq!(column(&restarted.events("body[order][id]=7"), "id"), [paid_id]);
}

#[test]
fn a_misspelt_filter_is_refused_with_what_was_meant() {
    let gateway = TestGateway::start();
    let answer = gateway.call("GET", "/events?respons_status=500", None);
    assert_eq!(answer.status, 422);
    assert!(answer.json()["message"].as_str().unwrap().contains("`response_status`"), "{}", answer.json());
    assert_eq!(gateway.call("GET", "/2025-07-01/events?respons_status=500", None).status, 200);
}
