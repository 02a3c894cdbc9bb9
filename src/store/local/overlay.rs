//! The overlay: the part of the state that sled does not have yet, by block.
//!
//! The writer applies each frame here after the sync and before it acknowledges; the feeder takes rows away once sled has
//! them. Readers take a [`snapshot`](Overlay::snapshot) of pointers and never hold anybody up.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    RecordRef,
    backlog::Backlog,
    documents::{Changed, Documents},
    requests::Arrivals,
    row::{Overlaid, RequestRef, Row, Slot, block_of, slot_of},
    state::{Newer, PendingAsk},
};
use crate::{
    domain::{Event, Seq},
    store::RequestSummary,
};

/// What a row is taken to cost in memory, with its places in the maps, in bytes: an estimate from
/// the sizes of the types, not a measurement.
const ROW_BYTES: usize = 384;
/// What each attempt adds, in bytes.
const ATTEMPT_BYTES: usize = 64;
/// What a place in the backlog adds, in bytes: a key of 48 and its share of a node.
const PENDING_BYTES: usize = 64;

/// One change of one event or some, as a frame brought it.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A request, whatever became of it.
    Arrived(RequestSummary),
    /// A new event, and the record with its request.
    New(Event, RequestRef),
    /// An event after a transition; with an attempt, the record that has it.
    Changed(Event, Option<RecordRef>),
    /// A range of events, first to last, that are no more.
    Gone(Seq, Seq),
    /// An event whose whole history now lies in this record.
    Carried(Event, RequestRef),
    /// A document, changed by this record.
    Document(Changed, RecordRef),
}

impl Change {
    /// The events it is about.
    pub(super) fn seq(&self) -> std::ops::Range<Seq> {
        match self {
            Self::Arrived(_) | Self::Document(..) => 0..0,
            Self::New(event, _) | Self::Changed(event, _) | Self::Carried(event, _) => event.seq..event.seq + 1,
            Self::Gone(first, last) => *first..*last + 1,
        }
    }
}

/// Rows newer than sled's.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    blocks: Overlaid,
    /// The pending ones of them.
    backlog: Backlog,
    /// Requests, of which the same holds.
    pub(super) requests: Arrivals,
    /// Documents, of which the same holds.
    pub(super) documents: Documents,
    /// Shared, so that whoever refuses requests sees what the feeder freed without a lock.
    bytes: Arc<AtomicUsize>,
    /// Every block below has been written to sled at least once.
    folded_below: u64,
    /// Rows in blocks below `folded_below`.
    changed: usize,
}

impl Overlay {
    /// Starts where sled ends: blocks below `folded_below` have been written.
    #[must_use]
    pub(super) fn new(folded_below: u64) -> Self {
        let bytes = Arc::default();
        Self {
            folded_below,
            requests: Arrivals::new(Arc::clone(&bytes)),
            documents: Documents::new(Arc::clone(&bytes)),
            bytes,
            ..Self::default()
        }
    }

    /// What it is taken to cost in memory, now and later.
    #[must_use]
    pub(super) fn bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.bytes)
    }

    fn take_off(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Changed rows of blocks that were written before.
    #[must_use]
    pub(super) const fn changed(&self) -> usize {
        self.changed
    }

    /// The first block that was never written.
    #[must_use]
    pub(super) const fn folded_below(&self) -> u64 {
        self.folded_below
    }

    /// Pointers to everything.
    #[must_use]
    pub(super) fn snapshot(&self) -> Overlaid {
        self.blocks.clone()
    }

    /// The first of a connection's queue that are here.
    #[must_use]
    pub(super) fn pending(&self, ask: &PendingAsk) -> Newer {
        self.backlog.stretch(ask)
    }

    /// The first block at or after one that has anything.
    #[must_use]
    pub(super) fn first_from(&self, block: u64) -> Option<u64> {
        self.blocks.range(block..).next().map(|(block, _)| *block)
    }

    /// Pointers to one block.
    #[must_use]
    pub(super) fn block(&self, block: u64) -> Option<Arc<BTreeMap<u16, Slot>>> {
        self.blocks.get(&block).cloned()
    }

    /// What is known of an event here.
    #[must_use]
    pub(super) fn get(&self, seq: Seq) -> Option<&Slot> {
        self.blocks.get(&block_of(seq))?.get(&slot_of(seq))
    }

    /// Takes in what a frame brought. Sets, never adds: taking the same twice changes nothing.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Arrived(row) => self.requests.add(row),
            Change::Document(changed, at) => self.documents.apply(changed, at),
            Change::New(event, at) => {
                if self.get(event.seq).is_none() {
                    self.put(Row { event, request_at: Some(at), attempts_at: Vec::new() });
                }
            }
            Change::Changed(event, attempt_at) => self.change(event, attempt_at),
            Change::Gone(first, last) => {
                for seq in first..=last {
                    self.put_slot(seq, Slot::Gone);
                }
            }
            Change::Carried(event, at) => {
                let attempts_at = vec![Some(at.at); event.attempts.len()];
                let mut row = Row { event, request_at: Some(at), attempts_at };
                if let Some(Slot::Row(known)) = self.get(row.event.seq)
                    && known.event.version > row.event.version
                {
                    row.attempts_at.extend(known.attempts_at.iter().skip(row.attempts_at.len()));
                    row.event = known.event.clone();
                }
                self.put(row);
            }
        }
    }

    fn change(&mut self, event: Event, attempt_at: Option<RecordRef>) {
        let mut row = Row { request_at: None, attempts_at: vec![None; event.attempts.len()], event };
        match self.get(row.event.seq) {
            Some(Slot::Gone) => return,
            Some(Slot::Row(known)) if known.event.version >= row.event.version => return,
            Some(Slot::Row(known)) => {
                row.request_at = known.request_at;
                for (place, known) in row.attempts_at.iter_mut().zip(&known.attempts_at) {
                    *place = *known;
                }
            }
            None => {}
        }
        if let (Some(at), Some(last)) = (attempt_at, row.attempts_at.last_mut()) {
            *last = Some(at);
        }
        self.put(row);
    }

    fn put(&mut self, row: Row) {
        if !matches!(self.get(row.event.seq), Some(Slot::Gone)) {
            self.put_slot(row.event.seq, Slot::Row(Arc::new(row)));
        }
    }

    fn put_slot(&mut self, seq: Seq, slot: Slot) {
        self.bytes.fetch_add(cost(&slot), Ordering::Relaxed);
        let block = block_of(seq);
        let rows = Arc::make_mut(self.blocks.entry(block).or_default());
        if let Some(old) = rows.get(&slot_of(seq)) {
            self.backlog.remove(old);
        }
        self.backlog.add(&slot);
        match rows.insert(slot_of(seq), slot) {
            Some(old) => self.take_off(cost(&old)),
            None if block < self.folded_below => self.changed += 1,
            None => {}
        }
    }

    /// Takes away what sled has now, as far as it did not change meanwhile; `written` is the block as it was handed to sled.
    pub(super) fn written(&mut self, block: u64, written: &Arc<BTreeMap<u16, Slot>>) {
        let folded_before = block < self.folded_below;
        let Some(rows) = self.blocks.get_mut(&block) else { return };
        let before = rows.len();
        if Arc::ptr_eq(rows, written) {
            let freed = rows.values().map(cost).sum();
            rows.values().for_each(|slot| self.backlog.remove(slot));
            self.blocks.remove(&block);
            self.take_off(freed);
            self.changed -= if folded_before { before } else { 0 };
            return;
        }
        let mut freed = 0;
        let rows = Arc::make_mut(rows);
        rows.retain(|slot, now| {
            let same = written.get(slot).is_some_and(|then| same(then, now));
            if same {
                freed += cost(now);
                self.backlog.remove(now);
            }
            !same
        });
        let after = rows.len();
        if after == 0 {
            self.blocks.remove(&block);
        }
        self.take_off(freed);
        self.changed -= if folded_before { before - after } else { 0 };
    }

    /// Every block below has been written at least once from now on.
    pub(super) fn fold_below(&mut self, block: u64) {
        if block > self.folded_below {
            self.changed += self.blocks.range(self.folded_below..block).map(|(_, rows)| rows.len()).sum::<usize>();
            self.folded_below = block;
        }
    }
}

fn same(then: &Slot, now: &Slot) -> bool {
    match (then, now) {
        (Slot::Row(then), Slot::Row(now)) => Arc::ptr_eq(then, now),
        (Slot::Gone, Slot::Gone) => true,
        (Slot::Row(_), Slot::Gone) | (Slot::Gone, Slot::Row(_)) => false,
    }
}

fn cost(slot: &Slot) -> usize {
    match slot {
        Slot::Row(row) => {
            let pending = if row.event.phase.is_settled() { 0 } else { PENDING_BYTES };
            ROW_BYTES + row.event.attempts.len() * ATTEMPT_BYTES + pending
        }
        Slot::Gone => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AttemptResult, AttemptSummary, AttemptTrigger, ConnectionId, DestinationId, Phase, RequestId, SourceId,
        Timestamp,
    };

    fn at(offset: u64) -> RecordRef {
        RecordRef { segment: 1, offset }
    }

    fn request(offset: u64) -> RequestRef {
        RequestRef { at: at(offset), body_bytes: 7 }
    }

    fn event(seq: Seq, version: u32, attempts: usize) -> Event {
        let attempt = AttemptSummary {
            resumed: false,
            status: crate::domain::AttemptStatus::Failed,
            trigger: AttemptTrigger::Initial,
            started_at: Timestamp::EPOCH,
            latency_ms: 1,
            result: AttemptResult::Answered { status: 500 },
        };
        Event {
            seq,
            request_id: RequestId::from_bits(u128::from(seq) << 80),
            index: 0,
            connection_id: ConnectionId::from_bits(1),
            source_id: SourceId::from_bits(1),
            destination_id: DestinationId::from_bits(1),
            created_at: Timestamp::EPOCH,
            version,
            phase: Phase::Failed,
            generation: 0,
            automatic_used: 0,
            bulk_id: None,
            deleted_at: None,
            attempts: vec![attempt; attempts],
        }
    }

    fn row(overlay: &Overlay, seq: Seq) -> Row {
        match overlay.get(seq) {
            Some(Slot::Row(row)) => row.as_ref().clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_keep_the_places_that_are_known_and_older_ones_are_ignored() {
        let mut overlay = Overlay::new(0);
        overlay.apply(Change::New(event(5, 0, 0), request(100)));
        overlay.apply(Change::Changed(event(5, 1, 1), Some(at(200))));
        overlay.apply(Change::Changed(event(5, 2, 2), Some(at(300))));
        overlay.apply(Change::Changed(event(5, 1, 1), Some(at(999))));
        overlay.apply(Change::New(event(5, 0, 0), request(998)));
        let row = row(&overlay, 5);
        assert_eq!((row.event.version, row.request_at), (2, Some(request(100))));
        assert_eq!(row.attempts_at, [Some(at(200)), Some(at(300))]);
    }

    #[test]
    fn a_carried_record_moves_places_even_of_a_newer_row() {
        let mut overlay = Overlay::new(0);
        overlay.apply(Change::Changed(event(5, 3, 2), Some(at(300))));
        overlay.apply(Change::Carried(event(5, 2, 1), request(900)));
        let row = row(&overlay, 5);
        assert_eq!((row.event.version, row.request_at), (3, Some(request(900))));
        assert_eq!(row.attempts_at, [Some(at(900)), Some(at(300))]);
    }

    #[test]
    fn gone_is_final() {
        let mut overlay = Overlay::new(0);
        overlay.apply(Change::New(event(5, 0, 0), request(100)));
        overlay.apply(Change::Gone(5, 5));
        overlay.apply(Change::Changed(event(5, 1, 1), Some(at(200))));
        overlay.apply(Change::Carried(event(5, 7, 1), request(200)));
        assert_eq!(overlay.get(5), Some(&Slot::Gone));
    }

    #[test]
    fn what_changed_while_it_was_written_stays_and_the_books_balance() {
        let mut overlay = Overlay::new(0);
        for seq in 0..10 {
            overlay.apply(Change::New(event(seq, 0, 0), request(seq)));
        }
        overlay.fold_below(1);
        assert_eq!(overlay.changed(), 10);
        let written = overlay.block(0).unwrap();
        overlay.apply(Change::Changed(event(3, 1, 1), Some(at(200))));
        overlay.written(0, &written);
        assert_eq!((overlay.changed(), row(&overlay, 3).event.version), (1, 1));
        assert!(overlay.get(4).is_none());
        let written = overlay.block(0).unwrap();
        overlay.written(0, &written);
        assert_eq!((overlay.changed(), overlay.snapshot().len()), (0, 0));
        assert_eq!(overlay.bytes().load(Ordering::Relaxed), 0);
    }
}
