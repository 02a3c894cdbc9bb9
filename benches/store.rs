//! What the store costs: feeding, pages, counts, histograms, opening; each beside its budget.
//!
//! Prints one table and writes `bench/store.json` under the target directory. Processor time is that of the whole process, so
//! sled's threads count.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints a table and may stop")]

#[path = "store/requests.rs"]
mod requests;
#[path = "store/table.rs"]
mod table;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use hookgate::{
    domain::{
        AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, ConnectionId, DestinationId, Event, EventStatus,
        Phase, RequestId, SourceId, Standing, Timestamp,
    },
    store::{
        local::{
            RecordRef,
            backlog::Backlog,
            row::{Overlaid, RequestRef, Row, Slot, block_of, slot_of},
            state::{Asking, HeldAsk, PendingAsk, State},
        },
        query::{EventFilter, EventOrder, Histogram, Optional, PageRequest},
    },
};

use table::{Table, mixed, ms, rss_mib};

const CACHE_BYTES: u64 = 64 << 20;
const EVENTS: u64 = 1_000_000;
const FED_EVENTS: u64 = 200 * 1024;
const OVERLAID: u64 = 60_000;
const CONNECTIONS: u64 = 100;
const CROWD: u64 = 10_000;
const START: i64 = 1_700_000_000_000;
/// A month for a million events.
const STEP_MS: i64 = 2_592;
/// The one event on its own connection with a status that nothing else has.
const ODD: u64 = 100_003;
const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

fn main() {
    let mut table = Table::default();
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let opened = Instant::now();
    let state = State::open(dir.path(), CACHE_BYTES).unwrap();
    table.add("open, a million events", ms(opened), "ms", 1000.0);
    let blocks = state.blocks(&|_| Standing::default());
    assert_eq!(blocks.iter().map(|block| block.live).sum::<u64>(), EVENTS);
    ask(&mut table, &state);
    // Filling happened in this process too, so this is more than a gateway at rest needs.
    table.add("resident memory, filled and asked", rss_mib(), "MiB", 100.0);
    let per_event = f64::from(u32::try_from(state.disk_bytes().unwrap() / EVENTS).unwrap());
    table.add("disk per event", per_event, "B", 120.0);
    ask_with_overlay(&mut table, &state);
    drop(state);
    crowd(&mut table);
    hold(&mut table);
    feed(&mut table);
    requests::measure(&mut table);
    table::write("store", &table.json());
}

/// The same with rows that are not folded yet: as many as a busy minute leaves.
fn ask_with_overlay(table: &mut Table, state: &State) {
    let mut over = Overlaid::new();
    for seq in EVENTS..EVENTS + OVERLAID {
        Arc::make_mut(over.entry(block_of(seq)).or_default()).insert(slot_of(seq), Slot::Row(Arc::new(kept(seq))));
    }
    let now = Timestamp::from_ms(START + STEP_MS * EVENTS.cast_signed());
    let connection = ConnectionId::from_bits(1_007);
    let filter = EventFilter { connections: vec![connection], ..EventFilter::default() };
    let asking = Asking { filter: &filter, standing: &|_| Standing::default(), now };
    let newest = PageRequest { order: EventOrder::Created, descending: true, after: None, limit: 100 };
    let page = || assert_eq!(state.page(&over, &asking, &newest).unwrap().0.len(), 100);
    table.add("overlay, page of one connection", median_ms(page), "ms", 20.0);
    table.add("overlay, count", median_ms(|| assert!(state.count(&over, &asking).unwrap() > 0)), "ms", 100.0);
    let window = PendingAsk { connection, generation: 0, due_before: now, from: None, limit: 1000 };
    let backlog = Backlog::of(&over);
    let pending = || assert!(!state.pending(&over, backlog.stretch(&window), &window).unwrap().rows.is_empty());
    table.add("overlay, pending of one connection", median_ms(pending), "ms", 50.0);
    let missing = kept(EVENTS + OVERLAID).event.id();
    let find = || assert!(state.find_event(missing, &over).unwrap().is_none());
    table.add("overlay, find an id that is not there", median_ms(find), "ms", 5.0);
}

/// Ten thousand connections that ask for their queues while a busy minute is not folded yet: what one of them pays.
fn crowd(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path(), CACHE_BYTES).unwrap();
    let mut over = Overlaid::new();
    for seq in 0..OVERLAID {
        let row = waiting(seq, seq % CROWD);
        Arc::make_mut(over.entry(block_of(seq)).or_default()).insert(slot_of(seq), Slot::Row(Arc::new(row)));
    }
    let backlog = Backlog::of(&over);
    let all = || {
        for on in 0..CROWD {
            let connection = ConnectionId::from_bits(1_000 + u128::from(on));
            let window = PendingAsk { connection, generation: 0, due_before: Timestamp::MAX, from: None, limit: 1000 };
            let found = state.pending(&over, backlog.stretch(&window), &window).unwrap();
            assert_eq!(found.rows.len() as u64, OVERLAID / CROWD);
        }
    };
    let begun = Instant::now();
    all();
    table.add("overlay, pending of 10 000 connections, each", ms(begun) * 1000.0 / 10_000.0, "µs", 100.0);
}

/// A million events on hold on one connection; then the same connection with a million events that it cut.
fn hold(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path(), CACHE_BYTES).unwrap();
    for block in 0..=block_of(EVENTS - 1) {
        let seqs = (block * 1024..(block + 1) * 1024).filter(|seq| *seq < EVENTS);
        state
            .write_block(block, &seqs.map(|seq| (slot_of(seq), Slot::Row(Arc::new(waiting(seq, 0))))).collect())
            .unwrap();
    }
    let over = Overlaid::new();
    let connection = ConnectionId::from_bits(1_000);
    let now = Timestamp::from_ms(START + STEP_MS * EVENTS.cast_signed());
    let of = |generation| HeldAsk { connection, generation, now };
    let held = || assert_eq!(state.held(&over, &of(0)).unwrap().events, EVENTS);
    table.add("held, a million events on one connection", median_ms(held), "ms", 10.0);
    for (name, generation, rows) in
        [("pending, first of a million", 0, 1000), ("pending, behind a million that were cut", 1, 0)]
    {
        let window = PendingAsk { connection, generation, due_before: now, from: None, limit: 1000 };
        let newer = || Backlog::default().stretch(&window);
        let pending = || assert_eq!(state.pending(&over, newer(), &window).unwrap().rows.len(), rows);
        table.add(name, median_ms(pending), "ms", 50.0);
    }
}

/// An event that waits: in every second case since it was created, otherwise for a retry that is due.
fn waiting(seq: u64, on: u64) -> Row {
    let created_at = Timestamp::from_ms(START + STEP_MS * seq.cast_signed());
    let ready = Phase::Ready { due_at: created_at, trigger: AttemptTrigger::Initial, automatic_due: None };
    let phase = if seq.is_multiple_of(2) { ready } else { Phase::Waiting { due_at: created_at } };
    let mut row = row(seq, phase);
    row.event.connection_id = ConnectionId::from_bits(1_000 + u128::from(on));
    row
}

/// Feeding whole blocks; then with a tenth of the events failing three times and settling after their block was folded.
fn feed(table: &mut Table) {
    for (name, failing, budget) in
        [("feed, all delivered at once", false, 3.0), ("feed, a tenth retried late", true, 8.0)]
    {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path(), CACHE_BYTES).unwrap();
        let mut spent = 0.0;
        let late = |seq: u64| failing && mixed(seq).is_multiple_of(10);
        // 16 384 changes are gathered before blocks are written again: those of about 160 blocks.
        let blocks: Vec<u64> = (0..FED_EVENTS / 1024).collect();
        for some in blocks.chunks(160) {
            for settled in [false, true] {
                let of = |block: &u64| {
                    let seqs = (block * 1024..(block + 1) * 1024).filter(|seq| !settled || late(*seq));
                    (*block, seqs.map(|seq| (slot_of(seq), fed(seq, late(seq), settled))).collect())
                };
                // Made beforehand: only the state's own work is measured.
                let changes: Vec<(u64, BTreeMap<u16, Slot>)> = some.iter().map(of).collect();
                let before = cpu_us();
                for (block, slots) in changes.iter().filter(|(_, slots)| !slots.is_empty()) {
                    state.write_block(*block, slots).unwrap();
                }
                spent += cpu_us() - before;
            }
        }
        let before = cpu_us();
        state.write_durably(1).unwrap();
        spent += cpu_us() - before;
        table.add(name, spent / f64::from(u32::try_from(FED_EVENTS).unwrap()), "µs CPU/event", budget);
    }
}

fn fed(seq: u64, late: bool, settled: bool) -> Slot {
    let mut row = row(seq, Phase::Successful);
    if late {
        let tries = if settled { 3 } else { 1 };
        row.event.attempts = (0..tries).map(|number| attempt(seq, number, 500)).collect();
        row.attempts_at = (0..tries).map(|number| place(seq * 4 + number)).collect();
        if settled {
            row.event.phase = Phase::Failed;
        } else {
            row.event.phase = Phase::Waiting { due_at: row.event.created_at.plus_ms(60_000 + mixed(seq) % 6_000) };
        }
        row.event.version = u32::try_from(tries).unwrap();
    }
    Slot::Row(Arc::new(row))
}

fn fill(dir: &Path) {
    let state = State::open(dir, CACHE_BYTES).unwrap();
    for block in 0..=block_of(EVENTS - 1) {
        let seqs = (block * 1024..(block + 1) * 1024).filter(|seq| *seq < EVENTS);
        state.write_block(block, &seqs.map(|seq| (slot_of(seq), Slot::Row(Arc::new(kept(seq))))).collect()).unwrap();
    }
    state.write_durably(1).unwrap();
}

/// 2 % failed and 0.5 % pending, in stretches: failures come together.
fn kept(seq: u64) -> Row {
    let stretch = seq / 5_000 % 10;
    match mixed(seq) % 1000 {
        _ if seq == ODD => {
            let mut row = row(seq, Phase::Failed);
            row.event.connection_id = ConnectionId::from_bits(999);
            row.event.attempts = vec![attempt(seq, 0, 418)];
            row
        }
        0..200 if stretch == 3 => {
            let mut row = row(seq, Phase::Failed);
            row.event.attempts = vec![attempt(seq, 0, 500)];
            row
        }
        200..250 if stretch == 7 => {
            let due_at = Timestamp::from_ms(START + STEP_MS * seq.cast_signed());
            let phase = Phase::Ready { due_at, trigger: AttemptTrigger::Initial, automatic_due: None };
            let mut row = row(seq, phase);
            (row.event.attempts, row.attempts_at, row.event.version) = (vec![], vec![], 0);
            row
        }
        _ => row(seq, Phase::Successful),
    }
}

fn row(seq: u64, phase: Phase) -> Row {
    let created_at = Timestamp::from_ms(START + STEP_MS * seq.cast_signed());
    let on = u128::from(mixed(seq) / 1000 % CONNECTIONS);
    let random = u128::from(mixed(seq)) << 16 | u128::from(mixed(seq + 1) & 0xffff);
    let event = Event {
        seq,
        request_id: RequestId::from_parts(created_at.minus_ms(seq % 3), random),
        index: 0,
        connection_id: ConnectionId::from_bits(1_000 + on),
        source_id: SourceId::from_bits(2_000 + on / 2),
        destination_id: DestinationId::from_bits(3_000 + on / 3),
        created_at,
        version: 1,
        phase,
        generation: 0,
        automatic_used: 0,
        bulk_id: None,
        deleted_at: None,
        attempts: vec![attempt(seq, 0, 200)],
    };
    let body_bytes = u32::try_from(mixed(seq) % 4096).unwrap();
    let request_at = place(seq * 2).map(|at| RequestRef { at, body_bytes });
    Row { event, request_at, attempts_at: vec![place(seq * 2 + 1)] }
}

fn attempt(seq: u64, number: u64, status: u16) -> AttemptSummary {
    let started_at = Timestamp::from_ms(START + STEP_MS * seq.cast_signed()).plus_ms(2 + number * 60_000);
    let latency_ms = u32::try_from(mixed(seq + number) % 200).unwrap();
    let trigger = if number == 0 { AttemptTrigger::Initial } else { AttemptTrigger::Automatic };
    let (resumed, result) = (false, AttemptResult::Answered { status });
    let status = if result.is_2xx() { AttemptStatus::Successful } else { AttemptStatus::Failed };
    AttemptSummary { trigger, resumed, status, started_at, latency_ms, result }
}

fn place(record: u64) -> Option<RecordRef> {
    let at = record * 700 + mixed(record) % 300;
    Some(RecordRef { segment: at >> 26, offset: at & ((1 << 26) - 1) })
}

fn ask(table: &mut Table, state: &State) {
    let over = Overlaid::new();
    let now = Timestamp::from_ms(START + STEP_MS * EVENTS.cast_signed());
    let standing = |_| Standing::default();
    let connection = ConnectionId::from_bits(1_007);
    let all = EventFilter::default();
    let on = EventFilter { connections: vec![connection], ..all.clone() };
    let failed_on = EventFilter { statuses: vec![EventStatus::Failed], ..on.clone() };
    let odd = EventFilter {
        statuses: vec![EventStatus::Failed],
        connections: vec![ConnectionId::from_bits(999)],
        ..all.clone()
    };
    let nothing =
        EventFilter { response_statuses: Optional { present: None, any_of: vec![(599, 599)] }, ..all.clone() };
    let newest = PageRequest { order: EventOrder::Created, descending: true, after: None, limit: 100 };
    for (name, filter, events) in [
        ("page, newest 100", &all, 100),
        ("page, one connection", &on, 100),
        ("page, FAILED on one connection", &failed_on, 100),
        ("page, one failed event 900 000 events ago", &odd, 1),
        ("page, nothing matches", &nothing, 0),
    ] {
        let asking = Asking { filter, standing: &standing, now };
        let page = || assert_eq!(state.page(&over, &asking, &newest).unwrap().0.len(), events);
        table.add(name, median_ms(page), "ms", 20.0);
    }
    for (name, filter) in [("count, everything", &all), ("count, FAILED on one connection", &failed_on)] {
        let asking = Asking { filter, standing: &standing, now };
        table.add(name, median_ms(|| assert!(state.count(&over, &asking).unwrap() > 0)), "ms", 100.0);
    }
    for (name, length_ms, bucket_ms) in
        [("histogram, a day by 2 minutes", DAY_MS, 120_000), ("histogram, a month by hour", 30 * DAY_MS, HOUR_MS)]
    {
        let buckets = usize::try_from(length_ms / bucket_ms).unwrap();
        let shape = Histogram { start: now.minus_ms(length_ms), bucket_ms, buckets };
        let asking = Asking { filter: &all, standing: &standing, now };
        let histogram = || assert!(state.histogram(&over, &asking, shape).unwrap().iter().sum::<u64>() > 1000);
        table.add(name, median_ms(histogram), "ms", 100.0);
    }
    let window = PendingAsk { connection, generation: 0, due_before: now, from: None, limit: 1000 };
    let nothing = || Backlog::default().stretch(&window);
    let pending = || assert!(!state.pending(&over, nothing(), &window).unwrap().rows.is_empty());
    table.add("pending, a window of one connection", median_ms(pending), "ms", 50.0);
    let id = kept(ODD).event.id();
    table.add(
        "find, one event by id",
        median_ms(|| assert!(state.find_event(id, &over).unwrap().is_some())),
        "ms",
        5.0,
    );
}

fn median_ms(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            work();
            ms(begun)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Processor time of this process, threads that ended included, in microseconds; to a hundredth of a second.
fn cpu_us() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may hold anything: user time is the 12th field, system time the 13th.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() * 10_000.0
}
