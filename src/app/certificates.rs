//! The certificate of a listener: read at the start, read again when its files change.
//!
//! Never serves half of a change: what is new is taken whole or not at all, and said so. Owns no sockets.

use std::{fmt, fs, io, os::unix::fs::MetadataExt as _, path::Path, sync::Arc, time::Duration};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::config::{ConfigError, NamedFile, TlsFiles};

/// Between two looks at the files: a certificate is replaced weeks before it ends, and two looks cost two `stat`s.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// A chain has a few kilobytes; a file beyond this was named by mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A certificate with its key; what is asked for at each handshake.
pub(super) struct Certificate {
    files: TlsFiles,
    /// What the files were when they were read for the start.
    first: Seen,
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl Certificate {
    /// Reads it for the first time.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, by setting and path.
    pub(super) fn read(files: TlsFiles) -> Result<Arc<Self>, ConfigError> {
        let first = Seen::now(&files);
        let current = RwLock::new(Arc::new(load(&files)?));
        Ok(Arc::new(Self { files, first, current }))
    }

    /// What TLS is done with, now and after every change of the files.
    ///
    /// # Errors
    ///
    /// When the TLS library refuses its own default protocol versions.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Looks at the files for as long as the process runs.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut watch = Watch { read: self.first, last: self.first };
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let certificate = Arc::clone(&self);
            // Not on this thread: a file may lie on a file system that hangs.
            let looked = tokio::task::spawn_blocking(move || certificate.look(watch)).await;
            match looked {
                Ok(next) => watch = next,
                Err(error) => tracing::error!(%error, "looking for a new certificate failed"),
            }
        }
    }

    /// One look; a change is read once it has stayed the same for a look, because two files are not replaced at once.
    fn look(&self, watch: Watch) -> Watch {
        let now = Seen::now(&self.files);
        if now == watch.read || now != watch.last {
            return Watch { last: now, ..watch };
        }
        let file = self.files.certificate.path.display();
        match load(&self.files) {
            Ok(new) => {
                *self.current.write() = Arc::new(new);
                tracing::info!(%file, "the certificate was replaced: new connections get the new one");
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the new certificate is not used, the old one stays in use");
            }
        }
        Watch { read: now, last: now }
    }
}

/// What a watch has seen of the files: when they were read, and at the last look.
#[derive(Debug, Clone, Copy)]
struct Watch {
    read: Seen,
    last: Seen,
}

/// What tells that a file is another one or was written: device, inode, length, modified (s, ns), changed (s, ns).
///
/// Symbolic links are followed, so that a link that leads elsewhere is another file.
type Look = (u64, u64, u64, (i64, i64), (i64, i64));

/// Both files; a file that cannot be looked at is one that changed, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen([Option<Look>; 2]);

impl Seen {
    fn now(files: &TlsFiles) -> Self {
        let look = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            let times = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
            Some((file.dev(), file.ino(), file.size(), times.0, times.1))
        };
        Self([look(&files.certificate.path), look(&files.key.path)])
    }
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, ConfigError> {
    let certificate = pem(&files.certificate, |text| {
        let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        if chain.is_empty() {
            Err(invalid("it holds no certificate: it must be PEM with BEGIN CERTIFICATE"))
        } else {
            Ok(chain)
        }
    })?;
    let key = pem(&files.key, |text| {
        PrivateKeyDer::from_pem_slice(text)
            .map_err(|error| invalid(format!("it holds no private key in PEM (PKCS#8, PKCS#1 or SEC1): {error}")))
    })?;
    let provider: CryptoProvider = ring::default_provider();
    let key_of = |error| {
        unusable(&files.key, invalid(format!("it does not go with {}: {error}", files.certificate.path.display())))
    };
    CertifiedKey::from_der(certificate, key, &provider).map_err(key_of)
}

fn pem<T>(file: &NamedFile, parse: impl FnOnce(&[u8]) -> io::Result<T>) -> Result<T, ConfigError> {
    let read = || {
        let length = fs::metadata(&file.path)?.len();
        if length > FILE_BYTES_MAX {
            return Err(invalid(format!("it has {length} bytes: a certificate or key has a few thousand")));
        }
        parse(&fs::read(&file.path)?)
    };
    read().map_err(|source| unusable(file, source))
}

fn unusable(file: &NamedFile, source: io::Error) -> ConfigError {
    ConfigError::Unusable { key: file.setting, value: file.path.display().to_string(), source }
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
