//! What a TLS server can show or say, each with the name it gets and the words beside it.

use super::*;
use crate::testkit::{Dates, Identity, TestAuthority, TlsServer};

/// A transport that trusts what is in `pem` as well.
fn trusting(pem: &str) -> Rc<dyn Transport> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    AwcFactory::new(AwcOptions { ca_file: Some(file.path().to_owned()), ..AwcOptions::on_this_machine() })
        .unwrap()
        .build()
}

async fn send_with(transport: &Rc<dyn Transport>, url: String) -> Reply {
    transport.send(outbound(url, LONG)).await
}

/// Asserts the code, and that all of `words` are in the message.
#[track_caller]
fn assert_failed(reply: &Reply, code: ErrorCode, words: &[&str]) {
    let message = reply.record.error_message.clone().unwrap_or_default();
    assert_eq!(reply.result, failed(code, None), "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

#[actix::test]
async fn a_certificate_of_an_authority_in_the_file_is_trusted_for_names_and_addresses() {
    let (one, other) = (TestAuthority::new("one"), TestAuthority::new("other"));
    let transport = trusting(&format!("# ours\n{}\n{}", other.pem(), one.pem()));
    let server = TlsServer::start(one.issue(&["localhost", "127.0.0.1"], Dates::Always));
    for host in ["localhost", "127.0.0.1"] {
        for _ in 0..3 {
            let reply = send_with(&transport, server.url(host)).await;
            assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
            assert_eq!(reply.record.response_body, "ok");
        }
    }
    assert_eq!(server.connections(), 2, "one connection serves many tries");
}

#[actix::test]
async fn an_issuer_nobody_knows_is_ca_unknown_and_named() {
    let authority = TestAuthority::new("Nobody's Root");
    let server = TlsServer::start(authority.issue(&["localhost"], Dates::Always));
    let reply = send_with(&transport(), server.url("localhost")).await;
    assert_failed(&reply, ErrorCode::CaUnknown, &["localhost", "`Nobody\\'s Root`", "delivery.ca_file"]);
}

#[actix::test]
async fn a_certificate_signed_by_itself_is_named_so_with_and_without_authority() {
    for authority in [false, true] {
        let server = TlsServer::start(Identity::self_signed(&["localhost"], authority));
        let reply = send_with(&transport(), server.url("localhost")).await;
        assert_failed(&reply, ErrorCode::SelfSignedCert, &["signed by itself", "delivery.ca_file"]);
    }
}

#[actix::test]
async fn a_certificate_signed_by_itself_is_trusted_when_it_stands_in_the_file_but_only_for_its_name() {
    for authority in [false, true] {
        let identity = Identity::self_signed(&["localhost"], authority);
        let transport = trusting(&identity.pem());
        let server = TlsServer::start(identity);
        let reply = send_with(&transport, server.url("localhost")).await;
        assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
        let reply = send_with(&transport, server.url("127.0.0.1")).await;
        assert_failed(&reply, ErrorCode::CertNameInvalid, &["not for 127.0.0.1 but for localhost"]);
        let another = TlsServer::start(Identity::self_signed(&["localhost"], authority));
        let reply = send_with(&transport, another.url("localhost")).await;
        assert!(matches!(
            reply.result,
            AttemptResult::Failed { error: ErrorCode::SelfSignedCert | ErrorCode::CaUnknown, .. }
        ));
    }
}

#[actix::test]
async fn a_name_the_certificate_does_not_have_is_told_with_those_it_has() {
    let authority = TestAuthority::new("ours");
    let transport = trusting(&authority.pem());
    let server = TlsServer::start(authority.issue(&["a.example", "*.b.example"], Dates::Always));
    let reply = send_with(&transport, server.url("localhost")).await;
    assert_failed(&reply, ErrorCode::CertNameInvalid, &["not for localhost but for a.example, *.b.example"]);
}

#[actix::test]
async fn a_certificate_outside_of_its_dates_is_expired_and_tells_the_date() {
    let authority = TestAuthority::new("ours");
    let transport = trusting(&authority.pem());
    for (dates, words) in
        [(Dates::Past, "expired on 2021-01-01 00:00 UTC"), (Dates::Future, "not valid before 2190-01-01 00:00 UTC")]
    {
        let server = TlsServer::start(authority.issue(&["localhost"], dates));
        let reply = send_with(&transport, server.url("localhost")).await;
        assert_failed(&reply, ErrorCode::CertExpired, &["localhost", words]);
    }
}

/// Reads the client's hello, sends these bytes and waits for the other side to leave.
fn says(bytes: &'static [u8]) -> String {
    let address = server(move |mut stream| {
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        stream.read_exact(&mut vec![0; length]).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    format!("https://localhost:{}/", address.port())
}

#[actix::test]
async fn http_on_the_port_of_tls_is_a_wrong_version() {
    let reply = send_with(&transport(), says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")).await;
    assert_failed(&reply, ErrorCode::WrongTlsVersion, &["localhost", "does not speak TLS"]);
}

#[actix::test]
async fn a_server_that_speaks_old_tls_only_is_a_wrong_version() {
    // The alert `protocol_version`, and a hello of TLS 1.0.
    let mut hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\x00\x00\x2f\x00");
    for bytes in [b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), hello] {
        let reply = send_with(&transport(), says(bytes.leak())).await;
        assert_failed(&reply, ErrorCode::WrongTlsVersion, &["localhost"]);
    }
}

#[actix::test]
async fn a_refused_handshake_is_a_protocol_error_with_the_servers_word() {
    // The alerts `handshake_failure` and `unrecognized_name`.
    for (bytes, word) in
        [(b"\x15\x03\x03\x00\x02\x02\x28", "HandshakeFailure"), (b"\x15\x03\x03\x00\x02\x02\x70", "Unrecogni")]
    {
        let reply = send_with(&transport(), says(bytes)).await;
        assert_failed(&reply, ErrorCode::ProtocolError, &["localhost", "refused", word]);
    }
}

#[actix::test]
async fn a_certificate_asked_of_us_is_a_protocol_error() {
    let authority = TestAuthority::new("ours");
    let transport = trusting(&authority.pem());
    let server = TlsServer::asking_clients(authority.issue(&["localhost"], Dates::Always), &authority);
    let reply = send_with(&transport, server.url("localhost")).await;
    assert_failed(&reply, ErrorCode::ProtocolError, &["CertificateRequired"]);
}

#[actix::test]
async fn a_handshake_that_ends_in_the_middle_is_socket_closed() {
    for bytes in [&b""[..], b"\x16\x03\x03\x00\x2a\x02\x00"] {
        let reply = send_with(&transport(), says(bytes)).await;
        assert_failed(&reply, ErrorCode::SocketClosed, &["TLS handshake with localhost"]);
    }
}

#[actix::test]
async fn a_handshake_that_is_reset_is_connection_reset() {
    // Closing a socket with unread data in it sends RST.
    let address = server(|mut stream| stream.read_exact(&mut [0]).unwrap());
    let reply = send_with(&transport(), format!("https://localhost:{}/", address.port())).await;
    assert_failed(&reply, ErrorCode::ConnectionReset, &["TLS handshake with localhost"]);
}

#[actix::test]
async fn a_handshake_without_an_end_is_a_timeout() {
    let (keep, _kept) = mpsc::channel();
    let address = server(move |stream| drop(keep.send(stream)));
    let reply = send(outbound(format!("https://localhost:{}/", address.port()), SHORT)).await;
    assert_eq!(reply.result, failed(ErrorCode::Timeout, None));
}

#[test]
fn a_file_without_good_certificates_is_refused() {
    let refused = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        AwcFactory::new(AwcOptions { ca_file: Some(file.path().to_owned()), ..AwcOptions::on_this_machine() })
            .err()
            .unwrap()
            .to_string()
    };
    let good = TestAuthority::new("ours").pem();
    assert_eq!(refused("# nothing\n"), "no certificate in it");
    assert!(refused(&good[..good.len() / 2]).starts_with("not PEM"));
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(refused(&format!("{good}{odd}")).starts_with("certificate 2: "));
    let missing =
        AwcFactory::new(AwcOptions { ca_file: Some("does/not/exist.pem".into()), ..AwcOptions::on_this_machine() });
    assert_eq!(missing.err().unwrap().kind(), io::ErrorKind::NotFound);
}
