//! Every way a destination can misbehave, over real sockets on this machine.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use super::*;
use crate::transport::resolver::ResolverOptions;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

/// Serves one connection after the other with `serve`, until the listener's thread is left alone.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

/// Reads a request: its head and as much body as it announces.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return request;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next())
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    request.extend(body);
    request
}

fn answers(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        read_request(&mut stream);
        // The other side may leave before everything is written.
        drop(stream.write_all(&answer));
    })
}

fn outbound(url: impl Into<String>, timeout: Duration) -> Outbound {
    Outbound { method: "POST".into(), url: url.into(), headers: vec![], body: Bytes::from_static(b"{}"), timeout }
}

impl AwcOptions {
    /// May send to this machine; names are `connector`'s tests' business: here, nobody is asked.
    pub(crate) fn on_this_machine() -> Self {
        let options = ResolverOptions { timeout: LONG, nameservers: vec![([127, 0, 0, 1], 1).into()] };
        Self { egress: EgressPolicy::default().loopback(true), resolver: Resolver::start(&options).unwrap() }
    }
}

fn factory() -> AwcFactory {
    AwcFactory::new(AwcOptions::on_this_machine()).unwrap()
}

async fn send(outbound: Outbound) -> Reply {
    factory().build().send(outbound).await
}

async fn send_to(address: SocketAddr, timeout: Duration) -> Reply {
    send(outbound(format!("http://{address}/hook"), timeout)).await
}

fn failed(error: ErrorCode, status: Option<u16>) -> AttemptResult {
    AttemptResult::Failed { error, status }
}

#[actix::test]
async fn a_delivery_sends_what_it_was_given_and_nothing_more() {
    let (seen, requests) = mpsc::channel();
    let address = server(move |mut stream| {
        seen.send(read_request(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 201 Created\r\nX-B: 2\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let mut outbound = outbound(format!("http://{address}/a//b%2F/?q=%20"), LONG);
    outbound.headers = vec![
        ("x-one".into(), Bytes::from_static(b"1")),
        ("x-latin".into(), Bytes::from_static(b"caf\xe9")),
        ("content-length".into(), Bytes::from_static(b"999")),
        ("expect".into(), Bytes::from_static(b"100-continue")),
    ];
    let reply = send(outbound).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 201 });
    assert_eq!(reply.record.response_body, "ok");
    assert!(!reply.record.response_truncated);
    let names: Vec<_> = reply.record.response_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "x-a", "x-b"]);

    let request = requests.recv().unwrap();
    let mut lines: Vec<&[u8]> = request.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    assert_eq!(lines.remove(0), b"POST /a//b%2F/?q=%20 HTTP/1.1");
    lines.retain(|line| !line.is_empty() && !line.starts_with(b"date: "));
    lines.sort_unstable();
    let expected: Vec<Vec<u8>> = vec![
        b"content-length: 2".to_vec(),
        format!("host: {address}").into_bytes(),
        format!("user-agent: {OUR_USER_AGENT}").into_bytes(),
        b"x-latin: caf\xe9".to_vec(),
        b"x-one: 1".to_vec(),
        b"{}".to_vec(),
    ];
    assert_eq!(lines, expected, "{}", String::from_utf8_lossy(&request));
}

#[actix::test]
async fn a_user_agent_that_was_given_stays() {
    let (seen, requests) = mpsc::channel();
    let address = server(move |mut stream| {
        seen.send(String::from_utf8(read_request(&mut stream)).unwrap()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let mut outbound = outbound(format!("http://{address}/"), LONG);
    outbound.headers = vec![("User-Agent".into(), Bytes::from_static(b"theirs/1"))];
    send(outbound).await;
    let request = requests.recv().unwrap();
    assert!(request.contains("user-agent: theirs/1") && !request.contains("hookgate"), "{request}");
}

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
async fn a_body_over_the_cap_is_cut_and_the_status_decides() {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", RESPONSE_BYTES_MAX * 50).into_bytes();
    answer.extend(vec![b'x'; RESPONSE_BYTES_MAX * 50]);
    let reply = send_to(answers(answer), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 });
    assert_eq!(reply.record.response_body.len(), RESPONSE_BYTES_MAX);
    assert!(reply.record.response_truncated);
}

#[actix::test]
async fn a_body_of_exactly_the_cap_is_whole() {
    let mut answer = format!("HTTP/1.1 500 No\r\nContent-Length: {RESPONSE_BYTES_MAX}\r\n\r\n").into_bytes();
    answer.extend(vec![b'x'; RESPONSE_BYTES_MAX]);
    let reply = send_to(answers(answer), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 500 });
    assert_eq!(reply.record.response_body.len(), RESPONSE_BYTES_MAX);
    assert!(!reply.record.response_truncated);
}

#[actix::test]
async fn garbage_instead_of_http_is_a_protocol_error() {
    let reply = send_to(answers("220 smtp.example ready\r\n\r\n"), LONG).await;
    assert_eq!(reply.result, failed(ErrorCode::ProtocolError, None));
    assert!(reply.record.error_message.is_some());
}

#[actix::test]
async fn no_tls_behind_https_is_a_tls_error() {
    let address = server(|mut stream| {
        let mut hello = [0; 64];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let reply = send(outbound(format!("https://localhost:{}/", address.port()), LONG)).await;
    assert_eq!(reply.result, failed(ErrorCode::CaUnknown, None), "{:?}", reply.record.error_message);
}

#[actix::test]
async fn a_redirect_is_an_answer() {
    let reply =
        send_to(answers("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), LONG)
            .await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 302 });
}

#[actix::test]
async fn a_head_answer_announces_a_body_that_never_comes() {
    let mut outbound = outbound(format!("http://{}/", answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")), LONG);
    outbound.method = "HEAD".into();
    outbound.body = Bytes::new();
    assert_eq!(send(outbound).await.result, AttemptResult::Answered { status: 200 });
}

#[actix::test]
async fn encoded_bodies_and_odd_headers_are_kept_as_they_came() {
    let mut answer = b"HTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\nx-odd: \xff\xfe\r\n\r\n".to_vec();
    answer.extend(b"\x1f\x8b not gzip");
    let reply = send_to(answers(answer), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 });
    assert_eq!(&reply.record.response_body[..], b"\x1f\x8b not gzip");
    assert!(reply.record.response_headers.contains(&("x-odd".into(), Bytes::from_static(b"\xff\xfe"))));
}

#[actix::test]
async fn the_status_counts_where_a_body_has_no_length() {
    let reply = send_to(answers("HTTP/1.1 503 Busy\r\nconnection: close\r\n\r\nlater"), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 503 });
}

#[actix::test]
async fn response_headers_are_bounded() {
    let mut answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n".to_owned();
    for number in 0..20 {
        answer += &format!("x-{number}: {}\r\n", "v".repeat(1000));
    }
    let reply = send_to(answers(answer + "\r\n"), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 });
    let bytes: usize = reply.record.response_headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!((10_000..=RESPONSE_HEADER_BYTES_MAX).contains(&bytes), "{bytes}");
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

/// Answers on a connection for as long as it is kept, and tells of every new one.
fn keeps_alive(answer: Vec<u8>) -> (SocketAddr, mpsc::Receiver<()>) {
    let (opened, connections) = mpsc::channel();
    let address = server(move |mut stream| {
        let (opened, answer) = (opened.clone(), answer.clone());
        thread::spawn(move || {
            opened.send(()).ok();
            while !read_request(&mut stream).is_empty() && stream.write_all(&answer).is_ok() {}
        });
    });
    (address, connections)
}

#[actix::test]
async fn one_connection_serves_many_tries() {
    let (address, connections) = keeps_alive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let transport = factory().build();
    for _ in 0..5 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!(reply.result, AttemptResult::Answered { status: 200 });
    }
    assert_eq!(connections.try_iter().count(), 1);
}

#[actix::test]
async fn a_connection_with_an_unread_rest_is_not_used_again() {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", RESPONSE_BYTES_MAX * 2).into_bytes();
    answer.extend(vec![b'x'; RESPONSE_BYTES_MAX * 2]);
    let (address, connections) = keeps_alive(answer);
    let transport = factory().build();
    for _ in 0..3 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!((reply.result, reply.record.response_truncated), (AttemptResult::Answered { status: 200 }, true));
    }
    assert_eq!(connections.try_iter().count(), 3);
}

#[actix::test]
async fn a_connection_with_an_interim_answer_is_not_used_again_because_the_final_one_is_still_to_come_on_it() {
    let (address, connections) = keeps_alive(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    let transport = factory().build();
    for _ in 0..3 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!(reply.result, failed(ErrorCode::ProtocolError, Some(100)));
    }
    assert_eq!(connections.try_iter().count(), 3);
}

#[actix::test]
async fn a_destination_that_hangs_does_not_hold_up_others_of_the_same_client() {
    let (keep, _kept) = mpsc::channel();
    let hanging = server(move |stream| drop(keep.send(stream)));
    let healthy = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let transport = factory().build();
    // More than awc's default pool limit of 100.
    let stuck: Vec<_> = (0..120).map(|_| transport.send(outbound(format!("http://{hanging}/"), LONG))).collect();
    let healthy = transport.send(outbound(format!("http://{healthy}/"), LONG));
    let stuck = futures_util::future::select_all(stuck);
    match futures_util::future::select(stuck, healthy).await {
        futures_util::future::Either::Left(_) => panic!("a hanging destination answered"),
        futures_util::future::Either::Right((reply, _)) => {
            assert_eq!(reply.result, AttemptResult::Answered { status: 200 });
        }
    }
}
