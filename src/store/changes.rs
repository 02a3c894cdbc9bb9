//! The change feed: which events were created or changed, in order of commit, for who follows the store while it runs.
//!
//! The writer notes numbers only, and only while somebody follows: one relaxed load per frame otherwise. What lies in the ring
//! is bounded; a follower that fell behind is told so and looks at the store itself. Nothing of it is durable.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};

use crate::domain::{ConnectionId, Event, Seq, Timestamp};

/// Changes that are kept for followers: several seconds of a busy gateway, and the time a reader needs to come back. 2 MiB.
pub const CHANGES_KEPT: usize = 65_536;
/// Places given per millisecond since 1970 at the start: far more than changes ever come, so that places of an
/// earlier process are below those of this one, and known not to be there any more.
const PLACES_PER_MS: u64 = 1 << 20;

/// That an event was created or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub seq: Seq,
    /// Its connection.
    pub connection: ConnectionId,
    /// The number of the attempt that was recorded with it, from 1; 0 for none.
    pub attempt: u32,
}

impl Change {
    /// An event after a transition, which came with an attempt or not.
    #[must_use]
    pub fn of(event: &Event, has_attempt: bool) -> Self {
        let attempts = u32::try_from(event.attempts.len()).unwrap_or(u32::MAX);
        Self { seq: event.seq, connection: event.connection_id, attempt: if has_attempt { attempts } else { 0 } }
    }
}

/// How many changes came before, of all there ever were: a place between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// Some changes that followed each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The place before the first of them.
    pub start: Place,
    /// Oldest first.
    pub changes: Vec<Change>,
    /// Whether changes before `start` were lost to this follower.
    pub missed: bool,
}

impl Stretch {
    /// Each with the place behind it.
    pub fn placed(&self) -> impl Iterator<Item = (Place, Change)> + '_ {
        (self.start.0 + 1..).map(Place).zip(self.changes.iter().copied())
    }
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Changes {
    followers: AtomicUsize,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    changes: VecDeque<Change>,
    /// The place before the first of them.
    start: u64,
}

impl Ring {
    fn end(&self) -> u64 {
        self.start + self.changes.len() as u64
    }

    /// At most so many behind a place; `None` when the place is not there, or not any more.
    fn behind(&self, place: u64, limit: usize) -> Option<Vec<Change>> {
        let skipped = usize::try_from(place.checked_sub(self.start)?).ok()?;
        (skipped <= self.changes.len()).then(|| self.changes.range(skipped..).take(limit).copied().collect())
    }
}

impl Changes {
    /// One that nobody follows, of a store that was opened at this moment.
    #[must_use]
    pub fn new(opened_at: Timestamp) -> Self {
        let start = u64::try_from(opened_at.ms()).unwrap_or(0).saturating_mul(PLACES_PER_MS);
        Self { followers: AtomicUsize::new(0), ring: Mutex::new(Ring { changes: VecDeque::new(), start }) }
    }

    /// What to note changes with; `None` while nobody follows. For the writer alone, after a frame is visible to
    /// reads and before it is answered.
    pub fn noting(&self) -> Option<Noting<'_>> {
        // Who followed before it submitted a change is seen here: the submission went through a lock.
        (self.followers.load(Ordering::Relaxed) > 0).then(|| Noting(self.ring.lock()))
    }

    /// Follows from now on: every change that is submitted later is noted for it.
    #[must_use]
    pub fn follow(self: &Arc<Self>) -> Follower {
        let mut ring = self.ring.lock();
        if self.followers.fetch_add(1, Ordering::Relaxed) == 0 {
            // Nobody knows what came meanwhile: no place from before may look as if nothing had.
            ring.start = ring.end() + 1;
            ring.changes.clear();
        }
        Follower { changes: Arc::clone(self), next: ring.end() }
    }
}

/// The writer's way to note changes.
pub struct Noting<'a>(MutexGuard<'a, Ring>);

impl Noting<'_> {
    /// Notes one.
    pub fn add(&mut self, change: Change) {
        if self.0.changes.len() == CHANGES_KEPT {
            self.0.changes.pop_front();
            self.0.start += 1;
        }
        self.0.changes.push_back(change);
    }
}

/// Somebody who follows, until it is dropped.
#[derive(Debug)]
pub struct Follower {
    changes: Arc<Changes>,
    next: u64,
}

impl Follower {
    /// Up to where it has read.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place(self.next)
    }

    /// Reads on, at most so many.
    pub fn read(&mut self, limit: usize) -> Stretch {
        let ring = self.changes.ring.lock();
        let missed = self.next < ring.start;
        self.next = self.next.max(ring.start);
        let changes = ring.behind(self.next, limit).unwrap_or_default();
        let start = Place(self.next);
        self.next += changes.len() as u64;
        Stretch { start, changes, missed }
    }

    /// Skips everything that was noted up to now; how much that was.
    pub fn skip(&mut self) -> u64 {
        let end = self.changes.ring.lock().end();
        end - std::mem::replace(&mut self.next, end)
    }

    /// How much there is to be read.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.changes.ring.lock().end() - self.next
    }

    /// What came behind an earlier place, up to where this one has read: `None` when that is not known any more, or
    /// more than so many.
    #[must_use]
    pub fn since(&self, place: Place, limit: usize) -> Option<Stretch> {
        let count = usize::try_from(self.next.checked_sub(place.0)?).ok().filter(|count| *count <= limit)?;
        let changes = self.changes.ring.lock().behind(place.0, count)?;
        Some(Stretch { start: place, changes, missed: false })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.changes.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: Seq) -> Change {
        Change { seq, connection: ConnectionId::from_bits(1), attempt: 0 }
    }

    fn note(changes: &Changes, seqs: std::ops::Range<Seq>) {
        let mut noting = changes.noting().unwrap();
        seqs.for_each(|seq| noting.add(change(seq)));
    }

    fn seqs(stretch: &Stretch) -> Vec<Seq> {
        stretch.changes.iter().map(|change| change.seq).collect()
    }

    fn changes() -> Arc<Changes> {
        Arc::new(Changes::new(Timestamp::from_ms(1_790_000_000_000)))
    }

    #[test]
    fn nothing_is_noted_while_nobody_follows() {
        let changes = changes();
        assert!(changes.noting().is_none());
        let follower = changes.follow();
        assert!(changes.noting().is_some());
        drop(follower);
        assert!(changes.noting().is_none());
    }

    #[test]
    fn a_follower_reads_what_came_since_it_follows_once_and_in_order() {
        let changes = changes();
        let mut first = changes.follow();
        note(&changes, 0..3);
        let mut second = changes.follow();
        note(&changes, 3..5);
        assert_eq!(first.behind(), 5);
        let stretch = first.read(2);
        assert_eq!((seqs(&stretch), stretch.missed), (vec![0, 1], false));
        assert_eq!(stretch.placed().last(), Some((first.place(), change(1))));
        assert_eq!(seqs(&first.read(9)), [2, 3, 4]);
        assert_eq!(seqs(&second.read(9)), [3, 4]);
        assert_eq!(seqs(&first.read(9)), [0; 0]);
    }

    #[test]
    fn a_follower_that_fell_behind_is_told_and_goes_on_with_the_oldest_that_is_there() {
        let changes = changes();
        let mut follower = changes.follow();
        let kept = CHANGES_KEPT as u64;
        note(&changes, 0..kept);
        let whole = follower.since(follower.place(), 0).map(|stretch| stretch.missed);
        assert_eq!(whole, Some(false));
        note(&changes, kept..kept + 2);
        let stretch = follower.read(1);
        assert_eq!((seqs(&stretch), stretch.missed), (vec![2], true));
        assert!(!follower.read(1).missed);
        assert_eq!(follower.skip(), kept - 2);
        assert_eq!(seqs(&follower.read(1)), [0; 0]);
    }

    #[test]
    fn an_earlier_place_leads_on_for_as_long_as_what_came_behind_it_is_known() {
        let changes = changes();
        let mut follower = changes.follow();
        let begin = follower.place();
        note(&changes, 0..4);
        follower.read(3);
        assert_eq!(follower.since(begin, 9).map(|stretch| seqs(&stretch)), Some(vec![0, 1, 2]));
        assert_eq!(follower.since(Place(begin.0 + 2), 9).map(|stretch| seqs(&stretch)), Some(vec![2]));
        assert_eq!(follower.since(begin, 2), None, "more than was asked for");
        for unknown in [Place(0), Place(begin.0 - 1), Place(begin.0 + 4), Place(u64::MAX)] {
            assert_eq!(follower.since(unknown, 9), None, "{unknown:?}");
        }
        let place = follower.place();
        drop(follower);
        assert_eq!(changes.follow().since(place, 9), None, "nobody followed for a while");
        let later = Arc::new(Changes::new(Timestamp::from_ms(1_790_000_000_001))).follow();
        assert_eq!(later.since(place, 9), None, "another process");
    }
}
