//! The retry rule: how many automatic retries, and when.

use super::StatusCodes;
use crate::domain::{AttemptResult, Timestamp};

/// Automatic retries an event may have at most.
pub const RETRIES_MAX: u32 = 50;
/// No automatic retry is due later than this after the first attempt: 7 days.
pub const DELAY_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Where a rule names no interval.
const INTERVAL_MS_DEFAULT: u64 = 60_000;
/// Where a rule names no count.
const COUNT_DEFAULT: u32 = 5;
/// How much of a delay the jitter sample can add.
const JITTER_SHARE: f64 = 0.1;

/// How delays grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryStrategy {
    /// The interval each time.
    Linear,
    /// The interval, doubled each time.
    Exponential,
}

/// As the owner gave it: absent fields stay absent, so that clients read back what they wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRule {
    /// How delays grow.
    pub strategy: RetryStrategy,
    /// The first delay, in milliseconds.
    pub interval_ms: Option<u64>,
    /// Automatic retries, at most [`RETRIES_MAX`].
    pub count: Option<u32>,
    /// Which answers are tried again; empty when none were given.
    pub response_status_codes: Vec<StatusCodes>,
}

impl RetryRule {
    /// Whether a complete answer is taken for a no although it is a 2xx.
    #[must_use]
    pub fn refuses(&self, status: u16) -> bool {
        StatusCodes::take(&self.response_status_codes, status)
    }

    /// Whether a try that ended so is made again: one without an answer always, others by their status.
    #[must_use]
    pub fn covers(&self, result: AttemptResult) -> bool {
        match result {
            AttemptResult::Answered { status } => StatusCodes::take(&self.response_status_codes, status),
            AttemptResult::Failed { .. } => true,
        }
    }

    /// The delay before automatic retry `number` (from 1), without jitter.
    #[must_use]
    pub fn delay_ms(&self, number: u32) -> u64 {
        let interval = self.interval_ms.unwrap_or(INTERVAL_MS_DEFAULT);
        let factor = match self.strategy {
            RetryStrategy::Linear => 1,
            RetryStrategy::Exponential => 1u64.checked_shl(number.saturating_sub(1)).unwrap_or(u64::MAX),
        };
        interval.saturating_mul(factor).min(DELAY_MS_MAX)
    }

    /// When automatic retry `number` (from 1) is due after a failure at `failed_at`, or `None` when there is none left.
    ///
    /// `jitter` in 0..=1 adds up to a tenth of the delay; the due time is never before the plain delay.
    #[must_use]
    pub fn due_at(
        &self,
        number: u32,
        first_attempt_at: Timestamp,
        failed_at: Timestamp,
        jitter: f64,
    ) -> Option<Timestamp> {
        if number > self.count.unwrap_or(COUNT_DEFAULT).min(RETRIES_MAX) {
            return None;
        }
        let delay = self.delay_ms(number);
        let plain = failed_at.plus_ms(delay);
        let latest = first_attempt_at.plus_ms(DELAY_MS_MAX);
        if plain > latest {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "below 7 days in ms"
        )]
        let extra = (delay as f64 * JITTER_SHARE * jitter.clamp(0.0, 1.0)) as u64;
        Some(plain.plus_ms(extra).min(latest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(strategy: RetryStrategy, interval_ms: u64, count: u32) -> RetryRule {
        RetryRule { strategy, interval_ms: Some(interval_ms), count: Some(count), response_status_codes: Vec::new() }
    }

    #[test]
    fn exponential_doubles_and_linear_stays() {
        let exponential = rule(RetryStrategy::Exponential, 1000, 5);
        assert_eq!((1..=4).map(|n| exponential.delay_ms(n)).collect::<Vec<_>>(), [1000, 2000, 4000, 8000]);
        let linear = rule(RetryStrategy::Linear, 1000, 5);
        assert_eq!((1..=3).map(|n| linear.delay_ms(n)).collect::<Vec<_>>(), [1000, 1000, 1000]);
    }

    proptest! {
        #[test]
        fn a_retry_is_never_early_never_after_a_week_and_never_beyond_the_count(
            interval in 0u64..=u64::MAX, count in 0u32..100, number in 1u32..200, late in 0u64..DELAY_MS_MAX,
            jitter in 0.0f64..=1.0, doubling: bool,
        ) {
            let strategy = if doubling { RetryStrategy::Exponential } else { RetryStrategy::Linear };
            let rule = rule(strategy, interval, count);
            let first = Timestamp::from_ms(1_000_000);
            let failed = first.plus_ms(late);
            if let Some(due) = rule.due_at(number, first, failed, jitter) {
                prop_assert!(number <= count.min(RETRIES_MAX));
                prop_assert!(due >= failed.plus_ms(rule.delay_ms(number)));
                prop_assert!(due <= first.plus_ms(DELAY_MS_MAX));
            }
        }
    }
}
