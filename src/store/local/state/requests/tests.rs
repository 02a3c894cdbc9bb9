//! Chunks against the rows they were made of, and the list against a plain filter over them.

use std::sync::Arc;

use proptest::prelude::*;

use super::{super::State, super::handles::Handles, Chunk, Staged};
use crate::{
    domain::{RejectionCause, RequestId, SourceId, Span, Timestamp},
    store::{
        PayloadRef, RequestFilter, RequestStretch, RequestSummary,
        local::requests::{CHUNK_REQUESTS, NewRequests},
    },
};

const START: i64 = 1_763_769_600_000;

/// A row at a place; its other fields follow from a number.
fn row(place: PayloadRef, number: u64) -> RequestSummary {
    let created_at = Timestamp::from_ms(START).plus_ms(place.0 * 1_000_000 + place.1);
    let causes = [None, None, Some(RejectionCause::NoConnection), Some(RejectionCause::IngestionFatal)];
    let rejection = causes[usize::try_from(number % 4).unwrap()];
    RequestSummary {
        payload_ref: place,
        id: RequestId::from_parts(created_at.minus_ms(number % 7), u128::from(number) << 40),
        source_id: SourceId::from_bits(u128::from(number % 5)),
        received_at: created_at.minus_ms(number % 3),
        created_at,
        rejection,
        events: if rejection.is_none() { u32::try_from(number % 3).unwrap() } else { 0 },
        ignored: if rejection.is_none() { u32::try_from(number % 2).unwrap() } else { 0 },
    }
}

/// Rows at rising places of one segment.
fn rows(segment: u64, offsets: impl IntoIterator<Item = u64>) -> Vec<RequestSummary> {
    offsets.into_iter().map(|offset| row(PayloadRef(segment, offset), offset * 31 + segment)).collect()
}

fn open() -> (tempfile::TempDir, State) {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path(), 1 << 20).unwrap();
    (directory, state)
}

fn all_of(state: &State, new: &NewRequests) -> Vec<RequestSummary> {
    let stretch = RequestStretch { descending: false, after: None, limit: usize::MAX };
    state.page_of_requests(new, &RequestFilter::default(), &stretch).unwrap().requests
}

proptest! {
    #[test]
    fn a_chunk_reads_back(
        given in prop::collection::vec((any::<u64>(), any::<u128>(), any::<i64>(), any::<i64>(), 0u8..9, any::<u32>()), 1..60)
    ) {
        let mut offsets: Vec<u64> = given.iter().map(|one| one.0 >> 1).collect();
        offsets.sort_unstable();
        let rows: Vec<RequestSummary> = given.iter().zip(offsets).map(|(one, offset)| RequestSummary {
            payload_ref: PayloadRef(7, offset),
            id: RequestId::from_bits(one.1),
            source_id: SourceId::from_bits(one.1 % 3),
            received_at: Timestamp::from_ms(one.2),
            created_at: Timestamp::from_ms(one.3),
            rejection: RejectionCause::from_number(one.4),
            events: one.5,
            ignored: one.5 / 3,
        }).collect();
        let handles = Handles::default();
        let mut staged = Staged::on(&handles);
        let chunk = Chunk::decode(&Chunk::of(&rows, &mut staged).encode()).unwrap();
        let sources: Vec<u128> = staged.into_fresh().into_iter().map(|(_, id)| id).collect();
        let source = |at: usize| {
            let handle = chunk.combinations[chunk.combination(at)].source;
            SourceId::from_bits(sources[usize::try_from(handle).unwrap()])
        };
        let read: Vec<RequestSummary> = (0..chunk.len()).map(|at| chunk.row(at, 7, source(at))).collect();
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn any_bytes_are_a_chunk_or_refused_without_panic(bytes: Vec<u8>) {
        drop(Chunk::decode(&bytes));
    }

    /// Chunks in sled, some of them also or only in the overlay, asked at random.
    #[test]
    fn the_list_is_what_a_plain_filter_finds(
        sizes in prop::collection::vec(1u64..9, 1..9),
        folded in 0usize..9,
        source in prop::option::of(0u128..6),
        accepted in prop::option::of(any::<bool>()),
        events in prop::option::of((0u32..3, 0u32..3)),
        from in prop::option::of(0usize..40),
        after in prop::option::of((0u64..9, 0u64..90)),
        (descending, limit) in (any::<bool>(), 0usize..20),
    ) {
        let (_directory, state) = open();
        let (mut all, mut new) = (Vec::new(), NewRequests::new());
        for (segment, size) in (0u64..).zip(&sizes) {
            let chunk = rows(segment, (0..*size).map(|n| n * 10));
            if all.is_empty() || usize::try_from(segment).unwrap() <= folded {
                // Of the last one that is folded sled may have less than the overlay.
                state.write_requests(&chunk[..chunk.len().div_ceil(2)]).unwrap();
                state.write_requests(&chunk).unwrap();
            }
            if usize::try_from(segment).unwrap() >= folded {
                new.insert(chunk[0].payload_ref, Arc::new(chunk.clone()));
            }
            all.extend(chunk);
        }
        let filter = RequestFilter {
            sources: source.map(SourceId::from_bits).into_iter().collect(),
            accepted,
            events: events.into_iter().collect(),
            created: Span { from: from.and_then(|from| all.get(from)).map(|row| row.created_at), before: None },
            ..RequestFilter::default()
        };
        let after = after.map(|(segment, offset)| PayloadRef(segment, offset));
        let mut expected: Vec<RequestSummary> = all.into_iter().filter(|row| filter.matches(row)).collect();
        prop_assert_eq!(state.count_requests(&new, &filter).unwrap(), expected.len() as u64);
        if descending {
            expected.reverse();
        }
        expected.retain(|row| after.is_none_or(|after| if descending { row.payload_ref < after } else { row.payload_ref > after }));
        let page = state.page_of_requests(&new, &filter, &RequestStretch { descending, after, limit }).unwrap();
        prop_assert_eq!(page.more, expected.len() > limit);
        expected.truncate(limit);
        prop_assert_eq!(page.requests, expected);
    }
}

#[test]
fn requests_at_or_behind_a_place_are_dropped_and_the_rest_is_there_after_opening_again() {
    let chunks = [rows(1, [64, 100, 200]), rows(2, [64, 70, 90, 91]), rows(2, [100, 120]), rows(3, [64])];
    for (from, left) in
        [((2, 90), 5), ((2, 91), 6), ((2, 64), 3), ((2, 0), 3), ((3, 65), 10), ((2, 110), 8), ((0, 9), 0)]
    {
        let (directory, state) = open();
        chunks.iter().for_each(|rows| state.write_requests(rows).unwrap());
        state.truncate_requests(PayloadRef(from.0, from.1)).unwrap();
        let expected: Vec<RequestSummary> = chunks.iter().flatten().take(left).copied().collect();
        assert_eq!(all_of(&state, &NewRequests::new()), expected, "{from:?}");
        state.write_durably(1).unwrap();
        drop(state);
        let state = State::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(all_of(&state, &NewRequests::new()), expected, "{from:?}");
        // Replay brings them again, one chunk or many.
        state.write_requests(&rows(3, [100, 101])).unwrap();
        assert_eq!(all_of(&state, &NewRequests::new()).len(), left + 2);
    }
}

#[test]
fn what_sled_has_behind_the_overlays_last_chunk_is_newer_than_the_reader() {
    let (_directory, state) = open();
    let seen = rows(1, [64, 100]);
    let new = NewRequests::from([(seen[0].payload_ref, Arc::new(seen.clone()))]);
    // Meanwhile the chunk grew, was written, and another one after it.
    state.write_requests(&rows(1, [64, 100, 200])).unwrap();
    state.write_requests(&rows(2, [64])).unwrap();
    assert_eq!(all_of(&state, &new), seen);
    assert_eq!(state.count_requests(&new, &RequestFilter::default()).unwrap(), 2);
    assert_eq!(all_of(&state, &NewRequests::new()).len(), 4);
}

#[test]
fn a_full_chunk_of_a_busy_gateway_is_small() {
    let count = u64::try_from(CHUNK_REQUESTS).unwrap();
    let rows = rows(1, (0..count).map(|n| 64 + n * 900 + n % 13));
    let handles = Handles::default();
    let bytes = Chunk::of(&rows, &mut Staged::on(&handles)).encode();
    assert!(bytes.len() < 17 * CHUNK_REQUESTS, "{} bytes for {CHUNK_REQUESTS} requests", bytes.len());
}

#[test]
fn a_damaged_chunk_is_named_when_opening() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path(), 1 << 20).unwrap();
    state.write_requests(&rows(1, [64])).unwrap();
    let key = super::keys::requests(PayloadRef(1, 64));
    state.tree.insert(key, b"nonsense").unwrap();
    state.write_durably(1).unwrap();
    drop(state);
    let error = State::open(directory.path(), 1 << 20).unwrap_err().to_string();
    assert!(error.contains("q 00000000000000010000000000000040"), "{error}");
}
