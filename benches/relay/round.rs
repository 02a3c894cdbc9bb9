//! One round: load on a running gateway, and what it made of it.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hookgate::testkit::usage::{cpu_us, peak_rss_kib};
use hookgate::testkit::{Load, poll};

use crate::sink::{Sink, now_us};

/// Connections of the load generator: enough that a group commit never waits for requests.
const LOAD_SENDERS: usize = 256;
/// Sent but not yet delivered at most: both relays run in a steady state, neither hides in a backlog.
const BACKLOG_EVENTS_MAX: usize = 4096;
/// For what is on its way when the load stops.
const DRAIN: Duration = Duration::from_secs(20);

/// How long a round takes.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

/// The process under load.
pub(crate) struct Gateway {
    pub(crate) pid: u32,
    pub(crate) ingress: SocketAddr,
    pub(crate) paths: Vec<String>,
    /// Its directory, if it keeps anything.
    pub(crate) data: Option<PathBuf>,
}

/// What a round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) events_per_s: f64,
    pub(crate) cpu_us_per_event: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) rss_mib: f64,
    pub(crate) disk_bytes_per_event: f64,
}

impl Gateway {
    pub(crate) fn measure(&self, sink: &Sink, plan: Plan) -> Figures {
        let delivered_before = sink.delivered();
        let disk_before = self.disk_bytes();
        let load = Load {
            backlog: Some((Arc::clone(&sink.delivered), BACKLOG_EVENTS_MAX)),
            clock_us: now_us,
            ..Load::new(self.ingress, self.paths.clone(), LOAD_SENDERS)
        };
        let (mut figures, report) = std::thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            let figures = self.watch(sink, plan);
            load.stop.store(true, Ordering::Relaxed);
            (figures, running.join().expect("the load generator does not panic"))
        });
        assert!(report.unanswered.is_empty(), "{} requests got no answer", report.unanswered.len());
        let promised = delivered_before + report.acked.len() as u64;
        let drained = poll(DRAIN, || (sink.delivered() >= promised).then_some(()));
        assert!(drained.is_some(), "{} acknowledged events never arrived", promised - sink.delivered());
        figures.disk_bytes_per_event = self.disk_bytes().saturating_sub(disk_before) as f64 / report.acked.len() as f64;
        figures
    }

    fn watch(&self, sink: &Sink, plan: Plan) -> Figures {
        wait(plan.warm_up);
        sink.record();
        let (start, cpu_start, delivered_start) = (Instant::now(), self.cpu_us(), sink.delivered());
        wait(plan.window);
        let (took, cpu, delivered) =
            (start.elapsed(), self.cpu_us() - cpu_start, (sink.delivered() - delivered_start) as f64);
        let ages = sink.recorded();
        Figures {
            events_per_s: delivered / took.as_secs_f64(),
            cpu_us_per_event: cpu as f64 / delivered,
            p50_ms: percentile_ms(&ages, 50),
            p99_ms: percentile_ms(&ages, 99),
            rss_mib: peak_rss_kib(self.pid).expect("the gateway runs") as f64 / 1024.0,
            disk_bytes_per_event: 0.0,
        }
    }

    fn cpu_us(&self) -> u64 {
        cpu_us(self.pid).expect("the gateway runs")
    }

    fn disk_bytes(&self) -> u64 {
        self.data.as_deref().map_or(0, allocated_bytes)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures a stretch of real time")]
fn wait(length: Duration) {
    std::thread::sleep(length);
}

fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let at = sorted_us.len() * percent / 100;
    sorted_us.get(at).map_or(0.0, |age| f64::from(*age) / 1000.0)
}

/// What a directory takes on disk; files that vanish meanwhile count nothing.
fn allocated_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { allocated_bytes(&entry.path()) } else { metadata.blocks() * 512 })
    });
    sizes.sum()
}
