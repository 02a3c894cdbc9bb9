//! `hookgate export` and `hookgate import`: what comes out goes in again, all of it or nothing.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hookgate::testkit::http::Request;
use hookgate::testkit::{Answer, ApiClient, Flow, Launch, PATIENCE, TestDestination};
use serde_json::{Value, json};

use crate::harness::{id, retry_rule};

const TOKEN: &str = "bearer-that-nobody-may-see";

fn launch(data: &Path) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_hookgate"), data)
}

/// A command with this on its standard input.
fn run(data: &Path, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(words).env_clear().env("HOOKGATE__DATA__DIR", data).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends before it has read everything closes the pipe.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Events in every stage, on a gateway that is stopped then; as the API showed them, with their attempts.
struct Before {
    data: tempfile::TempDir,
    destination: TestDestination,
    held: Flow,
    events: Vec<Value>,
    attempts: Vec<Value>,
}

fn seen(client: &ApiClient) -> (Vec<Value>, Vec<Value>) {
    let events = client.events("limit=100");
    let mut attempts = Vec::new();
    for event in &events {
        for attempt in client.attempts(&id(event)) {
            attempts.push(client.get(&format!("/attempts/{}", id(&attempt))));
        }
    }
    (events.iter().map(|event| client.get(&format!("/events/{}", id(event)))).collect(), attempts)
}

fn history() -> Before {
    let data = tempfile::tempdir().unwrap();
    let gateway = launch(data.path()).start();
    let client = gateway.client();
    let destination = TestDestination::start();
    let plain = client.connect("plain", &destination.url(), &json!([]));
    let patient = client.connect("patient", &destination.url(), &retry_rule(3, 3_600_000));
    let config = json!({ "url": destination.url(), "auth_type": "BEARER_TOKEN", "auth": { "token": TOKEN } });
    let held = Flow::read(&client.ok(
        "POST",
        "/connections",
        Some(&json!({
            "name": "held",
            "source": { "name": "held-source", "description": "waits" },
            "destination": { "name": "guarded", "type": "HTTP", "config": config },
            "rules": [{ "type": "retry", "strategy": "exponential", "count": 2, "response_status_codes": ["500-599", "!501"] }],
        })),
    ));
    let polite =
        json!({ "name": "polite", "config": { "custom_response": { "content_type": "text", "body": "thanks" } } });
    drop(client.ok("POST", "/sources", Some(&polite)));
    drop(client.ok("PUT", &format!("/connections/{}/pause", held.connection_id), None));
    drop(client.ingest(&plain, b"{\"taken\":1}"));
    drop(client.wait_for_status(&plain, PATIENCE, "SUCCESSFUL"));
    let answer = ("x-told".to_owned(), "no \u{fe}".to_owned());
    destination.answer_next([
        Answer::Full(404, vec![answer], b"not \xff here".to_vec()),
        Answer::Status(500),
        // Twice: a kept connection that is closed gets a fresh try.
        Answer::Close,
        Answer::Close,
    ]);
    drop(client.ingest(&plain, b"{\"refused\":1}"));
    drop(client.wait_for_status(&plain, PATIENCE, "FAILED"));
    drop(client.ingest(&patient, b"{\"again\":1}"));
    drop(client.wait_for_status(&patient, PATIENCE, "FAILED"));
    drop(client.ingest(&plain, b"{\"closed\":1}"));
    let closed = |event: &Value| event["error_code"] == "SOCKET_CLOSED" || event["error_code"] == "CONNECTION_RESET";
    drop(client.wait_for_event(&plain, PATIENCE, closed));
    let target = format!("{}/deep/er?a=%20b&a", held.path);
    let headers = [("content-type", "text/plain"), ("x-twice", "1"), ("x-twice", "2")];
    let sent = client.send(&Request { method: "PUT", target: &target, headers: &headers, body: b"any \x00\xff bytes" });
    assert_eq!(sent.status, 200);
    drop(client.ingest(&held, b"{\"given\":\"up\"}"));
    let given_up = client.events(&format!("webhook_id={}", held.connection_id)).remove(0);
    drop(client.ok("PUT", &format!("/events/{}/cancel", id(&given_up)), None));
    let (events, attempts) = seen(&client);
    let made = attempts.iter().filter(|attempt| !attempt["delivered_at"].is_null());
    assert_eq!((events.len(), made.count()), (6, 4));
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    Before { data, destination, held, events, attempts }
}

#[test]
fn what_was_exported_is_imported_whole_and_exported_as_the_same_text() {
    let before = history();
    let text = succeeded(&run(before.data.path(), &["export", "--with-secrets"], ""));
    assert!(text.contains(TOKEN));
    let copy = tempfile::tempdir().unwrap();
    let told = succeeded(&run(copy.path(), &["import"], &text));
    assert!(told.contains("6 events") && !told.contains("not in the export"), "{told}");
    assert_eq!(succeeded(&run(copy.path(), &["export", "--with-secrets"], "")), text);
    succeeded(&run(copy.path(), &["check"], ""));

    let gateway = launch(copy.path()).start();
    let client = gateway.client();
    let (events, attempts) = seen(&client);
    assert_eq!(events, before.events);
    assert_eq!(attempts, before.attempts);
    let arrived = before.destination.count();
    drop(client.ok("PUT", &format!("/connections/{}/unpause", before.held.connection_id), None));
    let delivered = before.destination.wait_for(arrived + 1, PATIENCE).pop().unwrap();
    assert_eq!((delivered.method.as_str(), delivered.target.as_str()), ("PUT", "/deep/er?a=%20b&a"));
    assert_eq!(delivered.body(), b"any \x00\xff bytes");
    assert_eq!(delivered.message.header_text("authorization"), format!("Bearer {TOKEN}"));
    drop(client.ingest(&before.held, b"{}"));
    drop(before.destination.wait_for(arrived + 2, PATIENCE));
}

#[test]
fn secrets_stay_behind_unless_asked_for_and_the_import_says_what_is_missing() {
    let before = history();
    let text = succeeded(&run(before.data.path(), &["export"], ""));
    let with = succeeded(&run(before.data.path(), &["export", "--with-secrets", "--config-only"], ""));
    let project = with.lines().find(|line| line.contains("signing_secret")).unwrap();
    let project: Value = serde_json::from_str(project).unwrap();
    assert!(!text.contains(TOKEN) && !text.contains(project["signing_secret"].as_str().unwrap()));
    let copy = tempfile::tempdir().unwrap();
    let told = succeeded(&run(copy.path(), &["import"], &text));
    assert!(told.contains("signing secret") && told.contains("destination `guarded`"), "{told}");
    assert_eq!(succeeded(&run(copy.path(), &["export"], "")), text);
}

#[test]
fn configuration_alone_can_be_moved() {
    let before = history();
    let text = succeeded(&run(before.data.path(), &["export", "--config-only", "--with-secrets"], ""));
    let copy = tempfile::tempdir().unwrap();
    succeeded(&run(copy.path(), &["import"], &text));
    let gateway = launch(copy.path()).start();
    let client = gateway.client();
    assert!(client.events("limit=1").is_empty());
    let held = client.get(&format!("/connections/{}", before.held.connection_id));
    assert!(!held["paused_at"].is_null() && held["name"] == "held", "{held}");
    drop(client.ingest(&before.held, b"{}"));
    assert_eq!(client.events("status=HOLD").len(), 1);
}

#[test]
fn a_wrong_line_is_refused_by_its_number_and_nothing_is_imported() {
    let before = history();
    let text = succeeded(&run(before.data.path(), &["export", "--with-secrets"], ""));
    let lines: Vec<&str> = text.lines().collect();
    let first_event = lines.iter().position(|line| line.starts_with("{\"type\":\"event\"")).unwrap();
    let source = lines.iter().position(|line| line.starts_with("{\"type\":\"source\"")).unwrap();
    let changed = |place: usize, line: &str| {
        let mut lines = lines.clone();
        lines[place] = line;
        lines.join("\n")
    };
    let unknown_field = lines[source].replacen("\"name\"", "\"colour\":1,\"name\"", 1);
    let unknown_phase = lines[first_event].replacen("SUCCESSFUL", "SUCCESFUL", 1);
    let ahead = lines[first_event].replacen("\"generation\":0", "\"generation\":1", 1);
    let twice = format!("{}\n{}", lines[first_event], lines[first_event]);
    let cases = [
        (changed(0, "{\"type\":\"hookgate\",\"format\":3,\"secrets\":true}"), "line 1: format 3"),
        (lines[1..].join("\n"), "line 1: this is no export"),
        (changed(source, &unknown_field), "unknown field `colour`"),
        (changed(source, "{\"type\":\"sauce\"}"), "unknown variant `sauce`"),
        (changed(source, lines[source + 1]), "already"),
        (changed(first_event, "{"), "EOF"),
        (changed(first_event, &unknown_phase), "SUCCESFUL"),
        (changed(first_event, &ahead), "generation"),
        (changed(first_event, &twice), "already"),
        (changed(first_event, lines[first_event + 2]), "in the order"),
        (format!("{}\n{}", lines[..source].join("\n"), lines[source + 2..].join("\n")), "no source src_"),
        (lines[..lines.len() - 1].join("\n"), "cut off"),
        (format!("{text}{}", lines[first_event]), "nothing may follow the end"),
        (String::new(), "cut off"),
    ];
    let data = tempfile::tempdir().unwrap();
    for (text, word) in cases {
        let output = run(data.path(), &["import"], &text);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word) && said.contains("nothing was imported"), "{word} is not in {said}");
        assert!(word == "cut off" || said.contains("line "), "{said}");
        let left: Vec<_> = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
    succeeded(&run(data.path(), &["import"], &text));
    let again = run(data.path(), &["import"], &text);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"), "{again:?}");
}

#[test]
fn an_import_that_was_broken_off_is_no_data_directory_and_can_be_done_again() {
    let before = history();
    let text = succeeded(&run(before.data.path(), &["export"], ""));
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.arg("import").env_clear().env("HOOKGATE__DATA__DIR", data.path()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    let begun = || data.path().join("RESTORING").exists().then_some(());
    assert!(hookgate::testkit::poll(PATIENCE, begun).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    drop(input);
    let start = launch(data.path()).run_to_end();
    assert_eq!(start.status.code(), Some(2), "{}", start.output);
    assert!(start.output.contains("has not ended"), "{}", start.output);
    succeeded(&run(data.path(), &["import"], &text));
    assert_eq!(succeeded(&run(data.path(), &["export"], "")), text);
}
