//! Attempts that may have gone out before a crash say so.

use hookgate::testkit::{Answer, PATIENCE, TestDestination};
use serde_json::{Value, json};

use crate::harness::{TestGateway, column, id};

/// The attempts of the events with these bodies' requests, `resumed` each.
fn marks(gateway: &TestGateway, requests: &[String]) -> Vec<Vec<Value>> {
    let events = gateway.events("limit=100");
    let of = |request: &String| events.iter().find(|event| event["request_id"] == request.as_str()).unwrap();
    requests.iter().map(|request| column(&gateway.attempts(&id(of(request))), "resumed")).collect()
}

#[test]
fn the_attempts_that_a_kill_cut_off_are_marked_and_others_are_not() {
    let gateway = TestGateway::with(|launch| launch.setting("delivery.concurrency", "1"));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let mut requests = vec![gateway.ingest(&flow, b"done")];
    drop(gateway.wait_for_status(&flow, PATIENCE, "SUCCESSFUL"));
    destination.answer_next([Answer::Hang]);
    requests.push(gateway.ingest(&flow, b"cut off"));
    drop(destination.wait_for(2, PATIENCE));
    requests.extend([gateway.ingest(&flow, b"perhaps"), gateway.ingest(&flow, b"behind")]);
    let gateway = gateway.crash();
    requests.push(gateway.ingest(&flow, b"after"));
    drop(gateway.wait_for_event(&flow, PATIENCE, |event| {
        event["request_id"] == requests[4].as_str() && event["status"] == "SUCCESSFUL"
    }));
    // Which of what could be under way was, nobody knows: with one slot, one in it and one whose outcome waits.
    assert_eq!(
        marks(&gateway, &requests),
        [[json!(false)], [json!(true)], [json!(true)], [json!(false)], [json!(false)]]
    );
    destination.release();
}

#[test]
fn after_an_orderly_stop_nothing_is_marked() {
    let gateway = TestGateway::with(|launch| launch.setting("delivery.concurrency", "1"));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    drop(gateway.deliver(&flow, b"done", "SUCCESSFUL"));
    drop(gateway.pause(&flow));
    let held = gateway.ingest(&flow, b"held");
    let gateway = gateway.restart();
    drop(gateway.unpause(&flow));
    let later = gateway.ingest(&flow, b"later");
    let done = |event: &Value| event["request_id"] == later.as_str() && event["status"] == "SUCCESSFUL";
    drop(gateway.wait_for_event(&flow, PATIENCE, done));
    assert_eq!(marks(&gateway, &[held, later.clone()]), [[json!(false)], [json!(false)]]);
}
