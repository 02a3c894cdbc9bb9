//! Each command once as it should be, and each way of getting it wrong.

mod access;
mod changing;
mod switching;

use super::*;
use crate::domain::{DestinationKind, RetryRule, RetryStrategy, rule::DELAY_MS_MAX};

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

fn fresh(n: u128) -> FreshIds {
    FreshIds {
        source: SourceId::from_bits(n),
        token: SourceToken::from_random(n),
        destination: DestinationId::from_bits(n),
        connection: ConnectionId::from_bits(n),
    }
}

fn source(name: &str) -> SourceDraft {
    SourceDraft { name: Some(name.to_owned()), ..SourceDraft::default() }
}

fn destination(name: &str, url: &str) -> DestinationDraft {
    DestinationDraft { name: Some(name.to_owned()), url: Some(Some(url.to_owned())), ..DestinationDraft::default() }
}

fn connection(name: &str) -> ConnectionDraft {
    ConnectionDraft {
        name: Some(Some(name.to_owned())),
        source: Some(Reference::Inline(source("shop"))),
        destination: Some(Reference::Inline(destination("api", "https://example.com/in"))),
        ..ConnectionDraft::default()
    }
}

fn apply(configuration: &mut Configuration, command: Command, n: u128) -> Result<usize, ConfigError> {
    let items = decide(configuration, command, NOW.plus_ms(u64::try_from(n).unwrap()), fresh(n))?;
    let count = items.len();
    for item in items {
        assert_eq!(item.version(), configuration.version_of(&item) + 1, "each item is one version ahead");
        configuration.put(item);
    }
    Ok(count)
}

fn refusal(command: Command) -> String {
    apply(&mut Configuration::default(), command, 1).unwrap_err().to_string()
}

#[test]
fn a_connection_brings_its_inline_source_and_destination() {
    let mut configuration = Configuration::default();
    assert_eq!(apply(&mut configuration, Command::CreateConnection(connection("one")), 1), Ok(3));
    // By name: neither is created again, and what did not change is not put again.
    assert_eq!(apply(&mut configuration, Command::CreateConnection(connection("two")), 2), Ok(1));
    let mut third = connection("three");
    third.destination = Some(Reference::Inline(destination("api", "https://example.org/moved")));
    assert_eq!(apply(&mut configuration, Command::CreateConnection(third), 3), Ok(2));
    assert_eq!(configuration.sources.len(), 1);
    assert_eq!(configuration.destinations.len(), 1);
    assert_eq!(configuration.destinations[&DestinationId::from_bits(1)].version, 2);
}

#[test]
fn pausing_twice_is_one_change_and_unpausing_lifts_it() {
    let mut configuration = Configuration::default();
    apply(&mut configuration, Command::CreateConnection(connection("one")), 1).unwrap();
    let id = ConnectionId::from_bits(1);
    assert_eq!(apply(&mut configuration, Command::Pause(id), 2), Ok(1));
    assert_eq!(apply(&mut configuration, Command::Pause(id), 3), Ok(0));
    assert!(configuration.is_paused(id));
    assert_eq!(apply(&mut configuration, Command::Unpause(id), 4), Ok(1));
    assert_eq!(apply(&mut configuration, Command::Unpause(id), 5), Ok(0));
    assert!(!configuration.is_paused(id));
}

#[test]
fn names_are_unique_among_their_kind() {
    let mut configuration = Configuration::default();
    apply(&mut configuration, Command::CreateSource(source("shop")), 1).unwrap();
    apply(&mut configuration, Command::CreateDestination(destination("shop", "http://localhost:1/")), 2).unwrap();
    let again = apply(&mut configuration, Command::CreateSource(source("shop")), 3).unwrap_err();
    assert!(matches!(again, ConfigError::NameTaken { kind: "source", .. }), "{again}");
    let again = apply(&mut configuration, Command::CreateDestination(destination("shop", "http://a/")), 3).unwrap_err();
    assert!(matches!(again, ConfigError::NameTaken { kind: "destination", .. }), "{again}");
    apply(&mut configuration, Command::CreateConnection(connection("c")), 4).unwrap();
    let again = apply(&mut configuration, Command::CreateConnection(connection("c")), 5).unwrap_err();
    assert!(matches!(again, ConfigError::NameTaken { kind: "connection", .. }), "{again}");
}

#[test]
fn a_bad_value_is_named_with_its_field() {
    assert!(refusal(Command::CreateSource(source(""))).starts_with("name must not be empty"));
    assert!(refusal(Command::CreateSource(source("a b"))).starts_with("name has ' '"));
    assert!(refusal(Command::CreateSource(source(&"x".repeat(156)))).contains("155"));
    let mut long = source("a");
    long.description = Some(Some("x".repeat(501)));
    assert!(refusal(Command::CreateSource(long)).starts_with("description"));
    for url in ["", "/path", "ftp://example.com/", "http://", "example.com"] {
        let refused = refusal(Command::CreateDestination(destination("a", url)));
        assert!(refused.starts_with("config.url"), "{url}: {refused}");
    }
    let mut inline = connection("c");
    inline.source = Some(Reference::Inline(source("a b")));
    assert!(refusal(Command::CreateConnection(inline)).starts_with("source.name"));
}

#[test]
fn retry_rules_have_limits() {
    let with = |count, interval_ms| {
        let mut new = connection("c");
        let retry = RetryRule { strategy: RetryStrategy::Linear, interval_ms, count, response_status_codes: vec![] };
        new.rules = Some(vec![Rule::Retry(retry)]);
        Command::CreateConnection(new)
    };
    assert!(refusal(with(Some(0), None)).starts_with("rules[0].count"));
    assert!(refusal(with(Some(51), None)).starts_with("rules[0].count"));
    assert!(refusal(with(None, Some(DELAY_MS_MAX + 1))).starts_with("rules[0].interval"));
    assert_eq!(apply(&mut Configuration::default(), with(Some(50), Some(0)), 1), Ok(3));
}

#[test]
fn what_is_referred_to_must_exist() {
    let mut new = connection("c");
    new.source = Some(Reference::Existing(SourceId::from_bits(77)));
    assert!(refusal(Command::CreateConnection(new)).contains("src_"));
    assert!(refusal(Command::Pause(ConnectionId::from_bits(7))).contains("web_"));
}
