//! Many readers of live streams on one thread: as cheap as readers can be, and counting what they hear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hookgate::testkit::{ApiClient, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For all of them to be let in.
const OPENING: Duration = Duration::from_secs(60);
/// What is read at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// Readers as long as this lives.
pub(crate) struct Readers {
    heard: Arc<Heard>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What they heard, all together.
#[derive(Default)]
struct Heard {
    open: AtomicU64,
    events: AtomicU64,
    resyncs: AtomicU64,
    stop: AtomicBool,
}

impl Readers {
    /// Opens one stream for each target, and waits until all of them are let in.
    pub(crate) fn start(client: &ApiClient, targets: Vec<String>) -> Self {
        let heard = Arc::<Heard>::default();
        let (count, address, key) = (targets.len() as u64, client.address, client.key.clone());
        let shared = Arc::clone(&heard);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let local = tokio::task::LocalSet::new();
            for target in targets {
                let (heard, key) = (Arc::clone(&shared), key.clone());
                // It ends with the gateway or with the bench.
                local.spawn_local(async move { drop(read(address, &key, &target, &heard).await) });
            }
            local.block_on(&runtime.expect("a runtime needs but a few descriptors"), async {
                while !shared.stop.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        });
        let opened = poll(OPENING, || (heard.open.load(Ordering::Relaxed) == count).then_some(()));
        assert!(opened.is_some(), "{} of {count} streams are open", heard.open.load(Ordering::Relaxed));
        Self { heard, thread: Some(thread) }
    }

    /// Events and words to look at the lists, so far.
    pub(crate) fn heard(&self) -> (u64, u64) {
        (self.heard.events.load(Ordering::Relaxed), self.heard.resyncs.load(Ordering::Relaxed))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.heard.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn read(address: SocketAddr, key: &str, target: &str, heard: &Heard) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut is_open = false;
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if !is_open {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
            heard.open.fetch_add(1, Ordering::Relaxed);
            is_open = true;
        }
        // One that two readings divide is not counted: it is a figure for orientation.
        let count = |name: &[u8]| buffer[..length].windows(name.len()).filter(|window| *window == name).count() as u64;
        heard.events.fetch_add(count(b"event: event\n"), Ordering::Relaxed);
        heard.resyncs.fetch_add(count(b"event: resync\n"), Ordering::Relaxed);
    }
}
