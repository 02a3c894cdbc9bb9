//! Makes the fixtures of a format: data directories as a real build of it left them, with everything a directory can hold.
//!
//! Not a check: run it once, with the last build before a format changes, and commit what it makes.
//!
//! ```text
//! HOOKGATE_FIXTURE_BINARY=<that build> HOOKGATE_FIXTURE_DIR=tests/fixtures/format-<n> \
//!     cargo test --test crash makes_the_fixtures_of_a_format -- --ignored
//! ```

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hookgate::testkit::{Answer, ApiClient, Flow, GatewayProcess, Launch, PATIENCE, TestDestination, poll};
use serde_json::{Value, json};

/// As small as settings allow.
pub(crate) const SEGMENT_BYTES: u64 = 1024 * 1024;
/// What stands in for the boot of the machine that made a fixture.
const NO_BOOT: &str = "00000000-0000-0000-0000-000000000000";

/// How the process ended that left a directory, and where its events were to go. The addresses are written in the data:
/// loopback ones that nothing else uses.
pub(crate) const ENDS: [(&str, &str); 2] = [("killed", "127.71.17.1:18471"), ("stopped", "127.71.17.2:18471")];

/// A hookgate with the settings of the fixtures.
pub(crate) fn launch(binary: impl Into<PathBuf>, data: &Path) -> Launch {
    Launch::new(binary, data)
        .setting("store.segment_bytes", &SEGMENT_BYTES.to_string())
        .setting("ingress.body_bytes_max", "65536")
        .setting("store.checkpoint_interval_ms", "1000")
        .setting("delivery.drain_grace_ms", "100")
        // A fixture grows old.
        .setting("store.retention_days", "36500")
}

#[test]
#[ignore = "makes fixtures: see the file's head"]
#[expect(clippy::disallowed_methods, reason = "says what to run and where to write; no setting of the gateway")]
fn makes_the_fixtures_of_a_format() {
    let given = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (binary, directory) = (given("HOOKGATE_FIXTURE_BINARY"), PathBuf::from(given("HOOKGATE_FIXTURE_DIR")));
    for (end, address) in ENDS {
        let data = directory.join(end).join("directory");
        fs::create_dir_all(&data).unwrap();
        let destination = TestDestination::start_at(address.parse::<SocketAddr>().unwrap());
        let gateway = launch(&binary, &data).start();
        let mut flows = settle_some(&gateway.client(), &destination);
        // Some records lie before it, some behind.
        wait_for_checkpoint(&data);
        flows.extend(leave_some(&gateway.client(), &destination));
        let known = serde_json::to_string_pretty(&look(&gateway.client(), &flows)).unwrap();
        fs::write(directory.join(end).join("expected.json"), known + "\n").unwrap();
        finish(gateway, end);
        clean(&data);
    }
}

fn finish(gateway: GatewayProcess, end: &str) {
    if end == "killed" {
        gateway.kill();
    } else {
        assert_eq!(gateway.stop().status.code(), Some(0));
    }
}

/// The first that has the configuration is many times as long as the one of an empty directory.
fn wait_for_checkpoint(data: &Path) {
    let is_long = || fs::metadata(data.join("CHECKPOINT")).is_ok_and(|file| file.len() > 1000);
    assert!(poll(PATIENCE, || is_long().then_some(())).is_some(), "no checkpoint was made");
}

/// Connections whose events were tried: delivered, given up, waiting for a retry, delivered when asked for again.
fn settle_some(client: &ApiClient, destination: &TestDestination) -> Vec<Flow> {
    let full = |status, body: &str| Answer::Full(status, vec![("x-answer".into(), "kept".into())], body.into());
    let retry = |interval: u64| json!([{ "type": "retry", "strategy": "linear", "interval": interval, "count": 5 }]);
    let bearer = json!({ "auth_type": "BEARER_TOKEN", "auth": { "token": "fixture-token" } });
    let basic = json!({ "auth_type": "BASIC_AUTH", "auth": { "username": "fixture", "password": "fixture-password" } });
    let connect = |name: &str, auth: &Value, rules: &Value| connect(client, destination, (name, auth, rules));
    let settle = |flow: &Flow, answer: Answer, status: &str, body: &[u8]| {
        destination.answer_next([answer]);
        let request = client.ingest(flow, body);
        client.wait_for_event(flow, PATIENCE, |event| event["request_id"] == *request && event["status"] == status)
    };
    let none = json!([]);
    let delivered = connect("delivered", &json!({}), &none);
    settle(&delivered, full(200, r#"{"taken":true}"#), "SUCCESSFUL", br#"{"n":1}"#);
    settle(&delivered, full(204, ""), "SUCCESSFUL", br#"{"n":2}"#);
    let refused = connect("refused", &bearer, &none);
    settle(&refused, full(500, "not today"), "FAILED", br#"{"n":3}"#);
    // On a connection that was used before it is tried once more.
    destination.answer_always(Answer::Close);
    settle(&refused, Answer::Close, "FAILED", br#"{"n":4}"#);
    destination.answer_always(full(200, ""));
    let waiting = connect("waiting", &basic, &retry(6 * 24 * 3_600_000));
    settle(&waiting, full(503, "later"), "FAILED", br#"{"n":5}"#);
    let retried = connect("retried", &json!({}), &retry(3_600_000));
    let event = settle(&retried, full(500, "first"), "FAILED", br#"{"n":6}"#);
    destination.answer_next([full(201, "second")]);
    drop(client.ok("POST", &format!("/events/{}/retry", id(&event)), None));
    drop(client.wait_for_status(&retried, PATIENCE, "SUCCESSFUL"));
    vec![delivered, refused, waiting, retried]
}

/// Connections whose events were not: cancelled, on hold, and under way at the end.
fn leave_some(client: &ApiClient, destination: &TestDestination) -> Vec<Flow> {
    let key =
        json!({ "auth_type": "API_KEY", "auth": { "key": "x-fixture", "api_key": "fixture-key", "to": "header" } });
    let [cancelled, held] = ["cancelled", "held"].map(|name| {
        let flow = connect(client, destination, (name, &key, &json!([])));
        drop(client.ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None));
        flow
    });
    drop(client.ingest(&cancelled, br#"{"n":7}"#));
    let event = client.wait_for_status(&cancelled, PATIENCE, "HOLD");
    drop(client.ok("PUT", &format!("/events/{}/cancel", id(&event)), None));
    drop(client.ingest(&held, br#"{"n":8}"#));
    drop(client.ingest(&held, format!(r#"{{"n":9,"long":"{}"}}"#, "x".repeat(20_000)).as_bytes()));
    let queued = connect(client, destination, ("queued", &json!({}), &json!([])));
    destination.answer_always(Answer::Hang);
    let before = destination.count();
    drop(client.ingest(&queued, br#"{"n":10}"#));
    drop(client.ingest(&queued, br#"{"n":11}"#));
    drop(destination.wait_for(before + 2, PATIENCE));
    vec![cancelled, held, queued]
}

fn connect(client: &ApiClient, to: &TestDestination, (name, auth, rules): (&str, &Value, &Value)) -> Flow {
    let mut config = json!({ "url": format!("{}/{name}", to.url()) });
    if let (Some(config), Some(auth)) = (config.as_object_mut(), auth.as_object()) {
        config.extend(auth.clone());
    }
    let body = json!({
        "name": name,
        "source": { "name": format!("{name}-source") },
        "destination": { "name": format!("{name}-destination"), "type": "HTTP", "config": config },
        "rules": rules,
    });
    Flow::read(&client.ok("POST", "/connections", Some(&body)))
}

/// Everything a client sees, by kind.
fn look(client: &ApiClient, flows: &[Flow]) -> Value {
    let connections = flows.iter().map(|flow| client.get(&format!("/connections/{}", flow.connection_id)));
    let target = |flow: &Flow| format!("/destinations/{}?include=config.auth", flow.destination_id);
    let destinations = flows.iter().map(|flow| client.get(&target(flow)));
    let listed = client.events("limit=100&dir=asc");
    let events = listed.iter().map(|event| client.get(&format!("/events/{}", id(event))));
    let attempts = listed.iter().flat_map(|event| client.attempts(&id(event)));
    let attempts = attempts.map(|attempt| client.get(&format!("/attempts/{}", id(&attempt))));
    json!({
        "connections": connections.collect::<Vec<_>>(),
        "destinations": destinations.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "attempts": attempts.collect::<Vec<_>>(),
    })
}

pub(crate) fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().to_owned()
}

/// Takes away what says something of the machine, and what is only zeros.
fn clean(data: &Path) {
    for lock in ["lock", "backup.lock"] {
        fs::remove_file(data.join(lock)).unwrap();
    }
    let path = data.join("CHECKPOINT");
    let mut checkpoint = fs::read(&path).unwrap();
    checkpoint.truncate(checkpoint.len() - 4);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let at = checkpoint.windows(NO_BOOT.len()).position(|window| window == boot.trim().as_bytes()).unwrap();
    checkpoint[at..at + NO_BOOT.len()].copy_from_slice(NO_BOOT.as_bytes());
    checkpoint.extend(crc32c::crc32c(&checkpoint).to_le_bytes());
    fs::write(&path, checkpoint).unwrap();
    for entry in fs::read_dir(data.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // Frames end at multiples of eight.
        fs::write(&path, &bytes[..used.next_multiple_of(4096).min(bytes.len())]).unwrap();
    }
}
