//! A client's connection with two deadlines: for the head of each request after the first, and for taking an answer.
//!
//! It lies on the socket, below TLS, and reads no HTTP: whoever answers requests says through [`Turn`] whose turn it is.
//! The first head is actix's to watch, a body `web/body.rs`'s.

use std::{
    cell::Cell,
    io::{self, ErrorKind, IoSlice},
    mem,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    rt::net::{ActixStream, Ready, TcpStream},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// For a head, from its first byte on.
    pub(super) head: Duration,
    /// For taking anything at all of what waits to be sent.
    pub(super) write: Duration,
}

/// Whose turn it is on a connection: the client's, to say what it wants, or ours, to answer.
pub(super) struct Turn {
    ours: Cell<bool>,
    /// When the head must be complete that has begun.
    head_until: Cell<Option<Instant>>,
}

impl Turn {
    /// A head is complete: the turn is ours until the answer is written, or given up.
    pub(super) fn take(self: &Rc<Self>) -> Ours {
        self.ours.set(true);
        self.head_until.set(None);
        Ours(Rc::clone(self))
    }
}

/// As long as this is there, a request is being answered.
pub(super) struct Ours(Rc<Turn>);

impl Drop for Ours {
    fn drop(&mut self) {
        self.0.ours.set(false);
    }
}

/// The body of an answer: the turn is the client's again when actix is done with it.
pub(super) struct Answer {
    pub(super) body: BoxBody,
    pub(super) _turn: Option<Ours>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// A client's connection.
pub(super) struct Paced<S> {
    socket: S,
    deadlines: Deadlines,
    turn: Rc<Turn>,
    /// Until when the client must take some of what it was not ready to take.
    write_until: Option<Instant>,
    /// Whether reading waits for the client to take what was answered.
    reading_waits: bool,
    /// Made when first needed, set anew only when it goes off.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(socket: S, deadlines: Deadlines) -> Self {
        // Ours at first: actix watches the head of the first request, and answers it with 408.
        let turn = Turn { ours: Cell::new(true), head_until: Cell::new(None) };
        Self { socket, deadlines, turn: Rc::new(turn), write_until: None, reading_waits: false, timer: None }
    }

    /// Whose turn it is, to be told by whoever answers.
    pub(super) fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
    }

    /// Whether a moment has passed; if not, the task is woken then, or earlier.
    fn is_past(&mut self, cx: &mut Context<'_>, until: Instant) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if until < timer.deadline() {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if until <= Instant::now() {
                return true;
            }
            timer.as_mut().reset(until);
        }
        false
    }

    /// Watches over what came of a write.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            let waited = self.write_until.take().is_some();
            if waited && mem::take(&mut self.reading_waits) {
                cx.waker().wake_by_ref();
            }
            return written;
        }
        let deadline = self.deadlines.write;
        let until = *self.write_until.get_or_insert_with(|| Instant::now() + deadline);
        if self.is_past(cx, until) { Poll::Ready(Err(too_late("took nothing of its answers"))) } else { written }
    }
}

impl Paced<TcpStream> {
    /// The address of the other end, as long as there is one.
    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }
}

fn too_late(what: &str) -> io::Error {
    // actix-server does not tell why a connection ended.
    tracing::debug!("a client {what} in time: its connection is closed");
    io::Error::new(ErrorKind::TimedOut, format!("the client {what} in time"))
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.write_until.is_some() {
            // actix would go on to answer into memory. It is we who keep the client from ending its head now.
            this.turn.head_until.set(None);
            this.reading_waits = true;
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        if this.turn.ours.get() {
            return read;
        }
        match (&read, this.turn.head_until.get()) {
            (Poll::Ready(Ok(())), None) if buffer.filled().len() > before => {
                this.turn.head_until.set(Some(Instant::now() + this.deadlines.head));
            }
            (Poll::Pending, Some(until)) if this.is_past(cx, until) => {
                return Poll::Ready(Err(too_late("did not end the head of a request")));
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bytes);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl<S: ActixStream> ActixStream for Paced<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.socket.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.socket.poll_write_ready(cx)
    }
}

#[cfg(test)]
mod tests;
