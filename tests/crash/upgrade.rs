//! Data of earlier formats: everything in it is read, what was pending is delivered, and it goes on from there.
//!
//! `tests/fixtures/format-<n>` are directories that real builds left (`fixture.rs`); a new format adds one to [`FORMATS`].

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use hookgate::testkit::{ApiClient, PATIENCE, TestDestination, poll};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{ENDS, SEGMENT_BYTES, id, launch};

/// Formats that were written before the one of now.
const FORMATS: [u32; 2] = [1, 2];
const BINARY: &str = env!("CARGO_BIN_EXE_hookgate");

fn fixture(format: u32, end: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}/{end}"))
}

/// A copy of a fixture, its journal as long as it was.
fn copied(format: u32, end: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(&fixture(format, end).join("directory"), copy.path());
    let segments = fs::read_dir(copy.path().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    // The newest is preallocated.
    let newest = OpenOptions::new().write(true).open(segments.max().unwrap()).unwrap();
    newest.set_len(SEGMENT_BYTES).unwrap();
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expected(format: u32, end: &str) -> Value {
    serde_json::from_slice(&fs::read(fixture(format, end).join("expected.json")).unwrap()).unwrap()
}

fn all<'a>(expected: &'a Value, kind: &str) -> &'a [Value] {
    let all = expected[kind].as_array().unwrap();
    assert!(!all.is_empty(), "the fixture has no {kind}");
    all
}

/// Asserts that every field that was shown still is, and shows the same.
fn assert_still(was: &Value, is: &Value) {
    for (field, value) in was.as_object().unwrap() {
        assert_eq!(&is[field], value, "{field} of {is}, which was {was}");
    }
}

/// Whether nothing was to happen to an event any more.
fn was_settled(event: &Value) -> bool {
    let status = event["status"].as_str().unwrap();
    matches!(status, "SUCCESSFUL" | "CANCELLED") || (status == "FAILED" && event["next_attempt_at"].is_null())
}

/// Names of connections by id.
fn names(expected: &Value) -> BTreeMap<String, String> {
    let name = |connection: &Value| (id(connection), connection["name"].as_str().unwrap().to_owned());
    all(expected, "connections").iter().map(name).collect()
}

fn assert_all_there(client: &ApiClient, expected: &Value) {
    for was in all(expected, "destinations") {
        let is = client.get(&format!("/destinations/{}?include=config.auth", id(was)));
        assert_eq!((&is["name"], &is["config"]["url"]), (&was["name"], &was["config"]["url"]));
        assert_eq!(
            (&is["config"]["auth"], &is["config"]["auth_type"]),
            (&was["config"]["auth"], &was["config"]["auth_type"])
        );
    }
    for was in all(expected, "connections") {
        let is = client.get(&format!("/connections/{}", id(was)));
        let shown = |connection: &Value| {
            let source = ["id", "name"].map(|field| connection["source"][field].clone());
            (["id", "name", "disabled_at", "created_at"].map(|field| connection[field].clone()), source)
        };
        assert_eq!(shown(&is), shown(was));
        for (is, was) in is["rules"].as_array().unwrap().iter().zip(was["rules"].as_array().unwrap()) {
            assert_still(was, is);
        }
    }
    for was in all(expected, "events") {
        let is = client.get(&format!("/events/{}", id(was)));
        assert_eq!((&is["data"]["body"], &is["data"]["headers"]), (&was["data"]["body"], &was["data"]["headers"]));
        for field in ["webhook_id", "source_id", "destination_id", "request_id", "event_data_id", "created_at"] {
            assert_eq!(is[field], was[field], "{field} of {is}");
        }
        if was_settled(was) {
            for field in ["status", "attempts", "response_status", "error_code", "successful_at"] {
                assert_eq!(is[field], was[field], "{field} of {is}");
            }
            // Builds up to format 2 showed when it began; now it is when it ended.
            assert!(is["last_attempt_at"].as_str() >= was["last_attempt_at"].as_str(), "{is}");
        }
        assert!(is["attempts"].as_u64() >= was["attempts"].as_u64());
    }
    // One that was to come has been made by now.
    for was in all(expected, "attempts").iter().filter(|attempt| attempt["status"] != "PENDING") {
        assert_still(was, &client.get(&format!("/attempts/{}", id(was))));
    }
}

/// Has everything delivered that was pending.
fn deliver_the_rest(client: &ApiClient, expected: &Value) {
    let names = names(expected);
    let open = || all(expected, "events").iter().filter(|event| !was_settled(event));
    assert!(open().count() >= 5, "held, waiting and queued ones");
    for was in open() {
        let (event, connection) = (format!("/events/{}", id(was)), was["webhook_id"].as_str().unwrap());
        let is_successful = || client.get(&event)["status"] == "SUCCESSFUL";
        match names[connection].as_str() {
            "held" if client.get(&event)["status"] == "HOLD" => {
                drop(client.ok("PUT", &format!("/connections/{connection}/unpause"), None));
            }
            // By now it may be due, or still be days away. Just after a start it may be too early to ask.
            "waiting" if !is_successful() => {
                let asked = poll(PATIENCE, || {
                    (client.call("POST", &format!("{event}/retry"), None).status == 200).then_some(())
                });
                assert!(asked.is_some(), "it cannot be asked for again");
            }
            _ => {}
        }
        let delivered = poll(PATIENCE, || is_successful().then_some(()));
        assert!(delivered.is_some(), "{} is not delivered: {}", names[connection], client.get(&event));
    }
}

/// What a client sees of all events and attempts.
fn dump(client: &ApiClient) -> Vec<Value> {
    let events = client.events("limit=100");
    events.iter().flat_map(|event| [vec![event.clone()], client.attempts(&id(event))].concat()).collect()
}

fn survives_an_upgrade(format: u32, end: &str, address: &str) {
    let (data, expected) = (copied(format, end), expected(format, end));
    let destination = TestDestination::start_at(address.parse().unwrap());
    // A first start that goes no further than it comes changes nothing.
    launch(BINARY, data.path()).spawn().kill();
    let gateway = launch(BINARY, data.path()).start();
    assert_all_there(&gateway.client(), &expected);
    assert_eq!(gateway.client().events("status=HOLD").len(), 2, "the pause holds");
    deliver_the_rest(&gateway.client(), &expected);
    let basic: Option<&[u8]> = Some(b"Basic Zml4dHVyZTpmaXh0dXJlLXBhc3N3b3Jk");
    let requests = destination.requests();
    assert!(requests.iter().any(|it| it.message.header("authorization") == basic), "its password opened: {requests:?}");
    let seen = dump(&gateway.client());
    assert_eq!(gateway.stop().status.code(), Some(0));

    // Both formats in one journal, and nothing to read it from but that.
    fs::remove_dir_all(data.path().join("state")).unwrap();
    let gateway = launch(BINARY, data.path()).start();
    assert_all_there(&gateway.client(), &expected);
    assert_eq!(dump(&gateway.client()), seen);
    assert_eq!(gateway.stop().status.code(), Some(0));
    let checked = launch(BINARY, data.path()).arguments(&["check"]).run_to_end();
    assert_eq!(checked.status.code(), Some(0), "{}", checked.output);
}

#[test]
fn a_directory_that_an_earlier_format_left_when_it_was_killed_is_read_and_delivered() {
    let (end, address) = ENDS[0];
    FORMATS.iter().for_each(|format| survives_an_upgrade(*format, end, address));
}

#[test]
fn a_directory_that_an_earlier_format_left_at_a_clean_stop_is_read_and_delivered() {
    let (end, address) = ENDS[1];
    FORMATS.iter().for_each(|format| survives_an_upgrade(*format, end, address));
}

#[test]
fn a_directory_of_a_newer_format_is_refused_by_name() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(launch(BINARY, data.path()).start().stop().status.code(), Some(0));
    let path = data.path().join("CHECKPOINT");
    let mut checkpoint = fs::read(&path).unwrap();
    checkpoint.truncate(checkpoint.len() - 4);
    checkpoint[8] += 1;
    let newer = checkpoint[8];
    checkpoint.extend(crc32c::crc32c(&checkpoint).to_le_bytes());
    fs::write(&path, &checkpoint).unwrap();
    let refused = launch(BINARY, data.path()).run_to_end();
    assert_ne!(refused.status.code(), Some(0));
    assert!(refused.output.contains(&format!("CHECKPOINT has format {newer}, newer")), "{}", refused.output);
    assert_eq!(fs::read(&path).unwrap(), checkpoint, "nothing was changed");
}
