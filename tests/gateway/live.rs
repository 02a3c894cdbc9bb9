//! Following what happens: streams over real sockets, what they show, and what ends them.

use std::time::{Duration, Instant};

use hookgate::testkit::{Answer, ApiClient, EventStream, Flow, PATIENCE, TestDestination};
use serde_json::{Value, json};

use crate::harness::{TestGateway, id};

/// Bytes of an answer that fills a slow reader's buffers soon.
const LARGE: usize = 60_000;

fn open(client: &ApiClient, target: &str) -> EventStream {
    resume(client, target, "")
}

fn resume(client: &ApiClient, target: &str, last_seen: &str) -> EventStream {
    EventStream::open(client, target, last_seen).unwrap_or_else(|refused| panic!("{target}: {refused:?}"))
}

fn of(flow: &Flow) -> String {
    format!("/events/live?webhook_id={}", flow.connection_id)
}

#[test]
fn events_and_attempts_are_shown_as_they_happen_to_who_asked_for_them() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start();
    let flow = gateway.connect("orders", &destination.url(), &json!([]));
    let other = gateway.connect("other", &destination.url(), &json!([]));
    let mut events = open(&gateway, &of(&flow));
    let mut attempts = open(&gateway, &format!("/attempts/live?webhook_id={}", flow.connection_id));
    let mut all = open(&gateway, "/events/live");
    gateway.deliver(&other, b"{}", "SUCCESSFUL");
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    loop {
        let shown = events.next_named("event").data;
        assert_eq!((&shown["id"], &shown["webhook_id"]), (&event["id"], &json!(flow.connection_id)));
        if shown["status"] == "SUCCESSFUL" {
            assert_eq!(shown, gateway.get(&format!("/events/{}", id(&event))).as_object().map(without_data).unwrap());
            break;
        }
    }
    let attempt = attempts.next_named("attempt").data;
    assert_eq!((&attempt["event_id"], &attempt["response_status"]), (&event["id"], &json!(200)));
    assert_eq!(all.next_named("event").data["webhook_id"], other.connection_id);
}

fn without_data(event: &serde_json::Map<String, Value>) -> Value {
    let mut event = event.clone();
    event.remove("data");
    Value::Object(event)
}

#[test]
fn a_stream_that_is_quiet_says_so_and_leads_on_from_there() {
    let gateway = TestGateway::with(|launch| launch.setting("api.live_heartbeat_ms", "100"));
    let flow = gateway.connect("orders", "http://127.0.0.1:9", &json!([]));
    let other = gateway.connect("other", "http://127.0.0.1:9", &json!([]));
    gateway.pause(&flow);
    let mut stream = open(&gateway, &of(&flow));
    let begun = stream.next_event().unwrap();
    let quiet = stream.next_event().unwrap();
    assert_eq!((begun.name.as_str(), quiet.name.as_str(), &quiet.data), ("", "", &Value::Null));
    assert!(!quiet.id.is_empty());
    drop(stream);
    drop(gateway.ingest(&other, b"{}"));
    let request = gateway.ingest(&flow, b"{}");
    let mut back = resume(&gateway, &of(&flow), &quiet.id);
    let shown = back.next_named("event");
    assert_eq!((&shown.data["request_id"], &shown.data["status"]), (&json!(request), &json!("HOLD")));
    let mut stream = resume(&gateway, &of(&flow), "from long ago");
    assert_eq!(stream.next_named("resync").data, json!({ "reason": "too_old" }));
    let gateway = gateway.restart();
    let mut stream = resume(&gateway, &of(&flow), &shown.id);
    assert_eq!(stream.next_named("resync").data, json!({ "reason": "too_old" }));
}

#[test]
fn who_does_not_read_is_told_to_look_at_the_lists_and_holds_up_nobody() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start();
    destination.answer_always(Answer::Full(200, Vec::new(), vec![b'x'; LARGE]));
    let flow = gateway.connect("orders", &destination.url(), &json!([]));
    let target = format!("/attempts/live?webhook_id={}", flow.connection_id);
    let mut slow = open(&gateway, &target);
    let mut quick = open(&gateway, &target);
    // More than the sockets' buffers and its queue hold together.
    for _ in 0..150 {
        let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
        let shown = quick.next_named("attempt").data;
        assert_eq!((&shown["event_id"], shown["body"].as_str().map(str::len)), (&event["id"], Some(LARGE)));
    }
    assert_eq!(slow.next_named("resync").data, json!({ "reason": "behind" }));
    let event = gateway.deliver(&flow, b"{}", "SUCCESSFUL");
    while slow.next_named("attempt").data["event_id"] != event["id"] {}
}

#[test]
fn a_stream_ends_when_its_key_is_revoked() {
    let gateway = TestGateway::start();
    let flow = gateway.connect("orders", "http://127.0.0.1:9", &json!([]));
    let made = gateway.ok("POST", "/keys", Some(&json!({ "label": "reader", "scope": "read" })));
    let reader = ApiClient { key: made["key"].as_str().unwrap().to_owned(), ..(*gateway).clone() };
    let (mut ours, mut theirs) = (open(&gateway, &of(&flow)), open(&reader, &of(&flow)));
    assert!(theirs.next_event().is_some());
    drop(gateway.ok("DELETE", &format!("/keys/{}", id(&made)), None));
    let request = gateway.ingest(&flow, b"{}");
    assert_eq!(ours.next_named("event").data["request_id"], request);
    while theirs.next_event().is_some() {}
    let refused = EventStream::open(&reader, &of(&flow), "").err().unwrap();
    assert_eq!(refused.status, 401);
}

#[test]
fn streams_end_with_the_gateway_and_do_not_hold_up_its_stop() {
    let gateway = TestGateway::start();
    let mut streams: Vec<EventStream> = (0..5).map(|_| open(&gateway, "/events/live")).collect();
    assert!(streams[0].next_event().is_some());
    let begun = Instant::now();
    let gateway = gateway.restart();
    // What is being answered has five seconds.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}: {}", begun.elapsed(), gateway.output());
    for stream in &mut streams {
        while stream.next_event().is_some() {}
    }
}

#[test]
fn as_many_streams_as_are_allowed_are_served_and_one_more_when_one_has_gone() {
    let gateway =
        TestGateway::with(|launch| launch.setting("api.live_streams_max", "2").setting("api.live_heartbeat_ms", "100"));
    let mut streams: Vec<EventStream> = (0..2).map(|_| open(&gateway, "/events/live")).collect();
    let refused = EventStream::open(&gateway, "/attempts/live", "").err().unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("TOO_MANY_STREAMS")));
    streams.pop();
    let free = hookgate::testkit::poll(PATIENCE, || EventStream::open(&gateway, "/events/live", "").ok());
    assert!(free.is_some(), "a stream that nobody reads is noticed when something is said to it");
}

#[test]
fn what_cannot_be_followed_is_refused_by_its_name() {
    let gateway = TestGateway::start();
    for target in ["/events/live?status=LOST", "/events/live?stauts=FAILED", "/attempts/live?event_id=x"] {
        let refused = EventStream::open(&gateway, target, "").err().unwrap();
        assert_eq!(refused.status, 422, "{target}: {refused:?}");
    }
    let refused = EventStream::open(&ApiClient { key: String::new(), ..(*gateway).clone() }, "/events/live", "");
    assert_eq!(refused.err().unwrap().status, 401);
}
