//! What healthy connections feel of others in trouble: nothing, within a tenth.
//!
//! Each scenario is two trials a round, in turn: the healthy connections alone, and with trouble beside them, on a fresh
//! gateway each. Load, sinks and gateway share the machine; rounds alternate, so that a slow moment hits both.
//! A burst takes cores and disk from everybody, whoever takes it in: there the trial without trouble has the same burst on
//! another gateway of this machine, so that what is left to differ is what one connection feels of another.
//! Lateness is counted from when a request was due, so that waiting before it could be sent counts too.
//!
//! `cargo bench --bench isolation -- [--quick]` prints a table and writes `bench/isolation.json` under the target directory.
#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod report;
#[path = "../relay/sink.rs"]
mod sink;
mod trial;
mod trouble;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hookgate::testkit::poll;
use serde_json::{Value, json};

use report::{Figure, Scenario};
use sink::Sink;
use trial::{Gateway, Pace};
use trouble::Trouble;

/// Healthy connections beside one in trouble.
const HEALTHY: usize = 99;
/// Their events per second where lateness is asked: far below what the machine can do.
const PER_S: u32 = 1000;
/// Events of the burst, and how many come in a second: five times as many as for all others, and not so many that the load itself
/// takes the cores from everybody.
const BURST: u64 = 10_000;
const BURST_PER_S: u32 = 5_000;
/// How long the burst's destination takes for each.
const BURST_DELAY: Duration = Duration::from_millis(20);
/// Connections with a trickle.
const MANY: usize = 10_000;
/// Hosts that are asked once and then never again.
const HOSTS: usize = 300;
/// Events on hold.
const HELD: u64 = 1_000_000;
/// Events to the hanging destination: more than it may have in flight.
const HANGING: u64 = 400;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let bench = Bench {
        sink: Sink::start(),
        hanging: Trouble::start(None),
        slow: Trouble::start(Some(BURST_DELAY)),
        rounds: if quick { 1 } else { 5 },
        length: (Duration::from_secs(1), Duration::from_secs(if quick { 2 } else { 5 })),
    };
    let paced = Pace::PerSecond(PER_S);
    let scenarios = [
        bench.scenario("1 hanging + 99 healthy, 1 000/s", Figure::P99, paced, Bench::alone, Bench::hang),
        bench.scenario(
            "1 hanging + 99 healthy, as many as go",
            Figure::Throughput,
            Pace::Full,
            Bench::alone,
            Bench::hang,
        ),
        bench.scenario("10 000 in 2 s on one + 99, 1 000/s", Figure::P99, paced, Bench::burst_elsewhere, Bench::burst),
        bench.trickle("10 000 connections instead of 99, 1 000/s", paced),
    ];
    print!("\n{}", report::head());
    scenarios.iter().for_each(|scenario| print!("{}", scenario.line()));
    let given_back = bench.hosts_asked_once();
    let held = bench.held(if quick { HELD / 10 } else { HELD });
    let path = target_directory().join("bench/isolation.json");
    report::write(&path, &scenarios, &json!({ "given_back": given_back, "held": held }))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("written to {}", path.display());
}

/// Cargo's: benches are told a directory inside it.
fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// What is beside the healthy connections of a gateway while they are measured.
type Beside = fn(&Bench, &Gateway, Measure<'_>) -> trial::Figures;
/// Runs the trial with something beside it.
type Measure<'a> = &'a dyn Fn(Box<dyn FnOnce() + Send + '_>) -> trial::Figures;

struct Bench {
    sink: Sink,
    hanging: Trouble,
    slow: Trouble,
    rounds: usize,
    /// Warm-up and window of a trial.
    length: (Duration, Duration),
}

impl Bench {
    fn scenario(&self, name: &'static str, figure: Figure, pace: Pace, without: Beside, with: Beside) -> Scenario {
        let rounds = (1..=self.rounds).map(|round| {
            println!("{name}: round {round} of {}", self.rounds);
            let trial = |beside: Beside| {
                let gateway = Gateway::start(&self.sink, HEALTHY);
                beside(self, &gateway, &|beside| gateway.measure(&self.sink, pace, self.length, beside))
            };
            (trial(without), trial(with))
        });
        Scenario { name, figure, rounds: rounds.collect() }
    }

    /// Nothing.
    fn alone(&self, _: &Gateway, measure: Measure<'_>) -> trial::Figures {
        measure(Box::new(|| ()))
    }

    /// A destination that takes requests and never answers: all slots of its connection are taken before the trial begins.
    fn hang(&self, gateway: &Gateway, measure: Measure<'_>) -> trial::Figures {
        let before = self.hanging.received();
        let url = format!("http://{}/", self.hanging.host(0));
        let flow = gateway.client.connect("hanging", &url, &json!([]));
        send(gateway, &flow.path, HANGING, None);
        let full = poll(Duration::from_secs(20), || (self.hanging.received() >= before + 64).then_some(()));
        assert!(full.is_some(), "the hanging destination got {} requests", self.hanging.received() - before);
        // One more event of the same share as the others' goes its way all the time.
        let load = gateway.load(vec![flow.path.clone()], 1);
        let load = hookgate::testkit::Load { per_s: Some(PER_S / 100), ..load };
        let stop = std::sync::Arc::clone(&load.stop);
        std::thread::scope(|scope| {
            let running = scope.spawn(move || load.run());
            let figures = measure(Box::new(|| ()));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            drop(running.join().expect("the load does not panic"));
            figures
        })
    }

    /// Many events at once for one connection whose destination takes its time.
    fn burst(&self, gateway: &Gateway, measure: Measure<'_>) -> trial::Figures {
        let url = format!("http://{}/", self.slow.host(0));
        let flow = gateway.client.connect("burst", &url, &json!([]));
        measure(Box::new(move || send(gateway, &flow.path, BURST, Some(BURST_PER_S))))
    }

    /// The same burst on this machine, but on another gateway.
    fn burst_elsewhere(&self, _: &Gateway, measure: Measure<'_>) -> trial::Figures {
        let other = Gateway::start(&self.sink, 0);
        self.burst(&other, measure)
    }

    /// The same load over many connections.
    fn trickle(&self, name: &'static str, pace: Pace) -> Scenario {
        println!("{name}: making {MANY} connections");
        let (few, many) = (Gateway::start(&self.sink, HEALTHY), Gateway::start(&self.sink, MANY));
        let rounds = (0..self.rounds).map(|_| {
            let without = few.measure(&self.sink, pace, self.length, || ());
            (without, many.measure(&self.sink, pace, self.length, || ()))
        });
        Scenario { name, figure: Figure::P99, rounds: rounds.collect() }
    }

    /// Hosts that are asked once: how long their sockets stay.
    fn hosts_asked_once(&self) -> Value {
        let silent = Trouble::start(Some(Duration::ZERO));
        let gateway = Gateway::start(&self.sink, 0);
        for host in 0..HOSTS {
            let flow =
                gateway.client.connect(&format!("host-{host}"), &format!("http://{}/", silent.host(host)), &json!([]));
            drop(gateway.client.ingest(&flow, b"{}"));
        }
        let asked = poll(Duration::from_secs(30), || (silent.received() >= HOSTS).then_some(()));
        assert!(asked.is_some(), "only {} of {HOSTS} hosts were asked", silent.received());
        let (open, start) = (silent.connected(), Instant::now());
        let gone = poll(Duration::from_secs(180), || (silent.connected() == 0).then(|| start.elapsed().as_secs_f64()));
        match gone {
            Some(seconds) => println!("{HOSTS} hosts asked once: {open} sockets open then, none {seconds:.0} s later"),
            None => println!("{HOSTS} hosts asked once: {} sockets still open after 180 s", silent.connected()),
        }
        json!({ "hosts": HOSTS, "open": open, "none_after_s": gone })
    }
}

impl Bench {
    /// What switching a connection with many events on hold takes, by a client's clock.
    fn held(&self, events: u64) -> Value {
        let gateway = Gateway::start(&self.sink, 0);
        let flow = gateway.client.connect("held", &format!("http://{}/hook", self.hanging.host(1)), &json!([]));
        let timed = |what: &str| {
            let start = Instant::now();
            let answer = gateway.client.ok("PUT", &format!("/connections/{}/{what}", flow.connection_id), None);
            (start.elapsed().as_secs_f64() * 1000.0, answer)
        };
        drop(timed("pause"));
        send(&gateway, &flow.path, events, None);
        let rss = hookgate::testkit::usage::peak_rss_kib(gateway.process.pid()).expect("the gateway runs") / 1024;
        let (unpause_ms, answer) = timed("unpause");
        let released = answer["released"]["count"].as_u64().unwrap_or(0);
        let (pause_ms, _) = timed("pause");
        let (disable_ms, _) = timed("disable");
        assert!(released >= events, "{released} of {events} events were on hold");
        println!(
            "{released} events on hold, {rss} MiB: unpause {unpause_ms:.1} ms, pause {pause_ms:.1} ms, disable {disable_ms:.1} ms"
        );
        json!({ "events": released, "rss_mib": rss, "unpause_ms": unpause_ms, "pause_ms": pause_ms, "disable_ms": disable_ms })
    }
}

/// Sends so many events to one path, as fast as senders can or on schedule.
fn send(gateway: &Gateway, path: &str, count: u64, per_s: Option<u32>) {
    const SENDERS: usize = 16;
    let load = gateway.load(vec![path.to_owned()], if count > BURST { 256 } else { SENDERS });
    let load = hookgate::testkit::Load { per_s, ..load };
    let (acked, stop) = (std::sync::Arc::clone(&load.acked), std::sync::Arc::clone(&load.stop));
    std::thread::scope(|scope| {
        let running = scope.spawn(move || load.run());
        let sent = poll(Duration::from_secs(180), || {
            (acked.load(std::sync::atomic::Ordering::Relaxed) >= count).then_some(())
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(running.join().expect("the load does not panic"));
        assert!(sent.is_some(), "the events were not taken in three minutes");
    });
}
