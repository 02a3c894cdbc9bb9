//! Clients that begin and do not go on: sent away at a deadline, and in nobody's way meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hookgate::testkit::{NumberedBody, PATIENCE, TestDestination};

use crate::support::{flows, launch};

/// Of each kind.
const SLOW: usize = 20;
/// Sent by a client in good health meanwhile.
const HEALTHY: u64 = 100;
/// Deadlines are 5 s for a head and 30 s for a body; twice that is patience enough.
const HEAD_MAX: Duration = Duration::from_secs(10);
const BODY_MAX: Duration = Duration::from_secs(60);
/// Between two bytes of a client that trickles: an idle deadline would never end it.
const TRICKLE: Duration = Duration::from_millis(500);

fn begin(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BODY_MAX)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// What was answered before the connection was closed.
fn until_closed(mut stream: &TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset closes as well.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open: {error}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn half_a_head_is_closed_at_a_deadline_and_healthy_clients_do_not_notice() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch(data.path()).start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    let since = Instant::now();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\nx-half: ", flow.path);
    let slow: Vec<TcpStream> = (0..SLOW).map(|_| begin(gateway.ingress, &head)).collect();
    for number in 0..HEALTHY {
        drop(gateway.client().ingest(&flow, &NumberedBody::numbered(number)));
    }
    drop(destination.wait_for(usize::try_from(HEALTHY).unwrap(), PATIENCE));
    for stream in &slow {
        let answer = until_closed(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert!(since.elapsed() < HEAD_MAX, "closed after {:?}", since.elapsed());
}

#[test]
#[ignore = "waits for the deadline of bodies: make faults"]
fn half_a_body_a_stalled_and_a_trickling_one_are_answered_at_a_deadline_and_give_their_memory_back() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    // Room for the slow ones and a little more: memory that is not given back shows.
    let gateway = launch(data.path())
        .setting("ingress.body_bytes_max", "500000")
        .setting("ingress.body_memory_bytes", "1100000")
        .start();
    let flow = flows(&gateway.client(), 1, &destination).remove(0);
    let since = Instant::now();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\n", flow.path);
    let half = format!("{head}content-length: 100000\r\n\r\n{}", "x".repeat(50_000));
    let stalled = format!("{head}transfer-encoding: chunked\r\n\r\nff\r\nhalf a chunk");
    let slow: Vec<TcpStream> = (0..SLOW).map(|_| begin(gateway.ingress, &half)).collect();
    let chunked: Vec<TcpStream> = (0..SLOW).map(|_| begin(gateway.ingress, &stalled)).collect();
    let trickling = begin(gateway.ingress, &half);
    let trickler = std::thread::spawn({
        let mut stream = trickling.try_clone().unwrap();
        stream.set_read_timeout(Some(TRICKLE)).unwrap();
        move || while stream.write_all(b"x").is_ok() && stream.read(&mut [0; 512]).is_err() {}
    });
    for number in 0..HEALTHY {
        drop(gateway.client().ingest(&flow, &NumberedBody::numbered(number)));
    }
    drop(destination.wait_for(usize::try_from(HEALTHY).unwrap(), PATIENCE));
    for stream in &slow {
        let answer = until_closed(stream);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    // These are answered, but not closed: actix waits for the last chunk, so that the connection could be used again.
    for mut stream in &chunked {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"HTTP/1.1 408");
    }
    trickler.join().unwrap();
    assert!(since.elapsed() < BODY_MAX, "closed after {:?}", since.elapsed());
    drop(gateway.client().ingest(&flow, &vec![b'x'; 499_000]));
}
