//! A filter made ready for blocks: what it says of a combination, a zone, a slot and a whole event.

use std::cell::RefCell;

use super::{
    combination::{Combination, MANY_TRIES, Stored},
    handles::Handles,
    scan::{Columns, Scan, Scanned},
    zone::{Share, Zone},
    zones::Zones,
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

/// What a filter says of all events of a combination; the moments it asks about are another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    No,
    Yes,
    /// It depends on when each is due, or how often and when each was tried.
    Each,
}

impl Verdict {
    /// What two make together.
    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Each if other() == Self::No => Self::No,
            Self::Each => Self::Each,
        }
    }
}

/// What a filter says of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// None of its events match.
    Nothing,
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
    /// Verdicts by combination, as far as they were asked, and of which epoch of the zones.
    verdicts: RefCell<(u64, Vec<Option<Verdict>>)>,
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
        Self {
            asking,
            handles,
            connections: mask(filter.connections.iter().map(|id| id.bits()).collect()),
            sources: mask(filter.sources.iter().map(|id| id.bits()).collect()),
            destinations: mask(filter.destinations.iter().map(|id| id.bits()).collect()),
            bulks: mask(filter.bulks.iter().map(|id| id.bits()).collect()),
            verdicts: RefCell::default(),
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
    pub(super) fn may_match(&self, zones: &Zones, zone: &Zone) -> bool {
        self.lasts(zones, zone).next().is_some()
    }

    /// Of each combination of a block that may match: when its last attempts ended, earliest and latest.
    pub(super) fn lasts<'z>(
        &'z self,
        zones: &'z Zones,
        zone: &'z Zone,
    ) -> impl Iterator<Item = Option<(Timestamp, Timestamp)>> + 'z {
        let shares = if self.touches(zone) { zone.shares.iter() } else { [].iter() };
        let may = |share: &&Share| {
            self.verdict_of(zones, share.number) != Verdict::No && self.tried_within(share) != Verdict::No
        };
        shares.filter(may).map(Share::last)
    }

    /// What follows from a zone alone.
    pub(super) fn count(&self, zones: &Zones, zone: &Zone) -> Found {
        if !self.touches(zone) {
            return Found::Nothing;
        }
        let (mut sum, mut divided) = (0, false);
        for share in &zone.shares {
            match self.verdict_of(zones, share.number).and(|| self.tried_within(share)) {
                Verdict::No => {}
                Verdict::Yes => sum += u64::from(share.count),
                Verdict::Each => divided = true,
            }
        }
        match (divided, sum) {
            (false, 0) => Found::Nothing,
            (false, sum) if self.covers(zone) => Found::Counted(sum),
            _ => Found::Unknown,
        }
    }

    /// Whether any of its moments touch what is asked.
    fn touches(&self, zone: &Zone) -> bool {
        let filter = self.asking.filter;
        let next = |span: &Span| zone.next.is_some_and(|(first, last)| span.touches(first, last));
        let last = |span: &Span| zone.last.touch(span);
        filter.created.touches(zone.created.0, zone.created.1)
            && restricts(&filter.last_attempt.span, last)
            && restricts(&filter.successful.span, last)
            && restricts(&filter.next_attempt.span, next)
    }

    /// Whether its moments of creation, and when what it has is due, all are among those asked about.
    fn covers(&self, zone: &Zone) -> bool {
        let filter = self.asking.filter;
        let next = |span: &Span| zone.next.is_none_or(|next| holds(span, next));
        self.covers_created(zone) && restricts(&filter.next_attempt.span, next)
    }

    fn covers_created(&self, zone: &Zone) -> bool {
        holds(&self.asking.filter.created, zone.created)
    }

    /// Whether the filter asks for the moments when events of a combination were last tried.
    fn tried_within(&self, share: &Share) -> Verdict {
        let filter = self.asking.filter;
        let of = |span: &Span| {
            if *span == Span::default() {
                return Verdict::Yes;
            }
            match share.last() {
                Some((first, last)) if !span.touches(first, last) => Verdict::No,
                Some(range) if holds(span, range) => Verdict::Yes,
                Some(_) => Verdict::Each,
                None => Verdict::No,
            }
        };
        of(&filter.last_attempt.span).and(|| of(&filter.successful.span))
    }

    /// Last attempts of matching events ended from the one moment to the other, where it asks for a span.
    pub(super) fn bounds(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let spans = [self.asking.filter.last_attempt.span, self.asking.filter.successful.span];
        let until = spans.iter().filter_map(|span| span.before).map(|before| before.minus_ms(1)).min();
        (spans.iter().filter_map(|span| span.from).max(), until)
    }

    /// The columns that tell which events of a block match.
    pub(super) fn columns(&self, zone: &Zone) -> Columns {
        let filter = self.asking.filter;
        let asks = |moment: &Moment| moment.span != Span::default();
        Columns {
            created: !self.covers_created(zone),
            last: asks(&filter.last_attempt) || asks(&filter.successful),
            due: asks(&filter.next_attempt) || !filter.statuses.is_empty(),
            attempts: !filter.attempts.is_empty(),
        }
    }

    /// The events of a block that match, when its [columns](Self::columns) were scanned.
    pub(super) fn select<'s>(
        &'s self,
        zones: &'s Zones,
        zone: &'s Zone,
        scan: &'s Scan,
    ) -> impl DoubleEndedIterator<Item = Scanned> + 's {
        let verdict = |share: &Share| self.verdict_of(zones, share.number).and(|| self.tried_within(share));
        let verdicts: Vec<Verdict> = zone.shares.iter().map(verdict).collect();
        let combination = |place: usize| zones.combination(zone.shares[place].number);
        let by_created = !self.covers_created(zone);
        let by_next = self.asking.filter.next_attempt.span != Span::default();
        scan.live().filter(move |one| {
            (match verdicts[one.place] {
                Verdict::No => false,
                Verdict::Yes => true,
                Verdict::Each => self.each(combination(one.place), one),
            }) && (!by_created || self.asking.filter.created.contains(one.created))
                && (!by_next || self.asking.filter.next_attempt.span.contains(one.next(combination(one.place))))
        })
    }

    /// How many events in some slots match, where [`count`](Self::count) told all.
    pub(super) fn counted(&self, zones: &Zones, zone: &Zone, scan: &Scan, slots: impl Iterator<Item = u16>) -> u64 {
        let matches = |place: &usize| {
            let share = &zone.shares[*place];
            self.verdict_of(zones, share.number).and(|| self.tried_within(share)) == Verdict::Yes
        };
        slots.filter_map(|slot| scan.place(slot)).filter(matches).map(|_| 1).sum()
    }

    /// What a combination left open.
    fn each(&self, combination: &Combination, one: &Scanned) -> bool {
        let filter = self.asking.filter;
        let tries = |(low, high): &(u32, u32)| (*low..=*high).contains(&one.attempts);
        let last = |span: &Span| span.contains(one.last);
        restricts(&filter.last_attempt.span, last)
            && restricts(&filter.successful.span, last)
            && (filter.attempts.is_empty() || filter.attempts.iter().any(tries))
            && (filter.statuses.is_empty()
                || self.shown(combination, one.due, self.standing_of(combination.connection)))
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
        self.tried(combination.tries).and(|| self.shows(combination))
    }

    fn verdict_of(&self, zones: &Zones, number: u32) -> Verdict {
        let mut known = self.verdicts.borrow_mut();
        if known.0 != zones.epoch() {
            *known = (zones.epoch(), Vec::new());
        }
        let place = number as usize;
        if known.1.len() <= place {
            known.1.resize(place + 1, None);
        }
        *known.1[place].get_or_insert_with(|| self.verdict(zones.combination(number)))
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

/// Whether both ends of a range lie in a span.
fn holds(span: &Span, (first, last): (Timestamp, Timestamp)) -> bool {
    span.contains(first) && span.contains(last)
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
