//! The way out: one delivery attempt over HTTP.
//!
//! [`Transport`] is the seam: `awc` does it for real, `scripted` plays back answers for tests on virtual time.

pub mod awc;
pub mod egress;
pub mod resolver;
#[cfg(any(test, feature = "test-util"))]
pub mod scripted;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;

use crate::domain::{AttemptRecord, AttemptResult};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The method, as it stands in a request line.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// In this order; no hop-by-hop headers, no `host`, no `content-length`.
    pub headers: Vec<(String, Bytes)>,
    /// The body.
    pub body: Bytes,
    /// For the whole attempt: resolving, connecting, sending, head and body of the answer.
    pub timeout: Duration,
}

/// What came back. A destination that says no is a value, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// A status, or why there was none.
    pub result: AttemptResult,
    /// What is kept for the audit record.
    pub record: AttemptRecord,
}

/// Sends attempts from one arbiter; not `Send`, because awc is not: each arbiter builds its own.
pub trait Transport: 'static {
    /// Tries once. Never fails: what went wrong is in the reply.
    fn send(&self, outbound: Outbound) -> LocalBoxFuture<'static, Reply>;
}

/// Builds a [`Transport`] on the arbiter that calls it.
pub trait TransportFactory: Send + Sync + 'static {
    /// One transport for the calling arbiter.
    fn build(&self) -> std::rc::Rc<dyn Transport>;
}
