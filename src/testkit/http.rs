//! Just enough HTTP/1.1 over blocking sockets for both ends of a test; never more forgiving than it must be.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest line of a head a peer may send: 64 KiB, so that a broken peer cannot fill memory.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Longest silence of a peer before a test is called failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// One message: a request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Unchunked.
    pub body: Vec<u8>,
}

impl Message {
    /// The first header of this (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    /// The first header of this name as text, empty when absent.
    #[must_use]
    pub fn header_text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.header(name).unwrap_or_default()).into_owned()
    }

    /// Reads one message; `None` when the peer closed before it began.
    ///
    /// # Errors
    ///
    /// When the socket fails, the peer stops in the middle, or what it says is not HTTP/1.1.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::read_head(reader)? else { return Ok(None) };
        message.read_body(reader)?;
        Ok(Some(message))
    }

    /// The same without the body.
    pub(super) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start) = read_line(reader)? else { return Ok(None) };
        let mut message =
            Self { start: String::from_utf8_lossy(&start).into_owned(), headers: Vec::new(), body: Vec::new() };
        loop {
            let line = read_line(reader)?.ok_or_else(|| invalid("the peer closed inside a head"))?;
            if line.is_empty() {
                break;
            }
            let colon =
                line.iter().position(|byte| *byte == b':').ok_or_else(|| invalid("a header without a colon"))?;
            let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
            message.headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Ok(Some(message))
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> io::Result<u16> {
        let status = self.start.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.ok_or_else(|| invalid("the status line has no status"))
    }

    pub(super) fn read_body(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        if self.header_text("transfer-encoding").eq_ignore_ascii_case("chunked") {
            return self.read_chunks(reader);
        }
        let length = self.header_text("content-length");
        if !length.is_empty() {
            let length: usize = length.parse().map_err(|_| invalid("content-length is not a number"))?;
            self.body = vec![0; length];
            reader.read_exact(&mut self.body)?;
        }
        Ok(())
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        while read_chunk(reader, &mut self.body)? {}
        Ok(())
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The whole message.
    pub message: Message,
}

impl Response {
    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.message.body).unwrap_or(serde_json::Value::Null)
    }
}

/// What to ask.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// As in the request line.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Beside `host`, `connection` and `content-length`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Sent with its length.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// Asks over a connection of its own.
    ///
    /// # Errors
    ///
    /// When there is no connection or no complete answer.
    pub fn send(&self, address: SocketAddr) -> io::Result<Response> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        self.exchange(stream, address)
    }

    /// Asks over a connection that is there, such as one with TLS.
    ///
    /// # Errors
    ///
    /// When there is no complete answer.
    pub fn exchange(&self, mut stream: impl Read + Write, address: SocketAddr) -> io::Result<Response> {
        stream.write_all(&self.encode(address))?;
        stream.flush()?;
        let message = Message::read(&mut BufReader::new(stream))?.ok_or_else(|| invalid("closed without an answer"))?;
        Ok(Response { status: message.status()?, message })
    }

    pub(super) fn encode(&self, address: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }
}

/// Appends a chunk of a body; `false` at its end.
pub(super) fn read_chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    let line = read_line(reader)?.ok_or_else(|| invalid("the peer closed between chunks"))?;
    let digits = String::from_utf8_lossy(&line);
    let size = u64::from_str_radix(digits.split(';').next().unwrap_or_default().trim(), 16)
        .map_err(|_| invalid("a chunk's size is not a number"))?;
    reader.by_ref().take(size).read_to_end(body)?;
    read_line(reader)?;
    Ok(size > 0)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') || line.pop() != Some(b'\r') {
        return Err(invalid("a line does not end in CR LF"));
    }
    Ok(Some(line))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
