//! Enabling, disabling, deleting: what is put, what it takes along, and what can be done afterwards.

use super::*;
use crate::domain::SwitchedOff;

/// Two connections of one source to one destination, numbered 1 and 2.
fn two() -> Configuration {
    let mut configuration = Configuration::default();
    apply(&mut configuration, Command::CreateConnection(connection("one")), 1).unwrap();
    apply(&mut configuration, Command::CreateConnection(connection("two")), 2).unwrap();
    configuration
}

fn web(n: u128) -> ConnectionId {
    ConnectionId::from_bits(n)
}

const SOURCE: SourceId = SourceId::from_bits(1);
const DESTINATION: DestinationId = DestinationId::from_bits(1);

fn generations(configuration: &Configuration) -> [u32; 2] {
    [1, 2].map(|n| configuration.standing(web(n)).generation)
}

#[test]
fn disabling_a_connection_raises_its_generation_once_and_enabling_leaves_it() {
    let mut configuration = two();
    assert_eq!(apply(&mut configuration, Command::DisableConnection(web(1)), 3), Ok(1));
    assert_eq!(apply(&mut configuration, Command::DisableConnection(web(1)), 4), Ok(0));
    assert_eq!(generations(&configuration), [1, 0]);
    assert_eq!(configuration.switched_off(web(1)), Some(SwitchedOff::ConnectionDisabled(web(1))));
    assert!(!configuration.may_send(web(1)) && configuration.may_send(web(2)));
    assert_eq!(apply(&mut configuration, Command::EnableConnection(web(1)), 5), Ok(1));
    assert_eq!(apply(&mut configuration, Command::EnableConnection(web(1)), 6), Ok(0));
    assert_eq!((generations(&configuration), configuration.may_send(web(1))), ([1, 0], true));
}

#[test]
fn disabling_a_destination_cuts_its_enabled_connections_in_the_same_breath() {
    let mut configuration = two();
    apply(&mut configuration, Command::DisableConnection(web(2)), 3).unwrap();
    assert_eq!(apply(&mut configuration, Command::DisableDestination(DESTINATION), 4), Ok(2));
    assert_eq!(apply(&mut configuration, Command::DisableDestination(DESTINATION), 5), Ok(0));
    assert_eq!(generations(&configuration), [1, 1], "the disabled one was cut before");
    assert_eq!(configuration.switched_off(web(1)), Some(SwitchedOff::DestinationDisabled(DESTINATION)));
    // Nothing is pending on it any more, so there is nothing to cut.
    assert_eq!(apply(&mut configuration, Command::DisableConnection(web(1)), 6), Ok(1));
    assert_eq!(apply(&mut configuration, Command::EnableDestination(DESTINATION), 7), Ok(1));
    assert_eq!(generations(&configuration), [1, 1]);
    assert!(!configuration.may_send(web(1)), "it is still disabled itself");
}

#[test]
fn a_disabled_source_cancels_nothing() {
    let mut configuration = two();
    assert_eq!(apply(&mut configuration, Command::DisableSource(SOURCE), 3), Ok(1));
    assert_eq!(apply(&mut configuration, Command::DisableSource(SOURCE), 4), Ok(0));
    assert!(configuration.sources[&SOURCE].disabled_at.is_some());
    assert_eq!((generations(&configuration), configuration.may_send(web(1))), ([0, 0], true));
    assert_eq!(apply(&mut configuration, Command::EnableSource(SOURCE), 5), Ok(1));
    assert!(configuration.sources[&SOURCE].disabled_at.is_none());
}

#[test]
fn deleting_a_source_or_a_destination_takes_its_connections_along() {
    for command in [Command::DeleteSource(SOURCE), Command::DeleteDestination(DESTINATION)] {
        let mut configuration = two();
        apply(&mut configuration, Command::DisableConnection(web(2)), 3).unwrap();
        assert_eq!(apply(&mut configuration, command.clone(), 4), Ok(3));
        assert_eq!(generations(&configuration), [1, 1]);
        assert_eq!(configuration.switched_off(web(1)), Some(SwitchedOff::ConnectionDeleted(web(1))));
        assert!(configuration.connections_of(SOURCE).is_empty());
        let again = apply(&mut configuration, command, 5).unwrap_err();
        assert!(matches!(again, ConfigError::Gone { .. }), "{again}");
    }
}

#[test]
fn what_is_deleted_frees_its_name_and_its_url_and_cannot_be_named_by_id() {
    let mut configuration = two();
    let token = configuration.sources[&SOURCE].token.clone();
    apply(&mut configuration, Command::DeleteSource(SOURCE), 3).unwrap();
    apply(&mut configuration, Command::DeleteDestination(DESTINATION), 4).unwrap();
    assert!(configuration.source_by_token(token.as_str()).is_none());
    assert!(configuration.source_named("shop").is_none() && configuration.connection_named("one").is_none());
    for (source_id, destination_id) in [(Some(SOURCE), None), (None, Some(DESTINATION))] {
        let mut new = connection("three");
        new.source = source_id.map(Reference::Existing).or(new.source);
        new.destination = destination_id.map(Reference::Existing).or(new.destination);
        let refused = apply(&mut configuration, Command::CreateConnection(new), 5).unwrap_err();
        assert!(
            matches!(refused, ConfigError::Invalid { .. }) && refused.to_string().contains("was deleted"),
            "{refused}"
        );
    }
    // By name, all three are made anew.
    assert_eq!(apply(&mut configuration, Command::CreateConnection(connection("one")), 6), Ok(3));
    assert_eq!(configuration.source_named("shop").unwrap().id, SourceId::from_bits(6));
    assert_eq!(configuration.connection_named("one").unwrap().id, web(6));
}

#[test]
fn a_deleted_connection_takes_no_more_changes() {
    let mut configuration = two();
    assert_eq!(apply(&mut configuration, Command::DeleteConnection(web(1)), 3), Ok(1));
    assert_eq!(generations(&configuration), [1, 0]);
    let commands = [
        Command::DeleteConnection,
        Command::EnableConnection,
        Command::DisableConnection,
        Command::Pause,
        Command::Unpause,
    ];
    for command in commands {
        let refused = apply(&mut configuration, command(web(1)), 4).unwrap_err();
        assert!(matches!(refused, ConfigError::Gone { kind: "connection", .. }), "{refused}");
    }
    // Its destination no longer minds it.
    assert_eq!(apply(&mut configuration, Command::DisableDestination(DESTINATION), 5), Ok(2));
}

#[test]
fn what_never_was_is_not_found() {
    for command in [
        Command::DisableConnection(web(9)),
        Command::DeleteSource(SourceId::from_bits(9)),
        Command::EnableDestination(DestinationId::from_bits(9)),
    ] {
        let refused = apply(&mut two(), command, 3).unwrap_err();
        assert!(matches!(refused, ConfigError::NotFound { .. }), "{refused}");
    }
}

#[test]
fn a_pause_that_ends_leaves_its_end() {
    let mut configuration = two();
    apply(&mut configuration, Command::Pause(web(1)), 3).unwrap();
    apply(&mut configuration, Command::Unpause(web(1)), 4).unwrap();
    assert_eq!(configuration.connections[&web(1)].unpaused_at, Some(NOW.plus_ms(4)));
    apply(&mut configuration, Command::Unpause(web(1)), 5).unwrap();
    assert_eq!(configuration.connections[&web(1)].unpaused_at, Some(NOW.plus_ms(4)));
}
