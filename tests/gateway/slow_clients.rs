//! Clients that take their time: with a head, with a body, with taking answers.

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use hookgate::testkit::{PATIENCE, TestDestination, http::Message, usage::peak_rss_kib};
use serde_json::json;

use crate::{
    harness::TestGateway,
    listeners::secured_ingress,
    tls::{self, Identity},
};

/// Time between two bytes of what drips.
const DRIP: Duration = Duration::from_millis(100);
/// The head's deadline, as the README gives it.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of the body that drips: far more than come within the head's deadline.
const BODY_BYTES: usize = 1 << 20;
/// Requests of a client that takes no answer: more than the sockets' buffers hold.
const PIPELINED: usize = 400_000;
/// What such a client may cost, beside what the kernel keeps.
const GROWTH_KIB_MAX: u64 = 48 * 1024;

trait Connection: Read + Write {
    fn socket(&self) -> &TcpStream;

    /// Waits for a drip's time; true when the other end has closed.
    fn drips_into_nothing(&mut self, byte: u8) -> bool {
        self.socket().set_read_timeout(Some(DRIP)).unwrap();
        match self.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => panic!("a head that is not complete was answered"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.write_all(&[byte]).and_then(|()| self.flush()).is_err()
            }
            Err(_) => true,
        }
    }

    fn ask(&mut self, text: &str) -> String {
        self.write_all(text.as_bytes()).unwrap();
        self.flush().unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        self.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        Message::read(&mut BufReader::new(self)).unwrap().expect("closed without an answer").start
    }
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Connection for tls::SecureStream {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Four connections side by side: a head that drips, one that stops, a pause as long, and a body that drips.
fn only_heads_are_cut_off<C: Connection>(connect: impl Fn() -> C, path: &str) {
    let complete = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}");
    let [mut dripping, mut stopping, mut pausing, mut uploading] = std::array::from_fn(|_| {
        let mut connection = connect();
        for _ in 0..2 {
            assert_eq!(connection.ask(&complete), "HTTP/1.1 200 OK");
        }
        connection
    });
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    uploading.write_all(head.as_bytes()).unwrap();
    uploading.flush().unwrap();
    stopping.write_all(b"POST /e").unwrap();
    stopping.flush().unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    while !dripping.drips_into_nothing(b'A') {
        uploading.write_all(&[b' '; 1000]).unwrap();
        uploading.flush().unwrap();
        sent += 1000;
        assert!(begun.elapsed() < PATIENCE, "a head that drips is waited for");
    }
    assert!(begun.elapsed() >= HEAD_DEADLINE - DRIP, "closed after {:?}", begun.elapsed());
    stopping.socket().set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(matches!(stopping.read(&mut [0]), Ok(0) | Err(_)), "a head that stopped was answered");
    assert_eq!(pausing.ask(&complete), "HTTP/1.1 200 OK");
    uploading.write_all(&vec![b' '; BODY_BYTES - sent]).unwrap();
    uploading.flush().unwrap();
    assert_eq!(uploading.answer(), "HTTP/1.1 200 OK");
    assert_eq!(uploading.ask(&complete), "HTTP/1.1 200 OK");
}

#[test]
fn a_later_head_that_drips_or_stops_is_cut_off_and_pauses_and_bodies_are_not() {
    let (gateway, destination) = (TestGateway::start(), TestDestination::start());
    let flow = gateway.connect("plain", &destination.url(), &json!([]));
    only_heads_are_cut_off(|| TcpStream::connect(gateway.ingress).unwrap(), &flow.path);
}

#[test]
fn a_later_head_that_drips_or_stops_is_cut_off_over_tls_as_well() {
    let (files, identity) = (tempfile::tempdir().unwrap(), Identity::new());
    identity.write(files.path());
    let (gateway, destination) = (secured_ingress(files.path()), TestDestination::start());
    let flow = gateway.connect("secure", &destination.url(), &json!([]));
    only_heads_are_cut_off(|| tls::connect(gateway.ingress, &[&identity]).unwrap(), &flow.path);
}

/// Lets a head drip until the other end has closed; gives the answer, if there is one.
fn drip(address: SocketAddr, before: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    if !before.is_empty() {
        assert_eq!(stream.ask(before), "HTTP/1.1 200 OK");
    }
    let begun = Instant::now();
    stream.set_read_timeout(Some(DRIP)).unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(begun.elapsed() < PATIENCE, "a head that drips is waited for");
        let mut part = [0; 1000];
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if answer.is_empty() && stream.write_all(b"A").is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).lines().next().map(str::to_owned)
}

#[test]
fn a_first_head_that_drips_is_408_and_the_api_waits_for_none_either() {
    let gateway = TestGateway::start();
    let ready = "GET /-/healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let late = Some("HTTP/1.1 408 Request Timeout".to_owned());
    std::thread::scope(|threads| {
        let cases = [(gateway.ingress, "", late.clone()), (gateway.address, "", late), (gateway.address, ready, None)];
        for (address, before, expected) in cases {
            threads.spawn(move || assert_eq!(drip(address, before), expected, "after {before:?}"));
        }
    });
}

#[test]
fn who_pipelines_and_takes_no_answer_is_closed_and_costs_little_memory() {
    let gateway = TestGateway::start();
    let mut stream = TcpStream::connect(gateway.ingress).unwrap();
    stream.set_write_timeout(Some(2 * PATIENCE)).unwrap();
    let request = "POST /e/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let hundred = request.repeat(100);
    let before = peak_rss_kib(gateway.pid()).unwrap();
    let failed = (0..PIPELINED / 100).find_map(|_| stream.write_all(hundred.as_bytes()).err());
    let failed = failed.expect("every request was read although no answer was taken");
    assert!(matches!(failed.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "it is not closed: {failed}");
    let growth = peak_rss_kib(gateway.pid()).unwrap() - before;
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
    assert_eq!(gateway.call("GET", "/-/readyz", None).status, 200);
}
