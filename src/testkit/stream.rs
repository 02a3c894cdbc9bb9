//! A reader of server-sent events: blocking, one connection, everything that is said kept apart.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::http::{Message, Request, Response, read_chunk};
use super::{ApiClient, PATIENCE};

/// What was said between two empty lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamEvent {
    /// Its id, empty without one.
    pub id: String,
    /// Its name, empty without one.
    pub name: String,
    /// Its data as JSON; null without.
    pub data: Value,
}

/// A stream that is open.
pub struct EventStream {
    reader: BufReader<TcpStream>,
    /// What came and is not a whole event yet.
    rest: Vec<u8>,
    ended: bool,
}

impl EventStream {
    /// Opens one with a client's key; `last_seen` goes along as `Last-Event-ID` unless it is empty.
    ///
    /// # Errors
    ///
    /// The answer when it is not a stream.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub fn open(client: &ApiClient, target: &str, last_seen: &str) -> Result<Self, Response> {
        let socket = TcpStream::connect(client.address).expect("the API takes connections");
        Self::open_on(socket, client, target, last_seen)
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    ///
    /// The answer when it is not a stream.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub fn open_on(socket: TcpStream, client: &ApiClient, target: &str, last_seen: &str) -> Result<Self, Response> {
        let bearer = format!("Bearer {}", client.key);
        let mut headers = vec![("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        if !last_seen.is_empty() {
            headers.push(("last-event-id", last_seen));
        }
        let request = Request { method: "GET", target, headers: &headers, body: b"" };
        let opened = begin(socket, &request, client.address);
        let (mut reader, mut head) = opened.unwrap_or_else(|error| panic!("{target} got no answer: {error}"));
        let status = head.status().expect("an answer has a status");
        if status == 200 && head.header_text("content-type") == "text/event-stream" {
            return Ok(Self { reader, rest: Vec::new(), ended: false });
        }
        head.read_body(&mut reader).expect("an answer has a body");
        Err(Response { status, message: head })
    }

    /// Waits for the next event; `None` when the stream has ended.
    ///
    /// # Panics
    ///
    /// When nothing comes, or what comes is no event.
    pub fn next_event(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.rest.drain(..end + 2).collect();
                return Some(parse(&String::from_utf8_lossy(&event)));
            }
            if self.ended || !read_chunk(&mut self.reader, &mut self.rest).expect("something comes") {
                self.ended = true;
                assert!(self.rest.is_empty(), "the stream ended inside an event");
                return None;
            }
        }
    }

    /// Waits for the next event of this name, leaving out those before it.
    ///
    /// # Panics
    ///
    /// When the stream ends before.
    pub fn next_named(&mut self, name: &str) -> StreamEvent {
        loop {
            let event = self.next_event().unwrap_or_else(|| panic!("the stream ended before any {name}"));
            if event.name == name {
                return event;
            }
        }
    }
}

fn begin(
    mut socket: TcpStream,
    request: &Request<'_>,
    address: SocketAddr,
) -> io::Result<(BufReader<TcpStream>, Message)> {
    socket.set_read_timeout(Some(PATIENCE))?;
    io::Write::write_all(&mut socket, &request.encode(address))?;
    let mut reader = BufReader::new(socket);
    let head = Message::read_head(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((reader, head))
}

fn parse(text: &str) -> StreamEvent {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    StreamEvent {
        id: field("id: ").to_owned(),
        name: field("event: ").to_owned(),
        data: serde_json::from_str(field("data: ")).unwrap_or_default(),
    }
}
