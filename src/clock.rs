//! Time as an argument: the one place that reads the wall clock.
//!
//! Whoever decides gets a [`Timestamp`]; whoever acts gets a [`Clock`]. Tests on virtual time use
//! [`VirtualClock`], which follows tokio's paused clock so that timers and wall time move together.

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
