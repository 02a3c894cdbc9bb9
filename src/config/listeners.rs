//! What is set for listeners and is more than a word or a number: the files of TLS, networks.
//!
//! Reads no file: whether what they hold can be used is found out by whoever listens.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    ConfigError,
    layers::{Layers, Scalar},
};

/// A file, and the setting that names it: what is said about the file names both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Section and key.
    pub setting: &'static str,
    /// Its value.
    pub path: PathBuf,
}

/// What a listener does TLS with; both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and what leads from it to the authority.
    pub certificate: NamedFile,
    /// Its private key.
    pub key: NamedFile,
}

impl TlsFiles {
    /// `None` without files; that there is not only one of them was checked before.
    pub(super) fn new(certificate: (&'static str, &Path), key: (&'static str, &Path)) -> Option<Self> {
        let named = |(setting, path): (&'static str, &Path)| {
            (!path.as_os_str().is_empty()).then(|| NamedFile { setting, path: path.to_owned() })
        };
        Some(Self { certificate: named(certificate)?, key: named(key)? })
    }
}

/// The key that is set and the one that is not, when only one of both files is named.
pub(super) fn half_of_tls(certificate: &Path, key: &Path) -> Option<(&'static str, &'static str)> {
    match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
        (false, true) => Some(("tls_cert_file", "tls_key_file")),
        (true, false) => Some(("tls_key_file", "tls_cert_file")),
        (true, true) | (false, false) => None,
    }
}

/// Refuses what is no network in a list of them; before types are made, so that who set it can be named.
pub(super) fn check_networks(layers: &Layers, name: &str) -> Result<(), ConfigError> {
    for (section, key, entry) in layers.iter() {
        let Scalar::List(items) = &entry.value else { continue };
        if format!("{section}.{key}") != name {
            continue;
        }
        for item in items {
            network(item).map_err(|problem| layers.invalid(name, format!("has {item:?}: {problem}")))?;
        }
    }
    Ok(())
}

/// Makes networks of text.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let items = Vec::<String>::deserialize(deserializer)?;
    items.iter().map(|item| network(item).map_err(D::Error::custom)).collect()
}

/// A network, or the one that is a single address; what could never match is none.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = text
        .parse()
        .or_else(|_| single())
        .map_err(|_| "must be a network such as 10.0.0.0/8 or fd00::/8, or an address".to_owned())?;
    let whole = network.trunc();
    if whole != network {
        return Err(format!("begins in the middle of a network: did you mean \"{whole}\"?"));
    }
    if network.addr().to_canonical().is_ipv4() && network.addr().is_ipv6() {
        return Err("is written as IPv6 and means IPv4 addresses: write it as IPv4".to_owned());
    }
    Ok(network)
}
