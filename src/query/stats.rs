//! Figures of the whole gateway: what every connection has, and how each is doing.

use std::{collections::HashMap, sync::Arc};

use super::{
    EventFilter, Query, StoreError,
    histogram::{Granularity, HistogramError},
};
pub use crate::store::{Recent, StoreStats, Tally};
use crate::{
    domain::{Configuration, ConnectionId, Event, EventStatus, RequestId, Span, Timestamp},
    store::TallyAsk,
};

/// The last hour and the last minute: what [`Tally::recent`] is of, in this order.
pub const RECENT_MS: [u64; 2] = [3_600_000, 60_000];
/// An event that is due and has not been sent for so long says that its connection is slow.
const SLOW_MS: u64 = 30_000;

/// Everything at one moment.
#[derive(Debug, Clone)]
pub struct Stats {
    /// When.
    pub at: Timestamp,
    /// What is configured.
    pub configuration: Arc<Configuration>,
    /// What connections have; nothing where none is named.
    pub tallies: HashMap<ConnectionId, Tally>,
    /// What is on disk.
    pub store: StoreStats,
}

/// What came and what became of it, from a first to a last bucket, empty ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The width of each.
    pub granularity: Granularity,
    /// One after the other.
    pub buckets: Vec<Bucket>,
}

/// Events that were accepted in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Where it begins.
    pub begin: Timestamp,
    /// All of them.
    pub came: u64,
    /// Delivered by now.
    pub delivered: u64,
    /// Whose last try failed.
    pub failed: u64,
}

/// How a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// What comes is delivered.
    Ok,
    /// What comes waits too long.
    Slow,
    /// Most of what was tried lately failed.
    Failing,
    /// Somebody holds it.
    Paused,
    /// It, or its destination, is disabled.
    Disabled,
    /// It was left alone after dying too often.
    Quarantined,
}

/// What health is judged by beside figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switches {
    /// Nothing is made of what arrives.
    pub disabled: bool,
    /// Nothing new is sent.
    pub paused: bool,
    /// See [`Health::Quarantined`].
    pub quarantined: bool,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Slow, Self::Failing, Self::Paused, Self::Disabled, Self::Quarantined];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Quarantined => "quarantined",
        }
    }

    /// Judges a connection, and says why in a sentence.
    #[must_use]
    pub fn of(tally: &Tally, switches: Switches, now: Timestamp) -> (Self, String) {
        let Recent { successful, failed, .. } = tally.recent[0];
        let tried = successful + failed;
        let late_ms = tally.oldest_due.map_or(0, |due| now.ms_since(due));
        if switches.disabled {
            (Self::Disabled, "It or its destination is disabled: what arrives is not sent.".to_owned())
        } else if switches.quarantined {
            (Self::Quarantined, "It failed inside too often and is left alone: unpause it to try again.".to_owned())
        } else if switches.paused {
            (Self::Paused, format!("It is paused and holds {}.", events(tally.held)))
        } else if successful * 2 < tried {
            (Self::Failing, format!("{failed} of the {} of the last hour that were tried failed.", events(tried)))
        } else if late_ms >= SLOW_MS {
            (
                Self::Slow,
                format!("The oldest of {} that wait has been due for {} s.", events(tally.pending), late_ms / 1000),
            )
        } else if tried > 0 {
            (
                Self::Ok,
                format!("{successful} of the {} of the last hour that were tried were delivered.", events(tried)),
            )
        } else {
            (Self::Ok, "Nothing was tried in the last hour.".to_owned())
        }
    }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

impl Query {
    /// Everything as it is now.
    ///
    /// # Errors
    ///
    /// As [`Store::tallies`](crate::store::Store::tallies).
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        let now = self.now();
        self.blocking(move |store| {
            let tallies = store.tallies(&TallyAsk { since: RECENT_MS.map(|ms| now.minus_ms(ms)), now })?;
            Ok(Stats { at: now, configuration: store.configuration(), tallies, store: store.stats() })
        })
        .await
    }

    /// What came and what became of it over time, in buckets of a width that is chosen when none is given.
    ///
    /// # Errors
    ///
    /// As [`histogram`](Self::histogram).
    pub async fn series(&self, span: Span, granularity: Option<Granularity>) -> Result<Series, HistogramError> {
        let of = |statuses: &[EventStatus], granularity| {
            let filter = EventFilter { created: span, statuses: statuses.to_vec(), ..EventFilter::default() };
            self.histogram(filter, granularity)
        };
        let all = of(&[], granularity).await?;
        let granularity = all.granularity;
        let delivered = of(&[EventStatus::Successful], Some(granularity)).await?;
        let failed = of(&[EventStatus::Failed], Some(granularity)).await?;
        let became = delivered.counts.into_iter().zip(failed.counts);
        let buckets = all.counts.into_iter().zip(became).map(|((begin, came), ((_, delivered), (_, failed)))| {
            // They are counted one after the other, and what arrives meanwhile is in the later ones alone.
            let came = came.max(delivered + failed);
            Bucket { begin, came, delivered, failed }
        });
        Ok(Series { granularity, buckets: buckets.collect() })
    }

    /// All events of a request, in the order of its fan-out; none when it became none.
    ///
    /// # Errors
    ///
    /// As [`Store::events_of`](crate::store::Store::events_of).
    pub async fn became_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError> {
        self.blocking(move |store| match store.events_of(request) {
            Err(StoreError::NotFound) => Ok(Vec::new()),
            found => found,
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn tally(successful: u64, failed: u64, late_ms: Option<u64>) -> Tally {
        let recent = Recent { accepted: successful + failed, successful, failed };
        Tally {
            pending: 7,
            held: 1,
            oldest_due: late_ms.map(|ms| NOW.minus_ms(ms)),
            recent: [recent, Recent::default()],
        }
    }

    #[test]
    fn a_connection_is_judged_by_its_switches_first_then_by_failures_then_by_lateness() {
        let bad = tally(1, 2, Some(SLOW_MS));
        let on = Switches::default();
        let paused = Switches { paused: true, ..on };
        for (tally, switches, health, words) in [
            (bad, Switches { disabled: true, quarantined: true, paused: true }, Health::Disabled, "disabled"),
            (bad, Switches { quarantined: true, ..paused }, Health::Quarantined, "unpause"),
            (bad, paused, Health::Paused, "holds 1 event."),
            (bad, on, Health::Failing, "2 of the 3 events"),
            (tally(2, 2, Some(SLOW_MS)), on, Health::Slow, "7 events that wait has been due for 30 s"),
            (tally(2, 2, Some(SLOW_MS - 1)), on, Health::Ok, "2 of the 4 events"),
            (tally(0, 0, None), on, Health::Ok, "Nothing was tried"),
        ] {
            let (judged, said) = Health::of(&tally, switches, NOW);
            assert_eq!(judged, health, "{said}");
            assert!(said.contains(words), "{said}");
        }
    }
}
