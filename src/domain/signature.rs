//! The signature of a delivery: what receivers check to know that it came from us.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;

/// `base64(HMAC-SHA256(secret, body))` over the raw bytes of the body: no time, no headers.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
pub fn signature(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
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
}
