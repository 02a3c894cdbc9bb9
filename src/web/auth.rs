//! Who may use the API: whoever has a key, as a bearer token or as the user of basic authentication.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::error::ApiError;
use crate::domain::Configuration;

/// Checks the key of a request.
///
/// # Errors
///
/// 401 without a key, or with one that is not among the configured ones.
pub fn authorize(headers: &HeaderMap, configuration: &Configuration) -> Result<(), ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(ApiError::unauthorized("no API key: send `authorization: Bearer hgk_…`"));
    };
    let Some(key) = key_of(value.as_bytes()) else {
        return Err(ApiError::unauthorized(
            "the authorization header is not readable: send `Bearer hgk_…`, or `Basic` with the key as user name",
        ));
    };
    let hash: [u8; 32] = Sha256::digest(&key).into();
    // All keys are compared, in constant time each: timing tells nothing about any of them.
    let known = configuration.api_keys.values().fold(Choice::from(0), |known, key| known | key.hash.ct_eq(&hash));
    if bool::from(known) { Ok(()) } else { Err(ApiError::unauthorized("this API key is not known here")) }
}

/// The key text in an authorization header.
fn key_of(value: &[u8]) -> Option<Vec<u8>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut credentials = STANDARD.decode(rest).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    // The password is empty: a key with one is somebody else's credentials.
    if colon + 1 != credentials.len() {
        return None;
    }
    credentials.truncate(colon);
    Some(credentials)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::domain::{ApiKey, ApiKeyId, ConfigItem, Scope, Timestamp};

    fn configured(keys: &[&str]) -> Configuration {
        let mut configuration = Configuration::default();
        for (number, key) in (1..).zip(keys) {
            configuration.put(ConfigItem::ApiKey(ApiKey {
                id: ApiKeyId::from_bits(number),
                label: String::new(),
                hash: Sha256::digest(key.as_bytes()).into(),
                scope: Scope::Admin,
                previous: None,
                revoked_at: None,
                created_at: Timestamp::EPOCH,
                version: 1,
            }));
        }
        configuration
    }

    fn allowed(value: &[u8], configuration: &Configuration) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        authorize(&headers, configuration).is_ok()
    }

    #[test]
    fn a_key_opens_as_bearer_and_as_basic_user() {
        let configuration = configured(&["hgk_one", "hgk_other"]);
        let basic = format!("Basic {}", STANDARD.encode("hgk_other:"));
        for value in ["Bearer hgk_one", "bearer  hgk_other ", basic.as_str()] {
            assert!(allowed(value.as_bytes(), &configuration), "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let configuration = configured(&["hgk_one"]);
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text)).into_bytes();
        let refused: [&[u8]; 12] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer hgk_on",
            b"Bearer hgk_one2",
            b"hgk_one",
            b"Digest hgk_one",
            b"Basic hgk_one",
            b"Basic \xff\xff",
            &basic("hgk_one"),
            &basic("hgk_one:password"),
            &basic(":hgk_one"),
        ];
        for value in refused {
            assert!(!allowed(value, &configuration), "{:?}", String::from_utf8_lossy(value));
        }
        assert!(authorize(&HeaderMap::new(), &configuration).is_err());
        assert!(!allowed(b"Bearer ", &configured(&[])), "no keys, nobody enters");
    }
}
