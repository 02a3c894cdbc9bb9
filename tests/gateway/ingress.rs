//! What senders see when their request is refused or does not come, and what that costs the gateway.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use hookgate::testkit::{PATIENCE, TestDestination, http::Request, usage};
use serde_json::{Value, json};

use crate::harness::{TestGateway, connected};

/// What is refused is refused with a cause, a message and the id of its record.
fn is_refusal(answer: &hookgate::testkit::http::Response, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!((answer.status, &body["status"], &body["code"]), (status, &json!(status), &json!(code)), "{body}");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(body["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{body}");
}

#[test]
fn each_refusal_has_its_status_its_cause_and_its_record() {
    let gateway = TestGateway::with(|launch| launch.setting("ingress.body_bytes_max", "2000"));
    let destination = TestDestination::start().strict();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    let json_type = [("content-type", "application/json; charset=utf-8")];
    let ask = |method, headers, body| gateway.send(&Request { method, target: &flow.path, headers, body });
    let answer = ask("GET", &[], b"");
    is_refusal(&answer, 405, "UNSUPPORTED_HTTP_METHOD");
    assert_eq!(answer.message.header_text("allow"), "POST, PUT, PATCH, DELETE");
    is_refusal(&ask("POST", &[], &[b'x'; 2001]), 413, "PAYLOAD_TOO_LARGE");
    let answer = ask("POST", &json_type, b"{\"a\":1,\n}");
    is_refusal(&answer, 400, "UNPARSABLE_JSON");
    assert!(answer.json()["message"].as_str().unwrap().contains("line 2 column 1"), "{}", answer.json());
    // What is JSON, however deep, goes through as it came; so does an empty body.
    let deep = [vec![b'['; 900], vec![b']'; 900]].concat();
    for body in [&deep[..], b""] {
        assert_eq!(ask("POST", &json_type, body).status, 200);
        assert_eq!(destination.next_request(PATIENCE).body(), body);
    }
}

#[test]
fn the_vendors_habit_is_a_setting() {
    let gateway = TestGateway::with(|launch| launch.setting("ingress.rejections", "200"));
    let flow = gateway.connect("test", &TestDestination::start().strict().url(), &json!([]));
    let answer = gateway.send(&Request { method: "GET", target: &flow.path, ..Request::default() });
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("SUCCESS")));
    assert!(answer.json()["request_id"].as_str().is_some_and(|id| id.starts_with("req_")));
    let unknown = gateway.send(&Request { method: "POST", target: "/e/unknown", ..Request::default() });
    assert_eq!(unknown.status, 404);
}

#[test]
fn a_flood_of_refusals_is_counted_where_it_is_not_recorded() {
    let (gateway, _destination, flow) = connected(&json!([]));
    let source =
        gateway.get(&format!("/connections/{}", flow.connection_id))["source"]["id"].as_str().unwrap().to_owned();
    let head = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", flow.path);
    let mut stream = TcpStream::connect(gateway.ingress).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let (mut asked, mut without_record) = (0u64, 0u64);
    // As fast as it goes, until the share of a second is spent.
    while without_record == 0 {
        assert!(Instant::now() < deadline, "{asked} refusals, and each was recorded");
        stream.write_all(head.repeat(10).as_bytes()).unwrap();
        for _ in 0..10 {
            let answer = hookgate::testkit::http::Message::read(&mut answers).unwrap().unwrap();
            assert!(answer.start.contains("405"), "{answer:?}");
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            asked += 1;
            without_record += u64::from(body.get("request_id").is_none());
        }
    }
    assert!(asked >= 100, "the first hundred are recorded, whatever the pace: {asked}");
    let counted = &gateway.get(&format!("/sources/{source}"))["rejections_not_recorded"];
    assert_eq!(*counted, json!({ "UNSUPPORTED_HTTP_METHOD": without_record }));
    assert_eq!(gateway.output().matches("were counted and not recorded").count(), 1, "{}", gateway.output());
}

/// Sends the beginning of a request and waits, doing nothing more, until the gateway closes; what it answered, and when.
fn stalled(address: SocketAddr, beginning: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open after {PATIENCE:?}"),
    }
    (String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned(), begun.elapsed())
}

#[test]
fn senders_whose_body_stalls_are_answered_and_disconnected_and_others_are_served_meanwhile() {
    let gateway = TestGateway::with(|launch| launch.setting("ingress.body_timeout_ms", "500"));
    let flow = gateway.connect("test", &TestDestination::start().url(), &json!([]));
    let cases = [
        (flow.path.as_str(), "transfer-encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 408"),
        (flow.path.as_str(), "content-length: 5\r\n\r\nab", "HTTP/1.1 408"),
        ("/e/unknown", "transfer-encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 404"),
        ("/e/unknown", "content-length: 5\r\n\r\nab", "HTTP/1.1 404"),
    ];
    let address = gateway.ingress;
    std::thread::scope(|scope| {
        let stalled: Vec<_> = cases
            .iter()
            .map(|(path, rest, start)| {
                let beginning = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{rest}");
                (beginning.clone(), start, scope.spawn(move || stalled(address, &beginning)))
            })
            .collect();
        drop(gateway.ingest(&flow, b"{}"));
        for (beginning, start, thread) in stalled {
            let (answer, took) = thread.join().unwrap();
            assert!(answer.starts_with(start), "{beginning:?}: {answer}");
            assert!(took < PATIENCE, "{took:?}");
        }
    });
}

#[test]
fn a_sender_that_drips_its_body_ends_at_the_deadline_although_it_goes_on() {
    let gateway = TestGateway::with(|launch| launch.setting("ingress.body_timeout_ms", "500"));
    let flow = gateway.connect("test", &TestDestination::start().url(), &json!([]));
    let mut stream = TcpStream::connect(gateway.ingress).unwrap();
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", flow.path);
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut answer = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    // A chunk for each time that nothing was answered, until writing fails: then the socket is gone.
    while stream.write_all(b"1\r\nx\r\n").is_ok() {
        assert!(Instant::now() < deadline, "still open");
        if line.is_empty() {
            answer.read_line(&mut line).ok();
        }
    }
    assert!(line.starts_with("HTTP/1.1 408"), "{line}");
}

#[test]
fn refused_bodies_cost_no_memory() {
    const SENDERS: usize = 16;
    const BODY_BYTES: usize = 8 * 1024 * 1024;
    let (gateway, _destination, flow) = connected(&json!([]));
    let before = usage::peak_rss_kib(gateway.pid()).unwrap();
    let body = vec![b'x'; BODY_BYTES];
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(gateway.ingress).unwrap();
                let head = format!("GET {} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n", flow.path);
                stream.write_all(head.as_bytes()).unwrap();
                // It is cut off on the way.
                stream.write_all(&body).ok();
                stream.read_to_end(&mut Vec::new()).ok();
            });
        }
    });
    let grown = usage::peak_rss_kib(gateway.pid()).unwrap() - before;
    assert!(grown < 32 * 1024, "{grown} KiB for {SENDERS} refused bodies of 8 MiB");
}
