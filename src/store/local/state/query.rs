//! Pages, counts and histograms: block by block, zone first, columns where it does not decide, parts for what is shown.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use super::{
    State, StateError,
    named::names,
    plan::{Asking, Found, Plan},
    scan::Columns,
    view::View,
    zone::Zone,
};
use crate::{
    domain::{Seq, Timestamp},
    store::{
        local::row::{BLOCK_SLOTS, Overlaid, Row, Slot, block_of},
        query::{EventOrder, Histogram, PageRequest},
    },
};

/// What an overlay has of one block.
type Overlay = BTreeMap<u16, Slot>;

impl State {
    /// A page of events.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when a block that may match cannot be read.
    pub fn page(
        &self,
        over: &Overlaid,
        asking: &Asking<'_>,
        page: &PageRequest,
    ) -> Result<(Vec<Row>, bool), StateError> {
        let plan = Plan::new(asking, &self.handles);
        if names(asking.filter) {
            return self.page_of_named(over, &plan, page);
        }
        match page.order {
            EventOrder::Created => self.page_by_creation(over, &plan, page),
            EventOrder::LastAttempt => self.page_by_last_attempt(over, &plan, page),
        }
    }

    fn page_by_creation(
        &self,
        over: &Overlaid,
        plan: &Plan<'_>,
        page: &PageRequest,
    ) -> Result<(Vec<Row>, bool), StateError> {
        let (mut rows, mut more) = (Vec::new(), false);
        let Some(range) = seqs_of(page) else { return Ok((rows, more)) };
        let mut blocks = block_of(*range.start())..=block_of(*range.end());
        while let Some(block) = self.next_block(over, plan, &blocks, page.descending) {
            let room = page.limit - rows.len();
            let found = self.page_of(block, over, plan, (&range, page.descending, room))?;
            rows.extend(found.0);
            more = found.1;
            let rest = if page.descending {
                block.checked_sub(1).map(|end| *blocks.start()..=end)
            } else {
                block.checked_add(1).map(|start| start..=*blocks.end())
            };
            match rest {
                Some(rest) if !more => blocks = rest,
                _ => break,
            }
        }
        Ok((rows, more))
    }

    /// At most so many matching events of a block in a range, in order, and whether there are more in it.
    fn page_of(
        &self,
        block: u64,
        over: &Overlaid,
        plan: &Plan<'_>,
        (range, descending, room): (&RangeInclusive<Seq>, bool, usize),
    ) -> Result<(Vec<Row>, bool), StateError> {
        let overlay = over.get(&block).map(Arc::as_ref);
        let inside = |slot: u16| range.contains(&(block * BLOCK_SLOTS + u64::from(slot)));
        let view = self.view(block);
        let newer = rows_of(overlay).filter(|(_, row)| plan.matches(&row.event)).map(|(slot, _)| slot);
        let mut matching: Vec<u16> = newer.collect();
        if let Some(zone) = view.zone().filter(|zone| plan.may_match(view.zones(), zone))
            && let Some(scan) = view.scan(plan.columns(zone))?
        {
            let folded = plan.select(view.zones(), zone, &scan).map(|one| one.slot);
            matching.extend(folded.filter(|slot| !has(overlay, *slot)));
        }
        matching.retain(|slot| inside(*slot));
        matching.sort_unstable();
        if descending {
            matching.reverse();
        }
        let more = matching.len() > room;
        matching.truncate(room);
        Ok((view.shown(overlay, &matching, || view.hot())?, more))
    }

    /// How many events match.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page).
    pub fn count(&self, over: &Overlaid, asking: &Asking<'_>) -> Result<u64, StateError> {
        let mut total = 0;
        self.tally(over, asking, |_, _| true, |_, count| total += count)?;
        Ok(total)
    }

    /// How many events match per bucket.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page).
    pub fn histogram(&self, over: &Overlaid, asking: &Asking<'_>, shape: Histogram) -> Result<Vec<u64>, StateError> {
        let mut buckets = vec![0; shape.buckets];
        // A block that begins before the first bucket may end behind the last: both ends in none, what is between in some.
        let one_bucket = |first, last| {
            shape.bucket_of(first) == shape.bucket_of(last) && (first >= shape.start || last < shape.start)
        };
        self.tally(over, asking, one_bucket, |first, count| {
            if let Some(bucket) = shape.bucket_of(first) {
                buckets[bucket] += count;
            }
        })?;
        Ok(buckets)
    }

    /// Tells `add` of all matching events: how many were created at a moment, or, where `together` allows that for the range
    /// of a block, from that moment on.
    fn tally(
        &self,
        over: &Overlaid,
        asking: &Asking<'_>,
        together: impl Fn(Timestamp, Timestamp) -> bool,
        mut add: impl FnMut(Timestamp, u64),
    ) -> Result<(), StateError> {
        let plan = Plan::new(asking, &self.handles);
        if names(asking.filter) {
            self.named(over, &plan)?.iter().for_each(|row| add(row.event.created_at, 1));
            return Ok(());
        }
        let mut blocks = 0..=u64::MAX;
        while let Some(block) = self.next_block(over, &plan, &blocks, false) {
            let overlay = over.get(&block).map(Arc::as_ref);
            for (_, row) in rows_of(overlay).filter(|(_, row)| plan.matches(&row.event)) {
                add(row.event.created_at, 1);
            }
            tally_folded(&self.view(block), overlay, &plan, &together, &mut add)?;
            let Some(next) = block.checked_add(1) else { break };
            blocks = next..=u64::MAX;
        }
        Ok(())
    }

    /// The first block of a range, from either end, that may match or that the overlay has.
    fn next_block(
        &self,
        over: &Overlaid,
        plan: &Plan<'_>,
        range: &RangeInclusive<u64>,
        descending: bool,
    ) -> Option<u64> {
        if range.is_empty() {
            return None;
        }
        let zones = self.zones.read();
        let mut newer = over.range(range.clone()).map(|(block, _)| *block);
        let newer = if descending { newer.next_back() } else { newer.next() };
        let may_match = |(block, zone): (&u64, &Arc<Zone>)| plan.may_match(&zones, zone).then_some(*block);
        // Behind the overlay's block zones need not be looked at.
        if descending {
            let mut folded = zones.range(newer.unwrap_or(*range.start())..=*range.end());
            std::iter::from_fn(|| folded.next_back()).find_map(may_match).or(newer)
        } else {
            let mut folded = zones.range(*range.start()..=newer.unwrap_or(*range.end()));
            folded.find_map(may_match).or(newer)
        }
    }
}

fn tally_folded(
    view: &View<'_>,
    overlay: Option<&Overlay>,
    plan: &Plan<'_>,
    together: &impl Fn(Timestamp, Timestamp) -> bool,
    add: &mut impl FnMut(Timestamp, u64),
) -> Result<(), StateError> {
    let Some(zone) = view.zone() else { return Ok(()) };
    let (first, last) = zone.created;
    match plan.count(view.zones(), zone) {
        Found::Nothing => return Ok(()),
        Found::Counted(count) if together(first, last) => {
            let newer = overlay.into_iter().flat_map(BTreeMap::keys).copied();
            let scan = if overlay.is_none_or(BTreeMap::is_empty) { None } else { view.scan(Columns::default())? };
            let newer = scan.map_or(0, |scan| plan.counted(view.zones(), zone, &scan, newer));
            add(first, count - newer);
            return Ok(());
        }
        Found::Counted(_) | Found::Unknown => {}
    }
    let Some(scan) = view.scan(Columns { created: true, ..plan.columns(zone) })? else { return Ok(()) };
    for one in plan.select(view.zones(), zone, &scan).filter(|one| !has(overlay, one.slot)) {
        add(one.created, 1);
    }
    Ok(())
}

pub(super) fn rows_of(overlay: Option<&Overlay>) -> impl Iterator<Item = (u16, &Row)> {
    overlay.into_iter().flatten().filter_map(|(slot, state)| match state {
        Slot::Row(row) => Some((*slot, row.as_ref())),
        Slot::Gone => None,
    })
}

pub(super) fn has(overlay: Option<&Overlay>, slot: u16) -> bool {
    overlay.is_some_and(|overlay| overlay.contains_key(&slot))
}

/// The seqs a page may show; `None` when there can be none.
fn seqs_of(page: &PageRequest) -> Option<RangeInclusive<Seq>> {
    match (page.after, page.descending) {
        (None, _) => Some(0..=Seq::MAX),
        (Some(after), true) => after.seq.checked_sub(1).map(|end| 0..=end),
        (Some(after), false) => after.seq.checked_add(1).map(|start| start..=Seq::MAX),
    }
}
