//! Names to addresses: one resolver for all arbiters, with a cache, a thread and a time limit of its own.
//!
//! Its own thread, because a question is shared by all who ask it at the same time: it must not depend on how busy the
//! arbiter is that asked first. The system's lookup is not used: it blocks a thread for each name, so that one zone
//! that does not answer holds up all others.
//!
//! `/etc/resolv.conf` and `/etc/hosts` are read once, at the start. Never decides whether an address may be used.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, Shared, select},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Names that are looked up at once; past it a lookup fails at once. Each may hold two sockets until it ends.
const NAMES_AT_ONCE_MAX: usize = 256;
/// Addresses of one name that are used: enough to get past some that are down.
const ADDRESSES_MAX: usize = 16;
/// So long the slower of A and AAAA is waited for once the other has brought addresses: some servers never answer one.
const OTHER_FAMILY_GRACE: Duration = Duration::from_millis(100);
/// A name's addresses are asked for again after this, however long the servers let them stand.
const KNOWN_FOR_MAX: Duration = Duration::from_secs(5 * 60);
/// A name that did not exist is asked for again after this: retries should find it soon after it was made.
const MISSING_FOR_MAX: Duration = Duration::from_secs(10);

/// How names are looked up.
#[derive(Debug, Clone)]
pub struct ResolverOptions {
    /// For one name, all questions and repetitions together.
    pub timeout: Duration,
    /// Asked instead of the system's, when there are any; names are then taken as they stand, without search domains.
    pub nameservers: Vec<SocketAddr>,
}

/// Why a name gave no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The servers say so: there is no such name, or it has no address.
    #[error("{0} does not exist or has no address")]
    NotFound(String),
    /// It is not known whether there is one.
    #[error("{name} could not be looked up: {reason}")]
    Failed {
        /// The name.
        name: String,
        /// What happened.
        reason: String,
    },
}

type Found = Result<Arc<[IpAddr]>, LookupError>;
type Answer = Shared<BoxFuture<'static, Found>>;

/// Looks names up; cloning shares it. Its thread ends with the last clone.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
    /// Dropped with the last clone: that ends the thread.
    _running: Arc<oneshot::Sender<()>>,
    runtime: tokio::runtime::Handle,
}

struct Inner {
    dns: TokioResolver,
    /// Appended to names with few dots, as the system would.
    search: Vec<Name>,
    timeout: Duration,
    under_way: Mutex<HashMap<String, Answer>>,
}

impl Resolver {
    /// Reads the system's configuration and starts the thread.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started, or the system's configuration makes no resolver.
    pub fn start(options: &ResolverOptions) -> io::Result<Self> {
        let (config, mut settings) = configuration(options);
        // Two tries fit into the limit.
        settings.timeout = options.timeout / 2;
        settings.attempts = 1;
        settings.positive_max_ttl = Some(KNOWN_FOR_MAX);
        settings.negative_max_ttl = Some(MISSING_FOR_MAX);
        let search = config.search().to_vec();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = settings;
        let dns = builder.build().map_err(io::Error::other)?;
        let (running, stopped) = oneshot::channel::<()>();
        // Nothing is ever sent: it ends when the other side is dropped.
        std::thread::Builder::new().name("resolver".to_owned()).spawn(move || runtime.block_on(stopped).is_ok())?;
        let inner = Inner { dns, search, timeout: options.timeout, under_way: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), _running: Arc::new(running), runtime: handle })
    }

    /// The addresses of a name in lower case, IPv4 first.
    ///
    /// # Errors
    ///
    /// When it has none, or that could not be found out in time.
    pub async fn addresses_of(&self, name: &str) -> Found {
        let name = name.trim_end_matches('.');
        if name == "localhost" || name.ends_with(".localhost") {
            // By RFC 6761 never a question for a server.
            return Ok(Arc::new([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        }
        self.ask(name).await
    }

    /// Joins the question for this name that is under way, or asks.
    fn ask(&self, name: &str) -> Answer {
        let mut under_way = self.inner.under_way.lock();
        if let Some(answer) = under_way.get(name) {
            return answer.clone();
        }
        let name = name.to_owned();
        if under_way.len() >= NAMES_AT_ONCE_MAX {
            let reason = format!("{NAMES_AT_ONCE_MAX} other names are being looked up");
            return std::future::ready(Err(LookupError::Failed { name, reason })).boxed().shared();
        }
        let asking = UnderWay { inner: Arc::clone(&self.inner), name: name.clone() };
        let task = self.runtime.spawn(async move { asking.inner.look_up(&asking.name).await });
        let ended = name.clone();
        let answer = async move {
            task.await.unwrap_or_else(|error| Err(LookupError::Failed { name: ended, reason: error.to_string() }))
        };
        let answer = answer.boxed().shared();
        under_way.insert(name, answer.clone());
        answer
    }
}

/// A question's place in the table, given back however the question ends.
struct UnderWay {
    inner: Arc<Inner>,
    name: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.inner.under_way.lock().remove(&self.name);
    }
}

impl Inner {
    async fn look_up(&self, name: &str) -> Found {
        let failed = |reason| Err(LookupError::Failed { name: name.to_owned(), reason });
        // ASCII already, and unlike the other ways this one takes underscores anywhere.
        let Ok(parsed) = Name::from_ascii(name) else { return Err(LookupError::NotFound(name.to_owned())) };
        match tokio::time::timeout(self.timeout, self.search(&parsed)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(LookupError::NotFound(name.to_owned())),
            Ok(Ok(addresses)) => Ok(addresses.into()),
            Ok(Err(NetError::Timeout)) | Err(_) => {
                failed(format!("no answer from the name servers within {} ms", self.timeout.as_millis()))
            }
            Ok(Err(error)) => failed(error.to_string()),
        }
    }

    /// Asks for the name and for what it may be short for, in the system's order. A name that could not be looked up is
    /// told only if no other brings addresses: then it is not known that there are none.
    async fn search(&self, name: &Name) -> Result<Vec<IpAddr>, NetError> {
        let mut failure = None;
        for candidate in candidates(name, &self.search, self.dns.options().ndots) {
            match self.both_families(candidate).await {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => return Ok(addresses),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Vec::new()), Err)
    }

    async fn both_families(&self, name: Name) -> Result<Vec<IpAddr>, NetError> {
        let v4 = std::pin::pin!(self.family(name.clone(), false));
        let v6 = std::pin::pin!(self.family(name, true));
        let (v4, v6) = match select(v4, v6).await {
            Either::Left((v4, v6)) => {
                let v6 = other(&v4, v6).await;
                (v4, v6)
            }
            Either::Right((v6, v4)) => (other(&v6, v4).await, v6),
        };
        match (v4, v6) {
            (Ok(mut addresses), Ok(more)) => {
                addresses.extend(more);
                addresses.truncate(ADDRESSES_MAX);
                Ok(addresses)
            }
            (Ok(addresses), Err(error)) | (Err(error), Ok(addresses)) => {
                // With no address from one and no answer about the other it is not known that there is none.
                if addresses.is_empty() { Err(error) } else { Ok(addresses) }
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The addresses of one family; that there are none is no error here.
    async fn family(&self, name: Name, v6: bool) -> Result<Vec<IpAddr>, NetError> {
        let looked_up = if v6 { self.dns.ipv6_lookup(name).await } else { self.dns.ipv4_lookup(name).await };
        match looked_up {
            Ok(found) => Ok(found.answers().iter().filter_map(|record| address(&record.data)).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

/// Waits for the other family: shortly where this one brought addresses.
async fn other(
    this: &Result<Vec<IpAddr>, NetError>,
    other: impl Future<Output = Result<Vec<IpAddr>, NetError>>,
) -> Result<Vec<IpAddr>, NetError> {
    match this {
        Ok(addresses) if !addresses.is_empty() => {
            tokio::time::timeout(OTHER_FAMILY_GRACE, other).await.unwrap_or(Err(NetError::Timeout))
        }
        Ok(_) | Err(_) => other.await,
    }
}

/// What a name may mean, in order: as it stands first if it has at least `ndots` dots, last otherwise.
fn candidates(name: &Name, search: &[Name], ndots: usize) -> Vec<Name> {
    let mut whole = name.clone();
    whole.set_fqdn(true);
    let mut candidates: Vec<Name> = search
        .iter()
        .filter_map(|domain| {
            let mut longer = name.clone().append_domain(domain).ok()?;
            longer.set_fqdn(true);
            Some(longer)
        })
        .collect();
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    candidates.insert(if dots >= ndots { 0 } else { candidates.len() }, whole);
    candidates
}

/// The system's configuration, or the servers that were named.
fn configuration(options: &ResolverOptions) -> (ResolverConfig, ResolverOpts) {
    if !options.nameservers.is_empty() {
        return (only(&options.nameservers), ResolverOpts::default());
    }
    hickory_resolver::system_conf::read_system_conf().unwrap_or_else(|error| {
        // What the C library does without a configuration.
        tracing::warn!(%error, "/etc/resolv.conf names no server: names are asked of 127.0.0.1; see egress.nameservers");
        (only(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 53))]), ResolverOpts::default())
    })
}

fn only(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let on_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
        NameServerConfig::new(address.ip(), true, connections)
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}
