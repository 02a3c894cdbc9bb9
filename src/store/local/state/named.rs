//! Events whose ids, or whose requests' ids, a filter names: looked up one by one instead of sought.

use std::collections::HashSet;

use super::{State, StateError, plan::Plan};
use crate::{
    domain::{EventId, RequestId, Timestamp},
    store::{
        local::row::{Overlaid, Row},
        query::{EventFilter, EventKey, EventOrder, PageRequest},
    },
};

/// Whether a filter names its events.
pub(super) fn names(filter: &EventFilter) -> bool {
    !filter.ids.is_empty() || !filter.requests.is_empty()
}

impl State {
    /// All matching events of a filter that names them, in order of seq.
    pub(super) fn named(&self, over: &Overlaid, plan: &Plan<'_>) -> Result<Vec<Row>, StateError> {
        let filter = plan.asking.filter;
        let ids: HashSet<EventId> = filter.ids.iter().copied().collect();
        let requests: HashSet<RequestId> = filter.requests.iter().copied().collect();
        let (mut times, enough): (Vec<Timestamp>, usize) = if ids.is_empty() {
            (requests.iter().map(|id| id.time()).collect(), usize::MAX)
        } else {
            (ids.iter().map(|id| id.time()).collect(), ids.len())
        };
        times.sort_unstable();
        times.dedup();
        let wanted = |request: RequestId, index: u16| {
            if ids.is_empty() { requests.contains(&request) } else { ids.contains(&request.event(index)) }
        };
        let mut rows = self.find_all(over, &times, enough, &wanted)?;
        rows.retain(|row| plan.matches(&row.event));
        rows.sort_unstable_by_key(|row| row.event.seq);
        Ok(rows)
    }

    /// A page of them.
    pub(super) fn page_of_named(
        &self,
        over: &Overlaid,
        plan: &Plan<'_>,
        page: &PageRequest,
    ) -> Result<(Vec<Row>, bool), StateError> {
        let place = |key: EventKey| match page.order {
            EventOrder::Created => EventKey::at_seq(key.seq),
            EventOrder::LastAttempt => key,
        };
        let mut rows = self.named(over, plan)?;
        rows.sort_by_key(|row| place(EventKey::of(&row.event)));
        if page.descending {
            rows.reverse();
        }
        if let Some(after) = page.after.map(place) {
            rows.retain(|row| {
                let this = place(EventKey::of(&row.event));
                if page.descending { this < after } else { this > after }
            });
        }
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        Ok((rows, more))
    }
}
