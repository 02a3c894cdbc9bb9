//! A few stretches of time that hold every one of many moments: what a zone knows of when its events were last tried.
//!
//! Most events of a block are tried within seconds of each other, some a day later and again by hand after weeks. One range
//! over all of them would say nothing; so it is cut where the gaps are widest.

use crate::domain::{Span, Timestamp};

/// Stretches of one zone at most, at 16 bytes each. *Motive:* a dozen stragglers of a block are each told apart, and ten
/// thousand blocks' take 2.5 MiB.
const STRETCHES_MAX: usize = 16;

/// Stretches in order, first and last moment of each; every moment lies in one, and each begins and ends with one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stretches(Box<[(Timestamp, Timestamp)]>);

impl Stretches {
    pub(super) fn of(mut moments: Vec<Timestamp>) -> Self {
        moments.sort_unstable();
        let gap = |at: usize| moments[at].ms_since(moments[at - 1]);
        let mut cuts: Vec<usize> = (1..moments.len()).filter(|at| gap(*at) > 0).collect();
        if cuts.len() >= STRETCHES_MAX {
            cuts.select_nth_unstable_by_key(STRETCHES_MAX - 2, |at| std::cmp::Reverse(gap(*at)));
            cuts.truncate(STRETCHES_MAX - 1);
            cuts.sort_unstable();
        }
        let mut stretches = Vec::with_capacity(cuts.len() + 1);
        let mut begin = 0;
        for end in cuts.into_iter().chain((!moments.is_empty()).then_some(moments.len())) {
            stretches.push((moments[begin], moments[end - 1]));
            begin = end;
        }
        Self(stretches.into())
    }

    /// Whether any of the moments may lie in a span.
    pub(super) fn touch(&self, span: &Span) -> bool {
        self.0.iter().any(|(first, last)| span.touches(*first, *last))
    }

    /// No moment at or before this one is later than the answer; `None` when there is none.
    pub(super) fn latest_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.iter().rev().find(|(first, _)| *first <= at).map(|(_, last)| (*last).min(at))
    }

    /// No moment at or after this one is earlier than the answer; `None` when there is none.
    pub(super) fn earliest_from(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.iter().find(|(_, last)| *last >= at).map(|(first, _)| (*first).max(at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments() -> impl Strategy<Value = Vec<Timestamp>> {
        prop::collection::vec(prop_oneof![0..40i64, 1_000..9_000i64].prop_map(Timestamp::from_ms), 0..60)
    }

    proptest! {
        #[test]
        fn nothing_is_left_out_and_ends_are_moments(all in moments(), from in 0..9_000i64, length in 0..3_000i64) {
            let stretches = Stretches::of(all.clone());
            prop_assert!(stretches.0.len() <= STRETCHES_MAX);
            prop_assert!(stretches.0.windows(2).all(|two| two[0].1 < two[1].0));
            for (first, last) in &stretches.0 {
                prop_assert!(all.contains(first) && all.contains(last));
            }
            let (from, before) = (Timestamp::from_ms(from), Timestamp::from_ms(from + length));
            let span = Span::between(from, before);
            prop_assert!(stretches.touch(&span) || !all.iter().any(|at| span.contains(*at)));
            let until = all.iter().filter(|at| **at <= from).max().copied();
            prop_assert!(stretches.latest_until(from) >= until);
            let since = all.iter().filter(|at| **at >= from).min().copied();
            prop_assert!(since.is_none_or(|since| stretches.earliest_from(from).is_some_and(|at| from <= at && at <= since)));
        }
    }

    #[test]
    fn stragglers_are_told_apart_from_the_crowd() {
        let crowd = (0..1_000).map(|n| n * 3);
        let all: Vec<Timestamp> = crowd.chain((1..=15).map(|n| n * 1_000_000)).map(Timestamp::from_ms).collect();
        let stretches = Stretches::of(all);
        assert_eq!(stretches.0.len(), 16);
        assert_eq!(stretches.latest_until(Timestamp::from_ms(999_999)), Some(Timestamp::from_ms(2_997)));
        assert!(!stretches.touch(&Span::between(Timestamp::from_ms(1_000_001), Timestamp::from_ms(2_000_000))));
    }
}
