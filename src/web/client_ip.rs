//! Whose address a request has: the peer's, or what a trusted proxy says about it.
//!
//! Headers can be written by anybody, so they are read from the right, where the nearest proxy has written, and only as
//! far as the proxies that wrote them are trusted. What cannot be told is not guessed: then there is no address.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR},
};
use ipnet::IpNet;

/// `ingress.trusted_proxies`
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those with an address in one of these networks.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The address of the client that sent a request, directly or through trusted proxies.
    #[must_use]
    pub fn client_ip(&self, request: &HttpRequest) -> Option<IpAddr> {
        // An IPv4 client of an IPv6 socket comes as `::ffff:a.b.c.d`.
        let peer = request.peer_addr()?.ip().to_canonical();
        if self.trust(peer) { self.forwarded_for(peer, request.headers()) } else { Some(peer) }
    }

    /// What the headers say that came from a trusted proxy.
    fn forwarded_for(&self, proxy: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let told = |name: &HeaderName, address: fn(&str) -> Option<IpAddr>| {
            headers.contains_key(name).then(|| self.client_of(hops(headers, name)?.rev().map(address)))
        };
        match (told(&X_FORWARDED_FOR, bare_address), told(&FORWARDED, forwarded_address)) {
            // The proxy asks for itself.
            (None, None) => Some(proxy),
            (Some(client), None) | (None, Some(client)) => client,
            // A proxy writes one of them and passes the other on as it came: which one is the client's cannot be told.
            (Some(one), Some(other)) => one.filter(|_| one == other),
        }
    }

    /// The last hop that is not a trusted proxy, or the first of all; `hops` begin with the nearest.
    fn client_of(&self, hops: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
        let mut last = None;
        for hop in hops {
            let address = hop?;
            if !self.trust(address) {
                return Some(address);
            }
            last = Some(address);
        }
        last
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The entries of a header in the order they were added, over all its lines; `None` when one of the lines is not text.
///
/// Divided at every comma, in quotes as well: a quote that a client left open must not swallow what a proxy added.
fn hops<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<impl DoubleEndedIterator<Item = &'h str> + use<'h>> {
    let lines: Option<Vec<&str>> = headers.get_all(name).map(|line| line.to_str().ok()).collect();
    let entries = lines?.into_iter().flat_map(|line| line.split(',')).map(str::trim);
    Some(entries.filter(|entry| !entry.is_empty()).collect::<Vec<_>>().into_iter())
}

/// `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, each with or without a port.
fn bare_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// `for=192.0.2.1;proto=https`, `For="[2001:db8::1]:4711"`: RFC 7239. Names that hide the address have none.
fn forwarded_address(element: &str) -> Option<IpAddr> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    })?;
    bare_address(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// The client of a request from `peer` with these headers, where 10.0.0.0/8 and `fd00::/8` are trusted.
    fn client(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711));
        for &header in headers {
            request = request.append_header(header);
        }
        trusted.client_ip(&request.to_http_request()).map(|address| address.to_string())
    }

    fn is(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn headers_of_a_stranger_say_nothing() {
        for header in [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "?")] {
            assert_eq!(client("203.0.113.9", &[header]), is("203.0.113.9"), "{header:?}");
        }
        assert_eq!(client("::ffff:203.0.113.9", &[]), is("203.0.113.9"));
    }

    #[test]
    fn a_trusted_proxy_is_believed_its_own_entry_and_no_more() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            // The client wrote the first one itself.
            ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
            ("10.9.9.9, 192.0.2.1, 10.0.0.2,10.0.0.3", "192.0.2.1"),
            ("?, 192.0.2.1:4711, fd00::1", "192.0.2.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("192.0.2.1, ,", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // Everybody is ours: the one farthest away.
            ("10.0.0.7, 10.0.0.2", "10.0.0.7"),
        ];
        for (header, address) in cases {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", header)]), is(address), "{header}");
            assert_eq!(client("::ffff:10.0.0.1", &[("x-forwarded-for", header)]), is(address), "{header}");
        }
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")];
        assert_eq!(client("10.0.0.1", &lines), is("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &[]), is("10.0.0.1"));
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let cases = [
            ("for=192.0.2.1", "192.0.2.1"),
            ("proto=https;For=\"[2001:db8::1]:4711\";by=10.0.0.1", "2001:db8::1"),
            ("for=198.51.100.1, for=192.0.2.1;proto=http, for=10.0.0.2", "192.0.2.1"),
            ("for=\"198.51.100.1, for=192.0.2.1", "192.0.2.1"),
        ];
        for (header, address) in cases {
            assert_eq!(client("10.0.0.1", &[("forwarded", header)]), is(address), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        for header in [
            ("x-forwarded-for", "unknown"),
            ("x-forwarded-for", "192.0.2.1, unknown, 10.0.0.2"),
            ("x-forwarded-for", ""),
            ("forwarded", "for=_hidden"),
            ("forwarded", "by=10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[header]), None, "{header:?}");
        }
    }

    #[test]
    fn of_two_headers_that_contradict_each_other_neither_is_believed() {
        let both = |other| [("x-forwarded-for", "192.0.2.1"), ("forwarded", other)];
        assert_eq!(client("10.0.0.1", &both("for=192.0.2.1")), is("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &both("for=198.51.100.1")), None);
    }
}
