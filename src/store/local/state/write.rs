//! Replacing blocks: read what is there, merge the changes, write the difference in one batch, then show it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{
    State, StateError,
    cold::{self, ColdRow, PART_SLOTS, Part, part_of},
    combination::{Combination, MANY_TRIES, Stored},
    handles::Staged,
    hot::{Hot, HotRow, HotSlot},
    keys::{self, DueKey},
    zone::{Zone, widen},
};
use crate::{
    domain::{Phase, Seq, Timestamp},
    store::local::row::{BLOCK_SLOTS, Row, Slot, block_of, slot_of},
};

/// Parts of a block.
const PARTS: u8 = 8;
const _: () = assert!(PARTS as u64 * PART_SLOTS as u64 == BLOCK_SLOTS, "parts cover a block");

/// A block as it shall be.
struct Draft {
    slots: Vec<HotSlot>,
    /// Range of the times of its requests' ids.
    ids: Option<(Timestamp, Timestamp)>,
    /// Only the parts that change.
    parts: BTreeMap<u8, Part>,
    /// New handles.
    fresh: Vec<(u32, u128)>,
}

impl State {
    /// Folds changes into a block, which may be new. A slot that is gone stays gone; a block without events is removed.
    ///
    /// # Errors
    ///
    /// `Damaged` when what is there does not decode, `Io` when it cannot be written. Nothing has changed then.
    ///
    /// # Panics
    ///
    /// When a slot is beyond the block's 1024.
    pub fn write_block(&self, block: u64, changes: &BTreeMap<u16, Slot>) -> Result<(), StateError> {
        let _writing = self.writing.lock();
        let old = self.read_hot(block)?.unwrap_or_default();
        let mut draft = Draft { slots: old.slots(), ids: old.ids, parts: BTreeMap::new(), fresh: Vec::new() };
        let handles = self.handles.read();
        let mut staged = Staged::on(&handles);
        for (slot, change) in changes {
            let state = &mut draft.slots[usize::from(*slot)];
            if *state == HotSlot::Gone {
                continue;
            }
            let (part, place) = part_of(*slot);
            let cold = match draft.parts.entry(part) {
                Entry::Occupied(opened) => &mut opened.into_mut()[place],
                Entry::Vacant(vacant) => {
                    &mut vacant.insert(self.read_part(block, part)?.unwrap_or_else(cold::empty))[place]
                }
            };
            match change {
                Slot::Gone => (*state, *cold) = (HotSlot::Gone, None),
                Slot::Row(row) => {
                    *state = HotSlot::Live(hot_row(row, state, &mut staged));
                    *cold = Some(ColdRow::merge(row, cold.as_ref()));
                    draft.ids = Some(widen(draft.ids, row.event.request_id.time()));
                }
            }
        }
        draft.fresh = staged.into_fresh();
        drop(handles);
        self.replace(block, &old, &draft)
    }

    /// Drops every event from `next_seq` on: replay will bring them again.
    ///
    /// # Errors
    ///
    /// As [`write_block`](Self::write_block); blocks before the one that failed are dropped then.
    pub fn truncate_after(&self, next_seq: Seq) -> Result<(), StateError> {
        let _writing = self.writing.lock();
        let blocks: Vec<u64> = self.zones.read().range(block_of(next_seq)..).map(|(block, _)| *block).collect();
        for block in blocks {
            let keep = if block == block_of(next_seq) { slot_of(next_seq) } else { 0 };
            let old = self.read_hot(block)?.unwrap_or_default();
            let mut slots = old.slots();
            slots[usize::from(keep)..].fill(HotSlot::Never);
            let (first, place) = part_of(keep);
            let mut part = self.read_part(block, first)?.unwrap_or_else(cold::empty);
            part[place..].fill(None);
            let mut parts: BTreeMap<u8, Part> = (first + 1..PARTS).map(|part| (part, cold::empty())).collect();
            parts.insert(first, part);
            self.replace(block, &old, &Draft { slots, ids: old.ids, parts, fresh: Vec::new() })?;
        }
        Ok(())
    }

    fn replace(&self, block: u64, old: &Hot, draft: &Draft) -> Result<(), StateError> {
        let hot = Hot::build(&draft.slots, draft.ids);
        let zone = Zone::of(&hot);
        let mut batch = sled::Batch::default();
        for (handle, id) in &draft.fresh {
            let key = keys::handle(*handle);
            batch.insert(&key, keys::seal(&key, &id.to_be_bytes()));
        }
        let (before, after) = (due_keys(block, old), due_keys(block, &hot));
        for key in before.difference(&after) {
            batch.remove(&key.bytes());
        }
        for key in after.difference(&before) {
            batch.insert(&key.bytes(), &[]);
        }
        let key = keys::hot(block);
        if zone.is_some() {
            batch.insert(&key, keys::seal(&key, &hot.encode()));
        } else {
            batch.remove(&key);
        }
        for number in 0..PARTS {
            let key = keys::cold(block, number);
            match draft.parts.get(&number) {
                Some(part) if zone.is_some() && part.iter().any(Option::is_some) => {
                    batch.insert(&key, keys::seal(&key, &cold::encode(part)));
                }
                Some(_) => batch.remove(&key),
                None if zone.is_none() => batch.remove(&key),
                None => {}
            }
        }
        self.show(block, batch, zone.map(|zone| (zone, hot.combinations())), &draft.fresh)
    }

    /// Applies a batch and changes memory with it, while no reader is inside of a block.
    fn show(
        &self,
        block: u64,
        batch: sled::Batch,
        zone: Option<(Zone, &[Combination])>,
        fresh: &[(u32, u128)],
    ) -> Result<(), StateError> {
        let mut zones = self.zones.write();
        self.tree.apply_batch(batch).map_err(|error| self.sled("writing a block", error))?;
        let mut handles = self.handles.write();
        for (_, id) in fresh {
            handles.push(*id);
        }
        self.forget(block);
        match zone {
            Some((zone, dictionary)) => zones.put(block, zone, dictionary),
            None => zones.remove(block),
        }
        Ok(())
    }
}

/// The columns' share of a row over what was in its slot.
fn hot_row(row: &Row, before: &HotSlot, staged: &mut Staged<'_>) -> HotRow {
    let event = &row.event;
    let last = event.attempts.last();
    let as_it_was = match before {
        HotSlot::Live(before) => before.body_bytes,
        HotSlot::Never | HotSlot::Gone => 0,
    };
    let automatic = match event.phase {
        Phase::Ready { automatic_due, .. } => automatic_due,
        Phase::Waiting { .. } | Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => None,
    };
    HotRow {
        combination: Combination {
            connection: staged.intern(event.connection_id.bits()),
            source: staged.intern(event.source_id.bits()),
            destination: staged.intern(event.destination_id.bits()),
            stored: Stored::of(&event.phase),
            generation: event.generation,
            response: last.and_then(|attempt| attempt.result.status()),
            error: last.and_then(|attempt| attempt.result.error()),
            tries: u8::try_from(event.attempts.len()).unwrap_or(MANY_TRIES).min(MANY_TRIES),
            automatic: automatic.is_some(),
            deleted: event.deleted_at.is_some(),
            bulk: event.bulk_id.map(|id| staged.intern(id.bits())),
        },
        created: event.created_at,
        last: last.map(|attempt| attempt.ended_at()),
        due: event.phase.due_at(),
        automatic,
        // Attempts are counted in 32 bits everywhere: ids have room for no more.
        attempts: u32::try_from(event.attempts.len()).unwrap_or(u32::MAX),
        version: event.version,
        body_bytes: row.request_at.map_or(as_it_was, |request| request.body_bytes),
    }
}

/// Keys of the waiting events, and of the ready ones that are not due when they were created: new ones are found through zones.
fn due_keys(block: u64, hot: &Hot) -> BTreeSet<DueKey> {
    let mut keys = BTreeSet::new();
    for live in hot.live() {
        let Combination { connection, generation, stored, .. } = hot.combinations()[live.combination];
        let waiting = stored == Stored::Waiting;
        if waiting || (stored == Stored::Ready && live.due != live.created) {
            let seq = block * BLOCK_SLOTS + u64::from(live.slot);
            keys.insert(DueKey { connection, generation, waiting, due: live.due, seq });
        }
    }
    keys
}
