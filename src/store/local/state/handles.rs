//! Handles: 4 bytes in a block for the 16 of a connection's, source's or destination's id.

use std::collections::HashMap;

/// Every id that a block has named, by handle. Handles are given in order from 0 and never taken back.
#[derive(Debug, Default)]
pub(super) struct Handles {
    ids: Vec<u128>,
    by_id: HashMap<u128, u32>,
}

impl Handles {
    pub(super) fn get(&self, id: u128) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn id(&self, handle: u32) -> Option<u128> {
        self.ids.get(handle as usize).copied()
    }

    /// Appends; what a batch brought to disk becomes known.
    pub(super) fn push(&mut self, id: u128) {
        self.by_id.insert(id, next(&self.ids));
        self.ids.push(id);
    }
}

/// Two billion ids are far beyond what a configuration holds.
fn next(ids: &[u128]) -> u32 {
    u32::try_from(ids.len()).unwrap_or(u32::MAX)
}

/// Handles of a write under way: new ones are known to it alone until they are on disk.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    known: &'a Handles,
    fresh: HashMap<u128, u32>,
    order: Vec<u128>,
}

impl<'a> Staged<'a> {
    pub(super) fn on(known: &'a Handles) -> Self {
        Self { known, fresh: HashMap::new(), order: Vec::new() }
    }

    pub(super) fn intern(&mut self, id: u128) -> u32 {
        if let Some(handle) = self.known.get(id) {
            return handle;
        }
        *self.fresh.entry(id).or_insert_with(|| {
            self.order.push(id);
            next(&self.known.ids) + next(&self.order) - 1
        })
    }

    /// New ids with their handles, in order.
    pub(super) fn into_fresh(self) -> Vec<(u32, u128)> {
        let base = next(&self.known.ids);
        (base..).zip(self.order).collect()
    }
}
