//! What is sent, and what of the answer is kept.

use super::*;

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
async fn interim_answers_are_not_the_answer() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let reply = send_to(answers(format!("{interim}HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok")), LONG).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 201 });
    assert_eq!(reply.record.response_body, "ok");
}

#[actix::test]
async fn the_host_is_that_of_the_url_without_a_default_port() {
    for (url, host) in [
        ("http://a.example/", "a.example"),
        ("http://a.example:80/", "a.example"),
        ("http://a.example:443/", "a.example:443"),
        ("https://a.example/", "a.example"),
        ("https://a.example:443", "a.example"),
        ("https://u:p@a.example:80/x?y", "a.example:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ] {
        assert_eq!(Target::of(url).map(|target| target.host().to_owned()).unwrap(), host, "{url}");
    }
}
