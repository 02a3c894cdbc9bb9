//! Ids: ULIDs with a prefix that tells what they name.
//!
//! A request's id is drawn where the request arrives. Ids of what grows from it are sums in the random 80 bits
//! (CONTRIBUTING, decision 1): event `i` of a fan-out is `request + (i + 1) · 2³²`, attempt `n` is `event + n`.

use std::{fmt, str::FromStr};

use ulid::Ulid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of this kind: expected `{prefix}` and 26 letters or digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

/// The low 80 bits of a ULID; the 48 above are its time in milliseconds.
const RANDOM_BITS: u32 = 80;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;
/// Room for attempts between two events of one request.
const EVENT_STRIDE: u128 = 1 << 32;

/// Adds inside the random part, so that the time part never changes.
fn offset(id: u128, by: u128) -> u128 {
    (id & !RANDOM_MASK) | (id.wrapping_add(by) & RANDOM_MASK)
}

/// How far `id` lies behind `base` inside the random part; `None` when their times differ.
fn distance(base: u128, id: u128) -> Option<u128> {
    (base >> RANDOM_BITS == id >> RANDOM_BITS).then(|| id.wrapping_sub(base) & RANDOM_MASK)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps the 128 bits of a ULID.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// Builds one from a time and 80 random bits; bits above are ignored.
            #[must_use]
            pub fn from_parts(at: super::Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(u64::try_from(at.ms()).unwrap_or(0), random & RANDOM_MASK).into())
            }

            /// The 128 bits.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// When it was drawn, to the millisecond.
            #[must_use]
            pub fn time(self) -> super::Timestamp {
                super::Timestamp::from_ms(i64::try_from(self.0 >> RANDOM_BITS).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(Ulid::from(self.0).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    // 26 symbols carry 130 bits: a first one above 7 would be another spelling of another id.
                    .filter(|rest| rest.as_bytes().first().is_some_and(|first| (b'0'..=b'7').contains(first)))
                    .and_then(|rest| Ulid::from_string(rest).ok())
                    .map(|ulid| Self(ulid.into()))
                    .ok_or_else(|| IdError { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }
    };
}

id!(
    /// Names a source.
    SourceId,
    "src_"
);
id!(
    /// Names a destination.
    DestinationId,
    "des_"
);
id!(
    /// Names a connection (`webhook_id` in API fields).
    ConnectionId,
    "web_"
);
id!(
    /// Names a request as it arrived.
    RequestId,
    "req_"
);
id!(
    /// Names an event: one request on one connection.
    EventId,
    "evt_"
);
id!(
    /// Names a connection that made no event of a request.
    IgnoredEventId,
    "ign_"
);
id!(
    /// Names the data of an event or a request; the same number as its own.
    EventDataId,
    "edt_"
);
id!(
    /// Names a delivery attempt.
    AttemptId,
    "atm_"
);
id!(
    /// Names the one project of a data directory.
    ProjectId,
    "tm_"
);
id!(
    /// Names an API key.
    ApiKeyId,
    "key_"
);
id!(
    /// Names a saved filter over events.
    ViewId,
    "view_"
);
id!(
    /// Names a bookmark.
    BookmarkId,
    "bmk_"
);
id!(
    /// Names a bulk operation.
    BulkId,
    "bch_"
);
id!(
    /// Names a change of the configuration.
    AuditId,
    "aud_"
);

impl RequestId {
    /// The id of the event at `index` of this request's fan-out.
    #[must_use]
    pub fn event(self, index: u16) -> EventId {
        EventId(offset(self.0, EVENT_STRIDE * (u128::from(index) + 1)))
    }

    /// The id of the connection at `index` of those that made no event of this request.
    #[must_use]
    pub fn ignored(self, index: u16) -> IgnoredEventId {
        IgnoredEventId(offset(self.0, EVENT_STRIDE * (u128::from(index) + 1)))
    }

    /// The id of this request's data.
    #[must_use]
    pub fn data(self) -> EventDataId {
        EventDataId(self.0)
    }
}

impl EventId {
    /// The id of this event's data.
    #[must_use]
    pub fn data(self) -> EventDataId {
        EventDataId(self.0)
    }

    /// The id of attempt `number`, counted from 1.
    #[must_use]
    pub fn attempt(self, number: u32) -> AttemptId {
        AttemptId(offset(self.0, u128::from(number)))
    }
}

impl AttemptId {
    /// Which attempt of `event` this is, if it is one: its number, from 1.
    #[must_use]
    pub fn number_of(self, event: EventId) -> Option<u32> {
        distance(event.0, self.0).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_bits_are_the_same_id(bits: u128) {
            let id = EventId::from_bits(bits);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn an_attempt_knows_its_number_and_keeps_the_time(bits: u128, index in 0u16..9_999, number in 1u32..) {
            let request = RequestId::from_bits(bits);
            let event = request.event(index);
            prop_assert_eq!(event.time(), request.time());
            prop_assert_eq!(event.attempt(number).number_of(event), Some(number));
            prop_assert_eq!(event.attempt(number).number_of(request.event(index + 1)), None);
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_what_was_expected() {
        let error = "web_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<EventId>().unwrap_err();
        assert!(error.to_string().contains("evt_"), "{error}");
        assert!("evt_81ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<EventId>().is_err());
    }
}
