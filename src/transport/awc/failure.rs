//! What errors of awc, the system and TLS mean, in the API's words. The real message is kept beside the word.

use std::io;

use actix_web::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible, pki_types::UnixTime};

use super::{connector::ConnectRefusal, stream::Seen, tls::Untrusted};
use crate::domain::ErrorCode;

/// Characters of an error message that are kept: one line of a log.
const MESSAGE_CHARS_MAX: usize = 500;
/// Names of a certificate that are told: enough to see whose it is.
const NAMES_MAX: usize = 5;

/// Why no complete answer came.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl AsRef<str>) -> Self {
        Self { code, message: message.as_ref().chars().take(MESSAGE_CHARS_MAX).collect() }
    }

    /// In the dress in which it passes through awc.
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Names an error that came before the head of the answer was complete.
    #[expect(clippy::needless_pass_by_value, reason = "takes the error out of a result")]
    pub(super) fn of_request(error: SendRequestError, seen: &Seen) -> Self {
        if let Some(refusal) = ConnectRefusal::in_request(&error) {
            return Self::new(refusal.code, &refusal.message);
        }
        if let Some(failure) = io_error(&error).and_then(Self::of_io) {
            return failure;
        }
        let code = match &error {
            SendRequestError::Url(_) => ErrorCode::InvalidUrl,
            SendRequestError::Connect(error) => connect_code(error),
            SendRequestError::Send(error) | SendRequestError::Response(ParseError::Io(error)) => io_code(error),
            SendRequestError::Response(ParseError::Incomplete) => ErrorCode::SocketClosed,
            SendRequestError::Response(ParseError::Timeout) | SendRequestError::Timeout => ErrorCode::Timeout,
            SendRequestError::Response(_)
            | SendRequestError::Http(_)
            | SendRequestError::H2(_)
            | SendRequestError::TunnelNotSupported => ErrorCode::ProtocolError,
            _ => ErrorCode::Unknown,
        };
        // awc's names for a connection that was closed before an answer are misleading on their own.
        if matches!(error, SendRequestError::Connect(ConnectError::Disconnected)) {
            return Self::new(code, "the connection was closed without an answer");
        }
        if code == ErrorCode::Unknown && seen.ended() {
            return Self::new(
                ErrorCode::SocketClosed,
                "the connection was closed before the head of the answer was whole",
            );
        }
        Self::new(code, error.to_string())
    }

    /// Names an error that came while the body was read.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn of_body(error: PayloadError) -> Self {
        let code = match &error {
            PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => io_code(error),
            PayloadError::Incomplete(None) => ErrorCode::SocketClosed,
            _ => ErrorCode::ProtocolError,
        };
        Self::new(code, format!("while reading the response body: {error}"))
    }

    /// Names an error of the TLS handshake with a host.
    pub(super) fn of_handshake(host: &str, error: &io::Error) -> Self {
        let Some(cause) = inner::<rustls::Error>(error) else {
            return Self::new(io_code(error), format!("during the TLS handshake with {host}: {error}"));
        };
        let code = tls_code(cause);
        let message = match cause {
            rustls::Error::InvalidCertificate(problem) => certificate_problem(host, problem),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                format!("{host} does not speak TLS on this port: its answer to the handshake is something else")
            }
            rustls::Error::AlertReceived(alert) => format!("{host} refused the TLS handshake: {alert:?}"),
            _ if code == ErrorCode::WrongTlsVersion => {
                format!("{host} speaks no version of TLS that is still safe (1.2 or 1.3): {cause}")
            }
            other => format!("the TLS handshake with {host} failed: {other}"),
        };
        Self::new(code, message)
    }

    /// An error that carries its name already, or one of TLS after the handshake.
    fn of_io(error: &io::Error) -> Option<Self> {
        let tls =
            || inner::<rustls::Error>(error).map(|cause| Self::new(tls_code(cause), format!("TLS failed: {cause}")));
        inner::<Self>(error).cloned().or_else(tls)
    }

    /// Whether a connection was lost, which says nothing about the request.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self.code, ErrorCode::ConnectionReset | ErrorCode::SocketClosed)
    }
}

fn inner<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn io_error(error: &SendRequestError) -> Option<&io::Error> {
    match error {
        SendRequestError::Connect(ConnectError::Io(error))
        | SendRequestError::Send(error)
        | SendRequestError::Response(ParseError::Io(error)) => Some(error),
        _ => None,
    }
}

fn connect_code(error: &ConnectError) -> ErrorCode {
    match error {
        ConnectError::Resolver(_) | ConnectError::NoRecords => ErrorCode::DnsLookupFailed,
        ConnectError::Timeout => ErrorCode::Timeout,
        // awc says "disconnected" too when the request was sent and the connection closed without an answer.
        ConnectError::Disconnected => ErrorCode::SocketClosed,
        ConnectError::Unresolved => ErrorCode::InvalidUrl,
        ConnectError::Io(error) => io_code(error),
        _ => ErrorCode::ProtocolError,
    }
}

pub(super) fn io_code(error: &io::Error) -> ErrorCode {
    if let Some(cause) = inner::<rustls::Error>(error) {
        return tls_code(cause);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            ErrorCode::ConnectionReset
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => ErrorCode::SocketClosed,
        io::ErrorKind::TimedOut => ErrorCode::Timeout,
        io::ErrorKind::HostUnreachable => ErrorCode::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => ErrorCode::NetworkUnreachable,
        io::ErrorKind::InvalidInput => ErrorCode::InvalidUrl,
        io::ErrorKind::InvalidData => ErrorCode::ProtocolError,
        _ => ErrorCode::Unknown,
    }
}

fn tls_code(error: &rustls::Error) -> ErrorCode {
    match error {
        rustls::Error::InvalidCertificate(problem) => certificate_code(problem),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => ErrorCode::WrongTlsVersion,
        _ => ErrorCode::ProtocolError,
    }
}

fn certificate_code(problem: &CertificateError) -> ErrorCode {
    match problem {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ErrorCode::CertNameInvalid
        }
        // Not valid yet is the same mistake on the other side: today is not within its dates.
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => ErrorCode::CertExpired,
        problem if untrusted(problem).is_some_and(|found| found.self_signed) => ErrorCode::SelfSignedCert,
        _ => ErrorCode::CaUnknown,
    }
}

fn untrusted(problem: &CertificateError) -> Option<&Untrusted> {
    let CertificateError::Other(rustls::OtherError(error)) = problem else { return None };
    error.downcast_ref()
}

fn certificate_problem(host: &str, problem: &CertificateError) -> String {
    let certificate = format!("the certificate of {host}");
    match problem {
        CertificateError::ExpiredContext { not_after, .. } => format!("{certificate} expired on {}", date(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("{certificate} is not valid before {}", date(*not_before))
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("{certificate} is not for {host} but for {}", names(presented))
        }
        problem => match untrusted(problem) {
            Some(Untrusted { self_signed: true, issuer }) => {
                format!("{certificate} is signed by itself ({issuer}) and not in delivery.ca_file")
            }
            Some(Untrusted { self_signed: false, issuer }) => {
                format!(
                    "{certificate} was issued by {issuer}, which is no public authority and not in delivery.ca_file"
                )
            }
            None => format!("{certificate} is not to be trusted: {problem}"),
        },
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let date = chrono::DateTime::from_timestamp(seconds, 0);
    date.map_or_else(|| "a day beyond the calendar".to_owned(), |date| date.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// The names of a certificate: webpki gives them as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| name.split('"').nth(1).map_or_else(|| name.clone(), str::to_owned);
    let told: Vec<_> = presented.iter().take(NAMES_MAX).map(bare).collect();
    match presented.len() {
        0 => "no name at all".to_owned(),
        count if count > NAMES_MAX => format!("{} and {} more", told.join(", "), count - NAMES_MAX),
        _ => told.join(", "),
    }
}
