//! What awc's errors mean, in the API's words. The real message is kept beside the word.

use std::io;

use actix_web::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};

use super::connector::ConnectRefusal;
use crate::domain::ErrorCode;

/// Characters of an error message that are kept: one line of a log.
const MESSAGE_CHARS_MAX: usize = 500;

/// Why no complete answer came.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl AsRef<str>) -> Self {
        Self { code, message: message.as_ref().chars().take(MESSAGE_CHARS_MAX).collect() }
    }

    /// Names an error that came before the head of the answer was complete.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn of_request(error: SendRequestError) -> Self {
        if let Some(refusal) = ConnectRefusal::in_request(&error) {
            return Self::new(refusal.code, &refusal.message);
        }
        let code = match &error {
            SendRequestError::Url(_) => ErrorCode::InvalidUrl,
            SendRequestError::Connect(error) => connect_code(error),
            SendRequestError::Send(error) => io_code(error),
            SendRequestError::Response(error) => match error {
                ParseError::Io(error) => io_code(error),
                ParseError::Incomplete => ErrorCode::SocketClosed,
                ParseError::Timeout => ErrorCode::Timeout,
                _ => ErrorCode::ProtocolError,
            },
            SendRequestError::Http(_) | SendRequestError::H2(_) | SendRequestError::TunnelNotSupported => {
                ErrorCode::ProtocolError
            }
            SendRequestError::Timeout => ErrorCode::Timeout,
            _ => ErrorCode::Unknown,
        };
        // awc's name for a connection that was closed before an answer is misleading on its own.
        let message = if matches!(error, SendRequestError::Connect(ConnectError::Disconnected)) {
            "the connection was closed without an answer".to_owned()
        } else {
            error.to_string()
        };
        Self::new(code, message)
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
}

fn connect_code(error: &ConnectError) -> ErrorCode {
    match error {
        ConnectError::Resolver(_) | ConnectError::NoRecords => ErrorCode::DnsLookupFailed,
        ConnectError::Timeout => ErrorCode::Timeout,
        // awc says "disconnected" too when the request was sent and the connection closed without an answer.
        ConnectError::Disconnected => ErrorCode::SocketClosed,
        ConnectError::Unresolved => ErrorCode::InvalidUrl,
        ConnectError::Io(error) => io_code(error),
        ConnectError::SslIsNotSupported => ErrorCode::CaUnknown,
        _ => ErrorCode::ProtocolError,
    }
}

pub(super) fn io_code(error: &io::Error) -> ErrorCode {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
        return ErrorCode::CaUnknown;
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
