//! Random histories and questions.

use proptest::{prelude::*, sample::subsequence};

use crate::{
    domain::{BulkId, ConnectionId, DestinationId, ErrorCode, EventStatus, SourceId, Span, Timestamp},
    store::query::{EventFilter, Moment, Optional},
};

pub(super) const START: i64 = 1_700_000_000_000;

pub(super) fn connection(number: u8) -> ConnectionId {
    ConnectionId::from_bits(1000 + u128::from(number))
}

pub(super) fn source(number: u8) -> SourceId {
    SourceId::from_bits(2000 + u128::from(number))
}

pub(super) fn bulk(number: u8) -> BulkId {
    BulkId::from_bits(4000 + u128::from(number))
}

pub(super) fn destination(number: u8) -> DestinationId {
    DestinationId::from_bits(3000 + u128::from(number))
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request arrives; first some numbers are left out.
    Accept {
        after_ms: u16,
        skip: u16,
        fan_out: u8,
        of: u8,
    },
    /// An event gets tries and another phase.
    Change {
        which: u16,
        to: u8,
        after_ms: u32,
        tries: u8,
    },
    /// A connection is disabled: what it has pending is cancelled.
    Cut {
        on: u8,
    },
    /// An event expires.
    Expire {
        which: u16,
    },
    /// The block of an event is folded.
    Fold {
        which: u16,
    },
    FoldAll,
    Reopen,
    /// What is folded from an event on is dropped and replayed.
    Truncate {
        which: u16,
    },
}

impl Step {
    pub(super) fn changes_disk(&self) -> bool {
        match self {
            Self::Accept { .. } | Self::Cut { .. } | Self::Change { .. } | Self::Expire { .. } => false,
            Self::Fold { .. } | Self::FoldAll | Self::Reopen | Self::Truncate { .. } => true,
        }
    }
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let skip = prop_oneof![6 => Just(0u16), 2 => 1..300u16, 1 => 900..1100u16];
    // Now and then somebody asks again hours later, or very often.
    let later = prop_oneof![5 => 0..3000u32, 1 => 0..40_000_000u32];
    let tries = prop_oneof![30 => 0..4u8, 1 => Just(26u8)];
    prop_oneof![
        24 => (0..60u16, skip, 1..6u8, 0..3u8)
            .prop_map(|(after_ms, skip, fan_out, of)| Step::Accept { after_ms, skip, fan_out, of }),
        30 => (any::<u16>(), any::<u8>(), later, tries)
            .prop_map(|(which, to, after_ms, tries)| Step::Change { which, to, after_ms, tries }),
        2 => (0..3u8).prop_map(|on| Step::Cut { on }),
        4 => any::<u16>().prop_map(|which| Step::Expire { which }),
        6 => any::<u16>().prop_map(|which| Step::Fold { which }),
        2 => Just(Step::FoldAll),
        1 => Just(Step::Reopen),
        1 => any::<u16>().prop_map(|which| Step::Truncate { which }),
    ]
}

/// Questions of one moment.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// But for the events and requests that it names.
    pub(super) filter: EventFilter,
    /// Places of events whose ids it names; the last of all is one that never was.
    pub(super) ids: Vec<u16>,
    /// Places of events whose requests it names.
    pub(super) requests: Vec<u16>,
    pub(super) paused: Vec<u8>,
    pub(super) now: Timestamp,
    pub(super) limit: usize,
    pub(super) bucket_ms: u64,
    pub(super) buckets: usize,
}

fn moment() -> impl Strategy<Value = Timestamp> {
    let after = prop_oneof![4 => 0..5000i64, 1 => 0..40_000_000i64];
    after.prop_map(|after| Timestamp::from_ms(START + after))
}

fn span() -> impl Strategy<Value = Span> {
    let end = || prop::option::weighted(0.5, moment());
    prop_oneof![3 => Just(Span::default()), 1 => (end(), end()).prop_map(|(from, before)| Span { from, before })]
}

fn asked() -> impl Strategy<Value = Moment> {
    (prop::option::weighted(0.2, any::<bool>()), span()).prop_map(|(present, span)| Moment { present, span })
}

fn optional<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Optional<T>> {
    (prop::option::weighted(0.2, any::<bool>()), some(of)).prop_map(|(present, any_of)| Optional { present, any_of })
}

fn few(chance: f64) -> impl Strategy<Value = Vec<u16>> {
    prop::option::weighted(chance, prop::collection::vec(any::<u16>(), 1..9)).prop_map(Option::unwrap_or_default)
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let count = of.len();
    prop_oneof![2 => Just(Vec::new()), 1 => subsequence(of, 0..=count)]
}

prop_compose! {
    fn filter()(
        statuses in some(EventStatus::ALL.to_vec()),
        // The last of each never occurs.
        connections in some((0..4).map(connection).collect()),
        sources in some((0..4).map(source).collect()),
        destinations in some((0..4).map(destination).collect()),
        bulks in prop_oneof![2 => Just(Vec::new()), 1 => some((0..4).map(bulk).collect())],
        created in span(),
        (last_attempt, successful, next_attempt) in (asked(), asked(), asked()),
        attempts in some(vec![(0, 0), (1, 2), (3, 3), (5, 25), (27, u32::MAX)]),
        response_statuses in optional(vec![(200, 299), (404, 404), (500, 599)]),
        errors in optional(vec![ErrorCode::Timeout, ErrorCode::SocketClosed, ErrorCode::Unknown]),
        // All at once match nothing: of the rarer ones each question has few.
        kept in subsequence((0..9usize).collect::<Vec<_>>(), 0..=3),
    ) -> EventFilter {
        let mut filter = EventFilter::default();
        for field in kept {
            match field {
                0 => filter.statuses.clone_from(&statuses),
                1 => filter.sources.clone_from(&sources),
                2 => (filter.connections, filter.destinations) = (connections.clone(), destinations.clone()),
                3 => filter.bulks.clone_from(&bulks),
                4 => (filter.last_attempt, filter.created) = (last_attempt, created),
                5 => filter.successful = successful,
                6 => filter.next_attempt = next_attempt,
                7 => filter.attempts.clone_from(&attempts),
                _ => (filter.response_statuses, filter.errors) = (response_statuses.clone(), errors.clone()),
            }
        }
        filter
    }
}

prop_compose! {
    pub(super) fn ask()(
        filter in filter(),
        ids in few(0.15),
        requests in few(0.15),
        paused in subsequence(vec![0u8, 1, 2], 0..=3),
        now in moment(),
        limit in 1..12usize,
        bucket_ms in 1..900u64,
        buckets in 1..12usize,
    ) -> Ask {
        Ask { filter, ids, requests, paused, now, limit, bucket_ms, buckets }
    }
}
