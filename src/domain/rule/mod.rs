//! Rules of a connection, in the order its owner gave them. Further kinds are added as files here.

mod retry;
mod status_codes;

pub use retry::{DELAY_MS_MAX, RETRIES_MAX, RetryRule, RetryStrategy};
pub use status_codes::{EXPRESSIONS_MAX, StatusCodes};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// When to try again.
    Retry(RetryRule),
}
