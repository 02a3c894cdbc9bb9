//! Single rows by number or id, and blocks as a whole. An id's time leads to the blocks it may be in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{State, StateError, cold::PART_SLOTS, hot::HotSlot};
use crate::{
    domain::{AttemptId, EventId, RequestId, Seq, Timestamp},
    store::local::row::{BLOCK_SLOTS, Overlaid, Row, Slot, block_of, slot_of},
};

impl State {
    /// The folded version of an event; `None` when it is gone or was never folded.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when its block cannot be read.
    pub fn version(&self, seq: Seq) -> Result<Option<u32>, StateError> {
        let hot = self.view(block_of(seq)).hot_to_keep()?;
        Ok(hot.and_then(|hot| hot.row(slot_of(seq))).map(|row| row.version))
    }

    /// An event's row; `None` when it is gone or unknown.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn row(&self, seq: Seq, over: &Overlaid) -> Result<Option<Row>, StateError> {
        Ok(self.rows([seq], over)?.remove(&seq))
    }

    /// Rows of many events, each block and part opened once; what is gone or unknown is not among them.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn rows(&self, seqs: impl IntoIterator<Item = Seq>, over: &Overlaid) -> Result<HashMap<Seq, Row>, StateError> {
        let mut by_block = BTreeMap::<u64, Vec<u16>>::new();
        for seq in seqs {
            by_block.entry(block_of(seq)).or_default().push(slot_of(seq));
        }
        let mut found = HashMap::new();
        for (block, slots) in by_block {
            let view = self.view(block);
            let rows = view.shown(over.get(&block).map(Arc::as_ref), &slots, || view.hot_to_keep())?;
            found.extend(rows.into_iter().map(|row| (row.event.seq, row)));
        }
        Ok(found)
    }

    /// An event by its id.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn find_event(&self, id: EventId, over: &Overlaid) -> Result<Option<Row>, StateError> {
        Ok(self.find(over, id.time(), true, &|request, index| request.event(index) == id)?.pop())
    }

    /// An attempt by its id, made or the next one: its event and its number, from 1.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn find_attempt(&self, id: AttemptId, over: &Overlaid) -> Result<Option<(Row, u32)>, StateError> {
        let number = |request: RequestId, index| id.number_of(request.event(index));
        // Ids drawn in the same millisecond may lie close together: only one of them can have had this attempt.
        let candidates = self.find(over, id.time(), false, &|request, index| number(request, index).is_some())?;
        let numbered = |row: Row| number(row.event.request_id, row.event.index).map(|number| (row, number));
        let beyond = |(row, number): &(Row, u32)| (*number as usize).saturating_sub(row.event.attempts.len());
        Ok(candidates.into_iter().filter_map(numbered).min_by_key(beyond).filter(|found| beyond(found) <= 1))
    }

    /// The events of a request, in order of its fan-out.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn find_request(&self, id: RequestId, over: &Overlaid) -> Result<Vec<Row>, StateError> {
        let mut rows = self.find(over, id.time(), false, &|request, _| request == id)?;
        rows.sort_unstable_by_key(|row| row.event.index);
        Ok(rows)
    }

    /// Rows that `wanted` picks by request and place in the fan-out, all of whose ids have one time; the first only when `one`.
    fn find(
        &self,
        over: &Overlaid,
        time: Timestamp,
        one: bool,
        wanted: &dyn Fn(RequestId, u16) -> bool,
    ) -> Result<Vec<Row>, StateError> {
        self.find_all(over, &[time], if one { 1 } else { usize::MAX }, wanted)
    }

    /// The same of ids that have any of some times, which are in order; at least so many, if there are.
    pub(super) fn find_all(
        &self,
        over: &Overlaid,
        times: &[Timestamp],
        enough: usize,
        wanted: &dyn Fn(RequestId, u16) -> bool,
    ) -> Result<Vec<Row>, StateError> {
        let holds = |(first, last): (Timestamp, Timestamp)| {
            times.get(times.partition_point(|time| *time < first)).is_some_and(|time| *time <= last)
        };
        let zones = self.zones.read();
        let blocks: Vec<u64> = zones.iter().filter(|(_, zone)| holds(zone.ids)).map(|(block, _)| *block).collect();
        drop(zones);
        let mut seqs = BTreeSet::new();
        for block in blocks {
            if seqs.len() < enough {
                self.find_folded(block, times, wanted, &mut seqs)?;
            }
        }
        if seqs.len() < enough {
            // The newest are asked for most.
            for (block, slots) in over.iter().rev() {
                seqs.extend(slots.iter().filter_map(|(slot, state)| match state {
                    Slot::Row(row) if wanted(row.event.request_id, row.event.index) => {
                        Some(block * BLOCK_SLOTS + u64::from(*slot))
                    }
                    Slot::Row(_) | Slot::Gone => None,
                }));
            }
        }
        Ok(self.rows(seqs, over)?.into_values().collect())
    }

    fn find_folded(
        &self,
        block: u64,
        times: &[Timestamp],
        wanted: &dyn Fn(RequestId, u16) -> bool,
        seqs: &mut BTreeSet<Seq>,
    ) -> Result<(), StateError> {
        let view = self.view(block);
        for (part, first) in (0u8..).zip((0..BLOCK_SLOTS).step_by(usize::from(PART_SLOTS))) {
            let names = view.names(part, times)?.into_iter().filter(|(_, request, index)| wanted(*request, *index));
            seqs.extend(names.map(|(place, ..)| block * BLOCK_SLOTS + first + place as u64));
        }
        Ok(())
    }

    /// A block with whole rows, as the overlay makes it.
    ///
    /// # Errors
    ///
    /// As [`version`](Self::version).
    pub fn read_block(&self, block: u64, over: &Overlaid) -> Result<BTreeMap<u16, Slot>, StateError> {
        let mut slots = BTreeMap::new();
        let view = self.view(block);
        let hot = view.hot()?;
        drop(view);
        if let Some(hot) = hot {
            let gone = (0u16..).zip(hot.slots()).filter(|(_, state)| *state == HotSlot::Gone);
            slots.extend(gone.map(|(slot, _)| (slot, Slot::Gone)));
        }
        if let Some(overlay) = over.get(&block) {
            let gone = overlay.iter().filter(|(_, state)| **state == Slot::Gone);
            slots.extend(gone.map(|(slot, _)| (*slot, Slot::Gone)));
        }
        let rows = self.rows((0..BLOCK_SLOTS).map(|slot| block * BLOCK_SLOTS + slot), over)?;
        slots.extend(rows.into_values().map(|row| (slot_of(row.event.seq), Slot::Row(Arc::new(row)))));
        Ok(slots)
    }
}
