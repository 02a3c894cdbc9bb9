//! One trial: a gateway of its own, healthy connections under load, and trouble beside them or not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hookgate::testkit::usage::peak_rss_kib;
use hookgate::testkit::{ApiClient, GatewayProcess, Launch, Load, poll};
use serde_json::json;
use tempfile::TempDir;

use crate::sink::{Sink, now_us};

/// Senders of a load.
const SENDERS: usize = 64;
/// Sent but not yet delivered at most in a closed loop.
const BACKLOG_EVENTS_MAX: usize = 1024;
/// For what is on its way when the load stops.
const DRAIN: Duration = Duration::from_secs(60);

/// How healthy connections are loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many events per second, on schedule: what is asked is how late they are.
    PerSecond(u32),
    /// As many as go: what is asked is how many.
    Full,
}

/// What the healthy connections did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) events_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) rss_mib: f64,
}

/// A running gateway with its directory.
pub(crate) struct Gateway {
    pub(crate) process: GatewayProcess,
    pub(crate) client: ApiClient,
    /// Paths of the healthy connections.
    pub(crate) healthy: Vec<String>,
    _directory: TempDir,
}

impl Gateway {
    /// One with so many connections to the sink.
    pub(crate) fn start(sink: &Sink, connections: usize) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
        let process = Launch::new(env!("CARGO_BIN_EXE_hookgate"), directory.path()).start();
        let client = process.client();
        let url = format!("http://{}/hook", sink.address());
        let healthy =
            (0..connections).map(|n| client.connect(&format!("healthy-{n}"), &url, &json!([])).path).collect();
        Self { process, client, healthy, _directory: directory }
    }

    /// A load on some paths.
    pub(crate) fn load(&self, paths: Vec<String>, senders: usize) -> Load {
        Load { clock_us: now_us, ..Load::new(self.process.ingress, paths, senders) }
    }

    /// Loads the healthy connections for `window` after `warm_up` and gives what arrived in it. `beside` runs on a thread of its own
    /// from the start of the window.
    pub(crate) fn measure(
        &self,
        sink: &Sink,
        pace: Pace,
        (warm_up, window): (Duration, Duration),
        beside: impl FnOnce() + Send,
    ) -> Figures {
        let delivered_before = sink.delivered();
        let mut load = self.load(self.healthy.clone(), SENDERS);
        match pace {
            Pace::PerSecond(per_s) => load.per_s = Some(per_s),
            Pace::Full => load.backlog = Some((Arc::clone(&sink.delivered), BACKLOG_EVENTS_MAX)),
        }
        let (figures, report) = std::thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            wait(warm_up);
            let trouble = scope.spawn(beside);
            sink.record();
            let (start, delivered_start) = (Instant::now(), sink.delivered());
            wait(window);
            let (took, delivered) = (start.elapsed(), sink.delivered() - delivered_start);
            let ages = sink.recorded();
            load.stop.store(true, Ordering::Relaxed);
            trouble.join().expect("the trouble does not panic");
            let rss = peak_rss_kib(self.process.pid()).expect("the gateway runs");
            let figures = Figures {
                events_per_s: delivered as f64 / took.as_secs_f64(),
                p50_ms: percentile_ms(&ages, 50),
                p99_ms: percentile_ms(&ages, 99),
                rss_mib: rss as f64 / 1024.0,
            };
            (figures, running.join().expect("the load does not panic"))
        });
        assert!(report.unanswered.is_empty(), "{} requests got no answer", report.unanswered.len());
        let promised = delivered_before + report.acked.len() as u64;
        let drained = poll(DRAIN, || (sink.delivered() >= promised).then_some(()));
        assert!(drained.is_some(), "{} acknowledged events never arrived", promised - sink.delivered());
        figures
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures a stretch of real time")]
pub(crate) fn wait(length: Duration) {
    std::thread::sleep(length);
}

fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let at = sorted_us.len() * percent / 100;
    sorted_us.get(at).map_or(0.0, |age| f64::from(*age) / 1000.0)
}
