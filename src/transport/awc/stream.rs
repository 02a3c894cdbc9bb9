//! The connection below awc: TCP or TLS, without interim answers, telling the try what it sees.
//!
//! What a try may know of its connection (was it made for it, did anything come back, was it closed) goes through a
//! task-local [`Seen`]: awc connects, writes and reads within the task of the try, and tells none of it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::interim::{InterimFilter, Taken};

tokio::task_local! {
    static SEEN: Rc<Seen>;
}

/// What happened on the wire during one try.
#[derive(Debug, Default)]
pub(super) struct Seen {
    connecting: Cell<bool>,
    received: Cell<bool>,
    ended: Cell<bool>,
}

impl Seen {
    /// Runs a try; what happens on the wire meanwhile is told to `self`.
    pub(super) async fn during<T>(self: &Rc<Self>, attempt: impl Future<Output = T>) -> T {
        SEEN.scope(Rc::clone(self), attempt).await
    }

    /// Whether the request went out on a connection of an earlier one and nothing came back on it.
    pub(super) fn unanswered_on_a_used_connection(&self) -> bool {
        !self.connecting.get() && !self.received.get()
    }

    /// Whether the destination closed the connection.
    pub(super) fn ended(&self) -> bool {
        self.ended.get()
    }

    /// A connection is made for this try.
    pub(super) fn note_connecting() {
        Self::note(|seen| &seen.connecting);
    }

    fn note(fact: impl FnOnce(&Self) -> &Cell<bool>) {
        // Outside of a try nobody wants to know.
        SEEN.try_with(|seen| fact(seen).set(true)).unwrap_or_default();
    }
}

/// A connection to a destination.
#[derive(Debug)]
pub(super) struct Stream {
    io: Io,
    filter: InterimFilter,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) const fn plain(io: TcpStream) -> Self {
        Self { io: Io::Plain(io), filter: InterimFilter::new() }
    }

    pub(super) fn tls(io: TlsStream<TcpStream>) -> Self {
        Self { io: Io::Tls(Box::new(io)), filter: InterimFilter::new() }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(io) => io,
            Io::Tls(io) => io.get_ref().0,
        }
    }
}

impl Io {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(held) = this.filter.held() {
                let length = held.len().min(buf.remaining());
                buf.put_slice(&held[..length]);
                held.drain(..length);
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(this.io.poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                Seen::note(|seen| &seen.ended);
                this.filter.end();
                if this.filter.held().is_none() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            Seen::note(|seen| &seen.received);
            match this.filter.take(read)? {
                Taken::Pass => return Poll::Ready(Ok(())),
                Taken::Kept => buf.set_filled(before),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.filter.request();
        match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Io::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

impl ActixStream for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}
