//! Who gets an event of a request that is tried again.

use proptest::prelude::*;

use super::*;
use crate::domain::{ConfigItem, DestinationId, HttpMethod, Source, SourceToken};

const SOURCE: SourceId = SourceId::from_bits(1);
const AT: Timestamp = Timestamp::from_ms(1_000);

const fn web(number: u128) -> ConnectionId {
    ConnectionId::from_bits(number)
}

fn source(disabled_at: Option<Timestamp>, deleted_at: Option<Timestamp>) -> ConfigItem {
    ConfigItem::Source(Source {
        id: SOURCE,
        name: "shop".to_owned(),
        description: None,
        token: SourceToken::new("tok"),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: vec![HttpMethod::Post],
        custom_response: None,
        disabled_at,
        deleted_at,
        created_at: AT,
        updated_at: AT,
        version: 1,
    })
}

fn connection(number: u128, created_at: Timestamp, disabled: bool) -> ConfigItem {
    ConfigItem::Connection(Connection {
        id: web(number),
        name: None,
        description: None,
        source_id: SOURCE,
        destination_id: DestinationId::from_bits(number + 100),
        rules: vec![],
        paused_at: None,
        unpaused_at: None,
        disabled_at: disabled.then_some(AT),
        deleted_at: None,
        generation: 3,
        created_at,
        updated_at: AT,
        version: 1,
    })
}

/// 1 and 2 are there, 3 is disabled, 4 is younger than the request.
fn configuration() -> Configuration {
    let mut configuration = Configuration::default();
    configuration.put(source(None, None));
    for (number, age, disabled) in [(1, 0, false), (2, 0, false), (3, 0, true), (4, 1, false)] {
        configuration.put(connection(number, AT.plus_ms(age), disabled));
    }
    configuration
}

const REJECTED: Outcome<'_> = Outcome { source_id: SOURCE, created_at: AT, rejected: true, ignored: &[], retried: &[] };

fn ids(routes: &[Route]) -> Vec<u128> {
    routes.iter().map(|route| route.connection_id.bits()).collect()
}

#[test]
fn a_rejected_request_goes_over_every_enabled_connection_that_was_there_and_once() {
    let configuration = configuration();
    let routes = missing(&configuration, REJECTED, None).unwrap();
    assert_eq!(ids(&routes), [1, 2]);
    assert_eq!(routes[0].generation, 3, "as they are now");
    let retried = [(web(1), LATER_INDEX_MIN)];
    assert_eq!(ids(&missing(&configuration, Outcome { retried: &retried, ..REJECTED }, None).unwrap()), [2]);
}

#[test]
fn an_accepted_one_goes_over_those_that_ignored_it() {
    let ignored = [Ignored { connection_id: web(2), cause: IgnoredCause::Disabled }];
    let outcome = Outcome { rejected: false, ignored: &ignored, ..REJECTED };
    let configuration = configuration();
    assert_eq!(ids(&missing(&configuration, outcome, None).unwrap()), [2]);
    assert_eq!(ids(&missing(&configuration, outcome, Some(&[web(1)])).unwrap()), [] as [u128; 0], "it has its event");
}

#[test]
fn what_is_named_must_be_a_connection_of_the_source_that_can_send() {
    let configuration = configuration();
    let named = |ids: &[ConnectionId]| missing(&configuration, REJECTED, Some(ids));
    assert_eq!(ids(&named(&[web(2)]).unwrap()), [2]);
    assert_eq!(named(&[web(9)]), Err(RoutingError::Foreign(web(9))));
    assert_eq!(named(&[web(1), web(3)]), Err(SwitchedOff::ConnectionDisabled(web(3)).into()));
}

#[test]
fn a_source_that_takes_nothing_sends_nothing_again() {
    let mut configuration = configuration();
    configuration.put(source(Some(AT), None));
    assert_eq!(missing(&configuration, REJECTED, None), Err(RoutingError::SourceDisabled(SOURCE)));
    configuration.put(source(Some(AT), Some(AT)));
    assert_eq!(missing(&configuration, REJECTED, None), Err(RoutingError::SourceDeleted(SOURCE)));
}

proptest! {
    #[test]
    fn trying_again_after_it_was_tried_again_leaves_nothing(
        ignored in prop::collection::btree_set(1u128..5, 0..5), rejected: bool, only in prop::option::of(1u128..3),
    ) {
        let configuration = configuration();
        let cause = IgnoredCause::Disabled;
        let ignored: Vec<_> = ignored.into_iter().map(|id| Ignored { connection_id: web(id), cause }).collect();
        let only = only.map(|id| vec![web(id)]);
        let outcome = Outcome { rejected, ignored: &ignored, ..REJECTED };
        let first = missing(&configuration, outcome, only.as_deref()).unwrap();
        let retried: Vec<_> = first.iter().map(|route| (route.connection_id, LATER_INDEX_MIN)).collect();
        let again = missing(&configuration, Outcome { retried: &retried, ..outcome }, only.as_deref()).unwrap();
        prop_assert_eq!(again, vec![]);
    }
}
