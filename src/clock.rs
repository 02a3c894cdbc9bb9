//! Time as an argument: the one place that reads the wall clock.
//!
//! Whoever decides gets a [`Timestamp`]; whoever acts gets a [`Clock`]. Tests on virtual time use
//! `VirtualClock`, which follows tokio's paused clock so that timers and wall time move together; tests without
//! timers use `ManualClock`, which stands still until it is set.

#[cfg(any(test, feature = "test-util"))]
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::domain::Timestamp;

/// Tells the wall time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current wall time in milliseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(chrono::Utc::now())
    }
}

/// A fixed start plus tokio's elapsed time: `tokio::time::pause` and `advance` move it.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

#[cfg(any(test, feature = "test-util"))]
impl VirtualClock {
    /// Starts at `start`; must be called inside a tokio runtime.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start.plus_ms(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Stands where it is set; clones show the same time. It may be set back, as a machine's clock may.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

#[cfg(any(test, feature = "test-util"))]
impl ManualClock {
    /// Stands at `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.ms())))
    }

    /// Moves to `at`, forwards or back.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.ms(), Ordering::SeqCst);
    }

    /// Moves on by `ms` milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.set(self.now().plus_ms(ms));
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}
