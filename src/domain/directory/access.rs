//! Keys to the API and the signing secret: made, named, rolled, revoked.
//!
//! Texts of keys are drawn elsewhere and never come here: only their hashes do.

use super::{ConfigError, NAME_CHARS_MAX, invalid};
use crate::domain::{ApiKey, ApiKeyId, ConfigItem, Configuration, Previous, Project, Scope, Secret, Timestamp};

/// Keys that open something at once, at most: each request is compared with all of them.
pub const KEYS_MAX: usize = 1000;
/// How long what was rolled may go on to count, in milliseconds: a week is enough to change over.
pub const ROLL_DELAY_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// A change of who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessChange {
    /// Adds a key.
    CreateKey {
        /// Its public half.
        id: ApiKeyId,
        /// What it is for.
        label: String,
        /// Of its text.
        hash: [u8; 32],
        /// What it allows.
        scope: Scope,
    },
    /// Says anew what a key is for.
    LabelKey(ApiKeyId, String),
    /// Gives a key another text.
    RollKey {
        /// Which key.
        id: ApiKeyId,
        /// Of its new text.
        hash: [u8; 32],
        /// How long the old text works on.
        delay_ms: u64,
    },
    /// Takes a key back for good.
    RevokeKey(ApiKeyId),
    /// Signs deliveries with another secret.
    RollSecret {
        /// The new one.
        secret: Secret,
        /// How long the old one signs beside it.
        delay_ms: u64,
    },
}

impl AccessChange {
    /// What an audit calls it.
    pub(super) const fn action(&self) -> &'static str {
        match self {
            Self::CreateKey { .. } => "key.create",
            Self::LabelKey(..) => "key.label",
            Self::RollKey { .. } => "key.roll",
            Self::RevokeKey(_) => "key.revoke",
            Self::RollSecret { .. } => "signing_secret.roll",
        }
    }
}

pub(super) fn decide(
    configuration: &Configuration,
    change: AccessChange,
    now: Timestamp,
) -> Result<Vec<ConfigItem>, ConfigError> {
    match change {
        AccessChange::CreateKey { id, label, hash, scope } => create(configuration, (id, label, hash, scope), now),
        AccessChange::LabelKey(id, label) => {
            let label = free_text(&label, "label", NAME_CHARS_MAX)?;
            let current = changeable(configuration, id)?;
            Ok(if current.label == label { Vec::new() } else { vec![changed(current, |key| key.label = label)] })
        }
        AccessChange::RollKey { id, hash, delay_ms } => {
            let current = changeable(configuration, id)?;
            let previous = previous(current.hash, delay_ms, now)?;
            Ok(vec![changed(current, |key| {
                key.hash = hash;
                key.previous = previous;
            })])
        }
        AccessChange::RevokeKey(id) => revoke(configuration, id, now),
        AccessChange::RollSecret { secret, delay_ms } => {
            let Some(project) = &configuration.project else { return Ok(Vec::new()) };
            let previous_secret = previous(project.signing_secret.clone(), delay_ms, now)?;
            let version = project.version + 1;
            let rolled = Project { signing_secret: secret, previous_secret, version, ..project.as_ref().clone() };
            Ok(vec![ConfigItem::Project(rolled)])
        }
    }
}

fn create(
    configuration: &Configuration,
    (id, label, hash, scope): (ApiKeyId, String, [u8; 32], Scope),
    now: Timestamp,
) -> Result<Vec<ConfigItem>, ConfigError> {
    let label = free_text(&label, "label", NAME_CHARS_MAX)?;
    if configuration.api_keys.values().filter(|key| key.revoked_at.is_none()).count() >= KEYS_MAX {
        let message = format!("must be revoked first: there are {KEYS_MAX} keys, and no more at a time");
        return Err(invalid("another key".to_owned(), message));
    }
    let (previous, revoked_at) = (None, None);
    Ok(vec![ConfigItem::ApiKey(ApiKey { id, label, hash, scope, previous, revoked_at, created_at: now, version: 1 })])
}

fn revoke(configuration: &Configuration, id: ApiKeyId, now: Timestamp) -> Result<Vec<ConfigItem>, ConfigError> {
    let current = changeable(configuration, id)?;
    let is_admin = |key: &ApiKey| key.scope == Scope::Admin && key.revoked_at.is_none();
    if is_admin(current) && configuration.api_keys.values().filter(|key| is_admin(key)).count() == 1 {
        let message = "is the last one of scope admin, and nobody could make another: make one first";
        return Err(invalid(format!("API key {id}"), message));
    }
    Ok(vec![changed(current, |key| {
        key.revoked_at = Some(now);
        key.previous = None;
    })])
}

/// A key that the API may change.
fn changeable(configuration: &Configuration, id: ApiKeyId) -> Result<&ApiKey, ConfigError> {
    let kind = "API key";
    let not_found = || ConfigError::NotFound { kind, id: id.to_string() };
    let key = configuration.api_keys.get(&id).ok_or_else(not_found)?;
    if key.revoked_at.is_some() {
        return Err(ConfigError::Gone { kind, id: id.to_string() });
    }
    if id == ApiKey::OF_ENVIRONMENT {
        let message = "is what the variable HOOKGATE_API_KEY says: change that and start the gateway anew";
        return Err(invalid(format!("{kind} {id}"), message));
    }
    Ok(key)
}

fn changed(current: &ApiKey, change: impl FnOnce(&mut ApiKey)) -> ConfigItem {
    let mut key = ApiKey { version: current.version + 1, ..current.clone() };
    change(&mut key);
    ConfigItem::ApiKey(key)
}

fn previous<T>(value: T, delay_ms: u64, now: Timestamp) -> Result<Option<Previous<T>>, ConfigError> {
    if delay_ms > ROLL_DELAY_MS_MAX {
        let message = format!("must be at most {} (7 days)", ROLL_DELAY_MS_MAX / 1000);
        return Err(invalid("delay_sec".to_owned(), message));
    }
    Ok((delay_ms > 0).then(|| Previous { value, until: now.plus_ms(delay_ms) }))
}

/// Words that people read, at most `chars_max` characters: anything but control characters, without spaces around.
///
/// # Errors
///
/// `Invalid`, naming the field.
pub fn free_text(text: &str, field: &str, chars_max: usize) -> Result<String, ConfigError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(field.to_owned(), "must not be empty"));
    }
    if text.chars().count() > chars_max {
        return Err(invalid(field.to_owned(), format!("must have at most {chars_max} characters")));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(invalid(field.to_owned(), format!("has {c:?} in it: leave control characters out"))),
        None => Ok(text.to_owned()),
    }
}
