//! Texts that open something, drawn from the operating system's randomness.

use crate::domain::Secret;

/// What the text of a key begins with.
pub const KEY_PREFIX: &str = "hgk_";
/// Letters and digits: such a text must survive a shell, a URL and a header unquoted.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 of 62 symbols carry 256 bits.
const SYMBOLS: usize = 43;
/// Bytes from here on are thrown away, so that each symbol is as likely as any other.
const FAIR_BELOW: u8 = 248;

/// A new secret of 256 random bits behind `prefix`.
///
/// # Errors
///
/// When the operating system gives no random bytes.
pub fn secret_text(prefix: &str) -> Result<Secret, getrandom::Error> {
    let mut text = prefix.to_owned();
    let mut bytes = [0; SYMBOLS];
    while text.len() < prefix.len() + SYMBOLS {
        getrandom::fill(&mut bytes)?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR_BELOW);
        let symbols = fair.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        text.extend(symbols.take(prefix.len() + SYMBOLS - text.len()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_plain_and_never_the_same() {
        let keys: Vec<_> = (0..50).map(|_| secret_text(KEY_PREFIX).unwrap()).collect();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(key.expose().len(), 47);
            assert!(key.expose().bytes().skip(4).all(|byte| byte.is_ascii_alphanumeric()));
            assert!(!keys[..number].contains(key));
        }
    }
}
