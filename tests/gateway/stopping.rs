//! Stopping: what balancers and the service manager are told, and when.

use std::{os::unix::net::UnixDatagram, time::Duration};

use hookgate::testkit::{
    GatewayProcess, Launch, PATIENCE,
    http::{Request, Response},
    poll,
};
use serde_json::json;
use tempfile::TempDir;

fn launch(directory: &TempDir) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path())
}

fn readiness(gateway: &GatewayProcess) -> Response {
    Request { method: "GET", target: "/-/readyz", ..Request::default() }.send(gateway.api).unwrap()
}

#[test]
fn before_a_stop_readiness_is_denied_while_requests_are_taken_and_a_second_signal_skips_that() {
    let data = tempfile::tempdir().unwrap();
    // Longer than the test waits for the end.
    let delay = PATIENCE * 20;
    let gateway = launch(&data).setting("stop.delay_ms", &delay.as_millis().to_string()).start();
    let client = gateway.client();
    let flow = client.connect("test", "http://127.0.0.1:9", &json!([]));
    assert_eq!(readiness(&gateway).status, 200);
    gateway.terminate();
    let denied = poll(PATIENCE, || Some(readiness(&gateway)).filter(|answer| answer.status != 200));
    let denied = denied.unwrap_or_else(|| panic!("still ready: {}", gateway.output()));
    assert_eq!((denied.status, &denied.json()["reasons"][0]["check"]), (503, &json!("stopping")));
    let taken =
        Request { method: "POST", target: &flow.path, headers: &[], body: b"{}" }.send(gateway.ingress).unwrap();
    assert_eq!(taken.status, 200);
    gateway.terminate();
    let ended = gateway.stopped();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.contains("the delay is skipped"), "{}", ended.output);
    assert!(!ended.output.contains("stopping at once"), "{}", ended.output);
}

#[test]
fn the_service_manager_hears_that_the_gateway_is_ready_how_it_is_that_it_lives_and_that_it_stops() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut heard = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}; {heard:?}"));
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            if heard.last().is_some_and(|last| last == wanted) {
                return heard;
            }
        }
    };
    let gateway = launch(&data)
        .variable("NOTIFY_SOCKET", path.to_str().unwrap())
        .variable("WATCHDOG_USEC", &Duration::from_millis(300).as_micros().to_string())
        .spawn();
    let heard = hear("READY=1");
    assert!(heard.iter().all(|told| !told.contains("WATCHDOG") && !told.contains("STOPPING")), "{heard:?}");
    // Nothing needs to be waited for any more.
    assert_eq!(readiness(&gateway).status, 200);
    drop(hear("STATUS=requests are taken and delivered"));
    drop((hear("WATCHDOG=1"), hear("WATCHDOG=1")));
    gateway.terminate();
    drop(hear("STOPPING=1"));
    assert_eq!(gateway.stopped().status.code(), Some(0));
}

#[test]
fn a_service_manager_that_is_not_there_keeps_nobody_from_starting() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("nobody");
    let gateway = launch(&data).variable("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    assert!(gateway.output().contains("the service manager cannot be reached"), "{}", gateway.output());
}
