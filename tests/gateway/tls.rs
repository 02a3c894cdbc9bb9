//! A client that speaks TLS, and certificates made for a test.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use hookgate::testkit::{
    PATIENCE,
    http::{Request, Response},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, IpAddr, ServerName},
};

/// A certificate for the loopback address that vouches for itself, with its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec![Ipv4Addr::LOCALHOST.to_string()]).unwrap();
        Self {
            certificate: made.cert.der().clone(),
            certificate_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
        }
    }

    /// Puts both files into a directory.
    pub(crate) fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("tls.crt"), &self.certificate_pem).unwrap();
        std::fs::write(directory.join("tls.key"), &self.key_pem).unwrap();
    }
}

/// What came of a request over TLS.
pub(crate) struct Secured {
    pub(crate) response: Response,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) protocol: Option<Vec<u8>>,
}

/// A connection over TLS.
pub(crate) type SecureStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects over TLS, offering HTTP/2 as well, and believing these identities only.
pub(crate) fn connect(address: SocketAddr, believed: &[&Identity]) -> io::Result<SecureStream> {
    let mut roots = RootCertStore::empty();
    for identity in believed {
        roots.add(identity.certificate.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::IpAddress(IpAddr::from(address.ip()));
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, socket))
}

/// Asks over a connection of its own, as [`connect`] makes it.
pub(crate) fn ask(address: SocketAddr, believed: &[&Identity], request: &Request<'_>) -> io::Result<Secured> {
    let mut stream = connect(address, believed)?;
    let response = request.exchange(&mut stream, address)?;
    let certificate = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    Ok(Secured { response, certificate, protocol: stream.conn.alpn_protocol().map(<[u8]>::to_vec) })
}
