//! Pages, counts and single requests: chunk by chunk, zone first, columns where it does not decide.

use std::{
    collections::BTreeMap,
    ops::Bound::{self, Excluded, Included, Unbounded},
    sync::Arc,
};

use parking_lot::RwLock;

use super::{
    chunk::{Chunk, Combination, Zone},
    keys,
};
use crate::{
    domain::{RequestId, SourceId},
    store::{
        PayloadRef, RequestFilter, RequestPage, RequestStretch, RequestSummary,
        local::{
            requests::NewRequests,
            state::{State, StateError, error::Corrupt, handles::Handles},
        },
    },
};

/// A filter, made ready for chunks.
struct Plan<'a> {
    filter: &'a RequestFilter,
    /// Handles of the sources asked for, in order; `None` for any.
    sources: Option<Vec<u32>>,
    /// The ids asked for, in order.
    ids: Vec<RequestId>,
}

/// How much of a chunk matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    None,
    Some,
    All(u64),
}

impl<'a> Plan<'a> {
    fn new(filter: &'a RequestFilter, handles: &RwLock<Handles>) -> Self {
        let handles = handles.read();
        let sources = (!filter.sources.is_empty()).then(|| {
            let mut known: Vec<u32> = filter.sources.iter().filter_map(|source| handles.get(source.bits())).collect();
            known.sort_unstable();
            known
        });
        let mut ids = filter.ids.clone();
        ids.sort_unstable();
        Self { filter, sources, ids }
    }

    fn matches_combination(&self, one: &Combination) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.binary_search(&one.source).is_ok())
            && self.filter.matches_outcome(one.rejection, one.events, one.ignored)
    }

    /// What the zone alone tells.
    fn share(&self, zone: &Zone) -> Share {
        let filter = self.filter;
        if !filter.created.touches(zone.created.0, zone.created.1)
            || !filter.received.touches(zone.received.0, zone.received.1)
        {
            return Share::None;
        }
        if !self.ids.is_empty() {
            let first = self.ids.partition_point(|id| id.time() < zone.ids.0);
            if self.ids.get(first).is_none_or(|id| id.time() > zone.ids.1) {
                return Share::None;
            }
        }
        let matching = zone.combinations.iter().filter(|(one, _)| self.matches_combination(one));
        match matching.map(|(_, count)| u64::from(*count)).sum() {
            0 => Share::None,
            count
                if self.ids.is_empty()
                    && filter.matches_times(zone.created.0, zone.received.0)
                    && filter.matches_times(zone.created.1, zone.received.1) =>
            {
                Share::All(count)
            }
            _ => Share::Some,
        }
    }

    /// The requests of a chunk that match, in order.
    fn select<'c>(&'c self, chunk: &'c Chunk) -> impl DoubleEndedIterator<Item = usize> + 'c {
        let matching: Vec<bool> = chunk.combinations.iter().map(|one| self.matches_combination(one)).collect();
        (0..chunk.len()).filter(move |at| {
            matching[chunk.combination(*at)]
                && self.filter.matches_times(chunk.created(*at), chunk.received(*at))
                && (self.ids.is_empty() || self.ids.binary_search(&chunk.id(*at)).is_ok())
        })
    }
}

impl State {
    /// A page of requests, with those that are newer than sled's.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when a chunk that may match cannot be read.
    pub fn page_of_requests(
        &self,
        new: &NewRequests,
        filter: &RequestFilter,
        stretch: &RequestStretch,
    ) -> Result<RequestPage, StateError> {
        let plan = Plan::new(filter, &self.handles);
        let mut found = RequestPage::default();
        let mut range = match stretch.after {
            None => (Unbounded, Unbounded),
            Some(after) if stretch.descending => (Unbounded, Excluded(after)),
            // The chunk it lies in may have more behind it.
            Some(after) => {
                (self.next_chunk(new, (Unbounded, Included(after)), true).map_or(Unbounded, Included), Unbounded)
            }
        };
        while let Some(first) = self.next_chunk(new, range, stretch.descending) {
            let room = stretch.limit - found.requests.len();
            let mut rows = self.matching_rows(new, first, &plan, stretch, room.saturating_add(1))?;
            found.more = rows.len() > room;
            rows.truncate(room);
            found.requests.extend(rows);
            if found.more {
                break;
            }
            range = if stretch.descending { (range.0, Excluded(first)) } else { (Excluded(first), range.1) };
        }
        Ok(found)
    }

    /// At most so many matching requests of a chunk, in the direction and behind the place asked for.
    fn matching_rows(
        &self,
        new: &NewRequests,
        first: PayloadRef,
        plan: &Plan<'_>,
        stretch: &RequestStretch,
        at_most: usize,
    ) -> Result<Vec<RequestSummary>, StateError> {
        let is_behind =
            |at: PayloadRef| stretch.after.is_none_or(|after| if stretch.descending { at < after } else { at > after });
        if let Some(rows) = new.get(&first) {
            let matching = rows.iter().filter(|row| is_behind(row.payload_ref) && plan.filter.matches(row));
            return Ok(directed(matching.copied(), stretch.descending).take(at_most).collect());
        }
        let zone = self.requests.read().get(&first).cloned();
        if zone.is_none_or(|zone| plan.share(&zone) == Share::None) {
            return Ok(Vec::new());
        }
        let Some(chunk) = self.read_requests(first)? else { return Ok(Vec::new()) };
        let matching = plan.select(&chunk).filter(|at| is_behind(PayloadRef(first.0, chunk.offset(*at))));
        let rows = directed(matching, stretch.descending).take(at_most).map(|at| self.request_row(&chunk, first, at));
        rows.collect()
    }

    /// How many requests match.
    ///
    /// # Errors
    ///
    /// As [`page_of_requests`](Self::page_of_requests).
    pub fn count_requests(&self, new: &NewRequests, filter: &RequestFilter) -> Result<u64, StateError> {
        let plan = Plan::new(filter, &self.handles);
        let mut total = new.values().flat_map(|rows| rows.iter()).filter(|row| filter.matches(row)).count() as u64;
        for (first, zone) in self.older_zones(new) {
            total += match plan.share(&zone) {
                Share::None => 0,
                Share::All(count) => count,
                Share::Some => self.read_requests(first)?.map_or(0, |chunk| plan.select(&chunk).count() as u64),
            };
        }
        Ok(total)
    }

    /// A request's row; `None` when there is none, or no longer.
    ///
    /// # Errors
    ///
    /// As [`page_of_requests`](Self::page_of_requests).
    pub fn find_request_row(&self, new: &NewRequests, id: RequestId) -> Result<Option<RequestSummary>, StateError> {
        let filter = RequestFilter { ids: vec![id], ..RequestFilter::default() };
        let stretch = RequestStretch { descending: true, after: None, limit: 1 };
        Ok(self.page_of_requests(new, &filter, &stretch)?.requests.pop())
    }

    /// The first chunk of a range, from either end, that sled or the overlay has.
    fn next_chunk(
        &self,
        new: &NewRequests,
        range: (Bound<PayloadRef>, Bound<PayloadRef>),
        descending: bool,
    ) -> Option<PayloadRef> {
        let end = end_of(new);
        let zones = self.requests.read();
        let mut older = zones.range(range).map(|(first, _)| *first).filter(|first| *first <= end);
        let mut newer = new.range(range).map(|(first, _)| *first);
        if descending {
            older.next_back().max(newer.next_back())
        } else {
            [older.next(), newer.next()].into_iter().flatten().min()
        }
    }

    /// The chunks that only sled has.
    fn older_zones(&self, new: &NewRequests) -> BTreeMap<PayloadRef, Arc<Zone>> {
        let end = end_of(new);
        let zones = self.requests.read();
        let older = zones.range(..=end).filter(|(first, _)| !new.contains_key(*first));
        older.map(|(first, zone)| (*first, Arc::clone(zone))).collect()
    }

    fn request_row(&self, chunk: &Chunk, first: PayloadRef, at: usize) -> Result<RequestSummary, StateError> {
        let source = self.handles.read().id(chunk.combinations[chunk.combination(at)].source);
        let source = source
            .ok_or_else(|| self.damaged(&keys::requests(first), Corrupt("the chunk uses a handle without an id")))?;
        Ok(chunk.row(at, first.0, SourceId::from_bits(source)))
    }
}

/// What sled has behind this is newer than the overlay: a reader that saw it would miss what lies between.
fn end_of(new: &NewRequests) -> PayloadRef {
    new.last_key_value().map_or(PayloadRef(u64::MAX, u64::MAX), |(first, _)| *first)
}

fn directed<'a, T: 'a>(
    items: impl DoubleEndedIterator<Item = T> + 'a,
    descending: bool,
) -> Box<dyn Iterator<Item = T> + 'a> {
    if descending { Box::new(items.rev()) } else { Box::new(items) }
}
