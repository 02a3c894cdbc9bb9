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

use super::pulse::Pulse;
use crate::{
    config::ServiceManager,
    store::{Store, StoreError},
};

/// Between two looks at how the gateway is.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const READY: &str = "READY=1";
const ALIVE: &str = "WATCHDOG=1";
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
    /// as long as the process runs. With a pulse, that it lives while that is steady.
    pub(super) async fn report(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        pulse: Option<Pulse>,
        interval: Duration,
        started: impl Future<Output = ()>,
    ) {
        if self.0.is_none() {
            return;
        }
        started.await;
        let mut told = Told::default();
        loop {
            let steady = pulse.as_ref().is_some_and(Pulse::is_steady);
            for state in told.next(store.accepting().err().as_ref(), store.ready().err().as_ref(), steady) {
                self.tell(&state);
            }
            sleep(interval).await;
        }
    }
}

/// How often threads beat, and how often the service manager is told, by the longest time it waits for a sign of life.
pub(super) fn rhythm(watchdog: Option<Duration>) -> (Option<Pulse>, Duration) {
    let interval = watchdog.map_or(LOOK_INTERVAL, |watchdog| LOOK_INTERVAL.min(watchdog / WATCHDOG_SHARE));
    (watchdog.map(|_| Pulse::every(interval / 2)), interval)
}

/// What the service manager knows.
#[derive(Default)]
struct Told {
    is_ready: bool,
    status: String,
}

impl Told {
    /// What it is told at a look: why requests are not taken, why questions are not answered, whether all threads beat.
    fn next(&mut self, accepting: Option<&StoreError>, state: Option<&StoreError>, steady: bool) -> Vec<String> {
        let mut states = Vec::new();
        if !self.is_ready {
            self.is_ready = accepting.is_none();
            states.push(if self.is_ready { READY } else { START_EXTENSION }.to_owned());
        }
        let status = status(accepting, state);
        if status != self.status {
            states.push(format!("STATUS={status}"));
            self.status = status;
        }
        if steady && [accepting, state].into_iter().flatten().all(passes) {
            states.push(ALIVE.to_owned());
        }
        states
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
        | StoreError::NotFound
        | StoreError::Erased { .. } => true,
        StoreError::Damaged(_) | StoreError::Closed | StoreError::Io(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_told_once_and_more_time_is_asked_for_until_then() {
        let (mut told, full) = (Told::default(), StoreError::DiskFull { low_bytes: 1 });
        let refused = "STATUS=requests are refused: the disk is full: less than 1 bytes are free";
        assert_eq!(told.next(Some(&full), None, false), [START_EXTENSION, refused]);
        assert_eq!(told.next(Some(&full), None, false), [START_EXTENSION]);
        let rebuilding = StoreError::Rebuilding { percent: 40 };
        let taken = "STATUS=requests are taken; state is being rebuilt: 40 % done";
        assert_eq!(told.next(None, Some(&rebuilding), false), [READY, taken]);
        assert_eq!(told.next(None, None, false), ["STATUS=requests are taken and delivered"]);
        assert_eq!(told.next(Some(&full), None, false), [refused]);
    }

    fn lives(accepting: Option<&StoreError>, state: Option<&StoreError>, steady: bool) -> bool {
        Told::default().next(accepting, state, steady).iter().any(|told| told == ALIVE)
    }

    #[test]
    fn signs_of_life_end_where_only_a_restart_helps() {
        assert!(lives(None, None, true));
        assert!(!lives(None, None, false), "a thread stands still");
        for passing in [StoreError::DiskFull { low_bytes: 1 }, StoreError::Overloaded("the queue")] {
            assert!(lives(Some(&passing), None, true), "{passing}");
        }
        for lasting in [StoreError::Closed, StoreError::Io("no".to_owned()), StoreError::Damaged("all".to_owned())] {
            assert!(!lives(Some(&lasting), None, true) && !lives(None, Some(&lasting), true), "{lasting}");
        }
    }
}
