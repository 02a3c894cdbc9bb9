//! Deliveries over HTTP/1.1 with awc: one client per origin and arbiter, one time-out around the whole attempt.
//!
//! ```text
//! send ─► clients (one per origin) ─► exchange (awc) ─► stream (interim answers) ─► dial (TLS) ─► connector (resolve, guard, connect)
//! ```
//!
//! Owns what awc leaves open (LIMITS: "awc errors as they arrive"): no pool limit, because caps are ours; no redirects,
//! no decompression, no headers of its own; a body shorter than announced is a failure; idle connections are closed.
//!
//! Who may be connected to is asked once for each connection, in `connector`; an idle one that is used again was asked for.
//!
//! Never repeats a try but for one case: a connection of an earlier try that turns out to be closed before anything
//! came back on it. Then the request goes out once more, on a new connection, within the same attempt and its time.
//! Whether the destination saw the first one cannot be known: deliveries are at least once here too. Whether a try is
//! repeated in any other case is decided by the event's connection.
//!
//! Left as it is in awc: it sends a `date` of its own where the request has none, and it does not read the body of an
//! HTTP/1.1 answer that has neither a length nor chunks; the status counts all the same. A chunked body that is cut off
//! between two chunks looks complete.

mod clients;
mod connector;
mod dial;
mod exchange;
mod failure;
mod interim;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::{io, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;

use self::{
    clients::{Clients, Lease, Origin},
    connector::GuardedConnector,
    dial::{Dial, Tls},
    exchange::{Progress, Target, exchange},
    failure::Failure,
    stream::Seen,
};
use super::{Outbound, Reply, Transport, TransportFactory, egress::EgressPolicy, resolver::Resolver};
use crate::domain::ErrorCode;

/// Bytes of a response body that are kept: enough to read an error by, little enough for a million attempts.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// An idle connection is kept this long: a little less than the 60 s and 75 s of common balancers and proxies. Servers
/// that close theirs sooner (5 s is common) are noticed when the connection is taken, and where both happen at once
/// the request is sent again on a new one.
const KEEP_ALIVE: Duration = Duration::from_secs(55);
/// A connection is replaced after this, so that a change of DNS is noticed.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(75);
/// awc's own time-outs, out of the way of the attempt's.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// What deliveries are sent with.
#[derive(Clone)]
pub struct AwcOptions {
    /// Which addresses may be delivered to.
    pub egress: EgressPolicy,
    /// Where addresses come from; shared by all arbiters.
    pub resolver: Resolver,
    /// Certificates (PEM) that are trusted beside the public certification authorities.
    pub ca_file: Option<PathBuf>,
    /// Hosts to which one arbiter keeps connections; past it, those that were silent longest are given back early.
    pub hosts_max: usize,
}

/// Builds a transport on each arbiter; TLS settings, guard and resolver are made once and shared.
#[derive(Clone)]
pub struct AwcFactory {
    tls: Arc<rustls::ClientConfig>,
    connector: GuardedConnector,
    keep_alive: Duration,
    hosts_max: usize,
}

impl AwcFactory {
    /// Reads what the options name.
    ///
    /// # Errors
    ///
    /// When the file of certificates cannot be used.
    pub fn new(options: AwcOptions) -> io::Result<Self> {
        let AwcOptions { egress, resolver, ca_file, hosts_max } = options;
        let connector = GuardedConnector::new(resolver, Arc::new(egress));
        Ok(Self { tls: tls::client_config(ca_file.as_deref())?, connector, keep_alive: KEEP_ALIVE, hosts_max })
    }

    /// A client with connections of its own, for one origin.
    fn client(&self, origin: &Origin) -> awc::Client {
        let tls = origin.tls.then(|| Tls::new(Arc::clone(&self.tls), origin.authority.host()));
        let dial = Dial { inner: self.connector.clone(), tls };
        let connector = awc::Connector::new()
            .connector(dial)
            .timeout(NO_TIMEOUT)
            .limit(0)
            .conn_keep_alive(self.keep_alive)
            .conn_lifetime(CONNECTION_LIFETIME);
        let client = awc::Client::builder().connector(connector).disable_timeout();
        client.disable_redirects().no_default_headers().finish()
    }
}

impl TransportFactory for AwcFactory {
    fn build(&self) -> Rc<dyn Transport> {
        Rc::new(AwcTransport { clients: Clients::new(self.clone()) })
    }
}

/// Sends attempts from the arbiter it was built on.
struct AwcTransport {
    clients: Rc<Clients>,
}

impl Transport for AwcTransport {
    fn send(&self, outbound: Outbound) -> LocalBoxFuture<'static, Reply> {
        let clients = Rc::clone(&self.clients);
        Box::pin(async move {
            // What is known so far lives outside the future that the time-out drops.
            let mut progress = Progress::starting(&outbound);
            let target = match Target::of(&outbound.url) {
                Ok(target) => target,
                Err(failure) => return progress.finish(Some(failure)),
            };
            let timeout = outbound.timeout;
            let lease = clients.lease(&target.origin);
            let attempt = attempt(&clients, &lease, &target, &outbound, &mut progress);
            let ended = tokio::time::timeout(timeout, attempt).await;
            if progress.switched_protocols() {
                // awc has put the connection back into its pool, and what comes on it is not HTTP any more.
                lease.replace(clients.fresh(&target.origin));
            }
            let failure = match ended {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure),
                Err(_) => Some(Failure::new(
                    ErrorCode::Timeout,
                    format!("no complete answer within {} ms", timeout.as_millis()),
                )),
            };
            progress.finish(failure)
        })
    }
}

/// Sends once, or twice when the first went out on a connection that the destination was closing.
async fn attempt(
    clients: &Clients,
    lease: &Lease,
    target: &Target,
    outbound: &Outbound,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let seen = Rc::new(Seen::default());
    let first = seen.during(exchange(&lease.client(), target, outbound, &seen, progress)).await;
    match first {
        Err(failure) if failure.is_lost_connection() && seen.unanswered_on_a_used_connection() => {
            tracing::debug!(origin = %target.origin.authority, %failure, "an idle connection was closed: sending anew");
            // A client without connections: nothing that it sends on can have been closed while idle. The other idle
            // ones of the old client are likely closed as well, and go with it.
            let (client, seen) = (clients.fresh(&target.origin), Rc::new(Seen::default()));
            let second = seen.during(exchange(&client, target, outbound, &seen, progress)).await;
            lease.replace(client);
            second
        }
        ended => ended,
    }
}
