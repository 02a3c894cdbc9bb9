//! How many rejected requests of a source may be recorded, and the count of those that were not.
//!
//! A sender who cannot be told to stop must not fill the journal: each source has a bucket of its own. Never refuses
//! a request (that has happened already) and never reads a clock.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::{RejectionCause, Source, SourceId, Timestamp};

/// Rejected requests recorded a second and source, and at once after a quiet second: enough to see what is wrong, and
/// with [`BODY_KEPT_BYTES_MAX`] at most 6.4 MB/s of journal.
pub const RECORDED_PER_S: u64 = 100;
/// What is kept of a rejected request's body: enough to recognise it.
pub const BODY_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Between two log lines about one source.
const TELL_INTERVAL_MS: u64 = 60_000;
/// What one record takes from a bucket: with it, `RECORDED_PER_S` is the refill of a millisecond.
const RECORD_COSTS: u64 = 1000;

/// Buckets and counts of all sources; at most one entry for each source that ever rejected something.
#[derive(Debug, Default)]
pub struct Rejections(Mutex<HashMap<SourceId, Tally>>);

#[derive(Debug)]
struct Tally {
    /// In units of which a record takes [`RECORD_COSTS`].
    allowance: u64,
    filled_at: Timestamp,
    unrecorded: Vec<(RejectionCause, u64)>,
    untold: u64,
    told_at: Option<Timestamp>,
}

impl Tally {
    fn new(now: Timestamp) -> Self {
        Self {
            allowance: RECORDED_PER_S * RECORD_COSTS,
            filled_at: now,
            unrecorded: Vec::new(),
            untold: 0,
            told_at: None,
        }
    }
}

impl Rejections {
    /// Whether one more may be recorded; takes its share when it may.
    #[must_use]
    pub fn may_record(&self, source: SourceId, now: Timestamp) -> bool {
        let mut tallies = self.0.lock();
        let tally = tallies.entry(source).or_insert_with(|| Tally::new(now));
        // A clock that was set back refills nothing and counts from where it is now.
        let refill = now.ms_since(tally.filled_at).saturating_mul(RECORDED_PER_S);
        tally.allowance = tally.allowance.saturating_add(refill).min(RECORDED_PER_S * RECORD_COSTS);
        tally.filled_at = now;
        let left = tally.allowance.checked_sub(RECORD_COSTS);
        tally.allowance = left.unwrap_or(tally.allowance);
        left.is_some()
    }

    /// Counts one that is not recorded; says so in the log, at most once a minute and source.
    pub fn count(&self, source: &Source, cause: RejectionCause, now: Timestamp) {
        if let Some(requests) = self.add(source.id, cause, now) {
            tracing::warn!(
                source = source.name,
                id = %source.id,
                requests,
                last_cause = cause.as_str(),
                "rejected requests were counted and not recorded: more than {RECORDED_PER_S} a second, or no room"
            );
        }
    }

    /// Answers how many are to be told of, when it is time for that.
    fn add(&self, source: SourceId, cause: RejectionCause, now: Timestamp) -> Option<u64> {
        let mut tallies = self.0.lock();
        let tally = tallies.entry(source).or_insert_with(|| Tally::new(now));
        match tally.unrecorded.iter_mut().find(|(counted, _)| *counted == cause) {
            Some((_, count)) => *count += 1,
            None => tally.unrecorded.push((cause, 1)),
        }
        tally.untold += 1;
        let is_time = tally.told_at.is_none_or(|told_at| now < told_at || now.ms_since(told_at) >= TELL_INTERVAL_MS);
        is_time.then(|| {
            tally.told_at = Some(now);
            std::mem::take(&mut tally.untold)
        })
    }

    /// How many of a source were not recorded since the start, by cause.
    #[must_use]
    pub fn unrecorded(&self, source: SourceId) -> Vec<(RejectionCause, u64)> {
        let mut counts = self.0.lock().get(&source).map(|tally| tally.unrecorded.clone()).unwrap_or_default();
        counts.sort_by_key(|(cause, _)| cause.number());
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn id(number: u128) -> SourceId {
        SourceId::from_bits(number)
    }

    #[test]
    fn a_hundred_are_recorded_at_once_then_one_every_ten_milliseconds() {
        let rejections = Rejections::default();
        let recorded = |at: Timestamp| (0..1000).filter(|_| rejections.may_record(id(1), at)).count();
        assert_eq!(recorded(START), 100);
        assert_eq!(recorded(START.plus_ms(9)), 0);
        assert_eq!(recorded(START.plus_ms(10)), 1);
        assert_eq!(recorded(START.plus_ms(500)), 49);
        assert_eq!(recorded(START.plus_ms(60_000)), 100, "a quiet minute saves no more than a second's share");
    }

    #[test]
    fn sources_do_not_take_from_each_other() {
        let rejections = Rejections::default();
        while rejections.may_record(id(1), START) {}
        assert!(rejections.may_record(id(2), START));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_refills_nor_locks() {
        let rejections = Rejections::default();
        while rejections.may_record(id(1), START) {}
        assert!(!rejections.may_record(id(1), START.minus_ms(3_600_000)));
        assert!(rejections.may_record(id(1), START.minus_ms(3_600_000 - 10)));
    }

    #[test]
    fn what_is_not_recorded_is_counted_by_cause_and_told_once_a_minute() {
        let rejections = Rejections::default();
        let add = |cause, after_ms| rejections.add(id(1), cause, START.plus_ms(after_ms));
        assert_eq!(add(RejectionCause::PayloadTooLarge, 0), Some(1));
        assert_eq!(add(RejectionCause::SourceDisabled, 1), None);
        assert_eq!(add(RejectionCause::SourceDisabled, 59_999), None);
        assert_eq!(add(RejectionCause::PayloadTooLarge, 60_000), Some(3));
        assert_eq!(rejections.add(id(2), RejectionCause::UnparsableJson, START), Some(1), "another source");
        let expected = [(RejectionCause::SourceDisabled, 2), (RejectionCause::PayloadTooLarge, 2)];
        assert_eq!(rejections.unrecorded(id(1)), expected);
        assert_eq!(rejections.unrecorded(id(3)), []);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_records_more_than_its_share(gaps in prop::collection::vec(0u64..40, 1..600)) {
            let rejections = Rejections::default();
            let (mut at, mut recorded) = (0u64, Vec::new());
            for gap in gaps {
                at += gap;
                if rejections.may_record(id(1), START.plus_ms(at)) {
                    recorded.push(at);
                }
            }
            for (first, from) in recorded.iter().enumerate() {
                for (last, until) in recorded.iter().enumerate().skip(first) {
                    let count = u64::try_from(last - first + 1).unwrap();
                    prop_assert!(count <= RECORDED_PER_S + (until - from) * RECORDED_PER_S / 1000 + 1);
                }
            }
        }
    }
}
