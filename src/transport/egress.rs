//! Which addresses may be delivered to.
//!
//! Pure: [`EgressPolicy::check`] judges one address, after its name was resolved and before it is dialled, so that
//! neither a name nor a way of writing an address gets around it. Never resolves and never connects.
//!
//! Public addresses are allowed. Of the others: what is listed; loopback while we listen there ourselves. Link-local
//! addresses and metadata services only where exactly they are listed, not a wider network or a name: a name's owner
//! decides what it resolves to. Our own listeners likewise only as single addresses, because an event that comes back is
//! sent again.

mod ranges;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;

pub use self::ranges::{Class, classify, embedded};

/// Which addresses may be delivered to.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    networks: Vec<IpNet>,
    /// In lower case, without the dot at the end.
    hosts: BTreeSet<String>,
    loopback: bool,
    own: Vec<SocketAddr>,
}

impl EgressPolicy {
    /// Public addresses only, and what is listed: networks, and hosts with whatever they resolve to.
    #[must_use]
    pub fn listed(networks: Vec<IpNet>, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.trim_end_matches('.').to_lowercase()).collect();
        Self { networks, hosts, ..Self::default() }
    }

    /// Allows loopback, or does not.
    #[must_use]
    pub const fn loopback(mut self, allowed: bool) -> Self {
        self.loopback = allowed;
        self
    }

    /// Refuses these listeners of ours.
    #[must_use]
    pub fn own_listeners(mut self, bound: impl Into<Vec<SocketAddr>>) -> Self {
        self.own = bound.into();
        self
    }

    /// Whether a listener of ours on every address has this port, so that it matters whether an address is ours.
    #[must_use]
    pub fn listens_everywhere_on(&self, port: u16) -> bool {
        self.own.iter().any(|own| own.port() == port && own.ip().is_unspecified())
    }

    /// Judges one address.
    ///
    /// # Errors
    ///
    /// Why it may not be dialled, and what would allow it.
    pub fn check(&self, target: &Target<'_>) -> Result<(), Refusal> {
        let address = target.address.ip().to_canonical();
        let mut missing = Vec::new();
        let mut why = None;
        if self.is_own(target, address) && !self.lists_exactly(address) {
            missing.push(IpNet::from(address));
            why = Some("a listener of this gateway itself");
        }
        let behind = embedded(address).into_iter().map(IpAddr::from);
        for judged in std::iter::once(address).chain(behind) {
            let class = classify(judged);
            if !self.allows(class, judged, target.host) {
                missing.push(IpNet::from(judged));
                why = why.or(Some(class.describe()));
            }
        }
        missing.dedup();
        match why {
            None => Ok(()),
            Some(why) => Err(Refusal { address, why, missing }),
        }
    }

    fn allows(&self, class: Class, address: IpAddr, host: Option<&str>) -> bool {
        let listed = || self.networks.iter().any(|network| network.contains(&address));
        match class {
            Class::Public => true,
            Class::Loopback => self.loopback || listed() || self.lists_host(host),
            Class::Special(_) => listed() || self.lists_host(host),
            Class::Local(_) => self.networks.iter().any(|network| network.contains(&address) && is_local(network)),
        }
    }

    fn lists_host(&self, host: Option<&str>) -> bool {
        host.is_some_and(|host| self.hosts.contains(host.trim_end_matches('.')))
    }

    fn lists_exactly(&self, address: IpAddr) -> bool {
        self.networks.contains(&IpNet::from(address))
    }

    fn is_own(&self, target: &Target<'_>, address: IpAddr) -> bool {
        self.own.iter().any(|own| {
            let bound = own.ip().to_canonical();
            // To connect to the unspecified address is to connect to this machine.
            let same = bound == address
                || address.is_unspecified()
                || (bound.is_unspecified() && (address.is_loopback() || target.this_machine));
            own.port() == target.address.port() && same
        })
    }
}

/// Whether a listed network means link-local addresses or a metadata service, rather than happening to hold them.
fn is_local(network: &IpNet) -> bool {
    matches!((classify(network.network()), classify(network.broadcast())), (Class::Local(_), Class::Local(_)))
}

/// What is about to be dialled.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The name it came from, in lower case; none if the address itself was named.
    pub host: Option<&'a str>,
    /// The address.
    pub address: SocketAddr,
    /// Whether this machine has that address; asked for only where
    /// [`listens_everywhere_on`](EgressPolicy::listens_everywhere_on) its port.
    pub this_machine: bool,
}

/// An address that may not be dialled; says why, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    address: IpAddr,
    why: &'static str,
    /// What the list lacks.
    missing: Vec<IpNet>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<String> = self.missing.iter().map(|network| format!("\"{network}\"")).collect();
        write!(f, "{} is {}; to deliver there set egress.allow = [{}]", self.address, self.why, missing.join(", "))
    }
}
