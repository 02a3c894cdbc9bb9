//! Whom we trust: the public certification authorities, and those of a file. Says of a certificate that is not trusted
//! who issued it. Never accepts what rustls refuses, but for one: a certificate of the file itself (see [`Verifier`]).

use std::{fs, io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;

/// DER of the attribute types by which people know an issuer: common name, organisation.
const ISSUER_NAMES: [[u8; 5]; 2] = [[0x06, 3, 0x55, 4, 3], [0x06, 3, 0x55, 4, 10]];

/// Settings for connections to destinations: TLS 1.2 and 1.3, HTTP/1.1.
///
/// # Errors
///
/// When the file cannot be read or has something else in it than certificates.
pub(super) fn client_config(ca_file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let own = ca_file.map_or(Ok(Vec::new()), read_certificates)?;
    for (index, certificate) in own.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| invalid(format!("certificate {}: {error}", index + 1)))?;
    }
    let provider = Arc::new(default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = Verifier { inner: inner.map_err(io::Error::other)?, own };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // HTTP/1.1 only: there, a body that is too long is ended by dropping its connection.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&fs::read(file)?).collect();
    let certificates = certificates.map_err(|error| invalid(format!("not PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(invalid("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// A certificate that nobody we trust has signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("issued by {issuer}, which is not trusted")]
pub(super) struct Untrusted {
    /// Issuer and subject are the same.
    pub(super) self_signed: bool,
    /// What the certificate calls its issuer.
    pub(super) issuer: String,
}

/// The verifier of rustls, which says only *that* an issuer is unknown, with two additions: it says who that is, and it
/// takes a certificate that stands in our own file for a server's too.
///
/// The latter is what `openssl req -x509` makes: one certificate that is authority and server at once. rustls refuses
/// it after it has checked its dates; whoever put it into the file meant it, and its key still has to be proved.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let error = match self.inner.verify_server_cert(leaf, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(error)) => error,
            accepted_or_broken => return accepted_or_broken,
        };
        let both = authority_as_server(&error);
        if both && self.own.contains(leaf) {
            verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let untrusted = untrusted(leaf)
            .filter(|found| matches!(error, CertificateError::UnknownIssuer) || (both && found.self_signed));
        let error = untrusted.map_or(error, |found| CertificateError::Other(OtherError(Arc::new(found))));
        Err(rustls::Error::InvalidCertificate(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether the only thing wrong is that a server shows the certificate of an authority.
fn authority_as_server(error: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(error)) = error else { return false };
    matches!(error.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn untrusted(leaf: &CertificateDer<'_>) -> Option<Untrusted> {
    let certificate = EndEntityCert::try_from(leaf).ok()?;
    let issuer = certificate.issuer();
    Some(Untrusted { self_signed: issuer == certificate.subject(), issuer: readable_name(issuer) })
}

/// The name in a distinguished name: the value behind the first attribute people know issuers by.
fn readable_name(name: &[u8]) -> String {
    let value = ISSUER_NAMES.iter().find_map(|attribute| {
        let at = name.windows(attribute.len()).position(|window| window == attribute)? + attribute.len();
        // A tag, a length below 128 (standards allow 64 characters), the characters.
        let length = usize::from(*name.get(at + 1)?);
        name.get(at + 2..at + 2 + length)
    });
    value.map_or_else(
        || "an issuer without a name".to_owned(),
        |value| format!("`{}`", String::from_utf8_lossy(value).escape_debug()),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_issuer_is_called_by_its_common_name_or_else_its_organisation() {
        let common = [&[0x31, 12, 0x30, 10, 0x06, 3, 0x55, 4, 3, 0x0c, 3], &b"a\"b"[..]].concat();
        let organisation = [&[0x31, 11, 0x30, 9, 0x06, 3, 0x55, 4, 10, 0x13, 2], &b"Co"[..]].concat();
        assert_eq!(readable_name(&[&organisation[..], &common].concat()), r#"`a\"b`"#);
        assert_eq!(readable_name(&organisation), "`Co`");
        assert_eq!(readable_name(&[]), "an issuer without a name");
    }

    proptest! {
        #[test]
        fn no_certificate_is_too_odd_to_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..4usize) {
            let mut name = ISSUER_NAMES[at % 2].to_vec();
            name.extend(&bytes);
            readable_name(&name);
            untrusted(&CertificateDer::from(bytes));
        }
    }
}
