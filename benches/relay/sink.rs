//! The destination of the bench: answers 200, counts, and notes how old each event is. As cheap as a server can be.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use hookgate::testkit::NumberedBody;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// A head and a body of the bench fit in easily.
const BUFFER_BYTES: usize = 16 * 1024;

/// One for the whole run, so that no round waits for a port.
pub(crate) struct Sink {
    address: SocketAddr,
    seen: Arc<Seen>,
    /// All that arrived, ever.
    pub(crate) delivered: Arc<AtomicU64>,
}

#[derive(Default)]
struct Seen {
    recording: AtomicBool,
    ages_us: Mutex<Vec<u32>>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (seen, delivered) = (Arc::<Seen>::default(), Arc::<AtomicU64>::default());
        let task = accept(listener, Arc::clone(&seen), Arc::clone(&delivered));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime.expect("a runtime needs but a few descriptors"), task).expect("the sink accepts");
        });
        Self { address, seen, delivered }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Notes ages from now on.
    pub(crate) fn record(&self) {
        self.seen.ages_us.lock().clear();
        self.seen.recording.store(true, Ordering::Relaxed);
    }

    /// Stops noting, and gives the ages in microseconds, youngest first.
    pub(crate) fn recorded(&self) -> Vec<u32> {
        self.seen.recording.store(false, Ordering::Relaxed);
        let mut ages = std::mem::take(&mut *self.seen.ages_us.lock());
        ages.sort_unstable();
        ages
    }
}

/// The wall clock in microseconds: sender and sink are one process, so it is the same clock.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

async fn accept(listener: std::net::TcpListener, seen: Arc<Seen>, delivered: Arc<AtomicU64>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (seen, delivered) = (Arc::clone(&seen), Arc::clone(&delivered));
        tokio::task::spawn_local(async move {
            // It ends when the gateway of a round is killed.
            drop(serve(stream, &seen, &delivered).await);
        });
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, delivered: &AtomicU64) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some((body_at, end)) = request_bounds(&buffer) {
            delivered.fetch_add(1, Ordering::Relaxed);
            if seen.recording.load(Ordering::Relaxed)
                && let Some(sent_us) = NumberedBody::sent_us(&buffer[body_at..end])
            {
                let age = now_us().saturating_sub(sent_us);
                seen.ages_us.lock().push(u32::try_from(age).unwrap_or(u32::MAX));
            }
            buffer.drain(..end);
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}

/// Where the body of the first whole request starts and ends.
fn request_bounds(buffer: &[u8]) -> Option<(usize, usize)> {
    const LENGTH: &[u8] = b"content-length:";
    let head_end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = &buffer[..head_end];
    let at = head.windows(LENGTH.len()).position(|window| window.eq_ignore_ascii_case(LENGTH));
    let length = at.map_or(0, |at| {
        let digits = head[at + LENGTH.len()..].trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    });
    let end = head_end + 4 + length;
    (buffer.len() >= end).then_some((head_end + 4, end))
}
