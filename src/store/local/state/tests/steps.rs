//! Random histories and questions.

use proptest::{prelude::*, sample::subsequence};

use crate::{
    domain::{ConnectionId, DestinationId, EventStatus, SourceId, Span, Timestamp},
    store::query::{EventFilter, Optional},
};

pub(super) const START: i64 = 1_700_000_000_000;

pub(super) fn connection(number: u8) -> ConnectionId {
    ConnectionId::from_bits(1000 + u128::from(number))
}

pub(super) fn source(number: u8) -> SourceId {
    SourceId::from_bits(2000 + u128::from(number))
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
        after_ms: u16,
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
    prop_oneof![
        24 => (0..60u16, skip, 1..6u8, 0..3u8)
            .prop_map(|(after_ms, skip, fan_out, of)| Step::Accept { after_ms, skip, fan_out, of }),
        30 => (any::<u16>(), any::<u8>(), 0..3000u16, 0..4u8)
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
    pub(super) filter: EventFilter,
    pub(super) paused: Vec<u8>,
    pub(super) now: Timestamp,
    pub(super) limit: usize,
    pub(super) bucket_ms: u64,
    pub(super) buckets: usize,
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0..5000i64).prop_map(|after| Timestamp::from_ms(START + after))
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let count = of.len();
    prop_oneof![2 => Just(Vec::new()), 1 => subsequence(of, 0..=count)]
}

prop_compose! {
    pub(super) fn ask()(
        statuses in some(EventStatus::ALL.to_vec()),
        // The last of each never occurs.
        connections in some((0..4).map(connection).collect()),
        sources in some((0..4).map(source).collect()),
        destinations in some((0..4).map(destination).collect()),
        created_from in prop::option::weighted(0.2, moment()),
        created_before in prop::option::weighted(0.2, moment()),
        response_statuses in some(vec![(200, 299), (404, 404), (500, 599)]),
        paused in subsequence(vec![0u8, 1, 2], 0..=3),
        now in moment(),
        limit in 1..12usize,
        bucket_ms in 1..900u64,
        buckets in 1..12usize,
    ) -> Ask {
        let filter = EventFilter {
            statuses, connections, sources, destinations, created: Span { from: created_from, before: created_before },
            response_statuses: Optional { present: None, any_of: response_statuses }, ..EventFilter::default()
        };
        Ask { filter, paused, now, limit, bucket_ms, buckets }
    }
}
