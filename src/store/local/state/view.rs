//! Reading one block: while a view lives, nobody replaces it, so its columns and its parts belong together.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLockReadGuard;

use super::{
    RECENT_BLOCKS, State, StateError,
    cold::{self, ColdRow, Part, part_of},
    combination::Stored,
    error::Corrupt,
    hot::{Hot, HotRow},
    keys,
    scan::{Columns, Scan},
    zone::Zone,
    zones::Zones,
};
use crate::{
    domain::{BulkId, ConnectionId, DestinationId, Event, Phase, RequestId, SourceId, Timestamp, Unsent},
    store::local::row::{BLOCK_SLOTS, RequestRef, Row, Slot, slot_of},
};

/// A block held still. Short-lived, and never two in one thread: the writer waits for it.
pub(super) struct View<'a> {
    state: &'a State,
    block: u64,
    zones: RwLockReadGuard<'a, Zones>,
}

impl State {
    pub(super) fn view(&self, block: u64) -> View<'_> {
        View { state: self, block, zones: self.zones.read() }
    }

    pub(super) fn read_hot(&self, block: u64) -> Result<Option<Hot>, StateError> {
        self.get(&keys::hot(block), Hot::decode)
    }

    pub(super) fn read_part(&self, block: u64, part: u8) -> Result<Option<Part>, StateError> {
        self.get(&keys::cold(block, part), cold::decode)
    }

    /// Forgets a block that is being replaced.
    pub(super) fn forget(&self, block: u64) {
        self.recent.lock().retain(|(at, _)| *at != block);
    }
}

impl View<'_> {
    pub(super) fn zone(&self) -> Option<&Arc<Zone>> {
        self.zones.get(&self.block)
    }

    /// The block's columns; `None` when no event is folded into it.
    pub(super) fn hot(&self) -> Result<Option<Arc<Hot>>, StateError> {
        if self.zone().is_none() {
            return Ok(None);
        }
        let kept = self.state.recent.lock().iter().find(|(at, _)| *at == self.block).map(|(_, hot)| Arc::clone(hot));
        if kept.is_some() {
            return Ok(kept);
        }
        let hot = self.state.read_hot(self.block)?;
        let missing = || self.state.damaged(&keys::hot(self.block), Corrupt("it is missing"));
        hot.map(|hot| Some(Arc::new(hot))).ok_or_else(missing)
    }

    /// All zones, as they are while the view lives.
    pub(super) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Some columns of the block; `None` when no event is folded into it.
    pub(super) fn scan(&self, columns: Columns) -> Result<Option<Scan>, StateError> {
        if self.zone().is_none() {
            return Ok(None);
        }
        let key = keys::hot(self.block);
        let scan = self.state.get(&key, |body| Scan::decode(body, columns))?;
        scan.map(Some).ok_or_else(|| self.state.damaged(&key, Corrupt("it is missing")))
    }

    /// As [`hot`](Self::hot), and keeps it for who asks for a neighbour. Scans do not: they would push out what is asked again.
    pub(super) fn hot_to_keep(&self) -> Result<Option<Arc<Hot>>, StateError> {
        let Some(hot) = self.hot()? else { return Ok(None) };
        let mut recent = self.state.recent.lock();
        recent.retain(|(at, _)| *at != self.block);
        if recent.len() == RECENT_BLOCKS {
            recent.remove(0);
        }
        recent.push((self.block, Arc::clone(&hot)));
        Ok(Some(hot))
    }

    /// Whole rows of slots that the columns have; each part is opened once.
    fn rows(&self, hot: &Hot, slots: impl Iterator<Item = u16>) -> Result<Vec<Row>, StateError> {
        let mut parts = BTreeMap::new();
        let mut rows = Vec::new();
        for slot in slots {
            let Some(row) = hot.row(slot) else { continue };
            let (part, place) = part_of(slot);
            let opened = match parts.entry(part) {
                std::collections::btree_map::Entry::Occupied(opened) => opened.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => vacant.insert(self.part(part)?),
            };
            rows.push(self.assemble(slot, &row, opened[place].as_ref())?);
        }
        Ok(rows)
    }

    /// Whole rows of slots, in that order, as an overlay makes them; what is gone or unknown is not among them. `hot` is asked
    /// when one needs the block.
    pub(super) fn shown(
        &self,
        overlay: Option<&BTreeMap<u16, Slot>>,
        slots: &[u16],
        hot: impl FnOnce() -> Result<Option<Arc<Hot>>, StateError>,
    ) -> Result<Vec<Row>, StateError> {
        let newer = |slot: &u16| overlay.and_then(|overlay| overlay.get(slot));
        // Who is gone or knows all positions needs nothing from the block.
        let needs = |slot: &u16| match newer(slot) {
            None => true,
            Some(Slot::Row(row)) => !is_complete(row),
            Some(Slot::Gone) => false,
        };
        let wanted: Vec<u16> = slots.iter().copied().filter(needs).collect();
        let hot = if wanted.is_empty() { None } else { hot()? };
        let rows = hot.map(|hot| self.rows(&hot, wanted.into_iter())).transpose()?.unwrap_or_default();
        let mut folded: BTreeMap<u16, Row> = rows.into_iter().map(|row| (slot_of(row.event.seq), row)).collect();
        let row = |slot: &u16| match newer(slot) {
            None => folded.remove(slot),
            Some(Slot::Row(row)) => Some(filled(row, folded.get(slot))),
            Some(Slot::Gone) => None,
        };
        Ok(slots.iter().filter_map(row).collect())
    }

    /// A part, empty when there is none.
    pub(super) fn part(&self, part: u8) -> Result<Part, StateError> {
        Ok(self.state.read_part(self.block, part)?.unwrap_or_else(cold::empty))
    }

    /// Which events a part has: place, request, place in the fan-out; none when none of their ids has any of some times, which
    /// are in order.
    pub(super) fn names(&self, part: u8, times: &[Timestamp]) -> Result<Vec<(usize, RequestId, u16)>, StateError> {
        let decode = |body: &[u8]| cold::decode_names(body, times);
        Ok(self.state.get(&keys::cold(self.block, part), decode)?.unwrap_or_default())
    }

    fn assemble(&self, slot: u16, hot: &HotRow, cold: Option<&ColdRow>) -> Result<Row, StateError> {
        let damaged = |why| self.state.damaged(&keys::cold(self.block, part_of(slot).0), Corrupt(why));
        let cold = cold.ok_or_else(|| damaged("an event of the block is missing in it"))?;
        if cold.attempts.len() != hot.attempts as usize {
            return Err(damaged("an event has other attempts in it than in the block"));
        }
        let handles = self.state.handles.read();
        let id = |handle| handles.id(handle).ok_or_else(|| damaged("the block uses a handle without an id"));
        let event = Event {
            seq: self.block * BLOCK_SLOTS + u64::from(slot),
            request_id: cold.request_id,
            index: cold.index,
            connection_id: ConnectionId::from_bits(id(hot.combination.connection)?),
            source_id: SourceId::from_bits(id(hot.combination.source)?),
            destination_id: DestinationId::from_bits(id(hot.combination.destination)?),
            created_at: hot.created,
            version: hot.version,
            phase: phase_of(hot, cold),
            generation: hot.combination.generation,
            automatic_used: cold.automatic_used,
            bulk_id: hot.combination.bulk.map(id).transpose()?.map(BulkId::from_bits),
            deleted_at: cold.deleted_at,
            attempts: cold.attempts.clone(),
        };
        let request_at = cold.request_at.map(|at| RequestRef { at, body_bytes: hot.body_bytes });
        Ok(Row { event, request_at, attempts_at: cold.attempts_at.clone() })
    }
}

fn phase_of(hot: &HotRow, cold: &ColdRow) -> Phase {
    let due_at = hot.due.unwrap_or(hot.created);
    match hot.combination.stored {
        Stored::Ready => Phase::Ready { due_at, trigger: cold.trigger, automatic_due: hot.automatic },
        Stored::Waiting => Phase::Waiting { due_at },
        Stored::Successful => Phase::Successful,
        Stored::Failed => Phase::Failed,
        Stored::Cancelled => {
            Phase::Cancelled { unsent: cold.unsent_due.map(|due_at| Unsent { trigger: cold.trigger, due_at }) }
        }
    }
}

/// An overlay's row with every position it does not know taken from the folded one.
fn filled(row: &Row, folded: Option<&Row>) -> Row {
    let known = |at: usize| {
        let given = row.attempts_at.get(at).copied().flatten();
        given.or_else(|| folded.and_then(|folded| folded.attempts_at.get(at).copied().flatten()))
    };
    Row {
        event: row.event.clone(),
        request_at: row.request_at.or_else(|| folded.and_then(|folded| folded.request_at)),
        attempts_at: (0..row.event.attempts.len()).map(known).collect(),
    }
}

/// Whether a row knows all its positions.
fn is_complete(row: &Row) -> bool {
    row.request_at.is_some()
        && row.attempts_at.len() == row.event.attempts.len()
        && row.attempts_at.iter().all(Option::is_some)
}
