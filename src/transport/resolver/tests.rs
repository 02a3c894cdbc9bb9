//! What a name server may do, and what comes of it.

use std::time::Instant;

use super::*;
use crate::testkit::{NameAnswer, PATIENCE, TestNameServer};

/// The lookup's limit where a test waits for it.
const SHORT: Duration = Duration::from_millis(300);

fn resolver(names: &TestNameServer, timeout: Duration) -> Resolver {
    Resolver::start(&ResolverOptions { timeout, nameservers: vec![names.address()] }).unwrap()
}

fn addresses(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

fn not_found(name: &str) -> Found {
    Err(LookupError::NotFound(name.to_owned()))
}

#[track_caller]
fn assert_failed(found: &Found, part: &str) {
    match found {
        Err(LookupError::Failed { reason, .. }) => assert!(reason.contains(part), "{part:?} is not in {reason:?}"),
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn addresses_of_both_kinds_are_found_ipv4_first() {
    let names = TestNameServer::start();
    names.addresses("both.test", &["2606:4700::1111", "192.0.2.1", "192.0.2.2"]);
    let found = resolver(&names, PATIENCE).addresses_of("both.test").await.unwrap();
    assert_eq!(found[..], addresses(&["192.0.2.1", "192.0.2.2", "2606:4700::1111"]));
}

#[actix::test]
async fn names_with_underscores_and_a_dot_at_the_end_are_names() {
    let names = TestNameServer::start();
    names.addresses("my_service", &["192.0.2.1"]);
    let resolver = resolver(&names, PATIENCE);
    for name in ["my_service", "my_service."] {
        assert_eq!(resolver.addresses_of(name).await.unwrap()[..], addresses(&["192.0.2.1"]), "{name}");
    }
}

#[actix::test]
async fn an_alias_is_followed() {
    let names = TestNameServer::start();
    names.set("alias.test", NameAnswer::Alias("real.test".to_owned(), addresses(&["192.0.2.7"])));
    let found = resolver(&names, PATIENCE).addresses_of("alias.test").await.unwrap();
    assert_eq!(found[..], addresses(&["192.0.2.7"]));
}

#[actix::test]
async fn a_name_that_does_not_exist_or_has_no_address_is_not_found() {
    let names = TestNameServer::start();
    names.addresses("empty.test", &[]);
    let resolver = resolver(&names, PATIENCE);
    let long = "x".repeat(64);
    for name in ["missing.test", "empty.test", "does-not-exist.invalid", long.as_str()] {
        assert_eq!(resolver.addresses_of(name).await, not_found(name), "{name}");
    }
}

#[actix::test]
async fn a_server_that_fails_or_refuses_leaves_it_open_whether_the_name_exists() {
    let names = TestNameServer::start();
    names.set("broken.test", NameAnswer::Failure);
    names.set("refused.test", NameAnswer::Refused);
    let resolver = resolver(&names, PATIENCE);
    assert_failed(&resolver.addresses_of("broken.test").await, "Server Failure");
    assert_failed(&resolver.addresses_of("refused.test").await, "Query Refused");
}

#[actix::test]
async fn a_server_that_is_not_there_is_told() {
    let gone = TestNameServer::start().address();
    let options = ResolverOptions { timeout: SHORT, nameservers: vec![gone] };
    let found = Resolver::start(&options).unwrap().addresses_of("any.test").await;
    assert!(matches!(found, Err(LookupError::Failed { .. })), "{found:?}");
}

#[actix::test]
async fn silence_ends_at_the_limit() {
    let names = TestNameServer::start();
    names.set("silent.test", NameAnswer::Silence);
    assert_failed(&resolver(&names, SHORT).addresses_of("silent.test").await, "within 300 ms");
}

#[actix::test]
async fn a_name_that_is_not_answered_holds_up_no_other_and_is_asked_for_once() {
    let names = TestNameServer::start();
    names.set("silent.test", NameAnswer::Silence);
    names.addresses("fine.test", &["192.0.2.1"]);
    let resolver = resolver(&names, 10 * PATIENCE);
    let mut stuck: Vec<_> = (0..1000).map(|_| Box::pin(resolver.addresses_of("silent.test"))).collect();
    for waiting in &mut stuck {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    let found = tokio::time::timeout(PATIENCE, resolver.addresses_of("fine.test")).await.unwrap().unwrap();
    assert_eq!(found[..], addresses(&["192.0.2.1"]));
    assert_eq!(resolver.inner.under_way.lock().keys().filter(|name| *name == "silent.test").count(), 1);
}

#[actix::test]
async fn too_many_unanswered_names_are_refused_at_once() {
    let names = TestNameServer::start();
    let resolver = resolver(&names, PATIENCE);
    let asked: Vec<String> = (0..NAMES_AT_ONCE_MAX).map(|number| format!("silent-{number}.test")).collect();
    asked.iter().for_each(|name| names.set(name, NameAnswer::Silence));
    let stuck: Vec<Answer> = asked.iter().map(|name| resolver.ask(name)).collect();
    assert_failed(&resolver.addresses_of("one-more.test").await, "256 other names");
    // Each ends, and gives its place back.
    asked.iter().for_each(|name| names.set(name, NameAnswer::NoSuchName));
    futures_util::future::join_all(stuck).await;
    assert_eq!(resolver.addresses_of("one-more.test").await, not_found("one-more.test"));
    assert!(resolver.inner.under_way.lock().is_empty());
}

#[actix::test]
async fn a_server_that_never_answers_about_ipv6_costs_little() {
    let names = TestNameServer::start();
    names.set("half.test", NameAnswer::OnlyV4Answers(addresses(&["192.0.2.1"])));
    let started = Instant::now();
    let found = resolver(&names, 10 * PATIENCE).addresses_of("half.test").await.unwrap();
    assert_eq!(found[..], addresses(&["192.0.2.1"]));
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[actix::test]
async fn localhost_is_known_without_a_server() {
    let names = TestNameServer::start();
    let resolver = resolver(&names, PATIENCE);
    for name in ["localhost", "localhost.", "shop.localhost"] {
        assert_eq!(resolver.addresses_of(name).await.unwrap()[..], addresses(&["127.0.0.1", "::1"]), "{name}");
        assert_eq!(names.asked(name), 0);
    }
}

/// What there is to look up differs from machine to machine; most have a line for their own name.
#[actix::test]
async fn names_in_the_systems_hosts_file_are_known_without_a_server() {
    let names = TestNameServer::start();
    let resolver = resolver(&names, PATIENCE);
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words.map(str::to_lowercase).filter(|name| !name.ends_with("localhost")) {
            let found = resolver.addresses_of(&name).await.unwrap();
            assert!(found.contains(&address), "{name}: {found:?}");
        }
    }
}

#[test]
fn short_names_are_tried_with_the_search_domains_in_the_systems_order() {
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let search = [name("svc.test."), name("test.")];
    let order = |text: &str, ndots| -> Vec<String> {
        candidates(&name(text), &search, ndots).iter().map(ToString::to_string).collect()
    };
    assert_eq!(order("shop", 1), ["shop.svc.test.", "shop.test.", "shop."]);
    assert_eq!(order("api.shop", 1), ["api.shop.", "api.shop.svc.test.", "api.shop.test."]);
    assert_eq!(order("api.shop", 5), ["api.shop.svc.test.", "api.shop.test.", "api.shop."]);
}
