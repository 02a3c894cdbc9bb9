//! The signatures of a delivery: what receivers check to know that it came from us. Both use the secret's text as the key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;

/// `base64(HMAC-SHA256(secret, body))` over the raw bytes of the body: no time, no headers.
#[must_use]
pub fn signature(secret: &Secret, body: &[u8]) -> String {
    hmac(secret.expose().as_bytes(), &[body])
}

/// Standard Webhooks, symmetric: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. Its libraries take the key in
/// base64, with or without `whsec_` before it: give them the base64 of the secret's text.
///
/// Source: the Standard Webhooks specification, "Signature scheme".
#[must_use]
pub fn webhook_signature(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> String {
    webhook_signature_with(secret.expose().as_bytes(), id, timestamp, body)
}

fn webhook_signature_with(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v1,{}", hmac(key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, in base64.
    #[test]
    fn it_is_the_hmac_that_the_rfc_gives() {
        let body = b"what do ya want for nothing?";
        assert_eq!(signature(&Secret::new("Jefe"), body), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }

    /// The example of the specification.
    #[test]
    fn the_webhook_signature_is_the_one_of_the_standard() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            webhook_signature_with(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
