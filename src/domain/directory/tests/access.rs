//! Keys and the signing secret.

use super::{super::access, *};
use crate::domain::{ApiKey, ApiKeyId, Project, ProjectId, Scope, Secret};

const ADMIN: ApiKeyId = ApiKeyId::from_bits(11);
const READER: ApiKeyId = ApiKeyId::from_bits(12);

fn apply(configuration: &mut Configuration, change: AccessChange) -> Result<Vec<ConfigItem>, ConfigError> {
    let items = access::decide(configuration, change, NOW)?;
    items.iter().for_each(|item| configuration.put(item.clone()));
    Ok(items)
}

fn create(configuration: &mut Configuration, id: ApiKeyId, scope: Scope) {
    let change = AccessChange::CreateKey { id, label: " a label ".to_owned(), hash: [1; 32], scope };
    apply(configuration, change).unwrap();
}

fn configured() -> Configuration {
    let mut configuration = Configuration::default();
    create(&mut configuration, ADMIN, Scope::Admin);
    create(&mut configuration, READER, Scope::Read);
    configuration
}

fn key(configuration: &Configuration, id: ApiKeyId) -> ApiKey {
    configuration.api_keys[&id].as_ref().clone()
}

#[test]
fn labels_are_what_people_write_without_control_characters() {
    let mut configuration = configured();
    assert_eq!(key(&configuration, ADMIN).label, "a label");
    for wrong in ["", "  ", "a\nb", "a\0", &"a".repeat(156)] {
        let labelled = apply(&mut configuration, AccessChange::LabelKey(ADMIN, wrong.to_owned()));
        assert!(matches!(labelled, Err(ConfigError::Invalid { field, .. }) if field == "label"), "{wrong:?}");
    }
    let long = "ü".repeat(155);
    apply(&mut configuration, AccessChange::LabelKey(ADMIN, long.clone())).unwrap();
    assert_eq!((key(&configuration, ADMIN).label, key(&configuration, ADMIN).version), (long.clone(), 2));
    assert_eq!(apply(&mut configuration, AccessChange::LabelKey(ADMIN, long)), Ok(vec![]), "nothing changes");
}

#[test]
fn the_last_key_that_may_make_others_stays() {
    let mut configuration = configured();
    let last = apply(&mut configuration, AccessChange::RevokeKey(ADMIN)).unwrap_err();
    assert!(last.to_string().contains("last one of scope admin"), "{last}");
    create(&mut configuration, ApiKeyId::from_bits(13), Scope::Admin);
    apply(&mut configuration, AccessChange::RevokeKey(ADMIN)).unwrap();
    assert_eq!(key(&configuration, ADMIN).revoked_at, Some(NOW));
    apply(&mut configuration, AccessChange::RevokeKey(READER)).unwrap();
    for change in [
        AccessChange::RevokeKey(ADMIN),
        AccessChange::LabelKey(ADMIN, "x".to_owned()),
        AccessChange::RollKey { id: ADMIN, hash: [2; 32], delay_ms: 0 },
    ] {
        assert!(matches!(apply(&mut configuration, change), Err(ConfigError::Gone { .. })));
    }
    let unknown = apply(&mut configuration, AccessChange::RevokeKey(ApiKeyId::from_bits(99)));
    assert!(matches!(unknown, Err(ConfigError::NotFound { .. })));
}

#[test]
fn what_is_rolled_counts_on_for_as_long_as_was_asked() {
    let mut configuration = configured();
    apply(&mut configuration, AccessChange::RollKey { id: ADMIN, hash: [2; 32], delay_ms: 5_000 }).unwrap();
    let rolled = key(&configuration, ADMIN);
    let previous = rolled.previous.unwrap();
    assert_eq!((rolled.hash, previous.value, previous.until), ([2; 32], [1; 32], NOW.plus_ms(5_000)));
    apply(&mut configuration, AccessChange::RollKey { id: ADMIN, hash: [3; 32], delay_ms: 0 }).unwrap();
    assert_eq!(key(&configuration, ADMIN).previous, None);
    let too_long = AccessChange::RollKey { id: ADMIN, hash: [4; 32], delay_ms: ROLL_DELAY_MS_MAX + 1 };
    let refused = apply(&mut configuration, too_long);
    assert!(matches!(refused, Err(ConfigError::Invalid { field, .. }) if field == "delay_sec"));
}

#[test]
fn the_secret_that_was_rolled_signs_on_beside_the_new_one() {
    let mut configuration = Configuration::default();
    configuration.put(ConfigItem::Project(Project {
        id: ProjectId::from_bits(1),
        name: "test".to_owned(),
        signing_secret: Secret::new("old"),
        previous_secret: None,
        created_at: NOW,
        version: 1,
    }));
    apply(&mut configuration, AccessChange::RollSecret { secret: Secret::new("new"), delay_ms: 1_000 }).unwrap();
    let project = configuration.project.unwrap();
    let previous = project.previous_secret.as_ref().unwrap();
    assert_eq!((project.signing_secret.expose(), previous.value.expose()), ("new", "old"));
    assert_eq!((previous.until, project.version), (NOW.plus_ms(1_000), 2));
}

#[test]
fn the_key_of_the_environment_changes_with_the_environment_alone() {
    let mut configuration = configured();
    create(&mut configuration, ApiKey::OF_ENVIRONMENT, Scope::Admin);
    for change in [
        AccessChange::RevokeKey(ApiKey::OF_ENVIRONMENT),
        AccessChange::LabelKey(ApiKey::OF_ENVIRONMENT, "x".to_owned()),
        AccessChange::RollKey { id: ApiKey::OF_ENVIRONMENT, hash: [2; 32], delay_ms: 0 },
    ] {
        let refused = apply(&mut configuration, change).unwrap_err().to_string();
        assert!(refused.contains("HOOKGATE_API_KEY"), "{refused}");
    }
}

#[test]
fn there_are_so_many_keys_and_no_more() {
    let mut configuration = Configuration::default();
    let new = |number: usize| AccessChange::CreateKey {
        id: ApiKeyId::from_bits(number as u128 + 10),
        label: number.to_string(),
        hash: [1; 32],
        scope: Scope::Admin,
    };
    (0..KEYS_MAX).for_each(|number| drop(apply(&mut configuration, new(number)).unwrap()));
    assert!(apply(&mut configuration, new(KEYS_MAX)).is_err());
    apply(&mut configuration, AccessChange::RevokeKey(ApiKeyId::from_bits(10))).unwrap();
    apply(&mut configuration, new(KEYS_MAX)).unwrap();
}
