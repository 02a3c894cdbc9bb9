//! What the crash tests share: a gateway under load, a ledger of promises, a seed to repeat a run with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use hookgate::testkit::{ApiClient, Flow, GatewayProcess, Launch, Load, LoadReport, PATIENCE, TestDestination, poll};
use serde_json::{Value, json};

/// Deliveries a connection has in flight at most, as these tests set it: what one crash may send twice.
pub(crate) const IN_FLIGHT: usize = 16;

/// The real binary on a directory, with checkpoints so often that kills fall into them.
pub(crate) fn launch(data: &Path) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_hookgate"), data)
        .setting("delivery.concurrency", &IN_FLIGHT.to_string())
        .setting("store.checkpoint_interval_ms", "300")
}

/// Connections with a source each, all to one destination.
pub(crate) fn flows(client: &ApiClient, count: usize, destination: &TestDestination) -> Vec<Flow> {
    (0..count).map(|index| client.connect(&format!("flow-{index}"), &destination.url(), &json!([]))).collect()
}

/// A load that runs on a thread of its own.
pub(crate) struct UnderLoad {
    load: Load,
    running: JoinHandle<LoadReport>,
}

impl UnderLoad {
    /// Starts it; numbers go on from `first_number`.
    pub(crate) fn start(gateway: &GatewayProcess, flows: &[Flow], first_number: u64) -> Self {
        let paths = flows.iter().map(|flow| flow.path.clone()).collect();
        let load = Load { first_number, body_bytes: 256, ..Load::new(gateway.ingress, paths, 8) };
        let running = std::thread::spawn({
            let load = load.clone();
            move || load.run()
        });
        Self { load, running }
    }

    /// Waits until so many requests were acknowledged.
    pub(crate) fn wait_for_acks(&self, count: u64) {
        let enough = poll(PATIENCE, || (self.acks() >= count).then_some(()));
        assert!(enough.is_some(), "only {} of {count} acked", self.acks());
    }

    /// Requests acknowledged so far.
    pub(crate) fn acks(&self) -> u64 {
        self.load.acked.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn stop(self) -> LoadReport {
        self.load.stop.store(true, Ordering::Relaxed);
        self.running.join().expect("the load generator does not panic")
    }
}

/// What was promised and what may have happened besides.
#[derive(Default)]
pub(crate) struct Ledger {
    acked: BTreeSet<u64>,
    /// The first number not sent yet.
    pub(crate) next_number: u64,
}

impl Ledger {
    /// Takes over what a load came to.
    pub(crate) fn add(&mut self, report: &LoadReport) {
        self.acked.extend(report.acked.iter().map(|acked| acked.number));
        self.next_number = report.next_number;
    }

    /// Waits until all that was promised has arrived and nothing is left to do, then checks that nothing came from
    /// nowhere and at most `duplicates_max` came twice.
    pub(crate) fn settle(&self, client: &ApiClient, destination: &TestDestination, duplicates_max: usize) {
        assert!(!self.acked.is_empty(), "nothing was acknowledged: this run proves nothing");
        let drained = poll(PATIENCE, || client.events("status=QUEUED&limit=1").is_empty().then_some(()));
        assert!(drained.is_some(), "events are still queued");
        let arrivals = destination.arrivals();
        let lost: Vec<_> = self.acked.iter().filter(|number| !arrivals.contains_key(number)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged requests are lost: {lost:?}", lost.len(), self.acked.len());
        let strange: Vec<_> = arrivals.keys().filter(|number| **number >= self.next_number).collect();
        assert!(strange.is_empty(), "never sent, yet arrived: {strange:?}");
        let duplicates: usize = arrivals.values().map(|times| times - 1).sum();
        assert!(duplicates <= duplicates_max, "{duplicates} sent again, {duplicates_max} can have been in flight");
    }
}

/// Every event as a client sees it, newest first, over all pages.
pub(crate) fn all_events(client: &ApiClient) -> Vec<(String, Value, Value)> {
    let mut events = Vec::new();
    let mut next = String::new();
    loop {
        let page = client.get(&format!("/events?limit=50{next}"));
        let models = page["models"].as_array().expect("a page has models");
        events.extend(models.iter().map(|event| {
            (event["id"].as_str().unwrap_or_default().to_owned(), event["status"].clone(), event["attempts"].clone())
        }));
        match page["pagination"]["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => return events,
        }
    }
}

/// Where chance comes from: printed, so that a run can be repeated.
pub(crate) struct Seed(u64);

impl Seed {
    /// `HOOKGATE_TEST_SEED`, or a new one.
    #[expect(clippy::disallowed_methods, reason = "repeats a run; no setting of the gateway")]
    #[expect(clippy::print_stderr, reason = "a failed run must tell how to repeat it")]
    pub(crate) fn new() -> Self {
        let given = std::env::var("HOOKGATE_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().expect("the machine has randomness"));
        eprintln!("repeat with HOOKGATE_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
