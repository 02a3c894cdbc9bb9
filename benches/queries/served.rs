//! The real gateway: how much of its throughput is left while four clients list.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hookgate::testkit::{ApiClient, Launch, Load, poll};
use serde_json::json;

use crate::{
    sink::{Sink, now_us},
    spread::spread,
    table::{Table, ms},
};

const CONNECTIONS: usize = 16;
/// As in the bench of the relay: a group commit never waits for requests, and neither end hides in a backlog.
const SENDERS: usize = 256;
const BACKLOG_EVENTS_MAX: usize = 4096;
const CLIENTS: usize = 4;
/// Each client asks five times a second.
const PAUSE: Duration = Duration::from_millis(200);
const WARM_UP: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(20);
/// What is asked in turn.
const LISTS: [&str; 5] = [
    "/events?limit=100",
    "/events?limit=100&status=FAILED",
    "/events?limit=100&status=SUCCESSFUL&order_by=last_attempt_at",
    "/events?limit=100&attempts[gte]=1&response_status[gte]=500",
    "/requests?limit=100",
];

/// Rounds in turn with and without the clients, on a fresh gateway each; the median of either.
pub(crate) fn measure(table: &mut Table, rounds: usize, window: Duration) {
    let sink = Sink::start();
    let (mut alone, mut listed, mut lists, mut late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(round(&sink, window, 0).per_s);
        let beside = round(&sink, window, CLIENTS);
        listed.push(beside.per_s);
        lists.extend(beside.lists_ms);
        late.push(beside.p99_ms);
    }
    let (alone, listed) = (spread(alone).0, spread(listed).0);
    let (median, slow) = spread(lists);
    // A ratio of which more is better: what is missing to all of it.
    table.add("served, throughput lost to four clients that list", 1.0 - listed / alone, "of it", 0.1);
    table.add("served, a list meanwhile", median, "ms", 20.0);
    table.add("served, a list meanwhile, p99", slow, "ms", 100.0);
    table.add("served, from sending to delivery meanwhile, p99", spread(late).0, "ms", 1000.0);
}

struct Round {
    per_s: f64,
    p99_ms: f64,
    lists_ms: Vec<f64>,
}

fn round(sink: &Sink, window: Duration, clients: usize) -> Round {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let process = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path()).start();
    let client = process.client();
    let url = format!("http://{}/hook", sink.address());
    let paths = (0..CONNECTIONS).map(|index| client.connect(&format!("bench-{index}"), &url, &json!([])).path);
    let load = Load {
        backlog: Some((Arc::clone(&sink.delivered), BACKLOG_EVENTS_MAX)),
        clock_us: now_us,
        ..Load::new(process.ingress, paths.collect(), SENDERS)
    };
    let before = sink.delivered();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let running = scope.spawn(|| load.run());
        wait(WARM_UP);
        let listing: Vec<_> = (0..clients)
            .map(|number| {
                scope.spawn({
                    let (client, done) = (&client, &done);
                    move || list(client, number, done)
                })
            })
            .collect();
        sink.record();
        let (begun, first) = (Instant::now(), sink.delivered());
        wait(window);
        let per_s = (sink.delivered() - first) as f64 / begun.elapsed().as_secs_f64();
        let ages = sink.recorded();
        done.store(true, Ordering::Relaxed);
        load.stop.store(true, Ordering::Relaxed);
        let promised = before + running.join().unwrap().acked.len() as u64;
        assert!(poll(DRAIN, || (sink.delivered() >= promised).then_some(())).is_some(), "not all arrived");
        let lists_ms = listing.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let p99_ms = ages.get(ages.len() * 99 / 100).map_or(0.0, |age| f64::from(*age) / 1000.0);
        Round { per_s, p99_ms, lists_ms }
    })
}

fn list(client: &ApiClient, number: usize, done: &AtomicBool) -> Vec<f64> {
    let mut times = Vec::new();
    for target in LISTS.iter().cycle().skip(number) {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        assert!(client.get(target)["models"].is_array());
        times.push(ms(begun));
        wait(PAUSE.saturating_sub(begun.elapsed()));
    }
    times
}

#[expect(clippy::disallowed_methods, reason = "a bench measures a stretch of real time")]
fn wait(length: Duration) {
    thread::sleep(length);
}
