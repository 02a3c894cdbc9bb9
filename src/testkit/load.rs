//! A load generator: many keep-alive connections, in a closed loop or on a schedule, at as little CPU as a client can do with.
//!
//! It shares the machine with what it measures, so the request bytes are made once and only figures are rewritten.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::NumberedBody;

/// Longest answer of a gateway's ingress that is understood: far more than it ever sends.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Between two looks at what has arrived: far more often than a backlog worth bounding empties.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// What is sent, and how.
#[derive(Clone)]
pub struct Load {
    /// The gateway's ingress.
    pub address: SocketAddr,
    /// Senders take turns with them: sender `i` posts to path `i`, then to the one as many places on as there are senders, and so on.
    pub paths: Vec<String>,
    /// Connections, each with one request at a time.
    pub senders: usize,
    /// Length of a body.
    pub body_bytes: usize,
    /// Number of the first request; each has its own.
    pub first_number: u64,
    /// Counts what is acknowledged; shared, so that others see how far it is.
    pub acked: Arc<AtomicU64>,
    /// Set to end it.
    pub stop: Arc<AtomicBool>,
    /// Counts what has arrived at the other end, and how many requests may be on their way there before senders wait.
    pub backlog: Option<(Arc<AtomicU64>, usize)>,
    /// Requests per second in all, each sent when it is due or as soon after as its sender is free, and stamped with when it was
    /// due: what waits for a slow gateway counts. `None`: the next one as soon as the last was answered.
    pub per_s: Option<u32>,
    /// Tells the time that is written into bodies, in microseconds.
    pub clock_us: fn() -> u64,
}

/// A request that was answered 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// The number in its body.
    pub number: u64,
    /// `request_id` of the answer, empty when there was none.
    pub request_id: String,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// What the gateway promised to deliver.
    pub acked: Vec<Acked>,
    /// The other statuses, in order of arrival.
    pub refused: Vec<u16>,
    /// Requests that got no answer: unknown fate.
    pub unanswered: Vec<u64>,
    /// The first number that was not used.
    pub next_number: u64,
    /// From sending to the answer, in microseconds, one of each acknowledged request.
    pub ack_us: Vec<u32>,
}

impl Load {
    /// A load of 1 KiB bodies that runs until it is stopped.
    #[must_use]
    pub fn new(address: SocketAddr, paths: Vec<String>, senders: usize) -> Self {
        Self {
            address,
            paths,
            senders,
            body_bytes: 1024,
            first_number: 0,
            acked: Arc::default(),
            stop: Arc::default(),
            backlog: None,
            per_s: None,
            clock_us: || 0,
        }
    }

    /// Runs on the calling thread until stopped, or until every connection broke.
    ///
    /// # Panics
    ///
    /// When the thread cannot have a runtime.
    #[must_use]
    pub fn run(&self) -> LoadReport {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs nothing but a few descriptors");
        let numbers = AtomicU64::new(self.first_number);
        let most = self.backlog.as_ref().map_or(Semaphore::MAX_PERMITS, |(_, most)| *most);
        let room = Semaphore::new(most);
        let senders = (0..self.senders).map(|index| self.send_all(index, &numbers, &room));
        let parts = runtime.block_on(async {
            tokio::select! {
                parts = join_all(senders) => parts,
                never = self.make_room(&room) => match never {},
            }
        });
        let mut report = LoadReport { next_number: numbers.into_inner(), ..LoadReport::default() };
        for part in parts {
            report.acked.extend(part.acked);
            report.refused.extend(part.refused);
            report.unanswered.extend(part.unanswered);
            report.ack_us.extend(part.ack_us);
        }
        report
    }

    async fn send_all(&self, index: usize, numbers: &AtomicU64, room: &Semaphore) -> LoadReport {
        let first = index % self.paths.len();
        let heads: Vec<String> =
            self.paths[first..].iter().step_by(self.senders.max(1)).map(|path| self.head(path)).collect();
        let mut heads = heads.iter().cycle();
        let mut schedule = Schedule::of(self, index);
        let mut report = LoadReport::default();
        let Ok(mut stream) = TcpStream::connect(self.address).await else { return report };
        if stream.set_nodelay(true).is_err() {
            return report;
        }
        let template = NumberedBody::new(self.body_bytes);
        let mut request = Vec::new();
        let mut answer = Vec::with_capacity(ANSWER_BYTES_MAX);
        while !self.stop.load(Ordering::Relaxed) {
            // Its place becomes free when something arrives, not when this one is answered.
            let Ok(place) = room.acquire().await else { break };
            place.forget();
            let late = schedule.wait().await;
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let Some(head) = heads.next() else { break };
            request.clear();
            request.extend_from_slice(head.as_bytes());
            request.extend_from_slice(template.as_bytes());
            NumberedBody::stamp(&mut request[head.len()..], number, (self.clock_us)().saturating_sub(late));
            let started = Instant::now();
            match exchange(&mut stream, &request, &mut answer).await {
                Ok(200) => {
                    self.acked.fetch_add(1, Ordering::Relaxed);
                    report.ack_us.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
                    report.acked.push(Acked { number, request_id: request_id(&answer) });
                }
                Ok(status) => {
                    // It will never arrive.
                    room.add_permits(1);
                    report.refused.push(status);
                }
                Err(_) => {
                    report.unanswered.push(number);
                    return report;
                }
            }
        }
        report
    }

    /// The head of a request to this path.
    fn head(&self, path: &str) -> String {
        let length = NumberedBody::new(self.body_bytes).as_bytes().len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            self.address
        )
    }

    /// Gives senders the places of what has arrived, and ends their waiting when it is over.
    async fn make_room(&self, room: &Semaphore) -> Infallible {
        let mut arrived_before = self.backlog.as_ref().map_or(0, |(arrived, _)| arrived.load(Ordering::Relaxed));
        loop {
            tokio::time::sleep(ROOM_INTERVAL).await;
            if let Some((arrived, _)) = &self.backlog {
                let now = arrived.load(Ordering::Relaxed);
                room.add_permits(usize::try_from(now - arrived_before).unwrap_or(0));
                arrived_before = now;
            }
            if self.stop.load(Ordering::Relaxed) {
                room.close();
            }
        }
    }
}

/// When one sender's requests are due.
struct Schedule {
    next: Option<(tokio::time::Instant, Duration)>,
}

impl Schedule {
    /// Senders take turns, so that requests come evenly.
    fn of(load: &Load, index: usize) -> Self {
        let next = load.per_s.map(|per_s| {
            let between = Duration::from_secs(1) / per_s.max(1);
            let turn = u32::try_from(index).unwrap_or(u32::MAX);
            let all = u32::try_from(load.senders).unwrap_or(u32::MAX);
            (tokio::time::Instant::now() + between * turn, between * all)
        });
        Self { next }
    }

    /// Waits until the next one is due, and tells by how many microseconds it is late.
    async fn wait(&mut self) -> u64 {
        let Some((due, between)) = &mut self.next else { return 0 };
        tokio::time::sleep_until(*due).await;
        let late = due.elapsed();
        *due += *between;
        u64::try_from(late.as_micros()).unwrap_or(u64::MAX)
    }
}

/// One request and its answer; gives the status and leaves the answer's body in `answer`.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<u16> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((status, body_at, end)) = parse(answer)
            && answer.len() >= end
        {
            answer.drain(..body_at);
            return Ok(status);
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
        }
    }
}

/// Status, where the body starts and where it ends; `None` while the head is not whole.
fn parse(answer: &[u8]) -> Option<(u16, usize, usize)> {
    let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..head_end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    Some((status, head_end + 4, head_end + 4 + length))
}

/// Found by its key rather than parsed: this runs for every request of a bench.
fn request_id(body: &[u8]) -> String {
    const KEY: &str = r#""request_id":""#;
    let text = std::str::from_utf8(body).unwrap_or_default();
    let id = text.find(KEY).map(|at| &text[at + KEY.len()..]).and_then(|rest| rest.split('"').next());
    id.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Answer, TestDestination};

    #[test]
    fn every_answered_request_is_reported_and_all_of_them_arrived() {
        let server = TestDestination::start();
        let answer = br#"{"request_id":"req_1"}"#.to_vec();
        server.answer_always(Answer::Full(200, vec![], answer));
        let address = server.url().trim_start_matches("http://").parse().unwrap();
        let load = Load::new(address, vec!["/e/a".into(), "/e/b".into()], 4);
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            drop(server.wait_for(100, crate::testkit::PATIENCE));
            load.stop.store(true, Ordering::Relaxed);
            running.join().unwrap()
        });
        let mut arrived: Vec<u64> = server.requests().iter().map(|request| request.number().unwrap()).collect();
        let mut acked: Vec<u64> = report.acked.iter().map(|acked| acked.number).collect();
        arrived.sort_unstable();
        acked.sort_unstable();
        assert_eq!(acked, arrived);
        assert_eq!(report.next_number, acked.len() as u64);
        assert!(report.acked.iter().all(|acked| acked.request_id == "req_1"));
    }

    #[test]
    fn a_broken_connection_leaves_an_unanswered_request_not_a_hang() {
        let server = TestDestination::start();
        server.answer_always(Answer::Close);
        let address = server.url().trim_start_matches("http://").parse().unwrap();
        let report = Load::new(address, vec!["/e/a".into()], 2).run();
        assert_eq!((report.acked.len(), report.unanswered.len()), (0, 2));
    }
}
