//! Destinations that speak TLS: what is trusted, and what is said about what is not.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
};

use hookgate::testkit::{Answer, Dates, Identity, TestAuthority, TestDestination, TlsServer};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::{TestGateway, id, launch_once};

fn file_with(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn trusting(file: &NamedTempFile) -> TestGateway {
    TestGateway::with(|launch| launch.setting("delivery.ca_file", file.path().to_str().unwrap()))
}

/// Delivers once to a URL; gives the only attempt, with what is kept of it.
fn attempt_at(gateway: &TestGateway, name: &str, url: &str, status: &str) -> Value {
    let flow = gateway.connect(name, url, &json!([]));
    let event = gateway.deliver(&flow, b"{}", status);
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    gateway.get(&format!("/attempts/{}", id(&attempts[0])))
}

/// The URL of a server that answers one handshake as servers answer what is no HTTP.
fn speaks_plain_http() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    format!("https://localhost:{port}/")
}

#[test]
fn a_destination_with_a_certificate_of_the_ca_file_is_delivered_to() {
    let authority = TestAuthority::new("ours");
    let server = TlsServer::start(authority.issue(&["localhost"], Dates::Always));
    let gateway = trusting(&file_with(&authority.pem()));
    let attempt = attempt_at(&gateway, "trusted", &server.url("localhost"), "SUCCESSFUL");
    assert_eq!((&attempt["response_status"], &attempt["error_code"]), (&json!(200), &Value::Null));
}

#[test]
fn each_way_a_certificate_can_be_wrong_has_its_code_and_is_explained() {
    let (ours, strangers) = (TestAuthority::new("ours"), TestAuthority::new("Strangers' Root"));
    let gateway = trusting(&file_with(&ours.pem()));
    let cases = [
        ("expired", ours.issue(&["localhost"], Dates::Past), "SSL_CERT_EXPIRED", "expired on 2021-01-01"),
        ("early", ours.issue(&["localhost"], Dates::Future), "SSL_CERT_EXPIRED", "not valid before 2190-01-01"),
        ("other-name", ours.issue(&["a.example"], Dates::Always), "ERR_TLS_CERT_ALTNAME_INVALID", "but for a.example"),
        ("own", Identity::self_signed(&["localhost"], false), "SELF_SIGNED_CERT", "signed by itself"),
        ("stranger", strangers.issue(&["localhost"], Dates::Always), "SSL_ERROR_CA_UNKNOWN", "Strangers"),
    ];
    for (name, identity, code, words) in cases {
        let server = TlsServer::start(identity);
        let attempt = attempt_at(&gateway, name, &server.url("localhost"), "FAILED");
        assert_eq!(attempt["error_code"], code, "{attempt}");
        assert!(attempt["error_message"].as_str().unwrap().contains(words), "{attempt}");
    }
    let attempt = attempt_at(&gateway, "plain", &speaks_plain_http(), "FAILED");
    assert_eq!(attempt["error_code"], "ERR_SSL_WRONG_VERSION_NUMBER", "{attempt}");
}

#[test]
fn a_ca_file_that_cannot_be_used_ends_the_start_naming_setting_and_file() {
    let odd = file_with("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let empty = file_with("");
    let paths = ["does/not/exist.pem", empty.path().to_str().unwrap(), odd.path().to_str().unwrap()];
    for path in paths {
        let ended = launch_once(|launch| launch.setting("delivery.ca_file", path));
        assert_eq!(ended.status.code(), Some(2), "{}", ended.output);
        assert!(ended.output.contains("delivery.ca_file") && ended.output.contains(path), "{}", ended.output);
    }
}

#[test]
fn a_kept_connection_that_the_destination_closes_costs_no_attempt() {
    // One thread of deliveries, so that the second goes out on the connection of the first.
    let gateway = TestGateway::with(|launch| launch.setting("delivery.arbiters", "1"));
    let destination = TestDestination::start();
    let flow = gateway.connect("test", &destination.url(), &json!([]));
    for answer in [Answer::Close, Answer::Reset] {
        let before = destination.count();
        destination.answer_next([Answer::Status(200), answer]);
        gateway.deliver(&flow, br#"{"n":1}"#, "SUCCESSFUL");
        let event = gateway.deliver(&flow, br#"{"n":2}"#, "SUCCESSFUL");
        assert_eq!(gateway.attempts(&id(&event)).len(), 1);
        let requests = &destination.requests()[before..];
        assert_eq!(requests.len(), 3, "the first, the one that was lost, the same once more");
        let sent = |index: usize| (requests[index].body(), requests[index].message.header("x-hookgate-eventid"));
        assert_eq!(sent(1), sent(2));
    }
}
