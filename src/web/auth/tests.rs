//! Keys, sessions and sites, by example.

use actix_web::{
    http::{Method, header::HeaderValue},
    test::TestRequest,
};

use super::*;
use crate::domain::{ApiKeyId, ConfigItem, Previous};

const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);

fn key(number: u128, text: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_bits(number),
        label: format!("key {number}"),
        hash: ApiKey::hash_of(text.as_bytes()),
        scope: Scope::Write,
        previous: None,
        revoked_at: None,
        created_at: T0,
        version: 1,
    }
}

fn configured(keys: impl IntoIterator<Item = ApiKey>) -> Configuration {
    let mut configuration = Configuration::default();
    keys.into_iter().for_each(|key| configuration.put(ConfigItem::ApiKey(key)));
    configuration
}

fn request(value: &[u8]) -> HttpRequest {
    let value = HeaderValue::from_bytes(value).unwrap();
    TestRequest::default().insert_header((AUTHORIZATION, value)).to_http_request()
}

fn entered(value: &[u8], configuration: &Configuration) -> Option<ApiKeyId> {
    let entered = Gate::default().enter(&request(value), configuration, T0).ok()?;
    assert!(!entered.by_session);
    Some(entered.key.id)
}

#[test]
fn a_key_opens_as_bearer_and_as_basic_user() {
    let configuration = configured([key(2, "hgk_one"), key(3, "hgk_other"), key(4, "hgk_third")]);
    let basic = format!("Basic {}", STANDARD.encode("hgk_other:"));
    for (value, number) in [("Bearer hgk_one", 2), ("bearer  hgk_other ", 3), (&basic, 3), ("Bearer hgk_third", 4)] {
        assert_eq!(entered(value.as_bytes(), &configuration), Some(ApiKeyId::from_bits(number)), "{value}");
    }
}

#[test]
fn everything_else_is_refused() {
    let configuration = configured([key(2, "hgk_one")]);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text)).into_bytes();
    let refused: [&[u8]; 12] = [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer hgk_on",
        b"Bearer hgk_one2",
        b"hgk_one",
        b"Digest hgk_one",
        b"Basic hgk_one",
        b"Basic \xff\xff",
        &basic("hgk_one"),
        &basic("hgk_one:password"),
        &basic(":hgk_one"),
    ];
    for value in refused {
        assert_eq!(entered(value, &configuration), None, "{:?}", String::from_utf8_lossy(value));
    }
    let nothing = TestRequest::default().to_http_request();
    assert!(Gate::default().enter(&nothing, &configuration, T0).is_err());
    assert_eq!(entered(b"Bearer ", &configured([])), None, "no keys, nobody enters");
}

#[test]
fn a_revoked_key_opens_nothing_and_a_rolled_one_what_it_was_until_it_runs_out() {
    let (revoked, until) = (ApiKey { revoked_at: Some(T0), ..key(2, "hgk_one") }, T0.plus_ms(1_000));
    assert_eq!(entered(b"Bearer hgk_one", &configured([revoked.clone()])), None);
    let previous = Some(Previous { value: key(2, "hgk_one").hash, until });
    let rolled = configured([ApiKey { previous: previous.clone(), ..key(2, "hgk_two") }]);
    let at = |text: &str, now| find(text.as_bytes(), &rolled, now).is_some();
    assert!(at("hgk_one", T0.plus_ms(999)) && at("hgk_two", T0));
    assert!(!at("hgk_one", until) && at("hgk_two", until));
    let both = configured([ApiKey { previous, revoked_at: Some(T0), ..key(2, "hgk_two") }]);
    assert_eq!([b"Bearer hgk_one", b"Bearer hgk_two"].map(|value| entered(value, &both)), [None, None]);
}

#[test]
fn a_scope_allows_what_those_before_it_do() {
    let entered = |scope| Entered { key: Arc::new(ApiKey { scope, ..key(2, "x") }), by_session: false };
    for (place, scope) in Scope::ALL.into_iter().enumerate() {
        for (needed_place, needed) in Scope::ALL.into_iter().enumerate() {
            let required = entered(scope).require(needed);
            assert_eq!(required.is_ok(), place >= needed_place);
            if let Err(error) = required {
                assert_eq!(error.code(), "FORBIDDEN");
                assert!(error.to_string().contains(&format!("scope {}", needed.as_str())), "{error}");
            }
        }
    }
}

/// A request of a browser that has the cookie of `set`.
fn browsing(method: Method, set: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let cookie = format!("other=1; {}", set.split(';').next().unwrap());
    let mut request = TestRequest::default().method(method).insert_header((COOKIE, cookie));
    for &header in headers {
        request = request.insert_header(header);
    }
    request.to_http_request()
}

#[test]
fn a_cookie_lets_in_and_changes_things_for_pages_of_the_same_origin_alone() {
    let gate = Gate::new(TrustedProxies::default(), "https://api.example/", false);
    let configuration = configured([key(2, "hgk_one")]);
    let (_, set) = gate.sign_in(&TestRequest::default().to_http_request(), "hgk_one", &configuration, T0).unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Secure"] {
        assert!(set.contains(&format!("; {attribute}")), "{set}");
    }
    let enter = |method, headers: &[_]| gate.enter(&browsing(method, &set, headers), &configuration, T0);
    assert!(enter(Method::GET, &[]).unwrap().by_session);
    let host = ("host", "gate.example:8081");
    let same: [&[_]; 4] = [
        &[("sec-fetch-site", "same-origin")],
        &[host, ("origin", "http://gate.example:8081")],
        &[("host", "internal"), ("origin", "https://api.example")],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://api.example")],
    ];
    for headers in same {
        assert!(enter(Method::POST, headers).is_ok(), "{headers:?}");
    }
    let other: [&[_]; 8] = [
        &[],
        &[host],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://api.example")],
        &[("sec-fetch-site", "none")],
        &[host, ("origin", "http://gate.example")],
        &[host, ("origin", "null")],
        &[host, ("origin", "http://gate.example:8081.evil.example")],
    ];
    for headers in other {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert_eq!(enter(method, headers).unwrap_err().code(), "FORBIDDEN", "{headers:?}");
        }
    }
}

#[test]
fn signing_in_takes_a_right_key_and_no_other_sites_page() {
    let gate = Gate::new(TrustedProxies::default(), "http://127.0.0.1:8081", false);
    let configuration = configured([key(2, "hgk_one")]);
    let sign_in = |headers: &[(&str, &str)], text: &str| {
        gate.sign_in(&browsing(Method::POST, "x=1", headers), text, &configuration, T0).map(|(_, set)| set)
    };
    assert!(!sign_in(&[], "hgk_one").unwrap().contains("Secure"), "plain HTTP would lose such a cookie");
    assert_eq!(sign_in(&[], "hgk_two").unwrap_err().code(), "UNAUTHORIZED");
    assert_eq!(sign_in(&[("origin", "https://evil.example")], "hgk_one").unwrap_err().code(), "FORBIDDEN");
    let set = sign_in(&[], "hgk_one").unwrap();
    let inside = browsing(Method::GET, &set, &[]);
    assert!(gate.enter(&inside, &configuration, T0).is_ok());
    assert!(gate.sign_out(&inside).contains("Max-Age=0"));
    assert_eq!(gate.enter(&inside, &configuration, T0).unwrap_err().code(), "UNAUTHORIZED");
}

#[test]
fn wrong_keys_from_one_address_end_in_a_wait() {
    let (gate, configuration) = (Gate::default(), configured([key(2, "hgk_one")]));
    let enter = |value: &[u8]| gate.enter(&request(value), &configuration, T0).map_err(|error| error.code());
    for _ in 0..20 {
        assert_eq!(enter(b"Bearer hgk_guess").unwrap_err(), "UNAUTHORIZED");
    }
    assert_eq!(enter(b"Bearer hgk_guess").unwrap_err(), "TOO_MANY_REQUESTS");
    let nothing = TestRequest::default().to_http_request();
    assert_eq!(gate.enter(&nothing, &configuration, T0).unwrap_err().code(), "UNAUTHORIZED", "no key is no guess");
}
