//! Why an attempt got no answer, in the API's words.

/// A transport failure, or one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the words are the API's; README explains each. Redirects are not followed, so there is none for too many"
)]
pub enum ErrorCode {
    ConnectionRefused,
    ConnectionReset,
    SocketClosed,
    Timeout,
    DnsLookupFailed,
    HostUnreachable,
    NetworkUnreachable,
    NotFound,
    ProtocolError,
    CaUnknown,
    SelfSignedCert,
    CertNameInvalid,
    CertExpired,
    WrongTlsVersion,
    MissingUrl,
    InvalidUrl,
    PayloadMissing,
    Cancelled,
    CliUnavailable,
    InternalError,
    Unknown,
}

impl ErrorCode {
    /// Each code with its stored number and the API's word. Numbers are never reused.
    const TABLE: [(Self, u8, &'static str); 21] = [
        (Self::ConnectionRefused, 1, "CONNECTION_REFUSED"),
        (Self::ConnectionReset, 2, "CONNECTION_RESET"),
        (Self::SocketClosed, 3, "SOCKET_CLOSED"),
        (Self::Timeout, 4, "TIMEOUT"),
        (Self::DnsLookupFailed, 5, "DNS_LOOKUP_FAILED"),
        (Self::HostUnreachable, 6, "HOST_UNREACHABLE"),
        (Self::NetworkUnreachable, 7, "NETWORK_UNREACHABLE"),
        (Self::ProtocolError, 8, "PROTOCOL_ERROR"),
        (Self::CaUnknown, 9, "SSL_ERROR_CA_UNKNOWN"),
        (Self::InvalidUrl, 10, "INVALID_URL"),
        (Self::PayloadMissing, 11, "PAYLOAD_MISSING"),
        (Self::Cancelled, 12, "CANCELLED"),
        (Self::InternalError, 13, "INTERNAL_ERROR"),
        (Self::Unknown, 14, "UNKNOWN"),
        (Self::NotFound, 15, "NOT_FOUND"),
        (Self::SelfSignedCert, 16, "SELF_SIGNED_CERT"),
        (Self::CertNameInvalid, 17, "ERR_TLS_CERT_ALTNAME_INVALID"),
        (Self::CertExpired, 18, "SSL_CERT_EXPIRED"),
        (Self::WrongTlsVersion, 19, "ERR_SSL_WRONG_VERSION_NUMBER"),
        (Self::MissingUrl, 20, "MISSING_URL"),
        (Self::CliUnavailable, 22, "CLI_UNAVAILABLE"),
    ];

    fn row(self) -> (Self, u8, &'static str) {
        Self::TABLE.into_iter().find(|(code, ..)| *code == self).unwrap_or(Self::TABLE[13])
    }

    /// The API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().2
    }

    /// All, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|row| row.0)
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|row| row.2 == text).map(|row| row.0)
    }

    /// Its number on disk, from 1.
    #[must_use]
    pub fn number(self) -> u8 {
        self.row().1
    }

    /// Reads a number from disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::TABLE.into_iter().find(|row| row.1 == number).map(|row| row.0)
    }
}
