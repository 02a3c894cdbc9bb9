//! A transport that plays back answers, for tests on virtual time: latency is tokio's, and nothing leaves the process.
//!
//! Replies are queued by URL; a URL without one answers 200 at once. What was sent is kept in order.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use parking_lot::Mutex;

use super::{Outbound, Reply, Transport, TransportFactory};
use crate::domain::{AttemptRecord, AttemptResult, ErrorCode};

/// One scripted answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// This status, after a while.
    Answer {
        /// The status.
        status: u16,
        /// How long it takes; beyond the attempt's time-out it is a `TIMEOUT`.
        after: Duration,
    },
    /// No answer, for this reason, at once.
    Fail(ErrorCode),
    /// Never answers: `TIMEOUT` when the attempt's time is over.
    Hang,
    /// A bug in the transport.
    Panic,
}

impl Script {
    /// A status at once.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Answer { status, after: Duration::ZERO }
    }
}

#[derive(Debug, Default)]
struct Play {
    scripts: HashMap<String, VecDeque<Script>>,
    sent: Vec<Outbound>,
}

/// Plays back answers. Clones share scripts and what was sent.
#[derive(Debug, Clone, Default)]
pub struct ScriptedTransport(Arc<Mutex<Play>>);

impl ScriptedTransport {
    /// Without scripts: everything answers 200.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds answers for a URL, behind those that are there.
    pub fn script(&self, url: &str, scripts: impl IntoIterator<Item = Script>) {
        self.0.lock().scripts.entry(url.to_owned()).or_default().extend(scripts);
    }

    /// Everything that was sent so far, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Outbound> {
        self.0.lock().sent.clone()
    }
}

impl Transport for ScriptedTransport {
    fn send(&self, outbound: Outbound) -> LocalBoxFuture<'static, Reply> {
        let mut play = self.0.lock();
        let script = play.scripts.get_mut(&outbound.url).and_then(VecDeque::pop_front).unwrap_or(Script::status(200));
        let record =
            AttemptRecord { url: outbound.url.clone(), method: outbound.method.clone(), ..AttemptRecord::default() };
        let timeout = outbound.timeout;
        play.sent.push(outbound);
        drop(play);
        async move {
            let failed = |error| AttemptResult::Failed { error, status: None };
            let result = match script {
                Script::Answer { status, after } if after <= timeout => {
                    // Even no time at all is a turn of the loop with a timer; an answer at once is none.
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                    AttemptResult::Answered { status }
                }
                Script::Answer { .. } | Script::Hang => {
                    tokio::time::sleep(timeout).await;
                    failed(ErrorCode::Timeout)
                }
                Script::Fail(error) => failed(error),
                Script::Panic => panic!("a scripted panic"),
            };
            let error_message = result.error().map(|error| error.as_str().to_lowercase());
            let response_body = Bytes::from_static(b"scripted");
            Reply { result, record: AttemptRecord { response_body, error_message, ..record } }
        }
        .boxed_local()
    }
}

impl TransportFactory for ScriptedTransport {
    fn build(&self) -> Rc<dyn Transport> {
        Rc::new(self.clone())
    }
}
