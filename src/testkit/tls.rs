//! TLS for tests: a certification authority of the test's own, certificates good and bad, a server that shows them.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::http::Message;

/// Characters of a line in a PEM file.
const PEM_COLUMNS: usize = 64;

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// For as long as anybody runs this test.
    Always,
    /// Until the end of 2020.
    Past,
    /// From 2190 on.
    Future,
}

/// A certification authority.
pub struct TestAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server shows, and the key that proves that it may.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TestAuthority {
    /// Makes one of this name.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[], Dates::Always);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = key();
        let certificate = params.self_signed(&key).expect("an authority can be made").der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its certificate, for a file of those that are trusted.
    #[must_use]
    pub fn pem(&self) -> String {
        pem(&self.certificate)
    }

    /// A certificate for these names or addresses.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    #[must_use]
    pub fn issue(&self, names: &[&str], dates: Dates) -> Identity {
        let key = key();
        let signed = params("a server", names, dates).signed_by(&key, &self.issuer);
        let certificate = signed.expect("a certificate can be made").der().clone();
        Identity { chain: vec![certificate], key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
    }
}

impl Identity {
    /// A certificate that is signed by itself; `authority` makes it one for other certificates as well, as
    /// `openssl req -x509` does.
    ///
    /// # Panics
    ///
    /// When no certificate can be made.
    #[must_use]
    pub fn self_signed(names: &[&str], authority: bool) -> Self {
        let (mut params, key) = (params("signed by itself", names, Dates::Always), key());
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).expect("a certificate can be made").der().clone();
        Self { chain: vec![certificate], key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
    }

    /// Its certificate, for a file of those that are trusted.
    #[must_use]
    pub fn pem(&self) -> String {
        self.chain.iter().map(pem).collect()
    }
}

fn params(name: &str, names: &[&str], dates: Dates) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of a test are names");
    params.distinguished_name.push(DnType::CommonName, name);
    let (from, to) = match dates {
        Dates::Always => (2020, 4000),
        Dates::Past => (2019, 2021),
        Dates::Future => (2190, 4000),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let lines: Vec<_> = text.as_bytes().chunks(PEM_COLUMNS).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A server that speaks TLS and answers every request with 200.
pub struct TlsServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Starts one that shows this identity.
    ///
    /// # Panics
    ///
    /// When it cannot listen, or the identity is none.
    #[must_use]
    pub fn start(identity: Identity) -> Self {
        Self::with(builder().with_no_client_auth().with_single_cert(identity.chain, identity.key))
    }

    /// Starts one that asks for a certificate of this authority in return.
    ///
    /// # Panics
    ///
    /// When it cannot listen, or the identity is none.
    #[must_use]
    pub fn asking_clients(identity: Identity, authority: &TestAuthority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).expect("an authority is one");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let verifier = verifier.expect("there is an authority");
        Self::with(builder().with_client_cert_verifier(verifier).with_single_cert(identity.chain, identity.key))
    }

    fn with(config: Result<ServerConfig, rustls::Error>) -> Self {
        let config = Arc::new(config.expect("the certificate fits its key"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let config = Arc::clone(&config);
                std::thread::spawn(move || serve(config, stream));
            }
        });
        Self { address, connections }
    }

    /// Where it listens, under a name or an address of this machine.
    #[must_use]
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.address.port())
    }

    /// Connections that were accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("defaults are safe")
}

fn serve(config: Arc<ServerConfig>, stream: TcpStream) {
    let (Ok(connection), Ok(mut raw)) = (ServerConnection::new(config), stream.try_clone()) else { return };
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    while let Ok(Some(_)) = Message::read(&mut reader) {
        let answered = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        if answered.and_then(|()| reader.get_mut().flush()).is_err() {
            break;
        }
    }
    // A refusal must not be overtaken by the reset that closing with unread bytes would be.
    drop(raw.shutdown(Shutdown::Write));
    drop(raw.read_to_end(&mut Vec::new()));
}
