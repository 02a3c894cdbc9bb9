//! The sections, typed. What each setting means stands in `config/default.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use serde::Deserialize;

use super::{
    ConfigError,
    layers::{Layers, Scalar},
    listeners::{self, TlsFiles},
};

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Directory of journal, state and key.
    pub dir: PathBuf,
}

/// `[ingress]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// Where requests arrive.
    pub listen: SocketAddr,
    /// Empty, or the URL senders use; see [`public_url`](Self::public_url).
    pub(super) public_url: String,
    tls_cert_file: PathBuf,
    tls_key_file: PathBuf,
    /// Who is believed whom it forwards a request for.
    #[serde(deserialize_with = "listeners::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body taken.
    pub body_bytes_max: usize,
    /// Bodies in memory, together.
    pub body_memory_bytes: usize,
    body_timeout_ms: u64,
    /// What a body's sender must keep up once it has begun; 0 for nothing.
    pub body_rate_min_bytes_per_s: u64,
    /// `status` or `200`; see [`rejections_are_200`](Self::rejections_are_200).
    pub(super) rejections: String,
    /// 0 or a count; see [`workers`](Self::workers).
    pub(super) workers: usize,
}

impl Ingress {
    /// The URL senders use, without a slash at the end; `bound` is the address actually listened on.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        public_url(&self.public_url, bound, self.tls().is_some())
    }

    /// The files TLS is done with; without them it is plain HTTP.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        TlsFiles::new(("ingress.tls_cert_file", &self.tls_cert_file), ("ingress.tls_key_file", &self.tls_key_file))
    }

    pub(super) fn half_of_tls(&self) -> Option<(&'static str, &'static str)> {
        listeners::half_of_tls(&self.tls_cert_file, &self.tls_key_file)
    }

    /// Time for a whole body.
    #[must_use]
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// Whether refused requests of known sources are answered 200.
    #[must_use]
    pub fn rejections_are_200(&self) -> bool {
        self.rejections == "200"
    }

    /// Threads that take requests.
    #[must_use]
    pub fn workers(&self) -> usize {
        or_cores(self.workers)
    }
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where the API is.
    pub listen: SocketAddr,
    /// Empty, or the URL clients use; see [`public_url`](Self::public_url).
    pub(super) public_url: String,
    tls_cert_file: PathBuf,
    tls_key_file: PathBuf,
    /// Threads that answer.
    pub workers: usize,
    /// Live streams at a time.
    pub live_streams_max: usize,
    live_heartbeat_ms: u64,
}

impl Api {
    /// The URL clients use, without a slash at the end; `bound` is the address actually listened on.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        public_url(&self.public_url, bound, self.tls().is_some())
    }

    /// The files TLS is done with; without them it is plain HTTP.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        TlsFiles::new(("api.tls_cert_file", &self.tls_cert_file), ("api.tls_key_file", &self.tls_key_file))
    }

    pub(super) fn half_of_tls(&self) -> Option<(&'static str, &'static str)> {
        listeners::half_of_tls(&self.tls_cert_file, &self.tls_key_file)
    }

    /// How long a live stream says nothing.
    #[must_use]
    pub const fn live_heartbeat(&self) -> Duration {
        Duration::from_millis(self.live_heartbeat_ms)
    }
}

/// `[delivery]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    timeout_ms: u64,
    /// Attempts in flight at once, per connection.
    pub concurrency: usize,
    /// What the names of added headers begin with: lower case, ending in a dash.
    pub header_prefix: String,
    pub(super) ca_file: PathBuf,
    arbiters: usize,
    drain_grace_ms: u64,
}

impl Delivery {
    /// Time for one whole attempt.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Certificates that are trusted beside the public authorities, if a file was named.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        (!self.ca_file.as_os_str().is_empty()).then_some(&*self.ca_file)
    }

    /// Threads that run connections and deliveries.
    #[must_use]
    pub fn arbiters(&self) -> usize {
        or_cores(self.arbiters)
    }

    /// How long a stop waits for attempts in flight.
    #[must_use]
    pub const fn drain_grace(&self) -> Duration {
        Duration::from_millis(self.drain_grace_ms)
    }
}

/// `[bulk]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// Things that bulk operations deal with a second, all together.
    pub rate_per_s: u32,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Size at which a journal segment is sealed.
    pub segment_bytes: u64,
    /// sled's page cache.
    pub sled_cache_bytes: u64,
    /// State that is not in sled yet.
    pub overlay_bytes_max: u64,
    /// Records that wait for the journal's writer.
    pub journal_queue_bytes_max: u64,
    /// Free disk space below which nothing is accepted.
    pub disk_low_bytes: u64,
    checkpoint_interval_ms: u64,
    retention_days: u64,
    pub(super) quota_bytes: u64,
}

impl Store {
    /// Time between checkpoints.
    #[must_use]
    pub const fn checkpoint_interval(&self) -> Duration {
        Duration::from_millis(self.checkpoint_interval_ms)
    }

    /// How long settled events are kept after their last activity.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_days * 24 * 60 * 60)
    }

    /// What the journal may take on disk, if limited.
    #[must_use]
    pub fn quota_bytes(&self) -> Option<u64> {
        (self.quota_bytes != 0).then_some(self.quota_bytes)
    }
}

/// `[stop]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    delay_ms: u64,
}

impl Stop {
    /// How long requests are still taken after the signal, while readiness is denied already.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level, or directives as `tracing`'s `EnvFilter` takes them.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Checks what serde would refuse without saying who set it: addresses, and the format's word.
pub(super) fn check_words(layers: &Layers, addresses: [&str; 2], format: &str) -> Result<(), ConfigError> {
    for (section, key, entry) in layers.iter() {
        let Scalar::Text(text) = &entry.value else { continue };
        let name = format!("{section}.{key}");
        if addresses.contains(&name.as_str()) && text.parse::<SocketAddr>().is_err() {
            let problem = format!("is {text:?}: must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080");
            return Err(layers.invalid(&name, problem));
        }
        if name == format && !["auto", "human", "json"].contains(&text.as_str()) {
            return Err(layers.invalid(&name, format!("is {text:?}: must be auto, human or json")));
        }
    }
    Ok(())
}

/// An address that listens everywhere is reached at home through the loopback address.
fn public_url(set: &str, bound: SocketAddr, tls: bool) -> String {
    if !set.is_empty() {
        return set.trim_end_matches('/').to_owned();
    }
    let mut reachable = bound;
    if bound.ip().is_unspecified() {
        reachable.set_ip(if bound.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("{}://{reachable}", if tls { "https" } else { "http" })
}

fn or_cores(count: usize) -> usize {
    if count > 0 { count } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_what_was_set_or_where_one_can_reach_us() {
        let cases = [
            ("https://hooks.example.com/", "0.0.0.0:80", false, "https://hooks.example.com"),
            ("http://hooks.example.com", "0.0.0.0:80", true, "http://hooks.example.com"),
            ("", "10.1.2.3:8080", false, "http://10.1.2.3:8080"),
            ("", "0.0.0.0:8080", true, "https://127.0.0.1:8080"),
            ("", "[::]:8080", false, "http://[::1]:8080"),
        ];
        for (set, bound, tls, url) in cases {
            assert_eq!(public_url(set, bound.parse().unwrap(), tls), url);
        }
    }

    #[test]
    fn zero_workers_means_one_per_core() {
        assert!(or_cores(0) >= 1);
        assert_eq!(or_cores(3), 3);
    }
}
