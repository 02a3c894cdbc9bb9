//! Lists: filters, order, cursors; attempts.

use hookgate::testkit::{Answer, TestDestination};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id};

/// Two connections: seven delivered and three failed on one, two delivered on the other.
fn filled() -> (TestGateway, [hookgate::testkit::Flow; 2], TestDestination) {
    let (gateway, destination) = (TestGateway::start(), TestDestination::start());
    let flows = ["one", "two"].map(|name| gateway.connect(name, &destination.url(), &json!([])));
    for number in 0..10 {
        let status = if number % 4 == 0 { 500 } else { 200 };
        destination.answer_next([Answer::Status(status)]);
        drop(gateway.deliver(&flows[0], b"{}", if status == 200 { "SUCCESSFUL" } else { "FAILED" }));
    }
    for _ in 0..2 {
        drop(gateway.deliver(&flows[1], b"{}", "SUCCESSFUL"));
    }
    (gateway, flows, destination)
}

#[test]
fn events_are_filtered_by_status_and_by_what_they_belong_to() {
    let (gateway, [one, two], _destination) = filled();
    let count = |query: &str| gateway.events(query).len();
    assert_eq!(count("limit=100"), 12);
    assert_eq!(count("status=FAILED"), 3);
    assert_eq!(count("status=SUCCESSFUL"), 9);
    assert_eq!(count("status[]=FAILED&status[]=SUCCESSFUL"), 12);
    assert_eq!(count("status=HOLD"), 0);
    assert_eq!(count(&format!("webhook_id={}", two.connection_id)), 2);
    assert_eq!(count(&format!("source_id={}&status=SUCCESSFUL", one.source_id)), 7);
    assert_eq!(count(&format!("destination_id={}", one.destination_id)), 10);
    assert_eq!(count(&format!("webhook_id={},{}", one.connection_id, two.connection_id)), 12);
}

#[test]
fn events_are_filtered_by_time() {
    let (gateway, _, _destination) = filled();
    let all = gateway.events("order_by=created_at&dir=asc");
    let (second, eighth) = (&all[1], &all[7]);
    let from = second["created_at"].as_str().unwrap();
    let to = eighth["created_at"].as_str().unwrap();
    let between = gateway.events(&format!("created_at[gte]={from}&created_at[lt]={to}&dir=asc"));
    let expected: Vec<Value> = all
        .iter()
        .filter(|event| (from..to).contains(&event["created_at"].as_str().unwrap()))
        .map(|event| event["id"].clone())
        .collect();
    assert_eq!(column(&between, "id"), expected);
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap_in_both_directions() {
    let (gateway, _, _destination) = filled();
    for direction in ["asc", "desc"] {
        let whole = column(&gateway.events(&format!("dir={direction}&limit=100")), "id");
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = gateway.get(&format!("/events?dir={direction}&limit=5{next}"));
            let models = page["models"].as_array().unwrap();
            assert_eq!(page["count"], models.len());
            assert_eq!(page["pagination"]["limit"], 5);
            seen.extend(column(models, "id"));
            match page["pagination"]["next"].as_str() {
                Some(cursor) => next = format!("&next={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, whole, "{direction}");
    }
}

#[test]
fn a_cursor_leads_back_to_the_page_before() {
    let (gateway, _, _destination) = filled();
    let first = gateway.get("/events?limit=5");
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = gateway.get(&format!("/events?limit=5&next={next}"));
    let prev = second["pagination"]["prev"].as_str().unwrap();
    assert_eq!(gateway.get(&format!("/events?limit=5&prev={prev}"))["models"], first["models"]);
}

#[test]
fn lists_are_the_same_after_a_restart() {
    let (gateway, _, _destination) = filled();
    let before = gateway.events("limit=100");
    assert_eq!(gateway.restart().events("limit=100"), before);
}

#[test]
fn an_attempt_tells_what_came_back() {
    let (gateway, destination, flow) = connected(&json!([]));
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    destination.answer_next([Answer::Full(418, headers, b"short and stout".to_vec())]);
    let event = gateway.deliver(&flow, b"{}", "FAILED");
    let [listed] = gateway.attempts(&id(&event)).try_into().unwrap();
    let attempt = gateway.get(&format!("/attempts/{}", id(&listed)));
    assert_eq!(attempt["event_id"], event["id"]);
    assert_eq!(attempt["response_status"], 418);
    assert_eq!(attempt["body"], "short and stout");
    assert_eq!(attempt["requested_url"], destination.url());
    assert_eq!(destination.requests().len(), 1);
}

#[test]
fn a_query_that_makes_no_sense_is_refused() {
    let gateway = TestGateway::start();
    for query in
        ["status=WRONG", "limit=256", "limit=x", "order_by=colour", "dir=up", "next=garbage", "created_at[gte]=x"]
    {
        let answer = gateway.call("GET", &format!("/events?{query}"), None);
        assert!(matches!(answer.status, 400 | 422), "{query} answered {}", answer.status);
        assert_eq!(answer.json()["handled"], true, "{query}");
    }
}
