//! `Retry-After`: what a destination asks of whoever comes back (RFC 9110 §10.2.3), and `-1`, with which it asks not to.

use chrono::DateTime;

use super::Timestamp;

/// The shortest wait that is granted: a destination that says 0 is not to be hammered.
const WAIT_MS_MIN: u64 = 1000;

/// When to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds after the answer.
    Seconds(u64),
    /// At a moment.
    At(Timestamp),
    /// Not by itself any more.
    Never,
}

impl RetryAfter {
    /// Reads the header's value; what is none of the three forms says nothing.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        if text == "-1" {
            return Some(Self::Never);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // What does not fit lies beyond every limit.
            return Some(Self::Seconds(text.parse().unwrap_or(u64::MAX)));
        }
        let at = DateTime::parse_from_rfc2822(text).ok()?;
        Some(Self::At(Timestamp::from_ms(at.timestamp_millis())))
    }

    /// The moment it names, for an answer that was complete at `answered_at`; `None` for never.
    #[must_use]
    pub fn due_at(self, answered_at: Timestamp) -> Option<Timestamp> {
        let soonest = answered_at.plus_ms(WAIT_MS_MIN);
        match self {
            Self::Seconds(seconds) => Some(answered_at.plus_ms(seconds.saturating_mul(1000)).max(soonest)),
            Self::At(at) => Some(at.max(soonest)),
            Self::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_dates_and_minus_one_are_read_and_nothing_else() {
        let date = Timestamp::from_ms(784_111_777_000);
        let cases: [(&[u8], Option<RetryAfter>); 9] = [
            (b"120", Some(RetryAfter::Seconds(120))),
            (b" 0 ", Some(RetryAfter::Seconds(0))),
            (b"99999999999999999999999", Some(RetryAfter::Seconds(u64::MAX))),
            (b"Sun, 06 Nov 1994 08:49:37 GMT", Some(RetryAfter::At(date))),
            (b"-1", Some(RetryAfter::Never)),
            (b"-2", None),
            (b"1.5", None),
            (b"soon", None),
            (b"\xff", None),
        ];
        for (value, expected) in cases {
            assert_eq!(RetryAfter::parse(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_date_in_the_past_and_no_wait_at_all_become_the_shortest_wait() {
        let now = Timestamp::from_ms(1_700_000_000_000);
        assert_eq!(RetryAfter::At(Timestamp::EPOCH).due_at(now), Some(now.plus_ms(WAIT_MS_MIN)));
        assert_eq!(RetryAfter::Seconds(0).due_at(now), Some(now.plus_ms(WAIT_MS_MIN)));
        assert_eq!(RetryAfter::Seconds(7).due_at(now), Some(now.plus_ms(7000)));
        assert_eq!(RetryAfter::Never.due_at(now), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, at: i32) {
            if let Some(asked) = RetryAfter::parse(&bytes) {
                let answered_at = Timestamp::from_ms(at.into());
                prop_assert!(asked.due_at(answered_at).is_none_or(|due_at| due_at > answered_at));
            }
        }
    }
}
