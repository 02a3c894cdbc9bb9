//! The destination does what its script says: otherwise every test on it proves nothing.

use std::io::{BufReader, ErrorKind, Read, Write};

use super::*;
use crate::testkit::PATIENCE;
use crate::testkit::http::Request;

fn post(destination: &TestDestination, body: &[u8]) -> std::io::Result<u16> {
    let request = Request { method: "POST", target: "/hook?x=1", headers: &[("x-a", "b")], body };
    request.send(destination.address).map(|response| response.status)
}

#[test]
fn requests_are_kept_as_they_came_and_scripted_answers_come_in_order() {
    let destination = TestDestination::start().strict();
    destination.answer_next([Answer::Status(503), Answer::Full(201, vec![], b"made".to_vec())]);
    assert_eq!([post(&destination, b"1").unwrap(), post(&destination, b"2").unwrap()], [503, 201]);
    assert_eq!(post(&destination, b"3").unwrap(), 200);
    let first = destination.next_request(PATIENCE);
    assert_eq!((first.method.as_str(), first.target.as_str(), first.body()), ("POST", "/hook?x=1", &b"1"[..]));
    assert_eq!(first.message.header("x-a"), Some(&b"b"[..]));
    assert_eq!(destination.wait_for(3, PATIENCE).len(), 3);
}

#[test]
fn one_connection_serves_many_requests() {
    let destination = TestDestination::start();
    let mut stream = TcpStream::connect(destination.address).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..3 {
        stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi").unwrap();
        assert!(Message::read(&mut reader).unwrap().unwrap().start.contains("200"));
    }
    assert_eq!(destination.count(), 3);
}

#[test]
fn a_hanging_answer_comes_when_it_is_released() {
    let destination = Arc::new(TestDestination::start());
    destination.answer_always(Answer::Hang);
    let client = std::thread::spawn({
        let destination = Arc::clone(&destination);
        move || post(&destination, b"x").unwrap()
    });
    assert_eq!(destination.next_request(PATIENCE).body(), b"x");
    assert!(!client.is_finished());
    destination.release();
    assert_eq!(client.join().unwrap(), 200);
}

#[test]
fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let destination = TestDestination::start();
    for (answer, expected) in [(Answer::Reset, Err(ErrorKind::ConnectionReset)), (Answer::Close, Ok(0))] {
        destination.answer_next([answer]);
        let mut stream = TcpStream::connect(destination.address).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert_eq!(stream.read(&mut [0; 10]).map_err(|error| error.kind()), expected);
    }
}

#[test]
fn broken_bodies_are_broken_and_huge_ones_are_huge() {
    let destination = TestDestination::start();
    destination.answer_next([Answer::ShortBody, Answer::Garbage, Answer::HugeBody(200_000)]);
    assert_eq!(post(&destination, b"").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(post(&destination, b"").unwrap_err().kind(), ErrorKind::InvalidData);
    let huge = Request { method: "GET", target: "/", ..Request::default() }.send(destination.address).unwrap();
    assert_eq!(huge.message.body.len(), 200_000);
}

#[test]
#[should_panic(expected = "nobody looked at")]
fn a_strict_destination_tells_of_a_request_nobody_looked_at() {
    let destination = TestDestination::start().strict();
    post(&destination, b"x").unwrap();
}
