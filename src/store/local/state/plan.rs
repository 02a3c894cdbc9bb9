//! A filter made ready for blocks: what it says of a combination, a zone, a slot and a whole event.

use std::{cell::RefCell, collections::HashMap};

use super::{
    combination::{Combination, Stored},
    handles::Handles,
    hot::{Hot, LiveSlot},
    zone::Zone,
};
use crate::{
    domain::{AttemptTrigger, ConnectionId, Event, EventStatus, Phase, Standing, Timestamp},
    store::query::EventFilter,
};

/// Which events, and what deriving their public status needs.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Which events.
    pub filter: &'a EventFilter,
    /// What a connection's state makes of its events.
    pub standing: &'a dyn Fn(ConnectionId) -> Standing,
    /// The moment the statuses are of.
    pub now: Timestamp,
}

/// What a filter says of all events of a combination, leaving aside when they were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    /// It depends on when each is due.
    ByDue {
        standing: Standing,
    },
}

/// What a filter says of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// None of its events match.
    None,
    /// So many match.
    Counted(u64),
    /// The block must be asked.
    Unknown,
}

/// A filter in terms of handles.
pub(super) struct Plan<'a> {
    asking: &'a Asking<'a>,
    handles: &'a parking_lot::RwLock<Handles>,
    /// By handle; a filter that does not restrict has none.
    connections: Option<Vec<bool>>,
    sources: Option<Vec<bool>>,
    destinations: Option<Vec<bool>>,
    /// By handle, as far as it was asked.
    standings: RefCell<HashMap<u32, Standing>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(asking: &'a Asking<'a>, handles: &'a parking_lot::RwLock<Handles>) -> Self {
        let known = handles.read();
        let filter = asking.filter;
        let mask = |ids: Vec<u128>| {
            let mut mask = Vec::new();
            for handle in ids.iter().filter_map(|id| known.get(*id)).map(|handle| handle as usize) {
                mask.resize(mask.len().max(handle + 1), false);
                mask[handle] = true;
            }
            (!ids.is_empty()).then_some(mask)
        };
        Self {
            asking,
            handles,
            connections: mask(filter.connections.iter().map(|id| id.bits()).collect()),
            sources: mask(filter.sources.iter().map(|id| id.bits()).collect()),
            destinations: mask(filter.destinations.iter().map(|id| id.bits()).collect()),
            standings: RefCell::default(),
        }
    }

    /// Whether a whole event matches.
    pub(super) fn matches(&self, event: &Event) -> bool {
        let Asking { filter, standing, now } = self.asking;
        // It matters to nothing but statuses.
        let standing = if filter.statuses.is_empty() { Standing::default() } else { standing(event.connection_id) };
        filter.matches(event, standing, *now)
    }

    /// What follows from a zone alone.
    pub(super) fn share(&self, zone: &Zone) -> Share {
        let created = self.asking.filter.created;
        let (first, last) = zone.created;
        if !created.touches(first, last) {
            return Share::None;
        }
        let (mut sum, mut by_due) = (0, false);
        for (combination, count) in &zone.combinations {
            match self.verdict(combination) {
                Verdict::No => {}
                Verdict::Yes => sum += u64::from(*count),
                Verdict::ByDue { .. } => by_due = true,
            }
        }
        let whole = created.contains(first) && created.contains(last);
        match (by_due, sum) {
            (false, 0) => Share::None,
            (false, sum) if whole => Share::Counted(sum),
            _ => Share::Unknown,
        }
    }

    /// The events of a block that match.
    pub(super) fn select<'h>(&'h self, hot: &'h Hot) -> impl DoubleEndedIterator<Item = LiveSlot> + 'h {
        let verdicts: Vec<Verdict> = hot.combinations().iter().map(|combination| self.verdict(combination)).collect();
        let created = self.asking.filter.created;
        hot.live().filter(move |live| {
            created.contains(live.created)
                && match verdicts[live.combination] {
                    Verdict::No => false,
                    Verdict::Yes => true,
                    Verdict::ByDue { standing } => {
                        self.shown(&hot.combinations()[live.combination], live.due, standing)
                    }
                }
        })
    }

    fn verdict(&self, combination: &Combination) -> Verdict {
        let any = |mask: &Option<Vec<bool>>, handle: u32| {
            mask.as_ref().is_none_or(|mask| mask.get(handle as usize).copied().unwrap_or(false))
        };
        let ranges = &self.asking.filter.response_statuses.any_of;
        let answered = |status| ranges.iter().any(|(low, high)| (*low..=*high).contains(&status));
        if !any(&self.connections, combination.connection)
            || !any(&self.sources, combination.source)
            || !any(&self.destinations, combination.destination)
            || !(ranges.is_empty() || combination.response.is_some_and(answered))
        {
            return Verdict::No;
        }
        if self.asking.filter.statuses.is_empty() {
            return Verdict::Yes;
        }
        let standing = self.standing(combination.connection);
        // Deriving never looks at more of a due time than on which side of now it lies, so the extremes decide.
        match [i64::MIN, i64::MAX].map(|due| self.shown(combination, Timestamp::from_ms(due), standing)) {
            [true, true] => Verdict::Yes,
            [false, false] => Verdict::No,
            _ => Verdict::ByDue { standing },
        }
    }

    /// Whether the filter asks for the public status of a stored one.
    fn shown(&self, combination: &Combination, due_at: Timestamp, standing: Standing) -> bool {
        let phase = match combination.stored {
            Stored::Ready => Phase::Ready { due_at, trigger: AttemptTrigger::Initial, automatic_due: None },
            Stored::Waiting => Phase::Waiting { due_at },
            Stored::Successful => Phase::Successful,
            Stored::Failed => Phase::Failed,
            Stored::Cancelled => Phase::Cancelled { unsent: None },
        };
        let status = EventStatus::derive(phase, combination.generation, standing, self.asking.now);
        self.asking.filter.statuses.contains(&status)
    }

    fn standing(&self, connection: u32) -> Standing {
        *self.standings.borrow_mut().entry(connection).or_insert_with(|| {
            let id = self.handles.read().id(connection);
            id.map_or_else(Standing::default, |id| (self.asking.standing)(ConnectionId::from_bits(id)))
        })
    }
}
