//! Why there was no answer: each code, from a socket that does it.

use super::*;

#[actix::test]
async fn a_closed_port_is_connection_refused() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reply = send_to(address, LONG).await;
    assert_eq!(reply.result, failed(ErrorCode::ConnectionRefused, None));
    assert!(reply.record.error_message.unwrap().contains("refused"));
}

#[actix::test]
async fn unread_bytes_at_the_close_are_a_connection_reset() {
    // Closing a socket with unread data in it sends RST.
    let address = server(|mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
    });
    let mut outbound = outbound(format!("http://{address}/"), LONG);
    outbound.body = Bytes::from(vec![b'x'; 4096]);
    assert_eq!(send(outbound).await.result, failed(ErrorCode::ConnectionReset, None));
}

#[actix::test]
async fn a_close_without_an_answer_is_socket_closed() {
    let address = server(|mut stream| {
        read_request(&mut stream);
    });
    assert_eq!(send_to(address, LONG).await.result, failed(ErrorCode::SocketClosed, None));
}

#[actix::test]
async fn no_answer_in_time_is_a_timeout() {
    let (keep, _kept) = mpsc::channel();
    let address = server(move |mut stream| {
        read_request(&mut stream);
        drop(keep.send(stream));
    });
    assert_eq!(send_to(address, SHORT).await.result, failed(ErrorCode::Timeout, None));
}

#[actix::test]
async fn a_body_that_stalls_is_a_timeout_with_the_status_and_what_came() {
    let (keep, _kept) = mpsc::channel();
    let address = server(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
        drop(keep.send(stream));
    });
    let reply = send_to(address, SHORT).await;
    assert_eq!(reply.result, failed(ErrorCode::Timeout, Some(200)));
    assert_eq!(reply.record.response_body, "half");
}

#[actix::test]
async fn a_body_shorter_than_announced_is_a_failure_with_the_status() {
    let reply = send_to(answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), LONG).await;
    assert_eq!(reply.result, failed(ErrorCode::SocketClosed, Some(200)));
    assert!(reply.record.error_message.unwrap().contains("4 of 10 bytes"));
}

#[actix::test]
async fn garbage_instead_of_http_is_a_protocol_error() {
    let reply = send_to(answers("220 smtp.example ready\r\n\r\n"), LONG).await;
    assert_eq!(reply.result, failed(ErrorCode::ProtocolError, None));
    assert!(reply.record.error_message.is_some());
}

#[actix::test]
async fn what_cannot_be_sent_is_refused_and_never_panics() {
    for url in
        ["", "not a url", "/relative", "ftp://127.0.0.1/", "http://", "http://[::1", "https://:443/", "http://\0/"]
    {
        let reply = send(outbound(url, LONG)).await;
        assert_eq!(reply.result, failed(ErrorCode::InvalidUrl, None), "{url:?} {:?}", reply.record.error_message);
    }
    for (name, value) in
        [("bad name", "v"), ("", "v"), ("x", "line\r\nbreak"), ("x", "nul\0"), ("x\0", "v"), ("ü", "v")]
    {
        let mut outbound = outbound("http://127.0.0.1:1/", LONG);
        outbound.headers = vec![(name.into(), Bytes::copy_from_slice(value.as_bytes()))];
        assert_eq!(send(outbound).await.result, failed(ErrorCode::ProtocolError, None), "{name:?}: {value:?}");
    }
    let mut outbound = outbound("http://127.0.0.1:1/", LONG);
    outbound.method = "GE T".into();
    assert_eq!(send(outbound).await.result, failed(ErrorCode::ProtocolError, None));
}

#[actix::test]
async fn no_route_to_a_network_is_network_unreachable() {
    // The broadcast address of the loopback network: it is there, but nothing can be connected to it.
    let reply = send(outbound("http://127.255.255.255:9/", LONG)).await;
    assert_eq!(reply.result, failed(ErrorCode::NetworkUnreachable, None), "{:?}", reply.record.error_message);
}

/// Set for a test that runs in a network of its own, where this address has no host behind it.
const UNREACHABLE: &str = "192.0.2.1";
const ENVIRONMENT: &str = "ip link set lo up && ip route add unreachable 192.0.2.0/24 && exec \"$@\"";

#[test]
fn no_way_to_a_host_is_host_unreachable() {
    let inside = "transport::awc::tests::failures::inside_a_network_without_the_host";
    let own_network = |arguments: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", ENVIRONMENT, "sh"]).args(arguments).output()
    };
    // Where a test may not have a network of its own, the system's word is all there is to look at.
    if !own_network(&["true"]).is_ok_and(|made| made.status.success()) {
        let error = io::Error::from(io::ErrorKind::HostUnreachable);
        let code = Failure::of_handshake("host.example", &error).code;
        return assert_eq!(code, ErrorCode::HostUnreachable);
    }
    let this = std::env::current_exe().unwrap();
    let ran = own_network(&[this.to_str().unwrap(), "--ignored", "--exact", inside]).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[actix::test]
#[ignore = "run by `no_way_to_a_host_is_host_unreachable`, in a network of its own"]
async fn inside_a_network_without_the_host() {
    let interfaces = std::fs::read_to_string("/proc/net/dev").unwrap();
    // Two lines of heading, then one for each: with more than the loopback one this is not a network of our own.
    if interfaces.lines().count() > 3 {
        return;
    }
    let egress = EgressPolicy::listed(vec![format!("{UNREACHABLE}/32").parse().unwrap()], []);
    let factory = AwcFactory::new(AwcOptions { egress, ..AwcOptions::on_this_machine() }).unwrap();
    let reply = factory.build().send(outbound(format!("http://{UNREACHABLE}:9/"), LONG)).await;
    let message = reply.record.error_message.as_deref().unwrap_or_default();
    assert!(!message.contains("egress"), "the guard was asked first: {message}");
    assert_eq!(reply.result, failed(ErrorCode::HostUnreachable, None), "{:?}", reply.record.error_message);
}

#[actix::test]
async fn a_host_that_accepts_no_connection_is_a_timeout() {
    // A listener that nobody accepts on, with its queue full: the system does not answer further connections.
    let listener =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = TcpListener::from(listener.try_clone().unwrap()).local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
        queued.push(stream);
    }
    assert_eq!(send_to(address, SHORT).await.result, failed(ErrorCode::Timeout, None));
}

#[actix::test]
async fn a_head_that_trickles_is_a_timeout_of_the_whole_attempt() {
    let (stop, stopped) = mpsc::channel::<()>();
    let stopped = std::sync::Mutex::new(stopped);
    let address = server(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").unwrap();
        // Always something new, well within any time-out between two bytes.
        let pause = Duration::from_millis(10);
        while stopped.lock().unwrap().recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            if stream.write_all(b"y").is_err() {
                return;
            }
        }
    });
    let reply = send_to(address, SHORT).await;
    drop(stop);
    assert_eq!(reply.result, failed(ErrorCode::Timeout, None));
    assert_eq!(reply.record.error_message.unwrap(), "no complete answer within 200 ms");
}

#[actix::test]
async fn a_head_that_ends_in_the_middle_is_socket_closed() {
    for part in ["H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early"] {
        let reply = send_to(answers(part), LONG).await;
        assert_eq!(reply.result, failed(ErrorCode::SocketClosed, None), "{part:?}: {:?}", reply.record.error_message);
        assert!(reply.record.error_message.unwrap().starts_with("the connection was closed"));
    }
}

#[actix::test]
async fn another_protocol_than_asked_for_is_a_protocol_error() {
    let reply = send_to(answers("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), LONG).await;
    assert_eq!(reply.result, failed(ErrorCode::ProtocolError, Some(101)));
}

#[actix::test]
async fn interim_answers_without_end_are_a_protocol_error() {
    let address = server(|mut stream| {
        read_request(&mut stream);
        while stream.write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100)).is_ok() {}
    });
    assert_eq!(send_to(address, LONG).await.result, failed(ErrorCode::ProtocolError, None));
}

#[actix::test]
async fn a_failure_of_the_connector_without_a_name_is_unknown() {
    // No such socket option, descriptor or memory: whatever the system says that is none of the others.
    let error = io::Error::from_raw_os_error(rustix::io::Errno::NOBUFS.raw_os_error());
    assert_eq!(Failure::of_handshake("host.example", &error).code, ErrorCode::Unknown);
}
