//! Every range by its edges, every spelling, what a list opens and what it does not.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn public_only() -> EgressPolicy {
    EgressPolicy::default()
}

fn networks(listed: &[&str]) -> EgressPolicy {
    EgressPolicy::listed(listed.iter().map(|network| network.parse().unwrap()).collect(), [])
}

/// Judges an address on a port nobody of ours listens on.
fn judge(policy: &EgressPolicy, address: &str) -> Result<(), String> {
    judge_named(policy, None, address)
}

fn judge_named(policy: &EgressPolicy, host: Option<&str>, address: &str) -> Result<(), String> {
    let address = SocketAddr::new(address.parse().unwrap(), 9000);
    policy.check(&Target { host, address, this_machine: false }).map_err(|refusal| refusal.to_string())
}

#[test]
fn special_ranges_are_refused_from_their_first_to_their_last_address_and_their_neighbours_are_not() {
    // First, last; then the neighbours that are public.
    let ranges: [(&str, &str, &[&str]); 27] = [
        ("0.0.0.0", "0.255.255.255", &["1.0.0.0"]),
        ("10.0.0.0", "10.255.255.255", &["9.255.255.255", "11.0.0.0"]),
        ("100.64.0.0", "100.127.255.255", &["100.63.255.255", "100.128.0.0"]),
        ("127.0.0.0", "127.255.255.255", &["126.255.255.255", "128.0.0.0"]),
        ("169.254.0.0", "169.254.255.255", &["169.253.255.255", "169.255.0.0"]),
        ("172.16.0.0", "172.31.255.255", &["172.15.255.255", "172.32.0.0"]),
        ("192.0.0.0", "192.0.0.255", &["191.255.255.255", "192.0.1.0"]),
        ("192.0.2.0", "192.0.2.255", &["192.0.1.255", "192.0.3.0"]),
        ("192.88.99.0", "192.88.99.255", &["192.88.98.255", "192.88.100.0"]),
        ("192.168.0.0", "192.168.255.255", &["192.167.255.255", "192.169.0.0"]),
        ("198.18.0.0", "198.19.255.255", &["198.17.255.255", "198.20.0.0"]),
        ("198.51.100.0", "198.51.100.255", &["198.51.99.255", "198.51.101.0"]),
        ("203.0.113.0", "203.0.113.255", &["203.0.112.255", "203.0.114.0"]),
        ("224.0.0.0", "255.255.255.255", &["223.255.255.255"]),
        ("168.63.129.16", "168.63.129.16", &["168.63.129.15", "168.63.129.17"]),
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["2003::"]),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", &["2001:200::"]),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", &["2001:db7:ffff::", "2001:db9::"]),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["2001:ffff::", "2003::"]),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", &["3ffe:ffff::", "3fff:1000::"]),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["3fff:ffff::"]),
        ("64:ff9b::", "64:ff9b::ffff:ffff", &[]),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", &[]),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("ff00::", "ff0e::1", &[]),
    ];
    for (first, last, neighbours) in ranges {
        for refused in [first, last] {
            assert!(judge(&public_only(), refused).is_err(), "{refused}");
        }
        for allowed in neighbours {
            assert_eq!(judge(&public_only(), allowed), Ok(()), "{allowed}");
        }
    }
}

#[test]
fn addresses_are_called_what_they_are() {
    for (address, class) in [
        ("93.184.216.34", Class::Public),
        ("2606:4700::1111", Class::Public),
        ("127.0.0.53", Class::Loopback),
        ("::1", Class::Loopback),
        ("::ffff:127.0.0.1", Class::Loopback),
        ("::ffff:8.8.8.8", Class::Public),
    ] {
        assert_eq!(classify(address.parse().unwrap()), class, "{address}");
    }
    for local in [
        "169.254.169.254",
        "169.254.170.2",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "::ffff:169.254.169.254",
    ] {
        assert!(matches!(classify(local.parse().unwrap()), Class::Local(_)), "{local}");
    }
}

#[test]
fn a_refusal_says_which_address_why_and_what_would_allow_it() {
    for (address, message) in [
        ("10.1.2.3", "10.1.2.3 is a private address; to deliver there set egress.allow = [\"10.1.2.3/32\"]"),
        ("fd12::1", "fd12::1 is a unique local address; to deliver there set egress.allow = [\"fd12::1/128\"]"),
        ("::ffff:10.1.2.3", "10.1.2.3 is a private address; to deliver there set egress.allow = [\"10.1.2.3/32\"]"),
        (
            "64:ff9b::a01:203",
            "64:ff9b::a01:203 is an IPv4 address behind NAT64; to deliver there set egress.allow = \
             [\"64:ff9b::a01:203/128\", \"10.1.2.3/32\"]",
        ),
    ] {
        assert_eq!(judge(&public_only(), address), Err(message.to_owned()));
    }
}

#[test]
fn what_a_refusal_proposes_is_enough() {
    for address in
        ["10.1.2.3", "127.0.0.1", "169.254.169.254", "fd00:ec2::254", "fe80::1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"]
    {
        let address = SocketAddr::new(address.parse().unwrap(), 9000);
        let target = Target { host: None, address, this_machine: true };
        let own = EgressPolicy::default().own_listeners([address]);
        let refusal = own.check(&target).unwrap_err();
        let allowed = EgressPolicy::listed(refusal.missing, []).own_listeners([address]);
        assert_eq!(allowed.check(&target), Ok(()), "{address}");
    }
}

#[test]
fn a_listed_network_is_allowed_and_its_neighbours_are_not() {
    let policy = networks(&["10.1.0.0/16", "fd12::/32"]);
    for allowed in ["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "fd12::1", "8.8.8.8"] {
        assert_eq!(judge(&policy, allowed), Ok(()), "{allowed}");
    }
    for refused in ["10.0.255.255", "10.2.0.0", "fd13::1", "127.0.0.1"] {
        assert!(judge(&policy, refused).is_err(), "{refused}");
    }
}

#[test]
fn a_listed_host_is_allowed_wherever_it_is_but_for_link_local_and_metadata() {
    let policy = EgressPolicy::listed(vec![], ["Internal.Example.".to_owned()]);
    for name in ["internal.example", "internal.example."] {
        for address in ["10.1.2.3", "127.0.0.1", "fd12::1"] {
            assert_eq!(judge_named(&policy, Some(name), address), Ok(()), "{name} {address}");
        }
        for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"] {
            assert!(judge_named(&policy, Some(name), address).is_err(), "{name} {address}");
        }
    }
    for other in [None, Some("example"), Some("a.internal.example"), Some("xinternal.example")] {
        assert!(judge_named(&policy, other, "10.1.2.3").is_err(), "{other:?}");
    }
}

#[test]
fn link_local_and_metadata_are_not_opened_by_a_network_that_happens_to_hold_them() {
    let wide = networks(&["0.0.0.0/0", "::/0", "100.64.0.0/10", "fd00::/8", "169.0.0.0/8"]);
    for refused in ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fe80::1"] {
        assert!(judge(&wide, refused).is_err(), "{refused}");
    }
    assert_eq!(judge(&wide, "100.64.0.1"), Ok(()));
    let exact = networks(&["169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "168.63.129.16/32"]);
    for allowed in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16"] {
        assert_eq!(judge(&exact, allowed), Ok(()), "{allowed}");
    }
}

#[test]
fn what_a_gateway_on_the_way_would_turn_an_address_into_is_judged_too() {
    let policy = networks(&["64:ff9b::/96", "2002::/16", "2001::/32"]);
    // NAT64 and 6to4 of 8.8.8.8; Teredo with server and client 8.8.8.8.
    for allowed in ["64:ff9b::808:808", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7"] {
        assert_eq!(judge(&policy, allowed), Ok(()), "{allowed}");
    }
    for refused in [
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a00:1::f7f7:f7f7",
        "2001:0:808:808::80ff:fffe",
    ] {
        assert!(judge(&policy, refused).is_err(), "{refused}");
    }
}

#[test]
fn loopback_is_allowed_only_when_told_so() {
    for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert!(judge(&public_only(), address).is_err(), "{address}");
        assert_eq!(judge(&public_only().loopback(true), address), Ok(()), "{address}");
    }
    for other in ["0.0.0.0", "::", "10.0.0.1"] {
        assert!(judge(&public_only().loopback(true), other).is_err(), "{other}");
    }
}

#[test]
fn our_own_listeners_are_refused_on_their_ports_unless_listed_as_single_addresses() {
    let check = |policy: &EgressPolicy, address: &str, this_machine| {
        let address = address.parse().unwrap();
        policy.check(&Target { host: None, address, this_machine }).is_ok()
    };
    let own: [SocketAddr; 2] = ["127.0.0.1:8080".parse().unwrap(), "0.0.0.0:8081".parse().unwrap()];
    let policy = networks(&["10.0.0.0/8"]).loopback(true).own_listeners(own);
    assert!(policy.listens_everywhere_on(8081) && !policy.listens_everywhere_on(8080));
    for refused in ["127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", "127.0.0.1:8081", "127.0.0.2:8081", "[::1]:8081"] {
        assert!(!check(&policy, refused, false), "{refused}");
    }
    for allowed in ["127.0.0.1:8082", "127.0.0.2:8080", "10.0.0.1:8081", "8.8.8.8:8080"] {
        assert!(check(&policy, allowed, false), "{allowed}");
    }
    assert!(!check(&policy, "10.0.0.1:8081", true));
    assert!(!check(&policy, "8.8.8.8:8081", true));
    let listed = networks(&["10.0.0.0/8", "10.0.0.1/32", "127.0.0.1/32"]).own_listeners(own);
    for allowed in ["10.0.0.1:8081", "127.0.0.1:8080", "127.0.0.1:8081"] {
        assert!(check(&listed, allowed, true), "{allowed}");
    }
    assert!(!check(&listed, "10.0.0.2:8081", true));
}

proptest! {
    #[test]
    fn an_ipv4_address_written_as_ipv6_is_judged_as_itself(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let mapped = IpAddr::V6(address.to_ipv6_mapped());
        prop_assert_eq!(classify(address.into()), classify(mapped));
    }

    #[test]
    fn what_the_standard_library_knows_as_special_is_not_public(bits: u32, high in 0xfc00_u16.., low: u128) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_unspecified() || v4.is_multicast();
        prop_assert!(!special || classify(v4.into()) != Class::Public, "{}", v4);
        prop_assert_eq!(v4.is_loopback(), classify(v4.into()) == Class::Loopback);
        let v6 = Ipv6Addr::from_bits(u128::from(high) << 112 | low >> 16);
        prop_assert!(classify(v6.into()) != Class::Public, "{}", v6);
    }

    #[test]
    fn nothing_but_public_addresses_passes_without_a_list(bits: u128) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
        let verdict = public_only().check(&Target { host: Some("any"), address: (address, 80).into(), this_machine: false });
        prop_assert_eq!(verdict.is_ok(), classify(address) == Class::Public);
    }
}
