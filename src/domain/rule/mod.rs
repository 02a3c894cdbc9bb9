//! Rules of a connection, in the order its owner gave them. Further kinds are added as files here.

mod retry;

pub use retry::{DELAY_MS_MAX, RETRIES_MAX, RetryRule, RetryStrategy};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// When to try again.
    Retry(RetryRule),
}
