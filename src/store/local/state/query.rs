//! Pages, counts and histograms: block by block, zone first, columns where it does not decide, parts for what is shown.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use super::{
    State, StateError,
    plan::{Asking, Plan, Share},
    view::View,
};
use crate::{
    domain::{Seq, Timestamp},
    store::{
        local::row::{BLOCK_SLOTS, Overlaid, Row, Slot, block_of},
        query::{Histogram, PageRequest},
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
        let (mut rows, mut more) = (Vec::new(), false);
        let Some(range) = seqs_of(page) else { return Ok((rows, more)) };
        let mut blocks = block_of(*range.start())..=block_of(*range.end());
        while let Some(block) = self.next_block(over, &blocks, page.descending) {
            let room = page.limit - rows.len();
            let found = self.page_of(block, over, &plan, (&range, page.descending, room))?;
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
        let may_match = view.zone().is_some_and(|zone| plan.share(zone) != Share::None);
        let hot = if may_match { view.hot()? } else { None };
        let mut matching: Vec<(u16, Option<&Row>)> =
            rows_of(overlay).filter(|(_, row)| plan.matches(&row.event)).map(|(slot, row)| (slot, Some(row))).collect();
        if let Some(hot) = &hot {
            let folded = plan.select(hot).map(|live| live.slot).filter(|slot| !has(overlay, *slot));
            matching.extend(folded.map(|slot| (slot, None)));
        }
        matching.retain(|(slot, _)| inside(*slot));
        matching.sort_unstable_by_key(|(slot, _)| *slot);
        if descending {
            matching.reverse();
        }
        let more = matching.len() > room;
        matching.truncate(room);
        let folded = matching.iter().filter(|(_, row)| row.is_none()).map(|(slot, _)| *slot);
        let rows = hot.map(|hot| view.rows(&hot, folded)).transpose()?.unwrap_or_default();
        let mut rows = rows.into_iter();
        let row = |(_, row): (u16, Option<&Row>)| row.cloned().or_else(|| rows.next());
        Ok((matching.into_iter().filter_map(row).collect(), more))
    }

    /// How many events match.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page).
    pub fn count(&self, over: &Overlaid, asking: &Asking<'_>) -> Result<u64, StateError> {
        let mut total = 0;
        self.tally(over, asking, |_, _| true, |_, _, count| total += count)?;
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
        self.tally(over, asking, one_bucket, |first, _, count| {
            if let Some(bucket) = shape.bucket_of(first) {
                buckets[bucket] += count;
            }
        })?;
        Ok(buckets)
    }

    /// Tells `add` of all matching events: how many were created from a first to a last moment.
    /// Many at once where `together` allows that for the range of a block.
    fn tally(
        &self,
        over: &Overlaid,
        asking: &Asking<'_>,
        together: impl Fn(Timestamp, Timestamp) -> bool,
        mut add: impl FnMut(Timestamp, Timestamp, u64),
    ) -> Result<(), StateError> {
        let plan = Plan::new(asking, &self.handles);
        let mut blocks = 0..=u64::MAX;
        while let Some(block) = self.next_block(over, &blocks, false) {
            let overlay = over.get(&block).map(Arc::as_ref);
            for (_, row) in rows_of(overlay).filter(|(_, row)| plan.matches(&row.event)) {
                add(row.event.created_at, row.event.created_at, 1);
            }
            tally_folded(&self.view(block), overlay, &plan, &together, &mut add)?;
            let Some(next) = block.checked_add(1) else { break };
            blocks = next..=u64::MAX;
        }
        Ok(())
    }

    /// The first block of a range, from either end, that the state or the overlay has.
    fn next_block(&self, over: &Overlaid, range: &RangeInclusive<u64>, descending: bool) -> Option<u64> {
        if range.is_empty() {
            return None;
        }
        let zones = self.zones.read();
        let (mut folded, mut newer) = (zones.range(range.clone()), over.range(range.clone()));
        if descending {
            folded.next_back().map(|(block, _)| *block).max(newer.next_back().map(|(block, _)| *block))
        } else {
            let first = [folded.next().map(|(block, _)| *block), newer.next().map(|(block, _)| *block)];
            first.into_iter().flatten().min()
        }
    }
}

fn tally_folded(
    view: &View<'_>,
    overlay: Option<&Overlay>,
    plan: &Plan<'_>,
    together: &impl Fn(Timestamp, Timestamp) -> bool,
    add: &mut impl FnMut(Timestamp, Timestamp, u64),
) -> Result<(), StateError> {
    let Some(zone) = view.zone() else { return Ok(()) };
    let (first, last) = zone.created;
    match plan.share(zone) {
        Share::None => return Ok(()),
        Share::Counted(count) if overlay.is_none_or(BTreeMap::is_empty) && together(first, last) => {
            add(first, last, count);
            return Ok(());
        }
        Share::Counted(_) | Share::Unknown => {}
    }
    let Some(hot) = view.hot()? else { return Ok(()) };
    for live in plan.select(&hot).filter(|live| !has(overlay, live.slot)) {
        add(live.created, live.created, 1);
    }
    Ok(())
}

fn rows_of(overlay: Option<&Overlay>) -> impl Iterator<Item = (u16, &Row)> {
    overlay.into_iter().flatten().filter_map(|(slot, state)| match state {
        Slot::Row(row) => Some((*slot, row.as_ref())),
        Slot::Gone => None,
    })
}

fn has(overlay: Option<&Overlay>, slot: u16) -> bool {
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
