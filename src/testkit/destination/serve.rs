//! The server behind a test destination: accepts, records, answers by the script. Knows nothing of what tests expect.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Answer, Received};
use crate::testkit::http::Message;

/// Written at a time into a huge body.
static CHUNK: [u8; 64 * 1024] = [b'h'; 64 * 1024];

/// What becomes of a connection after an answer.
enum Then {
    KeepOpen,
    Close,
    Reset,
}

pub(super) struct State {
    pub(super) script: VecDeque<Answer>,
    pub(super) otherwise: Answer,
    pub(super) requests: Vec<Received>,
    /// How many of them a test has looked at.
    pub(super) looked_at: usize,
    /// Counts releases: who hangs waits for the next one.
    pub(super) releases: u64,
    pub(super) closing: bool,
    /// A handle of each open connection, by the peer's address, so that closing can end them all.
    open: Vec<(SocketAddr, TcpStream)>,
    /// What a peer sent that is no HTTP.
    faults: Vec<String>,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn new() -> Self {
        let state = State {
            script: VecDeque::new(),
            otherwise: Answer::Status(200),
            requests: Vec::new(),
            looked_at: 0,
            releases: 0,
            closing: false,
            open: Vec::new(),
            faults: Vec::new(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until `count` requests have come.
    pub(super) fn wait(&self, state: &mut MutexGuard<'_, State>, timeout: Duration, count: usize) {
        let deadline = Instant::now() + timeout;
        while state.requests.len() < count {
            assert!(state.faults.is_empty(), "a request is no HTTP: {:?}", state.faults);
            let late = self.changed.wait_until(state, deadline).timed_out();
            let come = state.requests.len();
            assert!(!late || come >= count, "waited {timeout:?} for request {count}, only {come} came");
        }
    }

    pub(super) fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.state.lock().closing {
                return;
            }
            let Ok(stream) = stream else { continue };
            let (Ok(peer), Ok(handle)) = (stream.peer_addr(), stream.try_clone()) else { continue };
            self.state.lock().open.push((peer, handle));
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.serve(&stream, peer));
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        for (_, stream) in state.open.drain(..) {
            // An error says that it is closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(state);
        self.changed.notify_all();
    }

    fn serve(&self, stream: &TcpStream, peer: SocketAddr) {
        // Answers are written in one go; an error would only cost time.
        drop(stream.set_nodelay(true));
        let mut reader = BufReader::new(stream);
        let then = loop {
            match Message::read(&mut reader) {
                Ok(Some(message)) => match self.record_and_respond(stream, message) {
                    Ok(Then::KeepOpen) => {}
                    Ok(then @ (Then::Close | Then::Reset)) => break then,
                    Err(_) => break Then::Close,
                },
                Ok(None) => break Then::Close,
                Err(error) => {
                    // A killed gateway cuts its requests short: only what is no HTTP is worth failing a test for.
                    if error.kind() == io::ErrorKind::InvalidData {
                        self.state.lock().faults.push(error.to_string());
                        self.changed.notify_all();
                    }
                    break Then::Close;
                }
            }
        };
        self.state.lock().open.retain(|(other, _)| *other != peer);
        match then {
            // The last handle goes with a linger of nothing, and that is a reset.
            Then::Reset => {}
            Then::Close | Then::KeepOpen => drop(stream.shutdown(Shutdown::Both)),
        }
    }

    fn record_and_respond(&self, stream: &TcpStream, message: Message) -> io::Result<Then> {
        let mut words = message.start.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut state = self.state.lock();
        state.requests.push(Received { method, target, message, at: Instant::now() });
        let answer = state.script.pop_front().unwrap_or_else(|| state.otherwise.clone());
        // Read together with recording: whoever sees the request and releases means this one as well.
        let releases = state.releases;
        drop(state);
        self.changed.notify_all();
        self.respond(stream, answer, releases)
    }

    /// Answers; what hangs waits for a release beyond the first `releases`.
    fn respond(&self, mut stream: &TcpStream, answer: Answer, releases: u64) -> io::Result<Then> {
        match answer {
            Answer::Status(status) => self.respond(stream, Answer::Full(status, Vec::new(), Vec::new()), releases),
            Answer::Full(status, headers, body) => {
                stream.write_all(&encode(status, &headers, &body))?;
                Ok(Then::KeepOpen)
            }
            Answer::After(delay, then) => {
                self.wait_until(Instant::now() + delay);
                self.respond(stream, *then, releases)
            }
            Answer::Hang => self.respond(stream, Answer::HangThen(Box::new(Answer::Status(200))), releases),
            Answer::HangThen(then) => {
                self.wait_for_release(releases);
                self.respond(stream, *then, releases)
            }
            Answer::Close => Ok(Then::Close),
            Answer::Reset => {
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
                Ok(Then::Reset)
            }
            Answer::ShortBody => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")?;
                Ok(Then::Close)
            }
            Answer::StalledBody => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstalled")?;
                self.wait_for_release(releases);
                Ok(Then::Close)
            }
            Answer::Garbage => {
                stream.write_all(b"\x00\xff this is not HTTP\r\n\r\n")?;
                Ok(Then::Close)
            }
            Answer::HugeBody(bytes) => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n")?;
                write_filler(stream, bytes)?;
                Ok(Then::KeepOpen)
            }
        }
    }

    /// Blocks until the next release, or the end.
    fn wait_for_release(&self, releases: u64) {
        let mut state = self.state.lock();
        while !state.closing && state.releases == releases {
            self.changed.wait(&mut state);
        }
    }

    /// Blocks until then, or the end.
    fn wait_until(&self, deadline: Instant) {
        let mut state = self.state.lock();
        while !state.closing && !self.changed.wait_until(&mut state, deadline).timed_out() {}
    }
}

fn encode(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Scripted\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    // A 204 or 304 has no body and must not announce one.
    if !matches!(status, 204 | 304) {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

fn write_filler(mut stream: &TcpStream, mut left: u64) -> io::Result<()> {
    while left > 0 {
        let part = CHUNK.len().min(usize::try_from(left).unwrap_or(CHUNK.len()));
        stream.write_all(&CHUNK[..part])?;
        left -= part as u64;
    }
    Ok(())
}
