//! Destinations that answer to do harm: the attempt ends, its slot is free again, memory stays flat.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use hookgate::testkit::usage::peak_rss_kib;
use hookgate::testkit::{GatewayProcess, PATIENCE, http::Message};
use serde_json::{Value, json};

use crate::support::launch;

/// Time for an attempt.
const TIMEOUT_MS: u64 = 1500;
/// A destination that could send for ever stops here: far beyond anything that may be read.
const HARM_BYTES_MAX: usize = 200 << 20;
/// What one answer may cost in memory, the longest head and the kept body counted.
const GROWTH_MAX_KIB: u64 = 32 * 1024;

/// Answers every other request like this: once `begin`, then `again` until the gateway has had enough.
fn harmful(begin: &'static str, again: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(&stream, number % 2 == 0, begin, again));
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: &TcpStream, harm: bool, begin: &str, again: &str) {
    // A connection that was made and not used is none to count.
    let Ok(Some(_)) = Message::read(&mut BufReader::new(stream)) else { return };
    if !harm {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
        return;
    }
    let mut sent = 0;
    let mut part = begin.as_bytes();
    let many = again.repeat(64);
    while sent < HARM_BYTES_MAX && stream.write_all(part).is_ok() && !many.is_empty() {
        sent += part.len();
        part = many.as_bytes();
    }
}

/// Sends one request into the harm and one behind it, through a connection with one slot; gives the first's attempt.
fn attempt_at(url: &str) -> Value {
    let data = tempfile::tempdir().unwrap();
    let gateway: GatewayProcess = launch(data.path())
        .setting("delivery.concurrency", "1")
        .setting("delivery.timeout_ms", &TIMEOUT_MS.to_string())
        .start();
    let client = gateway.client();
    let flow = client.connect("harmed", url, &json!([]));
    let before = peak_rss_kib(gateway.pid()).unwrap();
    let ids = [(); 2].map(|()| client.ingest(&flow, b"{}"));
    let settled = ids.map(|id| {
        client.wait_for_event(&flow, PATIENCE, |event| {
            event["request_id"] == id && (event["status"] == "SUCCESSFUL" || event["status"] == "FAILED")
        })
    });
    let growth = peak_rss_kib(gateway.pid()).unwrap() - before;
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB more");
    assert_eq!(settled[1]["status"], "SUCCESSFUL", "the slot did not become free: {}", settled[1]);
    let attempts = client.attempts(settled[0]["id"].as_str().unwrap());
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    client.get(&format!("/attempts/{}", attempts[0]["id"].as_str().unwrap()))
}

fn assert_failed(attempt: &Value, codes: &[&str]) {
    assert_eq!(attempt["status"], "FAILED", "{attempt}");
    assert!(attempt["error_code"].as_str().is_some_and(|code| codes.contains(&code)), "{attempt}");
    assert!(attempt["error_message"].is_string(), "{attempt}");
}

#[test]
fn a_close_in_the_middle_of_a_body_is_a_failure() {
    let attempt = attempt_at(&harmful("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", ""));
    assert_failed(&attempt, &["SOCKET_CLOSED"]);
    assert_eq!(attempt["response_status"], 200, "{attempt}");
}

#[test]
fn an_endless_body_is_cut_and_its_status_decides() {
    let chunk = "400\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    let chunk = Box::leak(chunk.replace("400", "80").into_boxed_str());
    let attempt = attempt_at(&harmful("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk));
    assert_eq!((&attempt["status"], &attempt["response_truncated"]), (&json!("SUCCESSFUL"), &json!(true)), "{attempt}");
}

#[test]
fn a_body_announced_as_endless_is_cut_and_its_status_decides() {
    let attempt = attempt_at(&harmful("HTTP/1.1 500 No\r\ncontent-length: 99999999999999\r\n\r\n", "0123456789abcdef"));
    assert_eq!((&attempt["status"], &attempt["response_status"]), (&json!("FAILED"), &json!(500)), "{attempt}");
}

#[test]
fn an_endless_header_is_given_up() {
    let attempt = attempt_at(&harmful("HTTP/1.1 200 OK\r\nx-endless: ", "0123456789abcdef"));
    assert_failed(&attempt, &["PROTOCOL_ERROR"]);
}

#[test]
fn endless_headers_are_given_up() {
    let attempt = attempt_at(&harmful("HTTP/1.1 200 OK\r\n", "x-one-of-many: 1\r\n"));
    assert_failed(&attempt, &["PROTOCOL_ERROR"]);
}

#[test]
fn a_flood_of_interim_answers_is_given_up() {
    for interim in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"] {
        let attempt = attempt_at(&harmful("", interim));
        assert_eq!(attempt["status"], "FAILED", "an answer that never came counts: {attempt}");
    }
}
