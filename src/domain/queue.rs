//! The queue of one connection: CONTRIBUTING, decision 9. A window is in memory, the backlog in the store.
//!
//! Invariant: every pending event with a key at or below `loaded_to` is known: in the window, in flight, waiting with a
//! live timer, or leaving. An event leaves memory only when the store shows what became of it, so a reading that
//! began before can be recognised as stale. No clock and no I/O: inputs go in, then [`Queue::next`] is asked until it
//! has no more effects.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Seq, Timestamp};

/// Events in memory that wait for a slot: enough to keep 64 slots busy between two readings, small beside a backlog.
pub const WINDOW_EVENTS_MAX: usize = 512;
/// Below this many events that can start, the next stretch is read; also the least that a reading asks for.
pub const REFILL_EVENTS_MIN: usize = 64;
/// Offers kept while a reading is under way; beyond, the next reading finds them.
pub const HELD_OFFERS_MAX: usize = 256;
/// Live deliveries that wait for a retry; an actor each, about a kilobyte.
pub const WAITING_EVENTS_MAX: usize = 20_000;
/// A retry that is further away does not keep its delivery actor.
pub const WAITING_MS_MAX: u64 = 10_000;
/// Attempts at once when a pause ends; doubled by each [`Queue::tick`].
pub const RAMP_START: usize = 4;

/// The order of a queue: when an event became due, then its seq.
pub type Key = (Timestamp, Seq);

/// What the actor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<T> {
    /// Start a try. The item comes along when the event was not worked on before.
    Start(Seq, Option<T>),
    /// Read the store from there and answer with [`Queue::page`] or [`Queue::page_failed`].
    Refill {
        /// After this key.
        from: Option<Key>,
        /// At most this many events.
        limit: usize,
    },
    /// Ask again at this time, at the latest.
    WakeAt(Timestamp),
}

/// A reading of the store.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// By key.
    pub events: Vec<(Key, T)>,
    /// Whether more is due behind it.
    pub more: bool,
    /// Every event with a lower seq was visible to it.
    pub next_seq: Seq,
    /// The earliest due time in the future.
    pub next_due: Option<Timestamp>,
}

/// Where a known event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Window(Key),
    InFlight,
    Waiting,
    /// Done with here; forgotten when the store shows it. Where it is still pending, it comes back.
    Leaving(Option<Return>),
}

/// How an event that leaves while it is pending comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// It is ready: with the next reading.
    Ready(Key),
    /// It waits for its due time.
    Waiting(Key),
}

/// A reading under way.
#[derive(Debug)]
struct Refill<T> {
    /// It shows nothing at or before this key.
    from: Option<Key>,
    /// Events that left meanwhile: what the reading says of them is stale.
    changed: HashSet<Seq>,
    /// The lowest key that left for the store meanwhile.
    lowest: Option<Key>,
    /// Whether any of those is due, so that another reading must follow.
    lost: bool,
    /// Offers that came meanwhile.
    held: Vec<(Key, T)>,
}

/// The queue. `T` is what an event brings along.
#[derive(Debug)]
pub struct Queue<T> {
    limit: usize,
    paused: bool,
    /// Attempts at once while a pause is being made up for.
    ramp: Option<usize>,
    /// Slots taken by outcomes that the store could not take yet.
    stuck: usize,
    in_flight: usize,
    waiting: usize,
    places: HashMap<Seq, Place>,
    /// Sorted by key; without an item the event has its delivery already.
    window: VecDeque<(Key, Option<T>)>,
    loaded_to: Option<Key>,
    /// Whether the store may have pending events that are not known.
    behind: bool,
    /// The highest seq among offers that were missed.
    missed: Option<Seq>,
    /// Offers below it were seen, here or in a reading, if they stand behind `read_from`.
    next_seq: Seq,
    /// Where the last whole reading began. An event is dated before it is durable: one that was not there yet when
    /// the place before was read may have its own before that.
    read_from: Option<Key>,
    refill: Option<Refill<T>>,
    /// After a failed reading, until [`Queue::retry_refill`].
    refill_blocked: bool,
    /// When the earliest event that sleeps in the store is due.
    wake: Option<Timestamp>,
    /// What the actor was told last.
    armed: Option<Timestamp>,
}

impl<T> Queue<T> {
    /// A queue that knows nothing yet and therefore begins by reading.
    #[must_use]
    pub fn new(limit: usize, paused: bool) -> Self {
        Self {
            limit: limit.max(1),
            paused,
            ramp: None,
            stuck: 0,
            in_flight: 0,
            waiting: 0,
            places: HashMap::new(),
            window: VecDeque::new(),
            loaded_to: None,
            behind: true,
            missed: None,
            next_seq: 0,
            read_from: None,
            refill: None,
            refill_blocked: false,
            wake: None,
            armed: None,
        }
    }

    /// Attempts under way.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Events that wait for a slot.
    #[must_use]
    pub fn window_len(&self) -> usize {
        self.window.len()
    }

    /// Whether the store may have pending events that are not known.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether nothing starts.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a pause is being made up for.
    #[must_use]
    pub const fn is_ramping(&self) -> bool {
        self.ramp.is_some()
    }

    /// A new event, in rising order of seq.
    pub fn offer(&mut self, key: Key, item: T) {
        let was_read = key.1 < self.next_seq && Some(key) > self.read_from;
        // What was read is known until its outcome is durable, and offered before that.
        if was_read || self.places.contains_key(&key.1) {
            return;
        }
        match &mut self.refill {
            Some(refill) if refill.held.len() < HELD_OFFERS_MAX && !self.paused => refill.held.push((key, item)),
            Some(_) => self.miss(key, key.1),
            None if self.behind || self.paused || self.window.len() >= WINDOW_EVENTS_MAX => self.miss(key, key.1),
            None => {
                self.next_seq = self.next_seq.max(key.1 + 1);
                // Past the due time of one that sleeps in the store nothing can be said about what is loaded.
                if self.loaded_to.is_none_or(|to| key > to) && self.wake.is_none_or(|wake| key.0 < wake) {
                    self.loaded_to = Some(key);
                }
                self.insert(key, Some(item));
            }
        }
    }

    /// Offers that did not arrive: the lowest key and the highest seq among them.
    pub fn miss(&mut self, lowest: Key, highest: Seq) {
        self.missed = self.missed.max(Some(highest));
        self.lose(lowest);
    }

    /// The answer to [`Effect::Refill`].
    pub fn page(&mut self, page: Page<T>) {
        if self.paused {
            // What it found stays in the store.
            return self.drop_refill();
        }
        let Some(refill) = self.refill.take() else { return };
        for (key, item) in page.events {
            self.loaded_to = self.loaded_to.max(Some(key));
            if !self.places.contains_key(&key.1) && !refill.changed.contains(&key.1) {
                self.insert(key, Some(item));
            }
        }
        self.wake = earliest(self.wake, page.next_due);
        self.behind = page.more || refill.lost || self.missed >= Some(page.next_seq);
        if !self.behind {
            self.missed = None;
            self.next_seq = self.next_seq.max(page.next_seq);
            self.read_from = refill.from;
        }
        if let Some(lowest) = refill.lowest {
            self.fall(lowest);
        }
        // What left meanwhile is not what was offered any more.
        for (key, item) in refill.held.into_iter().filter(|(key, _)| !refill.changed.contains(&key.1)) {
            self.offer(key, item);
        }
        self.assert_sound();
    }

    /// The reading failed; the next one waits for [`retry_refill`](Self::retry_refill).
    pub fn page_failed(&mut self) {
        self.refill_blocked = true;
        self.drop_refill();
    }

    /// Nothing was learnt: what was due to be read still is.
    fn drop_refill(&mut self) {
        let Some(refill) = self.refill.take() else { return };
        self.behind = true;
        for (key, _) in refill.held {
            self.miss(key, key.1);
        }
    }

    /// Reading may be tried again.
    pub fn retry_refill(&mut self) {
        self.refill_blocked = false;
    }

    /// The try of an event has ended; it waits for what is said of it next, which must follow at once.
    pub fn ended(&mut self, seq: Seq) {
        self.set(seq, Place::Leaving(None));
    }

    /// A known event, or one that becomes known by this, wants a slot. `false` when there is no room: then it must leave.
    pub fn enqueue(&mut self, key: Key) -> bool {
        if self.window.len() >= WINDOW_EVENTS_MAX {
            return false;
        }
        self.remove_from_window(key.1);
        self.insert(key, None);
        true
    }

    /// An event wants to wait for its retry with a live timer. `false` when it must leave and come back.
    pub fn wait(&mut self, key: Key, now: Timestamp) -> bool {
        let live = key.0.ms_since(now) <= WAITING_MS_MAX && self.waiting < WAITING_EVENTS_MAX && !self.paused;
        if live {
            self.remove_from_window(key.1);
            self.set(key.1, Place::Waiting);
        }
        live
    }

    /// An event is done with here. It stays known until [`forget`](Self::forget).
    pub fn leave(&mut self, seq: Seq, back: Option<Return>) {
        self.remove_from_window(seq);
        self.set(seq, Place::Leaving(back));
    }

    /// The store shows all that became of an event that left; nothing happens to one that is needed again.
    pub fn forget(&mut self, seq: Seq, now: Timestamp) -> bool {
        let Some(Place::Leaving(back)) = self.places.get(&seq).copied() else { return false };
        self.places.remove(&seq);
        if let Some(refill) = &mut self.refill {
            refill.changed.insert(seq);
        }
        match back {
            Some(Return::Waiting(key)) if key.0 > now => self.sleep(key),
            Some(Return::Ready(key) | Return::Waiting(key)) => self.lose(key),
            None => {}
        }
        true
    }

    /// What memory knew of an event was wrong: it is forgotten, and read again where it is still pending.
    pub fn disown(&mut self, seq: Seq, key: Key, now: Timestamp) {
        self.leave(seq, Some(Return::Ready(key)));
        self.forget(seq, now);
    }

    /// Whether an event waits with a live timer.
    #[must_use]
    pub fn is_waiting(&self, seq: Seq) -> bool {
        self.places.get(&seq) == Some(&Place::Waiting)
    }

    /// What an event in the window brought along, when nobody works on it.
    #[must_use]
    pub fn peek(&self, seq: Seq) -> Option<&T> {
        let Some(Place::Window(key)) = self.places.get(&seq) else { return None };
        let at = self.window.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        self.window[at].1.as_ref()
    }

    /// Takes an event that nobody works on out of the window.
    pub fn take(&mut self, seq: Seq) -> Option<T> {
        let Some(Place::Window(key)) = self.places.get(&seq).copied() else { return None };
        let at = self.window.binary_search_by(|entry| entry.0.cmp(&key)).ok()?;
        self.window[at].1.as_ref()?;
        let (_, item) = self.window.remove(at)?;
        self.places.remove(&seq);
        item
    }

    /// Starts nothing more. What was not worked on is left to the store, so that it holds no memory.
    pub fn pause(&mut self) {
        self.paused = true;
        self.ramp = None;
        let window = std::mem::take(&mut self.window);
        for (key, item) in window {
            if item.is_some() {
                self.places.remove(&key.1);
                self.lose(key);
            } else {
                self.window.push_back((key, item));
            }
        }
    }

    /// Starts again, slowly at first: [`tick`](Self::tick) every second doubles what may be in flight.
    pub fn release(&mut self) {
        if self.paused {
            self.paused = false;
            self.ramp = Some(RAMP_START).filter(|ramp| *ramp < self.limit);
        }
    }

    /// A second of the ramp has passed.
    pub fn tick(&mut self) {
        self.ramp = self.ramp.map(|ramp| ramp * 2).filter(|ramp| *ramp < self.limit);
    }

    /// Slots that are taken by outcomes which the store has not made durable yet.
    pub fn set_stuck(&mut self, stuck: usize) {
        self.stuck = stuck;
    }

    /// The next effect, until there is none.
    pub fn next(&mut self, now: Timestamp) -> Option<Effect<T>> {
        if self.paused {
            return None;
        }
        if let Some(wake) = self.wake.filter(|wake| *wake <= now) {
            self.wake = None;
            self.armed = None;
            // Readings give ready events whatever their key, so one may lie behind those that slept until now.
            self.lose((wake, 0));
        }
        let slots = self.ramp.unwrap_or(self.limit).saturating_sub(self.stuck);
        if self.in_flight < slots && self.can_start(self.window.front().map(|front| front.0)) {
            let (key, item) = self.window.pop_front()?;
            self.set(key.1, Place::InFlight);
            self.assert_sound();
            return Some(Effect::Start(key.1, item));
        }
        if self.behind && self.refill.is_none() && !self.refill_blocked && self.startable() < REFILL_EVENTS_MIN {
            let from = self.loaded_to;
            self.refill = Some(Refill { from, changed: HashSet::new(), lowest: None, lost: false, held: Vec::new() });
            // The reading tells it anew.
            self.wake = None;
            let limit = WINDOW_EVENTS_MAX.saturating_sub(self.window.len()).max(REFILL_EVENTS_MIN);
            return Some(Effect::Refill { from, limit });
        }
        if self.wake != self.armed {
            self.armed = self.wake;
            return self.wake.map(Effect::WakeAt);
        }
        None
    }

    /// Whether an event may start: nothing with a lower key can be in the store unknown.
    fn can_start(&self, key: Option<Key>) -> bool {
        key.is_some() && (!self.behind || key <= self.loaded_to)
    }

    /// How many could start if there were slots.
    fn startable(&self) -> usize {
        if self.behind {
            self.window.partition_point(|entry| Some(entry.0) <= self.loaded_to)
        } else {
            self.window.len()
        }
    }

    /// A pending event is in the store and not known here.
    fn lose(&mut self, key: Key) {
        self.behind = true;
        if let Some(refill) = &mut self.refill {
            refill.lost = true;
        }
        self.fall(key);
    }

    /// As [`lose`](Self::lose), of one that is due later.
    fn sleep(&mut self, key: Key) {
        self.wake = earliest(self.wake, Some(key.0));
        self.fall(key);
    }

    fn fall(&mut self, key: Key) {
        if self.loaded_to >= Some(key) {
            self.loaded_to = Some(before(key));
        }
        if let Some(refill) = &mut self.refill {
            refill.lowest = Some(refill.lowest.map_or(key, |lowest| lowest.min(key)));
        }
    }

    fn insert(&mut self, key: Key, item: Option<T>) {
        self.set(key.1, Place::Window(key));
        match self.window.back() {
            Some(back) if back.0 > key => {
                let at = self.window.partition_point(|entry| entry.0 < key);
                self.window.insert(at, (key, item));
            }
            Some(_) | None => self.window.push_back((key, item)),
        }
    }

    fn remove_from_window(&mut self, seq: Seq) {
        if let Some(Place::Window(key)) = self.places.get(&seq)
            && let Ok(at) = self.window.binary_search_by(|entry| entry.0.cmp(key))
        {
            self.window.remove(at);
        }
    }

    /// The only place that counts.
    fn set(&mut self, seq: Seq, place: Place) {
        match self.places.insert(seq, place) {
            Some(Place::InFlight) => self.in_flight -= 1,
            Some(Place::Waiting) => self.waiting -= 1,
            Some(Place::Window(_) | Place::Leaving(_)) | None => {}
        }
        match place {
            Place::InFlight => self.in_flight += 1,
            Place::Waiting => self.waiting += 1,
            Place::Window(_) | Place::Leaving(_) => {}
        }
    }

    /// I5, and bounds.
    fn assert_sound(&self) {
        debug_assert!(self.in_flight <= self.limit, "I5: in flight within the limit");
        debug_assert!(self.window.len() <= WINDOW_EVENTS_MAX + REFILL_EVENTS_MIN + HELD_OFFERS_MAX);
    }
}

/// The last key before another.
fn before((due, seq): Key) -> Key {
    match seq.checked_sub(1) {
        Some(seq) => (due, seq),
        None => (due.minus_ms(1), Seq::MAX),
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, None) => a,
        (None, b) => b,
    }
}

#[cfg(test)]
mod tests;
