//! The data directory's key: seals secrets before they reach a disk.
//!
//! `key` holds 32 random bytes (mode 0600) unless `HOOKGATE_MASTER_KEY` gives them. A sealed value is
//! `nonce (24) ‖ XChaCha20-Poly1305(secret)`, bound to the id of its owner, so that it cannot be moved to another item.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::domain::Secret;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why secrets cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file cannot be read or made.
    #[error("cannot read or create the key file `{path}`: {source}")]
    File {
        /// Where it was looked for.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The key file is gone.
    #[error(
        "the key file `{path}` is missing: put it back or give the key as HOOKGATE_MASTER_KEY, stored secrets depend on it"
    )]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// The key file has the wrong length.
    #[error(
        "the key file `{path}` must hold {KEY_BYTES} bytes, not {found}: put the right one back, secrets in the data depend on it"
    )]
    Length {
        /// The file.
        path: String,
        /// How many there are.
        found: usize,
    },
    /// A sealed value does not open: another key sealed it, or it is damaged.
    #[error(
        "a stored secret does not open with this key: is `key` (or HOOKGATE_MASTER_KEY) the one it was stored with?"
    )]
    Open,
    /// The operating system gave no random bytes, or the cipher refused.
    #[error("cannot seal a secret: {0}")]
    Seal(String),
}

/// Seals and opens.
#[derive(Clone)]
pub struct MasterKey(XChaCha20Poly1305);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[master key]")
    }
}

impl MasterKey {
    /// Takes the key itself, as the environment variable had it.
    #[must_use]
    pub fn from_bytes(key: [u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// Reads the key file.
    ///
    /// # Errors
    ///
    /// When it is not there, cannot be read or does not hold exactly 32 bytes.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let read = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => KeyError::Missing { path: path.display().to_string() },
            _ => KeyError::File { path: path.display().to_string(), source },
        })?;
        let wrong = |key: Vec<u8>| KeyError::Length { path: path.display().to_string(), found: key.len() };
        Ok(Self::from_bytes(read.try_into().map_err(wrong)?))
    }

    /// Reads the key file, or makes one with mode 0600 when there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made, or does not hold exactly 32 bytes.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.display().to_string(), source };
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| KeyError::Seal(error.to_string()))?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Self::load(path),
            Err(error) => return Err(failed(error)),
        }
        Ok(Self::from_bytes(key))
    }

    /// Seals a secret for the item with this id.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn seal(&self, owner: u128, secret: &Secret) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| KeyError::Seal(error.to_string()))?;
        let payload = Payload { msg: secret.expose().as_bytes(), aad: &owner.to_be_bytes() };
        let sealed =
            self.0.encrypt(&XNonce::from(nonce), payload).map_err(|error| KeyError::Seal(error.to_string()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for the same id.
    ///
    /// # Errors
    ///
    /// [`KeyError::Open`] when the key or the owner is another one, or the bytes are damaged.
    pub fn open(&self, owner: u128, sealed: &[u8]) -> Result<Secret, KeyError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(KeyError::Open)?;
        let payload = Payload { msg: sealed, aad: &owner.to_be_bytes() };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| KeyError::Open)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| KeyError::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_with_its_key_and_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = MasterKey::load_or_create(&path).unwrap();
        let sealed = key.seal(7, &Secret::new("s3cret")).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        let again = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(again.open(7, &sealed).unwrap().expose(), "s3cret");
        assert!(matches!(again.open(8, &sealed), Err(KeyError::Open)));
        let other = MasterKey::from_bytes([15; KEY_BYTES]);
        assert!(matches!(other.open(7, &sealed), Err(KeyError::Open)));
    }

    #[test]
    fn the_key_file_is_for_its_owner_alone_and_a_wrong_one_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        MasterKey::load_or_create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"short").unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("32 bytes") && error.contains("not 5"), "{error}");
    }
}
