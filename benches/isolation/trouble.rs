//! Destinations that give trouble: one that never answers, one that takes its time, one that counts who is connected.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// Requests of this bench come in one or two segments: what was read in one go is taken for one request.
const BUFFER_BYTES: usize = 64 * 1024;

/// A server on all addresses of this machine; it lives as long as the process.
pub(crate) struct Trouble {
    port: u16,
    connected: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
}

impl Trouble {
    /// One that answers after `delay`; never without one.
    pub(crate) fn start(delay: Option<Duration>) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("there is a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let (connected, received) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let task = accept(listener, delay, Arc::clone(&connected), Arc::clone(&received));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime.expect("a runtime needs but a few descriptors"), task).expect("it accepts");
        });
        Self { port, connected, received }
    }

    /// Its address as host number `host`: each is another host to whoever connects.
    pub(crate) fn host(&self, host: usize) -> SocketAddr {
        let [_, _, high, low] = u32::try_from(host + 1).unwrap_or(1).to_be_bytes();
        (Ipv4Addr::new(127, 0, high, low), self.port).into()
    }

    /// Connections that are open now.
    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// Requests so far.
    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: std::net::TcpListener,
    delay: Option<Duration>,
    connected: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (connected, received) = (Arc::clone(&connected), Arc::clone(&received));
        tokio::task::spawn_local(async move {
            connected.fetch_add(1, Ordering::Relaxed);
            // It ends when the other side closes.
            drop(serve(stream, delay, &received).await);
            connected.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn serve(mut stream: TcpStream, delay: Option<Duration>, received: &AtomicUsize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while stream.read_buf(&mut buffer).await? > 0 {
        // A head without its body is not a request yet.
        let Some(head_end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        if buffer.len() == head_end + 4 {
            continue;
        }
        buffer.clear();
        received.fetch_add(1, Ordering::Relaxed);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}
