//! The live tail: events and attempts as they happen, to many readers, at a cost that is bounded and the same for all.
//!
//! ```text
//! store's change feed ─► tail (one thread, ten rounds a second) ─► groups of readers who want the same ─► their queues
//! ```
//!
//! The event path notes numbers and knows of no reader. The thread lives while anybody reads, and a little longer, so that a
//! reader whose connection broke can go on where it was.

mod budget;
mod group;
mod items;
mod piece;
mod reader;
mod shapes;
mod tail;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

pub use self::{
    group::{Pass, Shows, Wanted},
    reader::Reader,
};
use self::{
    reader::Seat,
    tail::{Joining, Tail},
};
use super::error::ApiError;
use crate::query::Query;

/// Time between two rounds: what happens is shown so late at most, and costs nothing before.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);
/// How long changes are followed after the last reader has left.
const LINGER: Duration = Duration::from_secs(60);

/// Who asks to read.
pub struct Asking<'a> {
    /// What it wants to see.
    pub wanted: Wanted,
    /// `Last-Event-ID`: it has seen everything up to there.
    pub last_seen: Option<&'a str>,
    /// What let it in.
    pub pass: Option<Pass>,
}

/// How many may read, and how they are kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Readers at a time.
    pub readers_max: usize,
    /// How long a reader hears nothing at most.
    pub heartbeat: Duration,
}

/// See the [module's documentation](self). Dropping it ends every stream.
pub struct Live(Arc<Shared>);

struct Shared {
    query: Query,
    ingress_url: String,
    limits: Limits,
    seats: Arc<Mutex<usize>>,
    inner: Mutex<Inner>,
    ended: Condvar,
}

#[derive(Default)]
struct Inner {
    joining: Vec<Joining>,
    running: bool,
    ended: bool,
}

impl Live {
    /// One that nobody reads; `ingress_url` is for shapes.
    #[must_use]
    pub fn new(query: Query, ingress_url: &str, limits: Limits) -> Self {
        let ingress_url = ingress_url.trim_end_matches('/').to_owned();
        let (seats, inner, ended) = (Arc::default(), Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { query, ingress_url, limits, seats, inner, ended }))
    }

    /// Reads from now on.
    ///
    /// # Errors
    ///
    /// 503 when too many read already, or the gateway is stopping.
    pub fn read(&self, asking: Asking<'_>) -> Result<Reader, ApiError> {
        let shared = &self.0;
        let most = shared.limits.readers_max;
        let seat = Seat::take(&shared.seats, most).ok_or_else(|| {
            let message = format!("{most} live streams are open, more are not served at a time: try again later");
            ApiError::unavailable("TOO_MANY_STREAMS", message)
        })?;
        let (reader, mailbox) = Reader::new(seat);
        let after = asking.last_seen.map(|text| piece::parse_place(text).ok_or(()));
        let mut inner = shared.inner.lock();
        if inner.ended {
            return Err(ApiError::unavailable("CLOSING", "the gateway is stopping: try again"));
        }
        inner.joining.push(Joining { wanted: asking.wanted, after, pass: asking.pass, mailbox });
        if !inner.running {
            let thread = Arc::clone(shared);
            let started = std::thread::Builder::new().name("live".to_owned()).spawn(move || thread.run());
            started.map_err(|error| ApiError::internal(format!("no thread for the live tail: {error}")))?;
            inner.running = true;
        }
        Ok(reader)
    }

    /// Ends every stream, and takes no more readers.
    pub fn end(&self) {
        self.0.inner.lock().ended = true;
        self.0.ended.notify_all();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn run(&self) {
        let mut tail = Tail::new(self.query.clone(), self.ingress_url.clone(), self.limits.heartbeat);
        let mut last_read = Instant::now();
        while self.round(&mut tail, &mut last_read) {}
        tail.end();
    }

    /// A round and the time until the next; false when there is none.
    fn round(&self, tail: &mut Tail, last_read: &mut Instant) -> bool {
        let joining = std::mem::take(&mut self.inner.lock().joining);
        let now = Instant::now();
        let is_open = tail.round(now, joining).is_ok();
        if tail.is_read() {
            *last_read = now;
        }
        let mut inner = self.inner.lock();
        if is_open && !inner.ended {
            self.ended.wait_until(&mut inner, now + ROUND_INTERVAL);
        }
        let is_idle = inner.joining.is_empty() && last_read.elapsed() >= LINGER;
        if is_open && !inner.ended && !is_idle {
            return true;
        }
        // Whoever comes after this starts another thread.
        inner.running = false;
        inner.joining.drain(..).for_each(|joining| joining.mailbox.end());
        false
    }
}
