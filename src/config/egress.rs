//! `[egress]`: networks, hosts and name servers out of words.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use url::Host;

/// `[egress]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    allow: Vec<String>,
    dns_timeout_ms: u64,
    nameservers: Vec<String>,
}

/// One word of `egress.allow`.
enum Allowed {
    Network(IpNet),
    Host(String),
}

impl Egress {
    /// Networks that may be delivered to besides public ones; single addresses are networks.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        let network = |allowed| match allowed {
            Allowed::Network(network) => Some(network),
            Allowed::Host(_) => None,
        };
        self.allowed().filter_map(network).collect()
    }

    /// Hosts that may be delivered to wherever they are, in lower case.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let host = |allowed| match allowed {
            Allowed::Network(_) => None,
            Allowed::Host(host) => Some(host),
        };
        self.allowed().filter_map(host).collect()
    }

    /// Name servers to ask instead of the system's; none: the system's.
    #[must_use]
    pub fn nameservers(&self) -> Vec<SocketAddr> {
        self.nameservers.iter().filter_map(|word| nameserver(word).ok()).collect()
    }

    /// Time for one name.
    #[must_use]
    pub const fn dns_timeout(&self) -> Duration {
        Duration::from_millis(self.dns_timeout_ms)
    }

    /// What is wrong with which setting. After this, every word of the lists means something.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for word in &self.allow {
            allowed(word).map_err(|problem| ("egress.allow", format!("has {word:?}: {problem}")))?;
        }
        for word in &self.nameservers {
            nameserver(word).map_err(|problem| ("egress.nameservers", format!("has {word:?}: {problem}")))?;
        }
        Ok(())
    }

    fn allowed(&self) -> impl Iterator<Item = Allowed> {
        self.allow.iter().filter_map(|word| allowed(word).ok())
    }
}

fn allowed(word: &str) -> Result<Allowed, String> {
    let wanted = "must be a network such as 10.0.0.0/8, an address, or a host such as internal.example";
    if word.contains('/') {
        let network: IpNet = word.parse().map_err(|_| wanted.to_owned())?;
        let whole = network.trunc();
        if whole != network {
            return Err(format!("begins in the middle of a network: did you mean \"{whole}\"?"));
        }
        return Ok(Allowed::Network(canonical(network)));
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Allowed::Network(address.to_canonical().into()));
    }
    if word.contains('*') {
        return Err("hosts are named one by one, without wildcards; a network may say what is meant".to_owned());
    }
    // Read as the host of a URL is, so that it is found again.
    match Host::parse(word) {
        Ok(Host::Domain(host)) => Ok(Allowed::Host(host)),
        Ok(Host::Ipv4(address)) => Ok(Allowed::Network(IpAddr::from(address).into())),
        Ok(Host::Ipv6(address)) => Ok(Allowed::Network(IpAddr::from(address).to_canonical().into())),
        Err(_) => Err(wanted.to_owned()),
    }
}

/// A network of IPv4 addresses that are written as IPv6 is the IPv4 network: addresses are compared as such.
fn canonical(network: IpNet) -> IpNet {
    match (network.network().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(prefix)) if network.network().is_ipv6() => {
            Ipv4Net::new(address, prefix).map_or(network, IpNet::from)
        }
        _ => network,
    }
}

fn nameserver(word: &str) -> Result<SocketAddr, String> {
    let wanted = "must be an IP address and a port, such as 192.0.2.53:53";
    match word.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        Ok(_) | Err(_) => Err(wanted.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(allow: &[&str], nameservers: &[&str]) -> Egress {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Egress { allow: words(allow), dns_timeout_ms: 5000, nameservers: words(nameservers) }
    }

    #[test]
    fn networks_addresses_and_hosts_are_told_apart() {
        let listed = egress(
            &["10.0.0.0/8", "fd12::/32", "192.168.1.1", "::1", "[fd13::1]", "0x7f.1", "Internal.Example", "db"],
            &["192.0.2.53:53", "[2001:db8::1]:5353"],
        );
        assert_eq!(listed.check(), Ok(()));
        let networks: Vec<String> = listed.networks().iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "fd12::/32", "192.168.1.1/32", "::1/128", "fd13::1/128", "127.0.0.1/32"]);
        assert_eq!(listed.hosts(), ["internal.example", "db"]);
        assert_eq!(listed.nameservers().len(), 2);
    }

    #[test]
    fn an_ipv4_network_written_as_ipv6_is_the_ipv4_network() {
        let listed = egress(&["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "::/0"], &[]);
        let networks: Vec<String> = listed.networks().iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "10.1.2.3/32", "::/0"]);
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_would() {
        for (word, part) in [
            ("10.0.0.1/8", "did you mean \"10.0.0.0/8\"?"),
            ("10.0.0.0/33", "must be a network such as"),
            ("http://x/", "must be a network such as"),
            ("a b", "must be a network such as"),
            ("", "must be a network such as"),
            ("host:80", "must be a network such as"),
            ("*.example", "without wildcards"),
        ] {
            let (key, problem) = egress(&[word], &[]).check().unwrap_err();
            assert!(key == "egress.allow" && problem.contains(part), "{word}: {problem}");
        }
        for word in ["192.0.2.53", "dns.example:53", "192.0.2.53:0", ""] {
            assert_eq!(egress(&[], &[word]).check().unwrap_err().0, "egress.nameservers", "{word}");
        }
    }
}
