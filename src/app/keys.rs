//! What the first start and the command line write down: keys, and who made them.

use crate::domain::{
    ApiKey, ApiKeyId, AuditId, ConfigItem, Configuration, Document, Scope, Secret, Timestamp,
    document::{Audit, Author},
};

/// 128 random bits for an id or a token.
///
/// # Errors
///
/// When the operating system gives none.
pub(super) fn random_bits() -> anyhow::Result<u128> {
    Ok((u128::from(getrandom::u64()?) << 64) | u128::from(getrandom::u64()?))
}

/// What is stored of a key.
///
/// # Errors
///
/// When the operating system gives no random bits for its id.
pub(super) fn api_key(key: &Secret, label: &str, scope: Scope, now: Timestamp) -> anyhow::Result<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId::from_parts(now, random_bits()?),
        label: label.to_owned(),
        hash: ApiKey::hash_of(key.expose().as_bytes()),
        scope,
        previous: None,
        revoked_at: None,
        created_at: now,
        version: 1,
    })
}

/// That the gateway itself is about to put these items.
///
/// # Errors
///
/// When the operating system gives no random bits for its id.
pub(super) fn audit(
    before: &Configuration,
    items: &[ConfigItem],
    action: &str,
    now: Timestamp,
) -> anyhow::Result<Document> {
    Ok(Document::Audit(Audit {
        id: AuditId::from_parts(now, random_bits()?),
        at: now,
        author: Author::Gateway,
        action: action.to_owned(),
        changes: items.iter().map(|item| (before.known(item), item.clone())).collect(),
    }))
}
