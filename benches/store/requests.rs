//! Requests beside the events: feeding a million, and asking for few of them.

use std::time::Instant;

use hookgate::{
    domain::{RejectionCause, RequestId, SourceId, Timestamp},
    store::{
        PayloadRef, RequestFilter, RequestStretch, RequestSummary,
        local::{
            requests::{CHUNK_REQUESTS, NewRequests},
            state::State,
        },
    },
};

use super::{
    CACHE_BYTES, START, STEP_MS, cpu_us, median_ms,
    table::{Table, mixed, ms},
};

const REQUESTS: u64 = 1_000_000;
const SOURCES: u64 = 100;
/// What a request takes in the journal, about, and so how many are in a segment.
const RECORD_BYTES: u64 = 1000;
const PER_SEGMENT: u64 = 65_536;
/// The only one that was rejected for its cause.
const ODD: u64 = 100_003;
/// The source of which one request in a thousand is rejected; the others' are all accepted.
const FUSSY: u64 = 7;

pub(super) fn measure(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    feed(table, &State::open(dir.path(), CACHE_BYTES).unwrap());
    let opened = Instant::now();
    let state = State::open(dir.path(), CACHE_BYTES).unwrap();
    table.add("requests, open, a million", ms(opened), "ms", 1000.0);
    ask(table, &state);
    let bytes = f64::from(u32::try_from(state.disk_bytes().unwrap()).unwrap());
    table.add("requests, disk per request", bytes / f64::from(u32::try_from(REQUESTS).unwrap()), "B", 40.0);
}

fn feed(table: &mut Table, state: &State) {
    let mut spent = 0.0;
    // Many chunks between two looks at the clock, which ticks every hundredth of a second.
    let numbers: Vec<u64> = (0..REQUESTS).collect();
    for some in numbers.chunks(64 * CHUNK_REQUESTS) {
        let rows: Vec<RequestSummary> = some.iter().map(|number| request(*number)).collect();
        let before = cpu_us();
        rows.chunk_by(|one, other| one.payload_ref.0 == other.payload_ref.0)
            .flat_map(|segment| segment.chunks(CHUNK_REQUESTS))
            .for_each(|chunk| state.write_requests(chunk).unwrap());
        spent += cpu_us() - before;
    }
    let before = cpu_us();
    state.write_durably(1).unwrap();
    spent += cpu_us() - before;
    let count = f64::from(u32::try_from(REQUESTS).unwrap());
    table.add("requests, feed", spent / count, "µs CPU/request", 0.5);
}

fn request(number: u64) -> RequestSummary {
    // Times that jitter: steps that are all alike would pack too well.
    let jitter = mixed(number) % STEP_MS.unsigned_abs();
    let created_at = Timestamp::from_ms(START + STEP_MS * number.cast_signed()).plus_ms(jitter);
    let random = u128::from(mixed(number)) << 16 | u128::from(mixed(number + 1) & 0xffff);
    let source = mixed(number) / 1000 % SOURCES;
    let rejection = match mixed(number) % 1000 {
        _ if number == ODD => Some(RejectionCause::IngestionFatal),
        0 if source == FUSSY => Some(RejectionCause::PayloadTooLarge),
        _ => None,
    };
    RequestSummary {
        payload_ref: PayloadRef(number / PER_SEGMENT, 64 + number % PER_SEGMENT * RECORD_BYTES + mixed(number) % 900),
        id: RequestId::from_parts(created_at.minus_ms(number % 3), random),
        source_id: SourceId::from_bits(2_000 + u128::from(source)),
        received_at: created_at.minus_ms(number % 3),
        created_at,
        rejection,
        events: if rejection.is_some() { 0 } else { u32::try_from(source % 3 + 1).unwrap() },
        ignored: u32::from(source == 9),
    }
}

fn ask(table: &mut Table, state: &State) {
    let new = NewRequests::new();
    let all = RequestFilter::default();
    let fussy = RequestFilter { sources: vec![SourceId::from_bits(2_000 + u128::from(FUSSY))], ..all.clone() };
    let rejected = RequestFilter { accepted: Some(false), ..fussy.clone() };
    let odd = RequestFilter { rejections: vec![RejectionCause::IngestionFatal], ..all.clone() };
    let ignored = RequestFilter { ignored: vec![(1, u32::MAX)], ..all.clone() };
    let nothing = RequestFilter { rejections: vec![RejectionCause::NoConnection], ..all.clone() };
    let newest = RequestStretch { descending: true, after: None, limit: 100 };
    for (name, filter, budget_ms, at_most) in [
        ("requests, newest 100", &all, 20.0, 100),
        ("requests, one source", &fussy, 20.0, 100),
        ("requests, rejected of a source", &rejected, 20.0, 100),
        ("requests, ignored by somebody", &ignored, 20.0, 100),
        ("requests, one rejected 900 000 ago", &odd, 20.0, 1),
        ("requests, nothing matches", &nothing, 20.0, 0),
    ] {
        let found = state.page_of_requests(&new, filter, &newest).unwrap().requests.len();
        assert!(found <= at_most && (found > 0 || at_most == 0), "{name}: {found}");
        table.add(name, median_ms(|| drop(state.page_of_requests(&new, filter, &newest).unwrap())), "ms", budget_ms);
    }
    for (name, filter) in [("requests, count all", &all), ("requests, count rejected of a source", &rejected)] {
        let count = || assert!(state.count_requests(&new, filter).unwrap() > 0);
        table.add(name, median_ms(count), "ms", 100.0);
    }
    let id = request(ODD).id;
    let find = || assert!(state.find_request_row(&new, id).unwrap().is_some());
    table.add("requests, one by its id", median_ms(find), "ms", 5.0);
}
