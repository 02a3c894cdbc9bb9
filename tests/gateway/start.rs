//! Starting: what one is told, what is kept.

use hookgate::testkit::{Launch, PATIENCE};
use serde_json::json;

use crate::harness::{TestGateway, connected};

#[test]
fn a_start_tells_where_it_listens_and_where_it_keeps_things() {
    let gateway = TestGateway::start();
    let said = gateway.output();
    for told in [gateway.ingress.to_string(), gateway.address.to_string(), gateway.directory()] {
        assert!(said.contains(&told), "{told} is not in:\n{said}");
    }
    assert!(!said.contains(&gateway.key), "the key is in:\n{said}");
}

#[test]
fn configuration_and_source_urls_survive_a_restart() {
    let (gateway, destination, flow) = connected(&json!([{ "type": "retry", "strategy": "exponential", "count": 3 }]));
    let path = format!("/connections/{}", flow.connection_id);
    let before = gateway.get(&path);
    assert_eq!(before["rules"], json!([{ "type": "retry", "strategy": "exponential", "count": 3 }]));
    let gateway = gateway.restart();
    let after = gateway.get(&path);
    for field in ["id", "name", "team_id", "rules", "created_at", "updated_at", "destination"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    drop(gateway.deliver(&flow, b"{}", "SUCCESSFUL"));
    assert_eq!(destination.next_request(PATIENCE).body(), b"{}");
}

#[test]
fn a_wrong_setting_ends_the_start_naming_it() {
    let directory = tempfile::tempdir().unwrap();
    let launch = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path());
    let ended = launch.setting("delivery.timeout_ms", "soon").run_to_end();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.output);
    let names_it = ended.output.contains("delivery.timeout_ms") || ended.output.contains("DELIVERY__TIMEOUT_MS");
    assert!(names_it, "{}", ended.output);
}
