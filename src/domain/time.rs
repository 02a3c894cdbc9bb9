//! Wall time as the domain counts it: whole milliseconds since 1970, UTC.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment that is ever stored.
    pub const EPOCH: Self = Self(0);
    /// Later than everything that is ever stored.
    pub const MAX: Self = Self(i64::MAX);

    /// Wraps milliseconds since the epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Cuts a chrono time to whole milliseconds.
    #[must_use]
    pub fn from_datetime(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_millis())
    }

    /// The same moment for chrono; moments beyond its range become the epoch.
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or_default()
    }

    /// This moment moved later by `ms` milliseconds, at most to [`Timestamp::MAX`].
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// This moment moved earlier by `ms` milliseconds.
    #[must_use]
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this moment, zero when it is not earlier.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// A stretch of time; both ends may be open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub before: Option<Timestamp>,
}

impl Span {
    /// From a moment on.
    #[must_use]
    pub const fn since(from: Timestamp) -> Self {
        Self { from: Some(from), before: None }
    }

    /// Before a moment.
    #[must_use]
    pub const fn until(before: Timestamp) -> Self {
        Self { from: None, before: Some(before) }
    }

    /// From a moment to before another one.
    #[must_use]
    pub const fn between(from: Timestamp, before: Timestamp) -> Self {
        Self { from: Some(from), before: Some(before) }
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.before.is_none_or(|before| at < before)
    }

    /// Whether any moment from `first` to `last`, both included, may lie in it.
    #[must_use]
    pub fn touches(&self, first: Timestamp, last: Timestamp) -> bool {
        self.from.is_none_or(|from| last >= from) && self.before.is_none_or(|before| first < before)
    }
}

impl fmt::Display for Timestamp {
    /// ISO-8601, UTC, milliseconds: `2026-11-22T01:02:03.004Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}
