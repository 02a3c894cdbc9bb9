//! A filter made ready for blocks: what it says of a combination, a zone, a slot and a whole event.

use std::cell::RefCell;

use super::{
    combination::{Combination, MANY_TRIES, Stored},
    handles::Handles,
    hot::{Hot, LiveSlot},
    zone::Zone,
};
use crate::{
    domain::{AttemptTrigger, ConnectionId, Event, EventStatus, Phase, Span, Standing, Timestamp},
    store::query::{EventFilter, Moment},
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

/// What a filter says of all events of a combination, leaving aside the moments it asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    /// It depends on when each is due, or on how often each was tried.
    Each,
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
    pub(super) asking: &'a Asking<'a>,
    handles: &'a parking_lot::RwLock<Handles>,
    /// By handle; a filter that does not restrict has none.
    connections: Option<Vec<bool>>,
    sources: Option<Vec<bool>>,
    destinations: Option<Vec<bool>>,
    bulks: Option<Vec<bool>>,
    /// Whether it asks when anything was, but for when events were created.
    by_moments: bool,
    /// By handle, as far as it was asked.
    standings: RefCell<Vec<Option<Standing>>>,
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
        let moments = [&filter.last_attempt, &filter.successful, &filter.next_attempt];
        Self {
            asking,
            handles,
            connections: mask(filter.connections.iter().map(|id| id.bits()).collect()),
            sources: mask(filter.sources.iter().map(|id| id.bits()).collect()),
            destinations: mask(filter.destinations.iter().map(|id| id.bits()).collect()),
            bulks: mask(filter.bulks.iter().map(|id| id.bits()).collect()),
            by_moments: moments.iter().any(|moment| moment.span != Span::default()),
            standings: RefCell::default(),
        }
    }

    /// Whether a whole event matches.
    pub(super) fn matches(&self, event: &Event) -> bool {
        let Asking { filter, standing, now } = self.asking;
        // It matters to nothing else.
        let stands = !filter.statuses.is_empty() || filter.next_attempt != Moment::default();
        let standing = if stands { standing(event.connection_id) } else { Standing::default() };
        filter.matches(event, standing, *now)
    }

    /// Whether any event of a block may match.
    pub(super) fn may_match(&self, zone: &Zone) -> bool {
        self.touches(zone) && zone.combinations.iter().any(|(one, _)| self.verdict(one) != Verdict::No)
    }

    /// Whether events of a block that were never tried may match.
    pub(super) fn may_match_untried(&self, zone: &Zone) -> bool {
        self.touches(zone)
            && zone.combinations.iter().any(|(one, _)| one.tries == 0 && self.verdict(one) != Verdict::No)
    }

    /// What follows from a zone alone.
    pub(super) fn share(&self, zone: &Zone) -> Share {
        if !self.touches(zone) {
            return Share::None;
        }
        let (mut sum, mut divided) = (0, false);
        for (combination, count) in &zone.combinations {
            match self.verdict(combination) {
                Verdict::No => {}
                Verdict::Yes => sum += u64::from(*count),
                Verdict::Each => divided = true,
            }
        }
        match (divided, sum) {
            (false, 0) => Share::None,
            (false, sum) if self.covers(zone) => Share::Counted(sum),
            _ => Share::Unknown,
        }
    }

    /// Whether the moments asked about may be those of an event of a block.
    fn touches(&self, zone: &Zone) -> bool {
        let filter = self.asking.filter;
        let next = filter.next_attempt.span;
        filter.created.touches(zone.created.0, zone.created.1)
            && (!self.by_moments
                || (restricts(&filter.last_attempt.span, |span| zone.last.touch(span))
                    && restricts(&filter.successful.span, |span| zone.last.touch(span))
                    && restricts(&next, |span| zone.next.is_some_and(|(first, last)| span.touches(first, last)))))
    }

    /// Whether all moments of a block's events are among those asked about.
    fn covers(&self, zone: &Zone) -> bool {
        let filter = self.asking.filter;
        let whole = |span: &Span, (first, last): (Timestamp, Timestamp)| span.contains(first) && span.contains(last);
        whole(&filter.created, zone.created)
            && (!self.by_moments
                || (restricts(&filter.last_attempt.span, |span| zone.last.lie_in(span))
                    && restricts(&filter.successful.span, |span| zone.last.lie_in(span))
                    && restricts(&filter.next_attempt.span, |span| zone.next.is_none_or(|next| whole(span, next)))))
    }

    /// The events of a block that match.
    pub(super) fn select<'h>(&'h self, hot: &'h Hot) -> impl DoubleEndedIterator<Item = LiveSlot> + 'h {
        let verdicts: Vec<Verdict> = hot.combinations().iter().map(|combination| self.verdict(combination)).collect();
        hot.live().filter(move |live| match verdicts[live.combination] {
            Verdict::No => false,
            Verdict::Yes => self.at_moments(&hot.combinations()[live.combination], live),
            Verdict::Each => {
                let combination = &hot.combinations()[live.combination];
                self.at_moments(combination, live) && self.each(combination, live)
            }
        })
    }

    /// Whether its moments are among those asked about; that it has them, its verdict said.
    fn at_moments(&self, combination: &Combination, live: &LiveSlot) -> bool {
        let filter = self.asking.filter;
        filter.created.contains(live.created)
            && (!self.by_moments
                || (restricts(&filter.last_attempt.span, |span| span.contains(live.last))
                    && restricts(&filter.successful.span, |span| span.contains(live.last))
                    && restricts(&filter.next_attempt.span, |span| span.contains(live.next(combination)))))
    }

    /// What a combination left open.
    fn each(&self, combination: &Combination, live: &LiveSlot) -> bool {
        let filter = self.asking.filter;
        let tries = |(low, high): &(u32, u32)| (*low..=*high).contains(&live.attempts);
        (filter.attempts.is_empty() || filter.attempts.iter().any(tries))
            && (filter.statuses.is_empty()
                || self.shown(combination, live.due, self.standing_of(combination.connection)))
    }

    fn verdict(&self, combination: &Combination) -> Verdict {
        let any = |mask: &Option<Vec<bool>>, handle: Option<u32>| {
            let among = |mask: &Vec<bool>, handle: u32| mask.get(handle as usize).copied().unwrap_or(false);
            mask.as_ref().is_none_or(|mask| handle.is_some_and(|handle| among(mask, handle)))
        };
        let filter = self.asking.filter;
        let tried = combination.tries > 0;
        if combination.deleted
            || !any(&self.connections, Some(combination.connection))
            || !any(&self.sources, Some(combination.source))
            || !any(&self.destinations, Some(combination.destination))
            || !any(&self.bulks, combination.bulk)
            || !filter.response_statuses.matches(combination.response, |(low, high), one| (*low..=*high).contains(&one))
            || !filter.errors.matches(combination.error, |one, error| *one == error)
            || !admits(&filter.last_attempt, || tried)
            || !admits(&filter.successful, || tried && combination.stored == Stored::Successful)
            || !admits(&filter.next_attempt, || self.has_next(combination))
        {
            return Verdict::No;
        }
        match (self.tried(combination.tries), self.shows(combination)) {
            (Verdict::No, _) | (_, Verdict::No) => Verdict::No,
            (Verdict::Yes, Verdict::Yes) => Verdict::Yes,
            (Verdict::Each, _) | (_, Verdict::Each) => Verdict::Each,
        }
    }

    fn has_next(&self, combination: &Combination) -> bool {
        combination.has_next() && combination.generation >= self.standing_of(combination.connection).generation
    }

    /// Whether the filter asks for so many tries.
    fn tried(&self, tries: u8) -> Verdict {
        let ranges = &self.asking.filter.attempts;
        let (least, most) = if tries < MANY_TRIES { (tries.into(), tries.into()) } else { (tries.into(), u32::MAX) };
        if ranges.is_empty() || ranges.iter().any(|(low, high)| *low <= least && most <= *high) {
            Verdict::Yes
        } else if ranges.iter().any(|(low, high)| *low <= most && least <= *high) {
            Verdict::Each
        } else {
            Verdict::No
        }
    }

    /// Whether the filter asks for the public status of events of a combination.
    fn shows(&self, combination: &Combination) -> Verdict {
        if self.asking.filter.statuses.is_empty() {
            return Verdict::Yes;
        }
        let standing = if combination.stored.is_pending() {
            self.standing_of(combination.connection)
        } else {
            Standing::default()
        };
        // Deriving never looks at more of a due time than on which side of now it lies, so the extremes decide.
        match [i64::MIN, i64::MAX].map(|due| self.shown(combination, Timestamp::from_ms(due), standing)) {
            [true, true] => Verdict::Yes,
            [false, false] => Verdict::No,
            _ => Verdict::Each,
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

    fn standing_of(&self, connection: u32) -> Standing {
        let mut standings = self.standings.borrow_mut();
        let place = connection as usize;
        if standings.len() <= place {
            standings.resize(place + 1, None);
        }
        *standings[place].get_or_insert_with(|| {
            let id = self.handles.read().id(connection);
            id.map_or_else(Standing::default, |id| (self.asking.standing)(ConnectionId::from_bits(id)))
        })
    }
}

/// Whether what is asked of a span holds; one that is open on both sides asks nothing.
fn restricts(span: &Span, holds: impl FnOnce(&Span) -> bool) -> bool {
    *span == Span::default() || holds(span)
}

/// Whether an event that has such a moment, or has none, may match.
fn admits(moment: &Moment, has: impl FnOnce() -> bool) -> bool {
    if *moment == Moment::default() {
        return true;
    }
    let has = has();
    moment.present.is_none_or(|present| present == has) && (moment.span == Span::default() || has)
}
