//! Connections for awc: resolves, asks the egress policy about each address, dials those that may be dialled.
//!
//! It stands where awc would open a socket, behind every spelling, redirect and name, and what was checked is what is
//! dialled. A host is read as browsers read it, so that `0x7f.1` is an address here as well. One after the other, IPv4
//! first; no connection without a verdict, and no second resolution.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_tls::connect::{ConnectError as TcpConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use awc::{
    error::{ConnectError, SendRequestError},
    http::Uri,
};
use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use url::Host;

use super::failure::io_code;
use crate::{
    domain::ErrorCode,
    transport::{
        egress::{EgressPolicy, Target},
        resolver::{LookupError, Resolver},
    },
};

/// An address gets this long while others of the same name are left: one repetition of what opens a connection. The last
/// one has what is left of the attempt.
const CONNECT_SHARE: Duration = Duration::from_secs(2);
/// Messages of single addresses in the message of an attempt: the first ones tell the story.
const REASONS_MAX: usize = 3;

/// Why there is no connection, in the API's words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct ConnectRefusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl ConnectRefusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Finds it in what awc made of it.
    pub(super) fn in_request(error: &SendRequestError) -> Option<&Self> {
        match error {
            SendRequestError::Connect(ConnectError::Io(error)) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

impl From<LookupError> for ConnectRefusal {
    fn from(error: LookupError) -> Self {
        let code = match error {
            LookupError::NotFound(_) => ErrorCode::NotFound,
            LookupError::Failed { .. } => ErrorCode::DnsLookupFailed,
        };
        Self::new(code, error.to_string())
    }
}

/// Opens connections to where the policy lets it.
#[derive(Clone)]
pub(super) struct GuardedConnector {
    resolver: Resolver,
    policy: Arc<EgressPolicy>,
}

impl Service<ConnectInfo<Uri>> for GuardedConnector {
    type Response = Connection<Uri, TcpStream>;
    type Error = TcpConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// An address that awc brings along is not looked at: only what is resolved here is dialled.
    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            match this.connect(info.hostname(), info.port()).await {
                Ok(stream) => Ok(Connection::new(info.request().clone(), stream)),
                Err(refusal) => Err(TcpConnectError::Io(io::Error::other(refusal))),
            }
        })
    }
}

impl GuardedConnector {
    pub(super) fn new(resolver: Resolver, policy: Arc<EgressPolicy>) -> Self {
        Self { resolver, policy }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ConnectRefusal> {
        let host = Host::parse(host).map_err(|error| {
            ConnectRefusal::new(ErrorCode::InvalidUrl, format!("the URL cannot be requested: its host: {error}"))
        })?;
        let (name, addresses) = match &host {
            Host::Ipv4(address) => (None, Arc::from([IpAddr::from(*address)])),
            Host::Ipv6(address) => (None, Arc::from([IpAddr::from(*address)])),
            Host::Domain(name) => (Some(name.as_str()), self.resolver.addresses_of(name).await?),
        };
        let permitted = self.permitted(name, &addresses, port)?;
        dial(&permitted).await
    }

    /// Those of the addresses that may be dialled: at least one.
    fn permitted(
        &self,
        name: Option<&str>,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<Vec<SocketAddr>, ConnectRefusal> {
        let mut permitted = Vec::with_capacity(addresses.len());
        let mut refusals = Vec::new();
        for address in addresses {
            let address = SocketAddr::new(address.to_canonical(), port);
            let this_machine = self.policy.listens_everywhere_on(port) && is_of_this_machine(address.ip());
            match self.policy.check(&Target { host: name, address, this_machine }) {
                Ok(()) => permitted.push(address),
                Err(refusal) => refusals.push(refusal.to_string()),
            }
        }
        if permitted.is_empty() {
            let resolved = name.map(|name| format!("{name}: ")).unwrap_or_default();
            return Err(ConnectRefusal::new(ErrorCode::HostUnreachable, resolved + &summary(&refusals)));
        }
        Ok(permitted)
    }
}

/// Dials one address after the other; the code is that of the first that failed, because it was the best.
async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectRefusal> {
    let mut code = None;
    let mut failures = Vec::new();
    for (number, address) in (1..).zip(addresses) {
        let connecting = TcpStream::connect(address);
        let connected = if number < addresses.len() {
            tokio::time::timeout(CONNECT_SHARE, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")))
        } else {
            connecting.await
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                code = code.or(Some(io_code(&error)));
                failures.push(format!("{address}: {error}"));
            }
        }
    }
    let message = format!("cannot connect to {}", summary(&failures));
    Err(ConnectRefusal::new(code.unwrap_or(ErrorCode::NotFound), message))
}

/// The first few, and how many more there are.
fn summary(reasons: &[String]) -> String {
    let told = reasons.len().min(REASONS_MAX);
    let mut summary = reasons[..told].join("; ");
    if reasons.len() > told {
        summary += &format!("; and {} more", reasons.len() - told);
    }
    summary
}

/// Whether an address is one of this machine's: it would be left by itself. Nothing is sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let left_by = UdpSocket::bind(any).and_then(|socket| {
        // To connect a datagram socket is to look its route up; the port does not matter.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    left_by.is_ok_and(|local| local.ip() == address)
}
