//! The events that are asked about: a month of them, of mixed status, on a hundred connections, as a busy gateway would keep them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use hookgate::{
    domain::{
        AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, BulkId, ConnectionId, DestinationId, ErrorCode,
        Event, Phase, RequestId, SourceId, Timestamp,
    },
    store::local::{
        RecordRef,
        row::{Overlaid, RequestRef, Row, Slot, block_of, slot_of},
        state::State,
    },
};

use crate::table::mixed;

pub(crate) const CACHE_BYTES: u64 = 64 << 20;
pub(crate) const CONNECTIONS: u64 = 100;
pub(crate) const DAY_MS: u64 = 86_400_000;
const START: i64 = 1_700_000_000_000;
const MONTH_MS: u64 = 30 * DAY_MS;
/// Events that follow each other and come over the same few connections.
const STRETCH: u64 = 2_000;
/// How many connections a stretch has most of its events on.
const BUSY: u64 = 8;

/// So many events over a month.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub(crate) events: u64,
}

pub(crate) fn connection(number: u64) -> ConnectionId {
    ConnectionId::from_bits(1_000 + u128::from(number))
}

pub(crate) fn source(number: u64) -> SourceId {
    SourceId::from_bits(2_000 + u128::from(number))
}

pub(crate) fn destination(number: u64) -> DestinationId {
    DestinationId::from_bits(3_000 + u128::from(number))
}

pub(crate) fn bulk(number: u64) -> BulkId {
    BulkId::from_bits(4_000 + u128::from(number))
}

impl History {
    /// When it ends: now.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::from_ms(START).plus_ms(MONTH_MS)
    }

    fn created(self, seq: u64) -> Timestamp {
        Timestamp::from_ms(START)
            .plus_ms(u64::try_from(u128::from(seq) * u128::from(MONTH_MS) / u128::from(self.events)).unwrap())
    }

    /// Writes them into a new state.
    pub(crate) fn fill(self, dir: &Path) {
        let state = State::open(dir, CACHE_BYTES).unwrap();
        for block in 0..=block_of(self.events - 1) {
            let seqs = (block * 1024..(block + 1) * 1024).filter(|seq| *seq < self.events);
            let rows = seqs.map(|seq| (slot_of(seq), Slot::Row(Arc::new(self.row(seq)))));
            state.write_block(block, &rows.collect()).unwrap();
        }
        state.write_durably(1).unwrap();
    }

    /// What a busy minute leaves: new events, and late changes of some that are folded.
    pub(crate) fn overlay(self, fresh: u64, changed: u64) -> Overlaid {
        let mut over = BTreeMap::<u64, BTreeMap<u16, Slot>>::new();
        let late = (0..changed).map(|number| mixed(number) % self.events);
        for seq in late.chain(self.events..self.events + fresh) {
            let mut row = self.row(seq);
            if seq < self.events {
                row.event.version += 1;
                (row.request_at, row.attempts_at) = (None, vec![]);
            }
            over.entry(block_of(seq)).or_default().insert(slot_of(seq), Slot::Row(Arc::new(row)));
        }
        over.into_iter().map(|(block, slots)| (block, Arc::new(slots))).collect()
    }

    /// Where an event came over: nearly always one of the few connections that are busy just then.
    fn on(seq: u64) -> u64 {
        let dice = mixed(seq);
        let busy = if dice.is_multiple_of(10) { mixed(dice) } else { mixed(seq / STRETCH * 31 + dice / 16 % BUSY) };
        busy % CONNECTIONS
    }

    /// One event: of most connections it was delivered at once, of those in trouble later, not at all, or is still tried.
    pub(crate) fn row(self, seq: u64) -> Row {
        let (on, dice) = (Self::on(seq), mixed(seq ^ 0x5555));
        let created_at = self.created(seq);
        let in_trouble = mixed(seq / STRETCH * 1_009 + on).is_multiple_of(12);
        let recent = seq > self.events - self.events / 200;
        let mut row = self.accepted(seq, on, created_at);
        match dice % 1_000 {
            0..700 if recent && on == 42 => {}
            0..300 if recent => {}
            0..5 => row.event.phase = Phase::Cancelled { unsent: None },
            _ if in_trouble => self.troubled(&mut row, dice / 1_000 % 10, recent),
            _ => {
                row.event.phase = Phase::Successful;
                attempt(&mut row, created_at.plus_ms(3), Ok(200));
            }
        }
        self.asked_again(&mut row, dice);
        if (dice / 7).is_multiple_of(1_000) {
            row.event.deleted_at = Some(created_at.plus_ms(DAY_MS));
        }
        row.event.version = u32::try_from(row.event.attempts.len()).unwrap();
        row
    }

    /// Some were asked for again by hand, at any time since; and every third day a bulk operation took one in fifty of the
    /// six days before.
    fn asked_again(self, row: &mut Row, dice: u64) {
        let age = self.now().ms_since(row.event.created_at).max(1);
        let behind = MONTH_MS - age.min(MONTH_MS);
        let number = behind / (3 * DAY_MS) + 1 + dice / 1_000_000 % 2;
        let at = match dice / 10_000 % 200 {
            _ if !row.event.phase.is_settled() => return,
            0 => row.event.created_at.plus_ms(mixed(dice) % age),
            1..5 if number < 10 => {
                row.event.bulk_id = Some(bulk(number));
                self.now().minus_ms(MONTH_MS - number * 3 * DAY_MS).plus_ms(mixed(dice) % 600_000)
            }
            _ => return,
        };
        row.event.phase = Phase::Successful;
        attempt(row, at, Ok(204));
    }

    fn accepted(self, seq: u64, on: u64, created_at: Timestamp) -> Row {
        let random = u128::from(mixed(seq)) << 16 | u128::from(mixed(seq + 1) & 0xffff);
        let event = Event {
            seq,
            request_id: RequestId::from_parts(created_at.minus_ms(seq % 3), random),
            index: 0,
            connection_id: connection(on),
            source_id: source(on / 2),
            destination_id: destination(on / 3),
            created_at,
            version: 0,
            phase: Phase::Ready { due_at: created_at, trigger: AttemptTrigger::Initial, automatic_due: None },
            generation: 0,
            automatic_used: 0,
            bulk_id: None,
            deleted_at: None,
            attempts: vec![],
        };
        let body_bytes = u32::try_from(mixed(seq) % 4096).unwrap();
        Row { event, request_at: Some(RequestRef { at: place(seq * 8), body_bytes }), attempts_at: vec![] }
    }

    /// One whose destination fails: up to five tries, the last of which may succeed.
    fn troubled(self, row: &mut Row, outcome: u64, recent: bool) {
        let (seq, created_at) = (row.event.seq, row.event.created_at);
        let (tries, last) = match outcome {
            0..6 => (1 + outcome % 4, Some(Ok(200))),
            _ => (4, None),
        };
        let failure = match mixed(seq) % 5 {
            0 => Err(ErrorCode::Timeout),
            1 => Err(ErrorCode::ConnectionRefused),
            2 => Ok(503),
            _ => Ok(500),
        };
        for number in 0..tries {
            attempt(row, created_at.plus_ms(5 + number * number * 600_000), failure);
        }
        row.event.phase = match last {
            Some(result) => {
                attempt(row, created_at.plus_ms(5 + tries * tries * 600_000), result);
                Phase::Successful
            }
            None if recent => Phase::Waiting { due_at: self.now().plus_ms(mixed(seq) % 3_600_000) },
            None => Phase::Failed,
        };
    }
}

fn attempt(row: &mut Row, started_at: Timestamp, result: Result<u16, ErrorCode>) {
    let seq = row.event.seq;
    let number = row.event.attempts.len() as u64;
    let trigger = if number == 0 { AttemptTrigger::Initial } else { AttemptTrigger::Automatic };
    let result = match result {
        Ok(status) => AttemptResult::Answered { status },
        Err(error) => AttemptResult::Failed { error, status: None },
    };
    let status = if result.is_2xx() { AttemptStatus::Successful } else { AttemptStatus::Failed };
    let latency_ms = u32::try_from(mixed(seq + number) % 200).unwrap();
    row.event.attempts.push(AttemptSummary { trigger, resumed: false, status, started_at, latency_ms, result });
    row.attempts_at.push(Some(place(seq * 8 + 1 + number)));
}

fn place(record: u64) -> RecordRef {
    let at = record * 700 + mixed(record) % 300;
    RecordRef { segment: at >> 26, offset: at & ((1 << 26) - 1) }
}
