//! Requests: what was rejected and who made no event of one are there to be asked for, whatever happened to the process.

use std::fs;

use hookgate::testkit::{Flow, TestDestination, http::Request};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, connected, id};

/// Makes a source without connections and gives its id and path.
fn lone_source(gateway: &TestGateway) -> (String, String) {
    let source = gateway.ok("POST", "/sources", Some(&json!({ "name": "lone" })));
    let url = source["url"].as_str().unwrap();
    (id(&source), url[url.find("/e/").unwrap()..].to_owned())
}

/// Posts to a source whatever becomes of it, and gives the request's id.
fn post(gateway: &TestGateway, path: &str) -> String {
    let answer = gateway.send(&Request { method: "POST", target: path, headers: &[], body: b"{\"n\":1}" });
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()["request_id"].as_str().unwrap().to_owned()
}

fn requests(gateway: &TestGateway, query: &str) -> Vec<Value> {
    gateway.get(&format!("/requests?{query}"))["models"].as_array().unwrap().clone()
}

fn ignored(gateway: &TestGateway, request_id: &str) -> Vec<Value> {
    gateway.get(&format!("/requests/{request_id}/ignored_events"))["models"].as_array().unwrap().clone()
}

#[test]
fn a_request_that_nothing_listens_to_is_listed_as_rejected() {
    let (gateway, destination, flow) = connected(&json!([]));
    let (source_id, path) = lone_source(&gateway);
    let rejected = post(&gateway, &path);
    let accepted = gateway.ingest(&flow, b"{}");
    drop(destination.wait_for(1, hookgate::testkit::PATIENCE));
    let [request] = requests(&gateway, "status=rejected").try_into().unwrap();
    assert_eq!((&request["id"], &request["rejection_cause"]), (&json!(rejected), &json!("NO_CONNECTION")));
    assert_eq!((&request["source_id"], &request["events_count"]), (&json!(source_id), &json!(0)));
    assert_eq!(gateway.get(&format!("/requests/{rejected}"))["data"]["body"], json!({ "n": 1 }));
    assert!(gateway.get(&format!("/requests/{rejected}/events"))["models"].as_array().unwrap().is_empty());
    let of_another = format!("source_id={}&rejection_cause=NO_CONNECTION", flow.source_id);
    assert!(requests(&gateway, &of_another).is_empty());
    let [request] = requests(&gateway, "status=accepted").try_into().unwrap();
    assert_eq!((&request["id"], &request["events_count"]), (&json!(accepted), &json!(1)));
    let events = gateway.get(&format!("/requests/{accepted}/events"));
    assert_eq!(events["models"][0]["webhook_id"], flow.connection_id);
}

#[test]
fn a_connection_to_a_listen_session_that_is_not_there_shows_in_the_ignored_events() {
    let (gateway, destination, flow) = connected(&json!([]));
    let body = json!({
        "name": "local",
        "source_id": flow.source_id,
        "destination": { "name": "cli", "type": "CLI", "config": { "path": "/hook" } },
    });
    let local = Flow::read(&gateway.ok("POST", "/connections", Some(&body)));
    let request_id = gateway.ingest(&flow, b"{}");
    drop(destination.wait_for(1, hookgate::testkit::PATIENCE));
    let [event] = ignored(&gateway, &request_id).try_into().unwrap();
    assert_eq!((&event["cause"], &event["webhook_id"]), (&json!("CLI_DISCONNECTED"), &json!(local.connection_id)));
    let [request] = requests(&gateway, "ignored_count[gt]=0").try_into().unwrap();
    assert_eq!((&request["id"], &request["events_count"]), (&json!(request_id), &json!(1)));
}

#[test]
fn a_disabled_connection_shows_in_the_ignored_events_and_rejects_nothing() {
    let (gateway, _destination, flow) = connected(&json!([]));
    drop(gateway.ok("PUT", &format!("/connections/{}/disable", flow.connection_id), None));
    let request_id = gateway.ingest(&flow, b"{}");
    let [event] = ignored(&gateway, &request_id).try_into().unwrap();
    assert_eq!((&event["cause"], &event["webhook_id"]), (&json!("DISABLED"), &json!(flow.connection_id)));
    let request = gateway.get(&format!("/requests/{request_id}"));
    assert_eq!((&request["rejection_cause"], &request["events_count"]), (&Value::Null, &json!(0)));
}

#[test]
fn pages_stay_in_place_while_requests_arrive() {
    let gateway = TestGateway::start();
    let (_, path) = lone_source(&gateway);
    let mut sent: Vec<String> = (0..12).map(|_| post(&gateway, &path)).collect();
    sent.reverse();
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = gateway.get(&format!("/requests?limit=5{next}"));
        seen.extend(column(page["models"].as_array().unwrap(), "id"));
        drop(post(&gateway, &path));
        match page["pagination"]["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, sent);
    assert_eq!(requests(&gateway, "limit=255").len(), 15);
}

/// Accepted ones and some rejected, fewer than are recorded in a second; more in all than a chunk of the state holds.
fn filled() -> (TestGateway, TestDestination, Vec<Value>) {
    let (gateway, destination) = (TestGateway::start(), TestDestination::start());
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let (_, path) = lone_source(&gateway);
    for number in 0..1_100 {
        drop(if number % 20 == 1 { post(&gateway, &path) } else { gateway.ingest(&flow, b"{}") });
    }
    let all = every_request(&gateway);
    assert_eq!(all.len(), 1_100);
    (gateway, destination, all)
}

/// All requests, newest first, by pages.
fn every_request(gateway: &TestGateway) -> Vec<Value> {
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = gateway.get(&format!("/requests?limit=250{next}"));
        seen.extend(page["models"].as_array().unwrap().clone());
        match page["pagination"]["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => return seen,
        }
    }
}

#[test]
fn requests_are_the_same_after_a_kill() {
    let (gateway, _destination, before) = filled();
    let gateway = gateway.crash();
    assert_eq!(every_request(&gateway), before);
    assert_eq!(requests(&gateway, "status=rejected&limit=255").len(), 55);
}

#[test]
fn requests_are_the_same_when_the_state_was_lost() {
    let (gateway, _destination, before) = filled();
    let gateway = gateway.crash_and(|directory| fs::remove_dir_all(directory.join("state")).unwrap());
    assert_eq!(every_request(&gateway), before);
    let oldest = before.last().unwrap();
    assert_eq!(gateway.get(&format!("/requests/{}", id(oldest)))["events_count"], 1);
}
