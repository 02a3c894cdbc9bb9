//! What black-box tests and benches stand on: a scriptable destination, a load generator, the real binary as a child.
//!
//! Everything here is a *peer* of the gateway and talks to it over sockets, files and signals only; it knows none of
//! its internals, so a test written on it holds for any build of the gateway. It runs on real time.

pub mod api;
pub mod body;
pub mod destination;
pub mod http;
pub mod load;
pub mod nameserver;
pub mod process;
pub mod stream;
pub mod tls;
pub mod usage;

pub use api::{ApiClient, Flow};
pub use body::NumberedBody;
pub use destination::{Answer, Received, TestDestination};
pub use load::{Acked, Load, LoadReport};
pub use nameserver::{NameAnswer, TestNameServer};
pub use process::{Ended, GatewayProcess, Launch};
pub use stream::{EventStream, StreamEvent};
pub use tls::{Dates, Identity, TestAuthority, TlsServer};

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// Longest wait for a fact before a test is called failed: generous, because two cores may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a fact that another process cannot announce.
const POLL: Duration = Duration::from_millis(5);

/// Looks again and again until `look` finds something; `None` when `bound` is over.
///
/// For facts of another process, which nothing here can be notified of.
pub fn poll<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        pause(POLL);
    }
}

/// Waits between two looks.
#[expect(clippy::disallowed_methods, reason = "another process's facts can only be polled, and polling needs a pause")]
fn pause(length: Duration) {
    std::thread::sleep(length);
}

/// A loopback address nobody listens on right now.
///
/// # Panics
///
/// When the machine has no port left.
#[must_use]
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
}
