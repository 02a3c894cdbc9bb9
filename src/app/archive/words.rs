//! Values as they stand in an archive: ids, moments and methods as text, bytes in base64.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::domain::{
    AttemptStatus, AttemptTrigger, ErrorCode, HttpMethod, ResponseType, Scope, StatusCodes, Timestamp,
};

/// What can be written and read as a word.
pub(super) trait Word: Sized {
    /// As it is written.
    fn word(&self) -> String;
    /// Reads it; `Err` says what it is not.
    fn read(text: &str) -> Result<Self, String>;
}

/// A value that stands as a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<T>(pub(super) T);

impl<T: Word> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.word())
    }
}

impl<'de, T: Word> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(D::Error::custom)
    }
}

macro_rules! id_words {
    ($($id:ident),*) => {
        $(impl Word for crate::domain::$id {
            fn word(&self) -> String {
                self.to_string()
            }

            fn read(text: &str) -> Result<Self, String> {
                Self::from_str(text).map_err(|error| error.to_string())
            }
        })*
    };
}

id_words!(
    ProjectId,
    ApiKeyId,
    SourceId,
    DestinationId,
    ConnectionId,
    RequestId,
    EventDataId,
    BulkId,
    ViewId,
    BookmarkId
);

impl Word for Timestamp {
    fn word(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Result<Self, String> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|error| format!("{text:?} is no moment: {error}"))?;
        Ok(Self::from_ms(at.timestamp_millis()))
    }
}

impl Word for Bytes {
    fn word(&self) -> String {
        STANDARD.encode(self)
    }

    fn read(text: &str) -> Result<Self, String> {
        STANDARD.decode(text).map(Self::from).map_err(|error| format!("no base64: {error}"))
    }
}

/// A SHA-256 in hexadecimal digits.
impl Word for [u8; 32] {
    fn word(&self) -> String {
        self.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut sum = [0; 32];
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        for (byte, pair) in sum.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(pair).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        if is_hex { Ok(sum) } else { Err("a hash has 64 hexadecimal digits".to_owned()) }
    }
}

impl Word for HttpMethod {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("{text:?} is no method that is known here"))
    }
}

impl Word for Scope {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        one_of(&Self::ALL, |scope| scope.as_str(), text)
    }
}

impl Word for ResponseType {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        one_of(&Self::ALL, |kind| kind.as_str(), text)
    }
}

impl Word for StatusCodes {
    fn word(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("{text:?} is no expression of statuses"))
    }
}

impl Word for ErrorCode {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut codes = (0..=u8::MAX).filter_map(Self::from_number);
        codes.find(|code| code.as_str() == text).ok_or_else(|| format!("{text:?} is no error code"))
    }
}

impl Word for AttemptTrigger {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let all = [Self::Initial, Self::Automatic, Self::Manual, Self::BulkRetry, Self::Unpause];
        one_of(&all, |trigger| trigger.as_str(), text)
    }
}

impl Word for AttemptStatus {
    fn word(&self) -> String {
        self.as_str().to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        one_of(&[Self::Successful, Self::Failed, Self::Cancelled], |status| status.as_str(), text)
    }
}

fn one_of<T: Copy>(all: &[T], word: impl Fn(&T) -> &'static str, text: &str) -> Result<T, String> {
    let words = || all.iter().map(&word).collect::<Vec<_>>().join(", ");
    all.iter().find(|one| word(one) == text).copied().ok_or_else(|| format!("{text:?} is none of {}", words()))
}

/// A header: its name, and its value, which may be any bytes.
pub(super) type Header = (String, Text<Bytes>);

pub(super) fn headers_of(headers: &[(String, Bytes)]) -> Vec<Header> {
    headers.iter().map(|(name, value)| (name.clone(), Text(value.clone()))).collect()
}

pub(super) fn into_headers(headers: Vec<Header>) -> Vec<(String, Bytes)> {
    headers.into_iter().map(|(name, value)| (name, value.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_no_other_does() {
        for code in (0..=u8::MAX).filter_map(ErrorCode::from_number) {
            assert_eq!(ErrorCode::read(&code.word()), Ok(code));
        }
        for trigger in ["INITIAL", "AUTOMATIC", "MANUAL", "BULK_RETRY", "UNPAUSE"] {
            assert_eq!(AttemptTrigger::read(trigger).unwrap().word(), trigger);
        }
        for status in ["SUCCESSFUL", "FAILED", "CANCELLED"] {
            assert_eq!(AttemptStatus::read(status).unwrap().word(), status);
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::read(&scope.word()), Ok(scope));
        }
        let hash = [0xa7; 32];
        assert_eq!(<[u8; 32]>::read(&hash.word()), Ok(hash));
        let at = Timestamp::from_ms(1_700_000_000_001);
        assert_eq!(Timestamp::read(&at.word()), Ok(at));
        assert!(ErrorCode::read("TIMEOUTS").is_err() && AttemptTrigger::read("initial").is_err());
        assert!(<[u8; 32]>::read("a7").is_err() && Timestamp::read("yesterday").is_err() && Bytes::read("%").is_err());
        assert!(<[u8; 32]>::read(&"é".repeat(32)).is_err());
    }
}
