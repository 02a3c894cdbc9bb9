//! Changes of what is there: by id, by name, inline; what is not said stays, and what changes nothing is not put.

use super::*;
use crate::domain::{CustomResponse, DestinationAuth, ResponseType, Secret};

/// A configuration with source `shop`, destination `api` and connection `c`, all with number 1.
fn configured() -> Configuration {
    let mut configuration = Configuration::default();
    let mut draft = connection("c");
    draft.description = Some(Some("first".to_owned()));
    apply(&mut configuration, Command::CreateConnection(draft), 1).unwrap();
    configuration
}

fn named(name: &str) -> ConnectionDraft {
    ConnectionDraft { name: Some(Some(name.to_owned())), ..ConnectionDraft::default() }
}

const SOURCE: SourceId = SourceId::from_bits(1);
const DESTINATION: DestinationId = DestinationId::from_bits(1);
const CONNECTION: ConnectionId = ConnectionId::from_bits(1);

#[test]
fn an_upsert_that_says_nothing_but_the_name_changes_nothing() {
    let mut configuration = configured();
    for command in [
        Command::UpsertConnection(named("c")),
        Command::UpsertSource(source("shop")),
        Command::UpsertDestination(DestinationDraft { name: Some("api".to_owned()), ..DestinationDraft::default() }),
        Command::UpdateConnection(CONNECTION, ConnectionDraft::default()),
        Command::UpdateSource(SOURCE, SourceDraft::default()),
        Command::UpdateDestination(DESTINATION, DestinationDraft::default()),
    ] {
        assert_eq!(apply(&mut configuration, command.clone(), 2), Ok(0), "{command:?}");
    }
    let inline = ConnectionDraft {
        source: Some(Reference::Inline(source("shop"))),
        destination: Some(Reference::Inline(DestinationDraft {
            name: Some("api".to_owned()),
            kind_otherwise: DestinationType::MockApi,
            ..DestinationDraft::default()
        })),
        ..named("c")
    };
    assert_eq!(apply(&mut configuration, Command::UpsertConnection(inline), 2), Ok(0));
    assert_eq!(configuration.connections[&CONNECTION].description.as_deref(), Some("first"));
}

#[test]
fn an_upsert_makes_what_is_not_there_and_says_what_it_lacks() {
    let mut configuration = configured();
    let lacks = apply(&mut configuration, Command::UpsertConnection(named("d")), 2).unwrap_err().to_string();
    assert!(lacks.starts_with("source_id or `source` is required"), "{lacks}");
    let both = ConnectionDraft {
        source: Some(Reference::Existing(SOURCE)),
        destination: Some(Reference::Existing(DESTINATION)),
        ..ConnectionDraft::default()
    };
    let nameless = apply(&mut configuration, Command::UpsertConnection(both.clone()), 2).unwrap_err().to_string();
    assert_eq!(nameless, "name is required");
    let new = ConnectionDraft { name: Some(Some("d".to_owned())), ..both };
    assert_eq!(apply(&mut configuration, Command::UpsertConnection(new.clone()), 2), Ok(1));
    assert_eq!(apply(&mut configuration, Command::UpsertConnection(new), 3), Ok(0));
    assert_eq!(apply(&mut configuration, Command::UpsertSource(source("other")), 4), Ok(1));
    assert_eq!(configuration.source_named("other").unwrap().allowed_http_methods.len(), 4, "all but GET");
}

#[test]
fn a_configuration_is_merged_into_what_is_there() {
    let mut configuration = configured();
    let auth = DestinationAuth::BearerToken { token: Secret::new("t") };
    let draft = DestinationDraft { auth: Some(auth.clone()), ..DestinationDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, draft), 2), Ok(1));
    let draft = DestinationDraft { http_method: Some(Some(HttpMethod::Put)), ..DestinationDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, draft.clone()), 3), Ok(1));
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, draft), 4), Ok(0));
    let DestinationKind::Http(http) = &configuration.destinations[&DESTINATION].kind else { panic!("HTTP") };
    assert_eq!(http.url.as_deref(), Some("https://example.com/in"));
    assert_eq!((http.http_method, &http.auth), (Some(HttpMethod::Put), &auth));

    let response = CustomResponse { content_type: ResponseType::Text, body: "ok".to_owned() };
    let draft = SourceDraft { custom_response: Some(Some(response.clone())), ..SourceDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateSource(SOURCE, draft), 5), Ok(1));
    let draft =
        SourceDraft { name: Some("renamed".to_owned()), kind: Some("HTTP".to_owned()), ..SourceDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateSource(SOURCE, draft), 6), Ok(1));
    let renamed = configuration.source_named("renamed").unwrap();
    assert_eq!((renamed.custom_response.as_ref(), renamed.kind.as_str()), (Some(&response), "HTTP"));
    let draft = SourceDraft { custom_response: Some(None), ..SourceDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateSource(SOURCE, draft), 7), Ok(1));
    assert_eq!(configuration.sources[&SOURCE].custom_response, None);
}

#[test]
fn a_destination_may_become_another_kind_and_keeps_what_both_have() {
    let mut configuration = configured();
    let auth = DestinationAuth::BearerToken { token: Secret::new("t") };
    let draft =
        DestinationDraft { kind: Some(DestinationType::Cli), auth: Some(auth.clone()), ..DestinationDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, draft), 2), Ok(1));
    let DestinationKind::Cli(cli) = &configuration.destinations[&DESTINATION].kind else { panic!("CLI") };
    assert_eq!((cli.path.as_str(), &cli.auth), ("/", &auth));
    let path = DestinationDraft { path: Some("/x".to_owned()), ..DestinationDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, path.clone()), 3), Ok(1));
    let url = DestinationDraft { url: Some(Some("https://a.example/".to_owned())), ..DestinationDraft::default() };
    let refused = apply(&mut configuration, Command::UpdateDestination(DESTINATION, url.clone()), 4).unwrap_err();
    assert!(refused.to_string().starts_with("config.url has no meaning for a destination of type CLI"), "{refused}");
    let http = DestinationDraft { kind: Some(DestinationType::Http), ..url };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, http), 4), Ok(1));
    let refused = apply(&mut configuration, Command::UpdateDestination(DESTINATION, path), 5).unwrap_err();
    assert!(refused.to_string().starts_with("config.path"), "{refused}");
    let mock = DestinationDraft { kind: Some(DestinationType::MockApi), ..DestinationDraft::default() };
    assert_eq!(apply(&mut configuration, Command::UpdateDestination(DESTINATION, mock), 5), Ok(1));
    assert_eq!(configuration.destinations[&DESTINATION].kind, DestinationKind::MockApi);
}

#[test]
fn what_is_inline_is_replaced_but_stays_who_it_is() {
    let mut configuration = configured();
    let draft = SourceDraft {
        description: Some(Some("mine".to_owned())),
        allowed_http_methods: Some(vec![HttpMethod::Get]),
        ..SourceDraft::default()
    };
    apply(&mut configuration, Command::UpdateSource(SOURCE, draft), 2).unwrap();
    let before = configuration.sources[&SOURCE].clone();
    let kind = Some("HTTP".to_owned());
    let inline =
        ConnectionDraft { source: Some(Reference::Inline(SourceDraft { kind, ..source("shop") })), ..named("c") };
    assert_eq!(apply(&mut configuration, Command::UpsertConnection(inline), 3), Ok(1), "the connection is as it was");
    let after = &configuration.sources[&SOURCE];
    assert_eq!(
        (&after.token, &after.description, after.created_at),
        (&before.token, &before.description, before.created_at)
    );
    assert_eq!((after.kind.as_str(), after.allowed_http_methods.len()), ("HTTP", 4));
}

#[test]
fn rules_are_replaced_as_a_whole_and_only_when_they_are_given() {
    let mut configuration = configured();
    let retry = RetryRule {
        strategy: RetryStrategy::Linear,
        interval_ms: None,
        count: None,
        response_status_codes: Vec::new(),
    };
    let rules = |rules| ConnectionDraft { rules: Some(rules), ..ConnectionDraft::default() };
    let given = Command::UpdateConnection(CONNECTION, rules(vec![Rule::Retry(retry.clone())]));
    assert_eq!(apply(&mut configuration, given.clone(), 2), Ok(1));
    assert_eq!(apply(&mut configuration, given, 3), Ok(0));
    assert_eq!(apply(&mut configuration, Command::UpdateConnection(CONNECTION, named("renamed")), 4), Ok(1));
    assert_eq!(configuration.connections[&CONNECTION].rules, [Rule::Retry(retry)]);
    let nameless = ConnectionDraft { name: Some(None), description: Some(None), ..rules(Vec::new()) };
    assert_eq!(apply(&mut configuration, Command::UpdateConnection(CONNECTION, nameless), 5), Ok(1));
    let connection = &configuration.connections[&CONNECTION];
    assert_eq!((&connection.name, &connection.description, connection.rules.len()), (&None, &None, 0));
}

#[test]
fn a_connection_may_be_led_elsewhere_and_what_is_pending_is_cut_when_that_is_disabled() {
    let mut configuration = configured();
    apply(&mut configuration, Command::CreateDestination(destination("off", "https://off.example/")), 2).unwrap();
    apply(&mut configuration, Command::CreateDestination(destination("on", "https://on.example/")), 3).unwrap();
    let (off, on) = (DestinationId::from_bits(2), DestinationId::from_bits(3));
    apply(&mut configuration, Command::DisableDestination(off), 4).unwrap();
    let to =
        |id| Command::UpsertConnection(ConnectionDraft { destination: Some(Reference::Existing(id)), ..named("c") });
    assert_eq!(apply(&mut configuration, to(on), 5), Ok(1));
    assert_eq!(configuration.connections[&CONNECTION].generation, 0);
    assert_eq!(apply(&mut configuration, to(off), 6), Ok(1));
    assert_eq!(configuration.connections[&CONNECTION].generation, 1);
    assert_eq!(configuration.connections_to(off).count(), 1);
    let mut elsewhere = named("c");
    elsewhere.source = Some(Reference::Inline(source("second")));
    assert_eq!(apply(&mut configuration, Command::UpsertConnection(elsewhere), 7), Ok(2));
    assert_eq!(
        (configuration.connections_of(SOURCE).len(), configuration.connections_of(SourceId::from_bits(7)).len()),
        (0, 1)
    );
}

#[test]
fn names_that_others_have_are_refused_on_a_change_too_and_deleted_ones_are_free() {
    let mut configuration = configured();
    apply(&mut configuration, Command::CreateSource(source("other")), 2).unwrap();
    let renamed = Command::UpdateSource(SOURCE, source("other"));
    let taken = apply(&mut configuration, renamed.clone(), 3).unwrap_err();
    assert!(matches!(taken, ConfigError::NameTaken { .. }), "{taken}");
    apply(&mut configuration, Command::DeleteSource(SourceId::from_bits(2)), 4).unwrap();
    assert_eq!(apply(&mut configuration, renamed, 5), Ok(1));
    let gone = apply(&mut configuration, Command::UpdateSource(SourceId::from_bits(2), source("x")), 6).unwrap_err();
    assert!(matches!(gone, ConfigError::Gone { .. }), "{gone}");
}

#[test]
fn a_source_answers_with_a_thousand_characters_and_no_more() {
    let with = |length| {
        let response = CustomResponse { content_type: ResponseType::Json, body: "ü".repeat(length) };
        Command::CreateSource(SourceDraft { custom_response: Some(Some(response)), ..source("s") })
    };
    assert!(refusal(with(1001)).starts_with("config.custom_response.body must have at most 1000"));
    assert_eq!(apply(&mut Configuration::default(), with(1000), 1), Ok(1));
}

#[test]
fn a_project_is_renamed_with_a_name_that_can_be_read() {
    let mut configuration = Configuration::default();
    let rename = |name: &str| Command::RenameProject(name.to_owned());
    assert!(matches!(apply(&mut configuration, rename("x"), 1), Err(ConfigError::NotFound { .. })));
    configuration.put(ConfigItem::Project(Project {
        id: crate::domain::ProjectId::from_bits(1),
        name: "before".to_owned(),
        signing_secret: Secret::new("s"),
        previous_secret: None,
        created_at: NOW,
        version: 1,
    }));
    for name in ["", "  ", "a\nb", &"x".repeat(156)] {
        assert!(apply(&mut configuration, rename(name), 2).is_err(), "{name:?}");
    }
    assert_eq!(apply(&mut configuration, rename("Ünser Projekt"), 2), Ok(1));
    assert_eq!(apply(&mut configuration, rename("Ünser Projekt"), 3), Ok(0));
}
