//! Putting configuration: compare-and-set, all or nothing, and what is read afterwards.

use super::{
    Happening, START, Subject,
    kit::{connection, connection_id, destination_id, source_id, through},
};
use crate::{
    domain::{
        ApiKey, ApiKeyId, ConfigItem, Destination, DestinationAuth, DestinationKind, HttpDestination, HttpMethod,
        Project, ProjectId, RetryRule, RetryStrategy, Rule, Secret, Source, SourceToken,
    },
    store::{Store, StoreError},
};

fn source(n: u64, version: u32, token: &str) -> Source {
    Source {
        id: source_id(n),
        name: format!("source {n}"),
        description: Some("„what arrives“".to_owned()),
        token: SourceToken::new(token),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: HttpMethod::ALL.to_vec(),
        custom_response: None,
        disabled_at: Some(START.plus_ms(1)),
        deleted_at: None,
        created_at: START,
        updated_at: START.plus_ms(2),
        version,
    }
}

fn destination(n: u64, kind: DestinationKind) -> Destination {
    Destination {
        id: destination_id(n),
        name: format!("destination {n}"),
        description: None,
        kind,
        disabled_at: None,
        deleted_at: None,
        created_at: START,
        updated_at: START,
        version: 1,
    }
}

fn http(auth: DestinationAuth) -> DestinationKind {
    DestinationKind::Http(HttpDestination {
        url: Some("https://example.com/hook?key=value".to_owned()),
        http_method: Some(HttpMethod::Put),
        path_forwarding_disabled: true,
        auth,
    })
}

/// One of every kind and variant.
fn every_item() -> Vec<ConfigItem> {
    let secret = || Secret::new("s3cret „with“ more");
    let retry = |strategy, interval_ms, count| {
        Rule::Retry(RetryRule {
            strategy,
            interval_ms,
            count,
            response_status_codes: vec![crate::domain::StatusCodes::parse("!501").unwrap()],
        })
    };
    let kinds = [
        DestinationKind::MockApi,
        http(DestinationAuth::HookdeckSignature),
        http(DestinationAuth::BearerToken { token: secret() }),
        http(DestinationAuth::BasicAuth { username: "user".to_owned(), password: secret() }),
        http(DestinationAuth::ApiKeyHeader { key: "x-api-key".to_owned(), api_key: secret() }),
    ];
    let mut with_rules = connection(1, 1, Some(START.plus_ms(3)));
    with_rules.rules =
        vec![retry(RetryStrategy::Exponential, Some(1_000), None), retry(RetryStrategy::Linear, None, Some(50))];
    let mut items = vec![
        ConfigItem::Project(Project {
            id: ProjectId::from_parts(START, 7),
            name: "hookgate".to_owned(),
            signing_secret: secret(),
            previous_secret: None,
            created_at: START,
            version: 1,
        }),
        ConfigItem::ApiKey(ApiKey {
            id: ApiKeyId::from_parts(START, 8),
            label: "owner".to_owned(),
            hash: std::array::from_fn(|n| u8::try_from(n * 8).unwrap()),
            scope: crate::domain::Scope::Admin,
            previous: None,
            revoked_at: None,
            created_at: START,
            version: 1,
        }),
        ConfigItem::Source(source(0, 1, "token0")),
        ConfigItem::Source(Source { allowed_http_methods: Vec::new(), disabled_at: None, ..source(1, 1, "token1") }),
    ];
    items.extend((0..).zip(kinds).map(|(n, kind)| ConfigItem::Destination(destination(n, kind))));
    items.extend([ConfigItem::Connection(connection(0, 1, None)), ConfigItem::Connection(with_rules)]);
    items
}

fn items(store: &dyn Store) -> Vec<ConfigItem> {
    store.configuration().items().collect()
}

pub fn every_kind_of_item_is_read_at_once_and_kept(subject: &mut dyn Subject) {
    let all = every_item();
    assert!(items(&*subject.store()).is_empty(), "a new store has no configuration");
    let answered = subject.store().put_config(all.clone()).wait().unwrap();
    assert_eq!(answered.items().collect::<Vec<_>>(), all);
    through(subject, |store| assert_eq!(items(store), all));
}

pub fn a_conflict_puts_nothing_of_its_batch(subject: &mut dyn Subject) {
    let put = |subject: &dyn Subject, items: Vec<ConfigItem>| {
        subject.store().put_config(items).wait().map(|configuration| configuration.items().count())
    };
    assert_eq!(put(subject, vec![ConfigItem::Source(source(0, 1, "token0"))]), Ok(1));
    let before = items(&*subject.store());
    let new = || ConfigItem::Connection(connection(0, 1, None));
    for conflicting in [source(0, 1, "other"), source(0, 3, "other"), source(1, 2, "other"), source(1, 0, "other")] {
        assert_eq!(put(subject, vec![new(), ConfigItem::Source(conflicting)]), Err(StoreError::Conflict));
    }
    through(subject, |store| assert_eq!(items(store), before));
    assert_eq!(put(subject, vec![new(), ConfigItem::Source(source(0, 2, "other"))]), Ok(2));
}

pub fn an_item_is_replaced_by_its_next_version_only(subject: &mut dyn Subject) {
    let put = |subject: &dyn Subject, version| {
        let paused_at = (version % 2 == 0).then(|| START.plus_ms(u64::from(version)));
        subject.store().put_config(vec![ConfigItem::Connection(connection(0, version, paused_at))]).wait().map(drop)
    };
    // Submitted together, decided in order.
    let store = subject.store();
    let [first, second, again] =
        [1, 2, 2].map(|version| store.put_config(vec![ConfigItem::Connection(connection(0, version, None))]));
    assert!(first.wait().is_ok() && second.wait().is_ok());
    assert!(matches!(again.wait(), Err(StoreError::Conflict)));
    drop(store);
    let restarts: [(u32, Happening); 2] = [(3, |subject| subject.crash()), (4, |subject| subject.reopen())];
    for (version, restart) in restarts {
        restart(subject);
        assert_eq!(put(subject, version - 1), Err(StoreError::Conflict));
        assert_eq!(put(subject, version), Ok(()));
    }
    through(subject, |store| {
        let configuration = store.configuration();
        assert_eq!(*configuration.connections[&connection_id(0)], connection(0, 4, Some(START.plus_ms(4))));
        assert!(configuration.is_paused(connection_id(0)));
    });
}

pub fn the_ways_into_the_configuration_follow_its_changes(subject: &mut dyn Subject) {
    let store = subject.store();
    store.put_config(every_item()).wait().unwrap();
    let old = store.configuration();
    let mut moved = connection(1, 2, None);
    moved.source_id = source_id(1);
    let changes = vec![ConfigItem::Source(source(0, 2, "rotated")), ConfigItem::Connection(moved)];
    store.put_config(changes).wait().unwrap();
    assert!(old.source_by_token("token0").is_some(), "a configuration that was read stays as it was");
    drop(store);
    through(subject, |store| {
        let configuration = store.configuration();
        assert!(configuration.source_by_token("token0").is_none());
        assert_eq!(configuration.source_by_token("rotated").unwrap().id, source_id(0));
        let of = |n| configuration.connections_of(source_id(n)).iter().map(|found| found.id).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![connection_id(0)], vec![connection_id(1)]));
    });
}
