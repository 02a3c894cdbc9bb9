//! A destination under the test's control: a real HTTP/1.1 server whose answers are scripted and whose requests are kept.
//!
//! One thread per connection, so that an answer may block for as long as the script says. Tests wait for facts
//! ([`TestDestination::next_request`], [`TestDestination::wait_for`]), never for a while.

mod serve;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::NumberedBody;
use super::http::Message;
use serve::Shared;

/// What a request gets.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status with an empty body.
    Status(u16),
    /// A status with these headers and this body.
    Full(u16, Vec<(String, String)>, Vec<u8>),
    /// The other answer, after this long.
    After(Duration, Box<Answer>),
    /// Nothing, until [`TestDestination::release`]; then 200.
    Hang,
    /// Nothing, until [`TestDestination::release`]; then the other answer.
    HangThen(Box<Answer>),
    /// The connection closes in order, without an answer.
    Close,
    /// The connection is reset, without an answer.
    Reset,
    /// A 200 whose body ends before its announced length.
    ShortBody,
    /// A 200 whose body stops in the middle, until [`TestDestination::release`]; then the connection closes.
    StalledBody,
    /// Bytes that are no HTTP.
    Garbage,
    /// A 200 with a body of so many bytes.
    HugeBody(u64),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// As in the request line.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers and body.
    pub message: Message,
    /// When its last byte was read.
    pub at: Instant,
}

impl Received {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.message.body
    }

    /// The number in a [`NumberedBody`].
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        NumberedBody::number(self.body())
    }
}

/// A server on a port of its own; it ends with the value.
pub struct TestDestination {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    strict: bool,
}

impl TestDestination {
    /// Starts one that answers 200 until told otherwise.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Listens on one address, for data in which it is written.
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address} cannot be had: {error}"));
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::new());
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self { address, shared, acceptor: Some(acceptor), strict: false }
    }

    /// Makes dropping it fail when a request came that nobody looked at.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Where it listens, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds answers for the next requests, one each, in order of arrival.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().script.extend(answers);
    }

    /// Sets the answer for requests that no scripted one is left for.
    pub fn answer_always(&self, answer: Answer) {
        self.shared.state.lock().otherwise = answer;
    }

    /// Lets everything go on that hangs now.
    pub fn release(&self) {
        self.shared.state.lock().releases += 1;
        self.shared.changed.notify_all();
    }

    /// Waits for the next request nobody looked at.
    ///
    /// # Panics
    ///
    /// When none comes in time, or a peer sent something that is no HTTP.
    #[must_use]
    pub fn next_request(&self, timeout: Duration) -> Received {
        let mut state = self.shared.state.lock();
        let index = state.looked_at;
        self.shared.wait(&mut state, timeout, index + 1);
        state.looked_at = index + 1;
        state.requests[index].clone()
    }

    /// Waits until `count` requests have come, and gives all there are.
    ///
    /// # Panics
    ///
    /// When they do not come in time, or a peer sent something that is no HTTP.
    #[must_use]
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Received> {
        self.shared.wait(&mut self.shared.state.lock(), timeout, count);
        self.requests()
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        let mut state = self.shared.state.lock();
        state.looked_at = state.requests.len();
        state.requests.clone()
    }

    /// How often each numbered body has come so far; counts as looking at all of them.
    #[must_use]
    pub fn arrivals(&self) -> BTreeMap<u64, usize> {
        let mut state = self.shared.state.lock();
        state.looked_at = state.requests.len();
        let mut arrivals = BTreeMap::new();
        for number in state.requests.iter().filter_map(Received::number) {
            *arrivals.entry(number).or_default() += 1;
        }
        arrivals
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state.lock().requests.len()
    }
}

impl Drop for TestDestination {
    fn drop(&mut self) {
        self.shared.close();
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        let state = self.shared.state.lock();
        if self.strict && !std::thread::panicking() {
            assert_eq!(state.requests.len(), state.looked_at, "requests came that nobody looked at");
        }
    }
}

#[cfg(test)]
mod tests;
