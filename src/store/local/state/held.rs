//! What is on hold: summed from zones, and from the columns only where an overlay or a due time divides a block.

use std::sync::Arc;

use super::{
    State, StateError,
    combination::Stored,
    zone::{Queued, Zone},
};
use crate::{
    domain::{ConnectionId, Event, Phase, Timestamp},
    store::{
        Held,
        local::row::{Overlaid, Slot},
    },
};

/// Whose events, at which moment.
#[derive(Debug, Clone, Copy)]
pub struct HeldAsk {
    /// Whose queue.
    pub connection: ConnectionId,
    /// Its generation: older events are cancelled.
    pub generation: u32,
    /// Waiting events count when due at or before.
    pub now: Timestamp,
}

impl State {
    /// Sums what a connection would send now if it were not paused.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when a block that must be opened cannot be read.
    pub fn held(&self, over: &Overlaid, ask: &HeldAsk) -> Result<Held, StateError> {
        let mut held = Held::default();
        self.held_over(over, ask, &mut held)?;
        let Some(handle) = self.handles.read().get(ask.connection.bits()) else { return Ok(held) };
        let zones = self.zones.read();
        let ours = zones.iter().filter(|(_, zone)| !zone.queued(handle, ask.generation).is_empty());
        let ours: Vec<(u64, Arc<Zone>)> = ours.map(|(block, zone)| (*block, Arc::clone(zone))).collect();
        drop(zones);
        for (block, zone) in ours {
            let queues = zone.queued(handle, ask.generation);
            let divided = |queued: &Queued| queued.waiting && queued.due.0 <= ask.now && ask.now < queued.due.1;
            if over.get(&block).is_some_and(|slots| !slots.is_empty()) || queues.iter().any(divided) {
                self.held_in(block, over, (handle, ask), &mut held)?;
                continue;
            }
            for queued in queues.iter().filter(|queued| !queued.waiting || queued.due.1 <= ask.now) {
                add(&mut held, queued.count.into(), queued.body_bytes, queued.oldest);
            }
        }
        Ok(held)
    }

    /// The overlay's part.
    fn held_over(&self, over: &Overlaid, ask: &HeldAsk, held: &mut Held) -> Result<(), StateError> {
        for (block, slots) in over {
            for (slot, state) in slots.iter() {
                let Slot::Row(row) = state else { continue };
                if !is_held(&row.event, ask) {
                    continue;
                }
                let body_bytes = match row.request_at {
                    Some(request) => request.body_bytes,
                    // As it was: the block it is folded into knows.
                    None => {
                        self.view(*block).hot_to_keep()?.and_then(|hot| hot.row(*slot)).map_or(0, |row| row.body_bytes)
                    }
                };
                add(held, 1, body_bytes.into(), row.event.created_at);
            }
        }
        Ok(())
    }

    /// One block's part, slot by slot.
    fn held_in(
        &self,
        block: u64,
        over: &Overlaid,
        (handle, ask): (u32, &HeldAsk),
        held: &mut Held,
    ) -> Result<(), StateError> {
        let Some(hot) = self.view(block).hot()? else { return Ok(()) };
        let newer = over.get(&block);
        for live in hot.live().filter(|live| newer.is_none_or(|newer| !newer.contains_key(&live.slot))) {
            let one = hot.combinations()[live.combination];
            let counts = match one.stored {
                Stored::Ready => true,
                Stored::Waiting => live.due <= ask.now,
                Stored::Successful | Stored::Failed | Stored::Cancelled => false,
            };
            if counts && one.connection == handle && one.generation == ask.generation {
                add(held, 1, live.body_bytes.into(), live.created);
            }
        }
        Ok(())
    }
}

fn is_held(event: &Event, ask: &HeldAsk) -> bool {
    let counts = match event.phase {
        Phase::Ready { .. } => true,
        Phase::Waiting { due_at } => due_at <= ask.now,
        Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => false,
    };
    counts && event.connection_id == ask.connection && event.generation == ask.generation
}

fn add(held: &mut Held, events: u64, body_bytes: u64, oldest: Timestamp) {
    held.events += events;
    held.body_bytes += body_bytes;
    held.oldest_at = Some(held.oldest_at.map_or(oldest, |known| known.min(oldest)));
}
