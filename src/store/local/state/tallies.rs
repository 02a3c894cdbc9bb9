//! Figures of every connection in one walk over the zones. A block is opened only where an overlay, a moment that is asked
//! for, or a due time of something on hold divides it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    State, StateError,
    combination::{Combination, Stored},
    view::View,
    zone::Zone,
    zones::Zones,
};
use crate::{
    domain::{ConnectionId, Standing, Timestamp},
    store::{
        Tally, TallyAsk,
        local::row::{Overlaid, Slot},
        tallies::Outcome,
    },
};

/// A connection while it is counted.
#[derive(Clone, Copy)]
struct Counted {
    id: ConnectionId,
    standing: Standing,
    tally: Tally,
}

/// All that were met, by handle.
struct Counting<'a> {
    state: &'a State,
    standing: &'a dyn Fn(ConnectionId) -> Standing,
    ask: &'a TallyAsk,
    counted: Vec<Option<Counted>>,
}

impl State {
    /// Counts what every connection has; `standing` tells what a connection's state makes of its events.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when a block that must be opened cannot be read.
    pub fn tallies(
        &self,
        over: &Overlaid,
        standing: &dyn Fn(ConnectionId) -> Standing,
        ask: &TallyAsk,
    ) -> Result<HashMap<ConnectionId, Tally>, StateError> {
        let mut counting = Counting { state: self, standing, ask, counted: Vec::new() };
        let blocks: Vec<u64> = self.zones.read().keys().copied().collect();
        for block in blocks {
            let view = self.view(block);
            let Some(zone) = view.zone() else { continue };
            let newer = over.get(&block).filter(|slots| !slots.is_empty());
            if newer.is_some() || counting.is_divided(zone) {
                counting.add_slots(&view, newer.map(Arc::as_ref))?;
            } else {
                counting.add_zone(view.zones(), zone);
            }
        }
        let met = counting.counted.into_iter().flatten().map(|counted| (counted.id, counted.tally));
        let mut tallies: HashMap<ConnectionId, Tally> = met.collect();
        for slot in over.values().flat_map(|slots| slots.values()) {
            let Slot::Row(row) = slot else { continue };
            let connection = row.event.connection_id;
            tallies.entry(connection).or_default().count(&row.event, standing(connection), ask);
        }
        tallies.retain(|_, tally| *tally != Tally::default());
        Ok(tallies)
    }
}

impl Counting<'_> {
    fn of(&mut self, handle: u32) -> &mut Counted {
        let at = handle as usize;
        if self.counted.len() <= at {
            self.counted.resize(at + 1, None);
        }
        self.counted[at].get_or_insert_with(|| {
            // A block's handles have ids: that was checked when it was read.
            let id = ConnectionId::from_bits(self.state.handles.read().id(handle).unwrap_or_default());
            Counted { id, standing: (self.standing)(id), tally: Tally::default() }
        })
    }

    /// Whether its counts cannot be taken as a whole.
    fn is_divided(&mut self, zone: &Zone) -> bool {
        let (first, last) = zone.created;
        let now = self.ask.now;
        self.ask.since.iter().any(|since| first < *since && *since <= last)
            || zone.queues.iter().any(|queued| {
                let straddles = queued.waiting && queued.due.0 <= now && now < queued.due.1;
                straddles && self.of(queued.connection).standing.paused
            })
    }

    fn add_zone(&mut self, zones: &Zones, zone: &Zone) {
        let ask = self.ask;
        if ask.since.iter().any(|since| zone.created.0 >= *since) {
            let shares = zone.shares.iter().map(|share| (zones.combination(share.number), share.count));
            for (combination, count) in shares.filter(|(one, _)| !one.deleted) {
                let counted = self.of(combination.connection);
                let outcome = outcome_of(combination, counted.standing);
                counted.tally.add_recent((zone.created.0, outcome), u64::from(count), ask);
            }
        }
        for queued in &zone.queues {
            let counted = self.of(queued.connection);
            if queued.generation < counted.standing.generation {
                continue;
            }
            let count = u64::from(queued.count);
            counted.tally.add_pending(count, queued.due.0, ask);
            // One that the moment divides was not taken as a whole.
            if counted.standing.paused && !(queued.waiting && queued.due.0 > ask.now) {
                counted.tally.held += count;
            }
        }
    }

    fn add_slots(&mut self, view: &View<'_>, newer: Option<&BTreeMap<u16, Slot>>) -> Result<(), StateError> {
        let Some(hot) = view.hot()? else { return Ok(()) };
        for live in hot.live().filter(|live| newer.is_none_or(|newer| !newer.contains_key(&live.slot))) {
            let combination = &hot.combinations()[live.combination];
            if combination.deleted {
                continue;
            }
            self.add_slot(combination, live.created, live.due);
        }
        Ok(())
    }

    fn add_slot(&mut self, combination: &Combination, created: Timestamp, due: Timestamp) {
        let ask = self.ask;
        let Counted { standing, tally, .. } = self.of(combination.connection);
        tally.add_recent((created, outcome_of(combination, *standing)), 1, ask);
        if combination.stored.is_pending() && combination.generation >= standing.generation {
            tally.add_pending(1, due, ask);
            let is_later = combination.stored == Stored::Waiting && due > ask.now;
            tally.held += u64::from(standing.paused && !is_later);
        }
    }
}

fn outcome_of(combination: &Combination, standing: Standing) -> Outcome {
    match combination.stored {
        Stored::Successful => Outcome::Successful,
        Stored::Failed => Outcome::Failed,
        // Of an earlier generation it is cancelled.
        Stored::Waiting if combination.generation >= standing.generation => Outcome::Failed,
        Stored::Waiting | Stored::Ready | Stored::Cancelled => Outcome::Other,
    }
}
