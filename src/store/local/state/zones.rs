//! All zones, and the combinations that they share: each is kept once, and named in zones by a number.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::Arc,
};

use super::{combination::Combination, zone::Zone};

/// Zones by block.
#[derive(Debug, Default)]
pub(super) struct Zones {
    blocks: BTreeMap<u64, Arc<Zone>>,
    /// By number, with how many zones have it; a number that none has is given again.
    combinations: Vec<(Combination, u32)>,
    numbers: HashMap<Combination, u32>,
    unused: Vec<u32>,
    /// Counts how often a number lost its meaning.
    epoch: u64,
}

impl Deref for Zones {
    type Target = BTreeMap<u64, Arc<Zone>>;

    fn deref(&self) -> &Self::Target {
        &self.blocks
    }
}

impl Zones {
    /// What a number of a zone stands for.
    pub(super) fn combination(&self, number: u32) -> &Combination {
        &self.combinations[number as usize].0
    }

    /// What was concluded of a number stands as long as this stays the same.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Sets the zone of a block; `dictionary` is that of its columns, by place.
    pub(super) fn put(&mut self, block: u64, mut zone: Zone, dictionary: &[Combination]) {
        for (share, combination) in zone.shares.iter_mut().zip(dictionary) {
            share.number = self.number_of(*combination);
        }
        if let Some(before) = self.blocks.insert(block, Arc::new(zone)) {
            self.release(&before);
        }
    }

    pub(super) fn remove(&mut self, block: u64) {
        if let Some(before) = self.blocks.remove(&block) {
            self.release(&before);
        }
    }

    fn number_of(&mut self, combination: Combination) -> u32 {
        let Self { combinations, numbers, unused, .. } = self;
        let number = *numbers.entry(combination).or_insert_with(|| {
            unused.pop().unwrap_or_else(|| {
                combinations.push((combination, 0));
                // Fewer than there are events in memory.
                u32::try_from(combinations.len() - 1).unwrap_or(u32::MAX)
            })
        });
        let entry = &mut combinations[number as usize];
        *entry = (combination, entry.1 + 1);
        number
    }

    fn release(&mut self, zone: &Zone) {
        for share in &zone.shares {
            let (combination, uses) = &mut self.combinations[share.number as usize];
            *uses -= 1;
            if *uses == 0 {
                self.numbers.remove(combination);
                self.unused.push(share.number);
                self.epoch += 1;
            }
        }
    }
}
