//! A gateway for one test: its directory, its process, a client of it.

use std::{ops::Deref, path::Path};

use hookgate::testkit::{ApiClient, Ended, Flow, GatewayProcess, Launch, PATIENCE, TestDestination};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs as long as the test; then the process is killed and the directory removed.
pub(crate) struct TestGateway {
    client: ApiClient,
    process: GatewayProcess,
    launch: Launch,
    directory: TempDir,
}

impl TestGateway {
    /// Starts one with the settings of the default file.
    pub(crate) fn start() -> Self {
        Self::with(|launch| launch)
    }

    /// Starts one with other settings.
    pub(crate) fn with(change: impl FnOnce(Launch) -> Launch) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let launch = change(launch(&directory));
        let process = launch.start();
        Self { client: process.client(), process, launch, directory }
    }

    /// Stops it in order and starts it again on its directory.
    pub(crate) fn restart(self) -> Self {
        let ended = self.process.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
        let process = self.launch.start();
        Self { client: process.client(), process, launch: self.launch, directory: self.directory }
    }

    /// Kills it and starts it again on its directory.
    pub(crate) fn crash(self) -> Self {
        self.crash_and(|_| ())
    }

    /// Kills it, does something to its directory, and starts it again on it.
    pub(crate) fn crash_and(self, meanwhile: impl FnOnce(&Path)) -> Self {
        self.process.kill();
        meanwhile(self.directory.path());
        let process = self.launch.start();
        Self { client: process.client(), process, launch: self.launch, directory: self.directory }
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// Sends a body through a connection and waits until its event has this status.
    pub(crate) fn deliver(&self, flow: &Flow, body: &[u8], status: &str) -> Value {
        let request_id = self.ingest(flow, body);
        self.wait_for_event(flow, PATIENCE, |event| event["request_id"] == request_id && event["status"] == status)
    }

    /// `POST /events/{id}/retry`
    pub(crate) fn retry(&self, event: &Value) -> Value {
        self.ok("POST", &format!("/events/{}/retry", id(event)), None)
    }

    /// `PUT /events/{id}/cancel`
    pub(crate) fn cancel(&self, event: &Value) -> Value {
        self.ok("PUT", &format!("/events/{}/cancel", id(event)), None)
    }

    /// `PUT /connections/{id}/pause`
    pub(crate) fn pause(&self, flow: &Flow) -> Value {
        self.ok("PUT", &format!("/connections/{}/pause", flow.connection_id), None)
    }

    /// `PUT` of a path such as `/connections/{id}/disable`
    pub(crate) fn put(&self, path: &str) -> Value {
        self.ok("PUT", path, None)
    }

    /// How many events of a connection have this status.
    pub(crate) fn count(&self, flow: &Flow, status: &str) -> usize {
        self.events(&format!("webhook_id={}&status={status}&limit=250", flow.connection_id)).len()
    }

    /// `PUT /connections/{id}/unpause`
    pub(crate) fn unpause(&self, flow: &Flow) -> Value {
        self.ok("PUT", &format!("/connections/{}/unpause", flow.connection_id), None)
    }
}

impl Deref for TestGateway {
    type Target = ApiClient;

    fn deref(&self) -> &ApiClient {
        &self.client
    }
}

/// Runs one that is expected to end by itself, with other settings.
pub(crate) fn launch_once(change: impl FnOnce(Launch) -> Launch) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    change(launch(&directory)).run_to_end()
}

fn launch(directory: &TempDir) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path())
}

/// A gateway, a destination nobody may send to unseen, and a connection between them.
pub(crate) fn connected(rules: &Value) -> (TestGateway, TestDestination, Flow) {
    let gateway = TestGateway::start();
    let destination = TestDestination::start().strict();
    let flow = gateway.connect("test", &destination.url(), rules);
    (gateway, destination, flow)
}

/// A retry rule that tries again soon.
pub(crate) fn retry_rule(count: u32, interval_ms: u64) -> Value {
    json!([{ "type": "retry", "strategy": "linear", "interval": interval_ms, "count": count }])
}

/// The id of an API object.
pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object}")).to_owned()
}

/// One field of each attempt, event or the like, in order.
pub(crate) fn column(objects: &[Value], field: &str) -> Vec<Value> {
    objects.iter().map(|object| object[field].clone()).collect()
}
