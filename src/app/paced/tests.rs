//! In virtual time, with actix's own reading and writing of HTTP.

use std::{rc::Rc, time::Duration};

use actix_server::Server;
use actix_service::{Service as _, ServiceFactory as _};
use actix_web::{HttpResponse, web};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::{Instant, sleep},
};

use super::*;
use crate::app::listeners::{DEADLINES, http};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// What lies between both ends, each way.
const PIPE_BYTES: usize = 1000;

/// A client of an app that answers every request with its body, and how many it has answered.
async fn client() -> (DuplexStream, Rc<Cell<usize>>) {
    let (client, server) = duplex(PIPE_BYTES);
    let answered = Rc::new(Cell::new(0));
    let counter = Rc::clone(&answered);
    let stop = Server::build().graceful_shutdown_signal();
    let service = http(stop, Paced::turn, move |app| {
        let counter = Rc::clone(&counter);
        app.default_service(web::to(move |body: web::Bytes| {
            counter.set(counter.get() + 1);
            async move { HttpResponse::Ok().body(body) }
        }));
    });
    let service = service.new_service(()).await.unwrap();
    actix_web::rt::spawn(async move { service.call((Paced::new(server, DEADLINES), None)).await });
    tokio::time::pause();
    (client, answered)
}

/// Reads one answer, whose body is this.
async fn read_answer(client: &mut DuplexStream, body: &str) {
    let mut read = Vec::new();
    while !(read.ends_with(body.as_bytes()) && read.windows(4).any(|end| end == b"\r\n\r\n")) {
        assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "closed after {}", String::from_utf8_lossy(&read));
    }
    assert!(read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
}

async fn ask(client: &mut DuplexStream) {
    client.write_all(REQUEST).await.unwrap();
    read_answer(client, "").await;
}

/// Waits for the end of a connection on which nothing is said any more.
async fn wait_for_end(client: &mut DuplexStream) -> Duration {
    let begun = Instant::now();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "something was answered");
    begun.elapsed()
}

#[actix::test]
async fn a_later_head_must_be_complete_in_time_however_steadily_it_drips() {
    let (mut client, _) = client().await;
    for _ in 0..3 {
        ask(&mut client).await;
    }
    let begun = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    while client.write_all(b"x").await.is_ok() {
        sleep(Duration::from_millis(300)).await;
    }
    assert!((5000..5400).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[actix::test]
async fn a_later_head_that_stops_is_given_up() {
    let (mut client, _) = client().await;
    ask(&mut client).await;
    client.write_all(b"G").await.unwrap();
    assert_eq!(wait_for_end(&mut client).await.as_secs(), 5);
}

#[actix::test]
async fn pauses_between_requests_do_not_count_and_each_head_has_its_own_time() {
    let (mut client, answered) = client().await;
    for pause in [0, 20, 40, 60] {
        sleep(Duration::from_secs(pause)).await;
        for part in REQUEST.chunks(8) {
            sleep(Duration::from_secs(1)).await;
            client.write_all(part).await.unwrap();
        }
        read_answer(&mut client, "").await;
    }
    assert_eq!(answered.get(), 4);
}

#[actix::test]
async fn a_body_is_not_held_to_the_deadline_of_its_head() {
    let (mut client, _) = client().await;
    ask(&mut client).await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 25\r\n\r\n").await.unwrap();
    for _ in 0..25 {
        sleep(Duration::from_secs(1)).await;
        client.write_all(b"x").await.unwrap();
    }
    read_answer(&mut client, &"x".repeat(25)).await;
    ask(&mut client).await;
}

#[actix::test]
async fn a_head_that_began_before_the_answer_was_written_is_not_taken_for_late_while_the_answer_is_taken() {
    let (mut client, answered) = client().await;
    ask(&mut client).await;
    let body = "x".repeat(20 * PIPE_BYTES);
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body.as_bytes()).await.unwrap();
    client.write_all(b"GET / HTTP").await.unwrap();
    // It takes its answer slowly: more than the head's deadline in all.
    let mut taken = Vec::new();
    while !taken.ends_with(body.as_bytes()) {
        sleep(Duration::from_secs(1)).await;
        assert_ne!(client.read_buf(&mut taken).await.unwrap(), 0, "closed after {} bytes", taken.len());
    }
    client.write_all(b"/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_answer(&mut client, "").await;
    assert_eq!(answered.get(), 3);
}

#[actix::test]
async fn who_asks_and_asks_and_takes_no_answer_is_read_no_further_and_closed() {
    let (mut client, answered) = client().await;
    let begun = Instant::now();
    let mut asked = 0;
    while client.write_all(REQUEST).await.is_ok() {
        asked += 1;
        assert!(asked < 10_000, "everything is read");
    }
    assert_eq!(begun.elapsed().as_secs(), 30);
    let pipe = PIPE_BYTES / REQUEST.len();
    assert!(answered.get() < 10 * pipe, "{} requests were answered", answered.get());
}

#[actix::test]
async fn who_takes_answers_late_gets_all_of_them_and_is_read_on_at_once() {
    let (mut client, answered) = client().await;
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let write = async {
        for _ in 0..1000 {
            writer.write_all(REQUEST).await.unwrap();
        }
    };
    let read = async {
        sleep(Duration::from_secs(20)).await;
        let (begun, mut text) = (Instant::now(), Vec::new());
        while text.windows(12).filter(|word| word == b"HTTP/1.1 200").count() < 1000 {
            assert_ne!(reader.read_buf(&mut text).await.unwrap(), 0, "closed after {} bytes", text.len());
        }
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    };
    futures_util::future::join(write, read).await;
    assert_eq!(answered.get(), 1000);
}
