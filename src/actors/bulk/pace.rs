//! How fast operations go, all together: slower than what arrives, so that it is not held up by them.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// What may be made up for after a wait: timers are late by milliseconds, and short of a second nobody notices a burst.
const BURST: Duration = Duration::from_millis(100);

/// Gives out turns at a rate.
pub(super) struct Pace {
    apart: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many turns a second.
    pub(super) fn new(rate_per_s: u32) -> Self {
        let apart = Duration::from_secs(1) / rate_per_s.max(1);
        Self { apart, next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock();
            let earliest = Instant::now().checked_sub(BURST).unwrap_or(*next);
            let at = (*next).max(earliest);
            *next = at + self.apart;
            at
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn turns_come_at_the_rate_and_what_was_missed_is_made_up_for_a_little() {
        tokio::time::pause();
        let pace = Pace::new(100);
        let begun = Instant::now();
        for _ in 0..=100 {
            pace.turn().await;
        }
        let took = begun.elapsed();
        assert!((1000..1010).contains(&took.as_millis()), "{took:?}");
        tokio::time::advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..=100 {
            pace.turn().await;
        }
        let took = begun.elapsed();
        assert!((900..910).contains(&took.as_millis()), "a tenth of a second at once, not a minute: {took:?}");
    }
}
