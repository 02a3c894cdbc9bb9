//! What the service manager is told: that the gateway is ready, that it stops, how it is, that it lives.
//!
//! The protocol is systemd's `sd_notify`: lines of `NAME=value` in a datagram. Never waits for the service manager and
//! never fails because of it. Without one that wants to hear, nothing here does anything.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    config::ServiceManager,
    store::{Store, StoreError},
};

/// Between two looks at how the gateway is.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// As long as the gateway is not ready it asks for so much more time at each look, in microseconds: a start that waits
/// for space on the disk would only wait again after a restart.
const START_EXTENSION: &str = "EXTEND_TIMEOUT_USEC=10000000";
/// Signs of life come so much more often than they must: one that is late does not matter.
const WATCHDOG_SHARE: u32 = 3;

/// The way to the service manager, if one wants to hear.
pub(super) struct Notifier(Option<UnixDatagram>);

impl Notifier {
    /// Connects; when that fails the log says so, and the gateway runs without.
    pub(super) fn new(manager: &ServiceManager) -> Self {
        let connected = manager.socket.as_deref().map(|name| (name, connect(name)));
        Self(connected.and_then(|(name, connected)| match connected {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(socket = %name.display(), %error, "the service manager cannot be reached: it is told nothing");
                None
            }
        }))
    }

    /// Tells it one thing.
    pub(super) fn tell(&self, state: &str) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| socket.send(state.as_bytes())) {
            tracing::warn!(state, %error, "the service manager was not told");
        }
    }

    /// Tells that the gateway is ready once `started` has resolved and requests are taken; from then on how it is, for
    /// as long as the process runs.
    pub(super) async fn report(
        self: Arc<Self>,
        watchdog: Option<Duration>,
        store: Arc<dyn Store>,
        started: impl Future<Output = ()>,
    ) {
        if self.0.is_none() {
            return;
        }
        started.await;
        let interval = watchdog.map_or(LOOK_INTERVAL, |watchdog| LOOK_INTERVAL.min(watchdog / WATCHDOG_SHARE));
        let (mut is_ready, mut told) = (false, String::new());
        loop {
            let (accepting, state) = (store.accepting(), store.ready());
            if !is_ready {
                is_ready = accepting.is_ok();
                self.tell(if is_ready { "READY=1" } else { START_EXTENSION });
            }
            let status = status(accepting.as_ref().err(), state.as_ref().err());
            if status != told {
                self.tell(&format!("STATUS={status}"));
                told = status;
            }
            if watchdog.is_some()
                && [&accepting, &state].into_iter().all(|answer| answer.as_ref().err().is_none_or(passes))
            {
                self.tell("WATCHDOG=1");
            }
            sleep(interval).await;
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One line for people: what `systemctl status` shows.
fn status(accepting: Option<&StoreError>, state: Option<&StoreError>) -> String {
    match (accepting, state) {
        (None, None) => "requests are taken and delivered".to_owned(),
        (None, Some(error)) => format!("requests are taken; {error}"),
        (Some(error), _) => format!("requests are refused: {error}"),
    }
}

/// Whether trouble can pass by itself; a restart, which a missing sign of life brings about, would only add to it.
fn passes(trouble: &StoreError) -> bool {
    match trouble {
        StoreError::Overloaded(_)
        | StoreError::DiskFull { .. }
        | StoreError::OverQuota { .. }
        | StoreError::Rebuilding { .. }
        | StoreError::Stale { .. }
        | StoreError::Conflict
        | StoreError::NotFound => true,
        StoreError::Damaged(_) | StoreError::Closed | StoreError::Io(_) => false,
    }
}
