//! How connections are used again, and given back.

use super::*;

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
    let transport = transport();
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
    let transport = transport();
    for _ in 0..3 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!((reply.result, reply.record.response_truncated), (AttemptResult::Answered { status: 200 }, true));
    }
    assert_eq!(connections.try_iter().count(), 3);
}

#[actix::test]
async fn a_destination_that_hangs_does_not_hold_up_others_of_the_same_client() {
    let (keep, _kept) = mpsc::channel();
    let hanging = server(move |stream| drop(keep.send(stream)));
    let healthy = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let transport = transport();
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

#[actix::test]
async fn a_connection_with_interim_answers_is_used_again() {
    let answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let (address, connections) = keeps_alive(answer);
    let transport = transport();
    for _ in 0..3 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!(
            (reply.result, &reply.record.response_body[..]),
            (AttemptResult::Answered { status: 200 }, &b"ok"[..])
        );
    }
    assert_eq!(connections.try_iter().count(), 1);
}

#[actix::test]
async fn a_connection_that_switched_protocols_is_not_used_again() {
    let (address, connections) = keeps_alive(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n".to_vec());
    let transport = transport();
    for _ in 0..3 {
        let reply = transport.send(outbound(format!("http://{address}/"), LONG)).await;
        assert_eq!(reply.result, failed(ErrorCode::ProtocolError, Some(101)));
    }
    assert_eq!(connections.try_iter().count(), 3);
}

/// What a destination does with the second request of its first connection.
#[derive(Clone, Copy)]
enum Second {
    Close,
    Reset,
    PartOfAnAnswer,
}

/// Answers the first request of the first connection; then does that; further connections end as told.
fn answers_once(second: Second, later_connections_answer: bool) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let (seen, requests) = mpsc::channel();
    let connection = std::sync::atomic::AtomicUsize::new(0);
    let address = server(move |mut stream| {
        let first = connection.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        seen.send(read_request(&mut stream)).unwrap();
        if first || later_connections_answer {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        if first {
            match second {
                Second::Close => seen.send(read_request(&mut stream)).unwrap(),
                // Closing with unread bytes resets.
                Second::Reset => stream.read_exact(&mut [0]).unwrap(),
                Second::PartOfAnAnswer => {
                    seen.send(read_request(&mut stream)).unwrap();
                    stream.write_all(b"HTTP/1.1 2").unwrap();
                }
            }
        }
    });
    (address, requests)
}

/// Sends twice; gives the second reply.
async fn second_reply(address: SocketAddr) -> Reply {
    let transport = transport();
    let outbound = outbound(format!("http://{address}/"), LONG);
    assert_eq!(transport.send(outbound.clone()).await.result, AttemptResult::Answered { status: 200 });
    transport.send(outbound).await
}

#[actix::test]
async fn a_used_connection_that_is_closed_without_an_answer_gets_one_fresh_try() {
    let (address, requests) = answers_once(Second::Close, true);
    assert_eq!(second_reply(address).await.result, AttemptResult::Answered { status: 200 });
    let requests: Vec<_> = requests.try_iter().collect();
    assert_eq!(requests.len(), 3, "the first, the one that was lost, the same once more");
    assert!(requests.iter().all(|request| request.starts_with(b"POST / ") && request.ends_with(b"{}")));
}

#[actix::test]
async fn a_used_connection_that_is_reset_gets_one_fresh_try() {
    let (address, requests) = answers_once(Second::Reset, true);
    assert_eq!(second_reply(address).await.result, AttemptResult::Answered { status: 200 });
    assert_eq!(requests.try_iter().count(), 2, "the first, and the one that was read");
}

#[actix::test]
async fn a_fresh_try_is_the_last() {
    let (address, requests) = answers_once(Second::Close, false);
    assert_eq!(second_reply(address).await.result, failed(ErrorCode::SocketClosed, None));
    assert_eq!(requests.try_iter().count(), 3);
}

#[actix::test]
async fn after_a_byte_of_the_answer_nothing_is_sent_again() {
    let (address, requests) = answers_once(Second::PartOfAnAnswer, true);
    assert_eq!(second_reply(address).await.result, failed(ErrorCode::SocketClosed, None));
    assert_eq!(requests.try_iter().count(), 2);
}

#[actix::test]
async fn on_a_new_connection_nothing_is_sent_again() {
    let (seen, requests) = mpsc::channel();
    let address = server(move |mut stream| seen.send(read_request(&mut stream)).unwrap());
    assert_eq!(send_to(address, LONG).await.result, failed(ErrorCode::SocketClosed, None));
    assert_eq!(requests.try_iter().count(), 1);
}

#[actix::test]
async fn the_fresh_try_has_no_more_time_than_the_attempt() {
    let (keep, _kept) = mpsc::channel();
    let connection = std::sync::atomic::AtomicUsize::new(0);
    let address = server(move |mut stream| {
        read_request(&mut stream);
        if connection.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            read_request(&mut stream);
        } else {
            drop(keep.send(stream));
        }
    });
    let transport = transport();
    assert!(transport.send(outbound(format!("http://{address}/"), LONG)).await.result.error().is_none());
    let reply = transport.send(outbound(format!("http://{address}/"), SHORT)).await;
    assert_eq!(reply.result, failed(ErrorCode::Timeout, None));
}

/// Hosts that are delivered to once: more than a handful, few enough for any limit of open files.
const SILENT_HOSTS: u8 = 200;

#[actix::test]
async fn connections_and_clients_of_silent_hosts_are_given_back() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let factory = AwcFactory { keep_alive: SHORT, ..AwcFactory::new(AwcOptions::on_this_machine()).unwrap() };
    let transport = AwcTransport { clients: Clients::new(factory) };
    let mut closed = Vec::new();
    for host in 1..=SILENT_HOSTS {
        let reply = transport.send(outbound(format!("http://127.0.0.{host}:{port}/"), LONG));
        let served = async {
            let mut stream = listener.accept().await.unwrap().0;
            let mut request = [0; 1024];
            assert!(tokio::io::AsyncReadExt::read(&mut stream, &mut request).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
            stream
        };
        let (reply, mut stream) = futures_util::future::join(reply, served).await;
        assert!(reply.result.error().is_none());
        // Ends when the other side closes, which nothing here asks it to.
        closed.push(async move {
            let mut rest = [0; 1];
            assert_eq!(tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await.unwrap(), 0);
        });
    }
    futures_util::future::join_all(closed).await;
    assert_eq!(transport.clients.len(), 0);
}

#[actix::test]
async fn a_client_in_use_is_not_given_back_and_one_that_is_used_stays() {
    let (address, connections) = keeps_alive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let clients = Clients::new(AwcFactory::new(AwcOptions::on_this_machine()).unwrap());
    let transport = AwcTransport { clients: Rc::clone(&clients) };
    let url = format!("http://{address}/");
    let lease = clients.lease(&Target::of(&url).unwrap().origin);
    assert!(clients.sweep(Duration::ZERO).is_some(), "it is in use, so there is something to look at again");
    assert!(transport.send(outbound(&url, LONG)).await.result.error().is_none());
    assert!(clients.sweep(LONG).is_some());
    assert!(transport.send(outbound(&url, LONG)).await.result.error().is_none());
    assert_eq!(connections.try_iter().count(), 1);
    drop(lease);
    assert!(clients.sweep(LONG).is_some(), "it was used just now");
    assert!(clients.sweep(Duration::ZERO).is_none(), "it is idle");
    assert_eq!(clients.len(), 0);
}

#[actix::test]
async fn there_are_only_so_many_clients_and_those_unused_for_longest_go_first() {
    let options = AwcOptions { hosts_max: 10, ..AwcOptions::on_this_machine() };
    let clients = Clients::new(AwcFactory::new(options).unwrap());
    let origin = |host: usize| Target::of(&format!("http://host-{host}.example/")).unwrap().origin;
    let kept = clients.lease(&origin(0));
    for host in 1..=25 {
        drop(clients.lease(&origin(host)));
        assert!(clients.len() <= 10);
    }
    assert!(clients.has(&origin(0)) && clients.has(&origin(25)) && !clients.has(&origin(1)));
    drop(kept);
}
