//! More bodies than memory was set aside for.

use std::io::Write;
use std::net::TcpStream;

use hookgate::testkit::usage::peak_rss_kib;
use hookgate::testkit::{Answer, ApiClient, Flow, GatewayProcess, Launch, PATIENCE, TestDestination, poll};

use crate::rig::{assert_refused, post};
use crate::support::{flows, launch};

/// Memory for bodies, and the size of one: four fit.
const MEMORY: usize = 4 << 20;
const BODY: usize = 1_000_000;
/// At once.
const SENDERS: usize = 64;
/// What the process may take beyond what it had: the bodies, copies of them in the journal's frame, and some air.
const GROWTH_MAX_KIB: u64 = 80 * 1024;

fn launch_small(data: &std::path::Path) -> Launch {
    launch(data)
        .setting("ingress.body_bytes_max", &(BODY + 1).to_string())
        .setting("ingress.body_memory_bytes", &MEMORY.to_string())
}

/// Begins a request and sends all of its body but the last byte.
fn begin(gateway: &GatewayProcess, flow: &Flow) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.ingress).unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n", flow.path);
    stream.write_all(head.as_bytes()).unwrap();
    // Who is refused early may find the connection closed.
    drop(stream.write_all(&vec![b'x'; BODY - 1]));
    stream
}

fn posted(client: &ApiClient, flow: &Flow) -> Option<u16> {
    post(client, &flow.path, &vec![b'x'; BODY]).ok().map(|answer| answer.status)
}

#[test]
fn bodies_beyond_the_memory_for_them_are_refused_and_taken_again_when_it_is_free() {
    let data = tempfile::tempdir().unwrap();
    let destination = TestDestination::start();
    let gateway = launch_small(data.path()).start();
    let client = gateway.client();
    let flow = flows(&client, 1, &destination).remove(0);
    assert_eq!(posted(&client, &flow), Some(200));
    let before = peak_rss_kib(gateway.pid()).unwrap();
    let mut unfinished: Vec<TcpStream> = (0..SENDERS).map(|_| begin(&gateway, &flow)).collect();
    let refused = poll(PATIENCE, || {
        // Those that were refused gave back what they had: one more, until the memory is full. Who is refused while still
        // sending may find the connection closed before the answer; the next one does not.
        unfinished.push(begin(&gateway, &flow));
        post(&client, &flow.path, &vec![b'x'; 300_000]).ok().filter(|answer| answer.status != 200)
    });
    assert_refused(&refused.expect("memory for bodies is full"), "OVERLOADED");
    drop(unfinished);
    let taken = poll(PATIENCE, || posted(&client, &flow).filter(|status| *status == 200));
    assert!(taken.is_some(), "all are gone, and their memory is not free: {}", gateway.output());
    let growth = peak_rss_kib(gateway.pid()).unwrap() - before;
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more for {MEMORY} bytes of bodies");
}

#[test]
fn bodies_that_wait_for_a_hanging_destination_keep_nobody_from_sending() {
    let data = tempfile::tempdir().unwrap();
    let (hanging, healthy) = (TestDestination::start(), TestDestination::start());
    hanging.answer_always(Answer::Hang);
    let gateway = launch_small(data.path()).start();
    let client = gateway.client();
    let stuck = flows(&client, 1, &hanging).remove(0);
    let fine = client.connect("fine", &healthy.url(), &serde_json::json!([]));
    for number in 0..SENDERS {
        assert_eq!(posted(&client, &stuck), Some(200), "body {number}: {}", gateway.output());
    }
    assert_eq!(posted(&client, &fine), Some(200));
    drop(healthy.wait_for(1, PATIENCE));
    hanging.answer_always(Answer::Status(200));
    hanging.release();
    drop(hanging.wait_for(SENDERS, PATIENCE));
}
