//! Making API keys: `hgk_` and 256 random bits. Only the hash is ever stored.

use sha2::{Digest, Sha256};

use crate::domain::{ApiKey, ApiKeyId, Secret, Timestamp};

/// Letters and digits: a key must survive a shell, a URL and a header unquoted.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 of 62 symbols carry 256 bits.
const SYMBOLS: usize = 43;
/// Bytes from here on are thrown away, so that each symbol is as likely as any other.
const FAIR_BELOW: u8 = 248;

/// 128 random bits for an id or a token.
///
/// # Errors
///
/// When the operating system gives none.
pub(super) fn random_bits() -> anyhow::Result<u128> {
    Ok((u128::from(getrandom::u64()?) << 64) | u128::from(getrandom::u64()?))
}

/// A new secret of 256 random bits behind `prefix`.
///
/// # Errors
///
/// When the operating system gives no random bytes.
pub(super) fn random_text(prefix: &str) -> anyhow::Result<Secret> {
    let mut text = prefix.to_owned();
    let mut byte = [0];
    while text.len() < prefix.len() + SYMBOLS {
        getrandom::fill(&mut byte)?;
        if byte[0] < FAIR_BELOW {
            text.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    Ok(Secret::new(text))
}

/// What is stored of a key.
///
/// # Errors
///
/// When the operating system gives no random bits for its id.
pub(super) fn api_key(key: &Secret, label: &str, now: Timestamp) -> anyhow::Result<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId::from_parts(now, random_bits()?),
        label: label.to_owned(),
        hash: hash(key),
        scope: crate::domain::Scope::Admin,
        previous: None,
        revoked_at: None,
        created_at: now,
        version: 1,
    })
}

/// As a stored key holds it.
pub(super) fn hash(key: &Secret) -> [u8; 32] {
    Sha256::digest(key.expose()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_plain_and_never_the_same() {
        let keys: Vec<_> = (0..50).map(|_| random_text("hgk_").unwrap()).collect();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(key.expose().len(), 47);
            assert!(key.expose().bytes().skip(4).all(|byte| byte.is_ascii_alphanumeric()));
            assert!(!keys[..number].contains(key));
        }
    }
}
