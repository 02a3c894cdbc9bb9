//! Events over time: how many were created in each of at most a thousand stretches.

use super::Query;
use crate::{
    domain::{Span, Timestamp},
    store::{EventFilter, EventOrder, Histogram, PageRequest, Store, StoreError},
};

/// Buckets of a histogram at most: more than a screen has columns to show them.
pub const BUCKETS_MAX: usize = 1000;
/// Buckets at most where nobody names their width: as many as a chart shows well.
const BUCKETS_AUTOMATIC: u64 = 200;
/// Milliseconds of the units that widths are given in, the largest first.
const UNITS: [(char, u64); 5] = [('w', 604_800_000), ('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1000)];
/// Widths to choose from where nobody names one.
const WIDTHS: [&str; 17] =
    ["1s", "5s", "15s", "30s", "1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "1w", "4w", "13w"];

/// The width of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granularity(u64);

impl Granularity {
    /// Reads `5m`, `1h`, `1d` and the like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let digits = &text[..text.len() - 1];
        let count: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        count.checked_mul(ms).filter(|ms| (1..=i64::MAX as u64).contains(ms)).map(Self)
    }

    /// The smallest width that cuts a stretch into as many buckets as a chart shows.
    fn for_stretch(ms: u64) -> Self {
        let fits = |width: &Self| ms / width.0 < BUCKETS_AUTOMATIC;
        let known = WIDTHS.into_iter().filter_map(Self::parse).find(fits);
        known.unwrap_or(Self((ms / BUCKETS_AUTOMATIC / UNITS[0].1 + 1).saturating_mul(UNITS[0].1)))
    }
}

impl std::fmt::Display for Granularity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fits = UNITS.into_iter().find(|(_, ms)| self.0.is_multiple_of(*ms));
        let (name, ms) = fits.unwrap_or(('s', UNITS[4].1));
        write!(f, "{}{name}", self.0 / ms)
    }
}

/// How many events were created in each stretch, from the first to the last, empty ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// The width of each.
    pub granularity: Granularity,
    /// Where each begins, and how many events were created in it.
    pub counts: Vec<(Timestamp, u64)>,
}

/// Why there is no histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistogramError {
    /// It would have this many buckets.
    TooMany(u64),
    /// The store cannot answer.
    Store(StoreError),
}

impl From<StoreError> for HistogramError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Query {
    /// Events over time. It goes as far as the filter's span of `created_at`; where that is open, as far as there are events.
    ///
    /// # Errors
    ///
    /// `TooMany` when the granularity asked for makes more than [`BUCKETS_MAX`] buckets; as [`Store::histogram`].
    pub async fn histogram(
        &self,
        filter: EventFilter,
        granularity: Option<Granularity>,
    ) -> Result<Buckets, HistogramError> {
        let now = self.now();
        let found = self.blocking(move |store| {
            let Some((from, last)) = stretch(store, &filter, now)? else {
                let granularity = granularity.unwrap_or(Granularity::for_stretch(0));
                return Ok(Ok(Buckets { granularity, counts: Vec::new() }));
            };
            let granularity = granularity.unwrap_or_else(|| Granularity::for_stretch(last.ms_since(from)));
            let start = aligned(from, granularity);
            let buckets = last.ms_since(start) / granularity.0 + 1;
            let Some(count) = usize::try_from(buckets).ok().filter(|count| *count <= BUCKETS_MAX) else {
                return Ok(Err(HistogramError::TooMany(buckets)));
            };
            let shape = Histogram { start, bucket_ms: granularity.0, buckets: count };
            let counts = store.histogram(&filter, shape, now)?;
            let begins = (0u64..).map(|number| start.plus_ms(number.saturating_mul(granularity.0)));
            Ok(Ok(Buckets { granularity, counts: begins.zip(counts).collect() }))
        });
        found.await?
    }
}

/// The first and the last millisecond to show; `None` when there is nothing.
fn stretch(
    store: &dyn Store,
    filter: &EventFilter,
    now: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let end = |descending| -> Result<Option<Timestamp>, StoreError> {
        let page = PageRequest { order: EventOrder::Created, descending, after: None, limit: 1 };
        Ok(store.events(filter, &page, now)?.events.first().map(|kept| kept.event.created_at))
    };
    let Span { from, before } = filter.created;
    let (from, last) = match (from, before) {
        (Some(from), Some(before)) => (Some(from), Some(before.minus_ms(1))),
        (Some(from), None) => (Some(from), end(true)?),
        (None, Some(before)) => (end(false)?, Some(before.minus_ms(1))),
        (None, None) => (end(false)?, end(true)?),
    };
    Ok(from.zip(last).filter(|(from, last)| from <= last))
}

/// The bucket's edge at or before a moment: edges lie at whole multiples since 1970, in UTC.
fn aligned(at: Timestamp, granularity: Granularity) -> Timestamp {
    let width = i64::try_from(granularity.0).unwrap_or(i64::MAX);
    Timestamp::from_ms(at.ms().saturating_sub(at.ms().rem_euclid(width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read_and_written_in_their_largest_unit() {
        for (text, shown) in [("5m", "5m"), ("60m", "1h"), ("24h", "1d"), ("14d", "2w"), ("90s", "90s"), ("7d", "1w")] {
            assert_eq!(Granularity::parse(text).unwrap().to_string(), shown);
        }
        for text in
            ["", "m", "0m", "-1m", "1", "1M", "1.5h", "99999999999999999999s", "5 m", "ü", "+1s", "9999999999999999w"]
        {
            assert_eq!(Granularity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_automatic_width_fits_any_stretch() {
        for ms in [0, 1, 1000, 86_400_000, 400 * 86_400_000, i64::MAX as u64] {
            let width = Granularity::for_stretch(ms);
            assert!(ms / width.0 < BUCKETS_AUTOMATIC, "{ms}: {width}");
        }
        assert_eq!(Granularity::for_stretch(86_400_000).to_string(), "15m");
    }

    #[test]
    fn edges_lie_at_multiples_of_the_width() {
        let hour = Granularity::parse("1h").unwrap();
        assert_eq!(aligned(Timestamp::from_ms(3_600_001), hour), Timestamp::from_ms(3_600_000));
        assert_eq!(aligned(Timestamp::from_ms(-1), hour), Timestamp::from_ms(-3_600_000));
    }
}
