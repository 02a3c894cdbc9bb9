//! What kind of address an address is: the special ranges of IPv4 and IPv6, as the IANA registries have them.
//!
//! Pure: bytes in, a [`Class`] out. Which classes may be delivered to is the policy's to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Anybody's: where destinations are expected.
    Public,
    /// This machine, as it calls itself.
    Loopback,
    /// The wire this machine hangs on, or a cloud's metadata service: whoever reads that has the machine's credentials.
    Local(&'static str),
    /// Any other address that is not on the internet; what it is instead.
    Special(&'static str),
}

impl Class {
    /// What it is, as the end of a sentence that begins with the address.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address",
            Self::Local(what) | Self::Special(what) => what,
        }
    }
}

const PRIVATE: Class = Class::Special("a private address");
const DOCUMENTATION: Class = Class::Special("an address for documentation");
const METADATA: Class = Class::Local("the address of a metadata service");
const LINK_LOCAL: Class = Class::Local("a link-local address");

/// IPv4: first address, prefix length, class. The first that fits counts.
const V4: [(Ipv4Addr, u32, Class); 20] = [
    // Providers' own services outside the link-local range: Azure, Alibaba, Oracle.
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Class::Special("an address of this network")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::Special("an address of a carrier's or overlay's own network")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Special("an address for protocols")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Class::Special("a 6to4 relay")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Special("an address for benchmarks")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(203, 0, 113, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Class::Special("a multicast address")),
    (Ipv4Addr::new(255, 255, 255, 255), 32, Class::Special("the broadcast address")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Class::Special("a reserved address")),
    (Ipv4Addr::new(0, 0, 0, 0), 0, Class::Public),
];

/// IPv6: first address, prefix length, class. The first that fits counts. What is mapped from IPv4 never comes here.
const V6: [(Ipv6Addr, u32, Class); 24] = [
    // Amazon, Google, Scaleway.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, METADATA),
    (Ipv6Addr::UNSPECIFIED, 128, Class::Special("the unspecified address")),
    (Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    (Ipv6Addr::UNSPECIFIED, 96, Class::Special("an IPv4-compatible address")),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Class::Special("a translated IPv4 address")),
    (NAT64, 96, Class::Special("an IPv4 address behind NAT64")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Class::Special("an IPv4 address behind a local NAT64")),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Class::Special("a discard address")),
    (Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64, Class::Special("a dummy address")),
    (TEREDO, 32, Class::Special("an IPv4 address behind Teredo")),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Class::Special("an address for benchmarks")),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Class::Special("an address for protocols")),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, DOCUMENTATION),
    (SIX_TO_FOUR, 16, Class::Special("an IPv4 address behind 6to4")),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, DOCUMENTATION),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, Class::Special("a segment routing address")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Class::Special("a unique local address")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LINK_LOCAL),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Class::Special("a site-local address")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Class::Special("a multicast address")),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Class::Public),
    (Ipv6Addr::UNSPECIFIED, 0, Class::Special("no global unicast address")),
];

const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
const TEREDO: Ipv6Addr = Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0);
const SIX_TO_FOUR: Ipv6Addr = Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0);

/// What this address is for. An IPv4 address that is written as IPv6 is the IPv4 address.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    // Each table ends with a row that fits everything.
    match address.to_canonical() {
        IpAddr::V4(address) => {
            V4.into_iter().find(|row| in_v4(address, row.0, row.1)).map_or(Class::Public, |(.., class)| class)
        }
        IpAddr::V6(address) => {
            V6.into_iter().find(|row| in_v6(address, row.0, row.1)).map_or(Class::Public, |(.., class)| class)
        }
    }
}

/// The IPv4 addresses that a gateway on the way may turn this one into; they are judged as well.
#[must_use]
pub fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(address) = address.to_canonical() else { return Vec::new() };
    let octets = address.octets();
    let at = |from: usize| Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]);
    if in_v6(address, NAT64, 96) {
        vec![at(12)]
    } else if in_v6(address, SIX_TO_FOUR, 16) {
        vec![at(2)]
    } else if in_v6(address, TEREDO, 32) {
        // The server's, and the client's with its bits turned over.
        vec![at(4), Ipv4Addr::from_bits(!at(12).to_bits())]
    } else {
        Vec::new()
    }
}

fn in_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u32) -> bool {
    let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    address.to_bits() & mask == network.to_bits()
}

fn in_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u32) -> bool {
    let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
    address.to_bits() & mask == network.to_bits()
}
