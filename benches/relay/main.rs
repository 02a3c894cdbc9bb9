//! How much of a bare relay's speed is left when every event is durable.
//!
//! The bench process is both ends: a load generator and a sink, each on a thread of its own. The gateway in the middle is
//! a child: in turn the *bare* relay (same web server, same client, a bounded channel instead of a store: the physical
//! limit of what we do) and the real binary with sixteen connections and with one. All get the same load, so what differs
//! is theirs; rounds alternate, so that a slow moment of the machine hits all alike. Read the ratios, not the figures.
//!
//! `cargo bench --bench relay -- [--quick] [--bare-only]` prints a table and writes `bench/relay.json` under the target
//! directory.
#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod bare;
mod report;
mod round;
mod sink;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hookgate::testkit::Launch;
use report::{Report, Series};
use round::{Figures, Gateway, Plan};
use serde_json::json;
use sink::Sink;

/// Rounds of each gateway in a full run.
const ROUNDS: usize = 5;
/// In-flight deliveries per worker that the bare relay is tried with; the best is kept.
const BARE_SENDERS: [usize; 3] = [32, 64, 128];
/// Connections of the `hookgate` series.
const CONNECTIONS: usize = 16;

/// The gateway's own, so that the bare relay differs in nothing but what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(role) = bare::Role::parse(&arguments) {
        role.run();
        return;
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let (rounds, plan) = if has("--quick") {
        (1, Plan { warm_up: Duration::from_millis(500), window: Duration::from_secs(2) })
    } else {
        (ROUNDS, Plan { warm_up: Duration::from_secs(1), window: Duration::from_secs(6) })
    };
    let bench = Bench { sink: Sink::start(), plan };
    let report = bench.run(rounds, has("--bare-only"));
    println!("{}", report.table());
    let path = target_directory().join("bench/relay.json");
    report.write(&path).unwrap_or_else(|error| panic!("{} is not writable: {error}", path.display()));
    println!("written to {}", path.display());
}

/// Cargo's: benches are told a directory inside it.
fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_owned).unwrap_or_default()
}

struct Bench {
    sink: Sink,
    plan: Plan,
}

impl Bench {
    fn run(&self, rounds: usize, bare_only: bool) -> Report {
        let senders = self.best_bare();
        println!("bare relay: {senders} senders a worker");
        let mut report =
            Report { bare: Series::default(), hookgate: Series::default(), hookgate_1: Series::default(), senders };
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            report.bare.push(self.bare(senders, self.plan));
            if !bare_only {
                report.hookgate.push(self.hookgate(CONNECTIONS));
                report.hookgate_1.push(self.hookgate(1));
            }
        }
        report
    }

    fn best_bare(&self) -> usize {
        let plan = Plan { warm_up: Duration::from_millis(500), window: Duration::from_secs(2) };
        let tries = BARE_SENDERS.map(|senders| (senders, self.bare(senders, plan).events_per_s));
        tries.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).map_or(BARE_SENDERS[0], |best| best.0)
    }

    fn bare(&self, senders: usize, plan: Plan) -> Figures {
        let child = bare::Child::start(self.sink.address(), senders);
        let gateway =
            Gateway { pid: child.pid(), ingress: child.address(), paths: vec!["/e/bench".into()], data: None };
        gateway.measure(&self.sink, plan)
    }

    fn hookgate(&self, connections: usize) -> Figures {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
        let process = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path()).start();
        let client = process.client();
        let url = format!("http://{}/hook", self.sink.address());
        let flows = (0..connections).map(|index| client.connect(&format!("bench-{index}"), &url, &json!([])));
        let gateway = Gateway {
            pid: process.pid(),
            ingress: process.ingress,
            paths: flows.map(|flow| flow.path).collect(),
            data: Some(directory.path().to_owned()),
        };
        gateway.measure(&self.sink, self.plan)
    }
}
