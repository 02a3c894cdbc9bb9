//! What a thousand readers of live streams cost the event path: nothing, within the noise; and what `/stats` takes with ten
//! thousand connections.
//!
//! Rounds go in turn, on a fresh gateway each: nobody reads, a thousand read everything, a thousand read one connection each. Load,
//! sink, readers and gateway share the machine, so the readers' own work counts against them too. Read the ratios.
//!
//! `cargo bench --bench live -- [--quick]` prints a table and writes `bench/live.json` under the target directory.
#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod readers;
#[path = "../relay/round.rs"]
mod round;
#[path = "../relay/sink.rs"]
mod sink;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hookgate::testkit::{ApiClient, Flow, Launch, Load, poll};
use serde_json::{Value, json};

use readers::Readers;
use round::{Figures, Gateway, Plan};
use sink::Sink;

const READERS: usize = 1_000;
const CONNECTIONS: usize = 16;
/// Connections whose figures are asked for.
const MANY: usize = 10_000;
/// Events on them before that.
const MANY_EVENTS: u64 = 100_000;
/// Times that figures are asked for.
const ASKED: usize = 21;

/// Whom a round is run with.
type Targets = fn(&[Flow]) -> Vec<String>;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, plan) = if quick {
        (1, Plan { warm_up: Duration::from_millis(500), window: Duration::from_secs(2) })
    } else {
        (5, Plan { warm_up: Duration::from_secs(1), window: Duration::from_secs(5) })
    };
    let sink = Sink::start();
    let series: [(&str, Targets); 3] = [("nobody", nobody), ("of everything", of_everything), ("of one each", of_one)];
    let mut figures: [Vec<Figures>; 3] = Default::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        for ((name, targets), figures) in series.iter().zip(&mut figures) {
            figures.push(measure(&sink, plan, name, *targets));
        }
    }
    let ratios = [1, 2]
        .map(|with| (ratio(&figures, with, |of| of.events_per_s), ratio(&figures, with, |of| of.cpu_us_per_event)));
    for (name, (events, cpu)) in ["of everything", "of one each"].into_iter().zip(ratios) {
        println!("{READERS} readers {name}: {events:.3} of the events/s, {cpu:.3} times the CPU an event");
    }
    let stats = stats(&sink, if quick { MANY / 10 } else { MANY });
    println!(
        "/stats of {} connections: median {} ms, {} bytes",
        stats["connections"], stats["median_ms"], stats["bytes"]
    );
    let result = json!({
        "readers": READERS,
        "series": series.iter().zip(&figures).map(|((name, _), figures)| medians(name, figures)).collect::<Vec<_>>(),
        "of_everything": { "events_per_s": ratios[0].0, "cpu": ratios[0].1 },
        "of_one_each": { "events_per_s": ratios[1].0, "cpu": ratios[1].1 },
        "rounds": rounds,
        "stats": stats,
    });
    let path = target_directory().join("bench/live.json");
    write(&path, &result).unwrap_or_else(|error| panic!("{} is not writable: {error}", path.display()));
    println!("written to {}", path.display());
}

fn nobody(_: &[Flow]) -> Vec<String> {
    Vec::new()
}

fn of_everything(_: &[Flow]) -> Vec<String> {
    vec!["/events/live".to_owned(); READERS]
}

fn of_one(flows: &[Flow]) -> Vec<String> {
    let targets = flows.iter().map(|flow| format!("/events/live?webhook_id={}", flow.connection_id));
    targets.cycle().take(READERS).collect()
}

fn measure(sink: &Sink, plan: Plan, name: &str, targets: Targets) -> Figures {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    let process = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path()).start();
    let client = process.client();
    let flows = connect(&client, sink, CONNECTIONS);
    let readers = Readers::start(&client, targets(&flows));
    let gateway = Gateway {
        pid: process.pid(),
        ingress: process.ingress,
        paths: flows.into_iter().map(|flow| flow.path).collect(),
        data: Some(directory.path().to_owned()),
    };
    let figures = gateway.measure(sink, plan);
    let (events, resyncs) = readers.heard();
    println!(
        "  {name:<14} {:>8.0} events/s {:>6.1} µs/event, p99 {:>6.1} ms; readers heard {events} events, {resyncs} resyncs",
        figures.events_per_s, figures.cpu_us_per_event, figures.p99_ms
    );
    figures
}

fn connect(client: &ApiClient, sink: &Sink, count: usize) -> Vec<Flow> {
    let url = format!("http://{}/hook", sink.address());
    (0..count).map(|number| client.connect(&format!("bench-{number}"), &url, &json!([]))).collect()
}

/// Median over the rounds of a figure with readers against the same round's without.
fn ratio(figures: &[Vec<Figures>; 3], with: usize, of: fn(&Figures) -> f64) -> f64 {
    let mut ratios: Vec<f64> =
        figures[with].iter().zip(&figures[0]).map(|(with, without)| of(with) / of(without)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// The medians of each figure of a series.
fn medians(name: &str, figures: &[Figures]) -> Value {
    let of = |of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    json!({
        "readers": name,
        "events_per_s": of(|of| of.events_per_s),
        "cpu_us_per_event": of(|of| of.cpu_us_per_event),
        "p50_ms": of(|of| of.p50_ms),
        "p99_ms": of(|of| of.p99_ms),
        "rss_mib": of(|of| of.rss_mib),
        "disk_bytes_per_event": of(|of| of.disk_bytes_per_event),
    })
}

/// Asks for the figures of many connections, each of which has had some events.
fn stats(sink: &Sink, connections: usize) -> Value {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    let process = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path()).start();
    let client = process.client();
    println!("making {connections} connections");
    let paths = connect(&client, sink, connections).into_iter().map(|flow| flow.path).collect();
    let load = Load::new(process.ingress, paths, 256);
    let enough = MANY_EVENTS * connections as u64 / MANY as u64;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| load.run());
        let sent = poll(Duration::from_secs(120), || (load.acked.load(Ordering::Relaxed) >= enough).then_some(()));
        load.stop.store(true, Ordering::Relaxed);
        drop(running.join());
        assert!(sent.is_some(), "{enough} events were not taken in time");
    });
    let idle = || client.get("/stats")["totals"]["depth"] == 0;
    assert!(poll(Duration::from_secs(120), || idle().then_some(())).is_some(), "events are left");
    let mut bytes = 0;
    let mut took: Vec<f64> = (0..ASKED)
        .map(|_| {
            let begun = Instant::now();
            bytes = client.call("GET", "/stats", None).message.body.len();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let median = (took[ASKED / 2] * 10.0).round() / 10.0;
    json!({ "connections": connections, "median_ms": median, "bytes": bytes })
}

/// Cargo's: benches are told a directory inside it.
fn target_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn write(path: &Path, result: &Value) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, format!("{result:#}\n"))
}
