//! Pages in order of the last attempt: a heap of blocks, each by the first key it may have, leads to the few that are opened.
//!
//! Zones know the stretches of time in which their events were last tried. The block whose stretch promises the first key is
//! opened, its events take its place in the heap by their own keys, and so on until the page is full.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use super::{
    State, StateError,
    plan::Plan,
    query::{has, rows_of},
    scan::{Columns, Scanned},
    zone::Zone,
    zones::Zones,
};
use crate::{
    domain::Timestamp,
    store::{
        local::row::{BLOCK_SLOTS, Overlaid, Row},
        query::{EventKey, PageRequest},
    },
};

/// A key in the direction of the page: what comes first is greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Latest(EventKey),
    Earliest(Reverse<EventKey>),
}

impl Place {
    fn of(key: EventKey, descending: bool) -> Self {
        if descending { Self::Latest(key) } else { Self::Earliest(Reverse(key)) }
    }
}

/// What stands in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    /// An event that matches.
    Event,
    /// A block that was not opened yet: none of its events comes before the place.
    Block,
}

/// A walk along one page.
struct Walk<'a> {
    state: &'a State,
    over: &'a Overlaid,
    plan: &'a Plan<'a>,
    page: &'a PageRequest,
    /// What comes next, with the block it is of; none where an overlay's events stand beside all blocks.
    heap: BinaryHeap<(Place, Candidate, Option<u64>)>,
    /// Matching events of each source that was opened, the next one last.
    opened: HashMap<Option<u64>, Vec<EventKey>>,
}

impl State {
    /// A page in order of the last attempt; events that were never tried are the earliest.
    pub(super) fn page_by_last_attempt(
        &self,
        over: &Overlaid,
        plan: &Plan<'_>,
        page: &PageRequest,
    ) -> Result<(Vec<Row>, bool), StateError> {
        loop {
            let mut walk = Walk { state: self, over, plan, page, heap: BinaryHeap::new(), opened: HashMap::new() };
            walk.begin();
            let (keys, more) = walk.take()?;
            let mut rows = self.rows(keys.iter().map(|key| key.seq), over)?;
            // One that was tried since its block was read stands at another place by now.
            let stands = |key: &EventKey| rows.remove(&key.seq).filter(|row| EventKey::of(&row.event) == *key);
            let rows: Vec<Row> = keys.iter().filter_map(stands).collect();
            if !rows.is_empty() || !more || page.limit == 0 {
                return Ok((rows, more));
            }
        }
    }
}

impl Walk<'_> {
    /// Puts every block that may match into the heap, and the overlay's events.
    fn begin(&mut self) {
        let zones = self.state.zones.read();
        let blocks = zones.iter().filter_map(|(block, zone)| {
            let first = self.first_of(&zones, *block, zone)?;
            Some((Place::of(first, self.page.descending), Candidate::Block, Some(*block)))
        });
        self.heap = blocks.collect();
        drop(zones);
        let newer = self.over.values().flat_map(|slots| rows_of(Some(slots)));
        let matching = newer.filter(|(_, row)| self.plan.matches(&row.event));
        self.open(None, matching.map(|(_, row)| EventKey::of(&row.event)).collect());
    }

    /// A key that none of a block's matching events behind the page's beginning comes before; `None` when it has none.
    fn first_of(&self, zones: &Zones, block: u64, zone: &Zone) -> Option<EventKey> {
        let after = self.page.after.map(|after| after.last_attempt_at);
        let (since, until) = self.plan.bounds();
        let lasts = self.plan.lasts(zones, zone);
        let (seq, at) = if self.page.descending {
            let from = after.map_or(Some(Timestamp::MAX), |at| at).map(|at| until.map_or(at, |until| at.min(until)));
            let latest = |last: Option<(Timestamp, Timestamp)>| match (last, from) {
                (None, _) => Some(None),
                (Some((first, last)), Some(from)) => {
                    zone.last.latest_until(last.min(from)).filter(|at| *at >= first).map(Some)
                }
                (Some(_), None) => None,
            };
            (block * BLOCK_SLOTS + (BLOCK_SLOTS - 1), lasts.filter_map(latest).max()?)
        } else {
            let begins = after.flatten();
            let from = begins.max(since).unwrap_or(Timestamp::from_ms(i64::MIN));
            let earliest = |last: Option<(Timestamp, Timestamp)>| match last {
                None => begins.is_none().then_some(None),
                Some((first, last)) => zone.last.earliest_from(first.max(from)).filter(|at| *at <= last).map(Some),
            };
            (block * BLOCK_SLOTS, lasts.filter_map(earliest).min()?)
        };
        Some(EventKey { last_attempt_at: at, seq })
    }

    fn is_behind(&self, key: EventKey) -> bool {
        let behind = |after| if self.page.descending { key < after } else { key > after };
        self.page.after.is_none_or(behind)
    }

    /// Puts the first of a source's events into the heap.
    fn open(&mut self, source: Option<u64>, mut keys: Vec<EventKey>) {
        keys.retain(|key| self.is_behind(*key));
        let descending = self.page.descending;
        keys.sort_unstable_by_key(|key| Place::of(*key, descending));
        self.opened.insert(source, keys);
        self.advance(source);
    }

    fn advance(&mut self, source: Option<u64>) {
        if let Some(key) = self.opened.get(&source).and_then(|keys| keys.last()) {
            self.heap.push((Place::of(*key, self.page.descending), Candidate::Event, source));
        }
    }

    fn take(&mut self) -> Result<(Vec<EventKey>, bool), StateError> {
        let mut keys = Vec::new();
        while let Some((_, candidate, source)) = self.heap.pop() {
            match (candidate, source) {
                (Candidate::Block, Some(block)) => {
                    let matching = self.matching(block)?;
                    self.open(source, matching);
                }
                (Candidate::Block, None) => {}
                (Candidate::Event, _) => {
                    if keys.len() == self.page.limit {
                        return Ok((keys, true));
                    }
                    keys.extend(self.opened.get_mut(&source).and_then(Vec::pop));
                    self.advance(source);
                }
            }
        }
        Ok((keys, false))
    }

    fn matching(&self, block: u64) -> Result<Vec<EventKey>, StateError> {
        let view = self.state.view(block);
        let Some(zone) = view.zone() else { return Ok(Vec::new()) };
        let columns = Columns { last: true, ..self.plan.columns(zone) };
        let Some(scan) = view.scan(columns)? else { return Ok(Vec::new()) };
        let overlay = self.over.get(&block).map(Arc::as_ref);
        let key = |one: Scanned| EventKey {
            last_attempt_at: zone.shares[one.place].last().map(|_| one.last),
            seq: block * BLOCK_SLOTS + u64::from(one.slot),
        };
        let folded = self.plan.select(view.zones(), zone, &scan).filter(|one| !has(overlay, one.slot));
        Ok(folded.map(key).collect())
    }
}
