//! The queue against a model of the store whose changes show up late, whose hints get lost and whose answers are stale.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 3;

fn ts(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

/// What the store has of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Ready(Timestamp),
    Waiting(Timestamp),
    Done,
}

#[derive(Debug, Clone)]
enum Act {
    /// A new event; whether its offer arrives, and how long before it was dated.
    Commit(bool, u64),
    /// The oldest offer arrives.
    Hear,
    /// The reading that was asked for happens, and later its answer arrives.
    Read,
    Answer(bool),
    /// The first in flight ends; a delay means a retry.
    End(Option<u64>),
    /// The oldest outcome becomes visible.
    Confirm,
    /// The earliest live timer fires.
    Timer,
    /// One that is settled is asked for again.
    Retry,
    /// The newest one that nobody works on is given up, wherever it is.
    Cancel,
    Pause,
    Release,
    Tick,
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (prop::bool::weighted(0.7), 0u64..100).prop_map(|(offered, ago)| Act::Commit(offered, ago)),
        6 => Just(Act::Hear),
        5 => Just(Act::Read),
        5 => prop::bool::weighted(0.9).prop_map(Act::Answer),
        6 => prop::option::weighted(0.4, prop_oneof![0u64..50, 5_000u64..40_000]).prop_map(Act::End),
        6 => Just(Act::Confirm),
        2 => Just(Act::Timer),
        1 => Just(Act::Retry),
        2 => Just(Act::Cancel),
        1 => Just(Act::Pause),
        2 => Just(Act::Release),
        1 => Just(Act::Tick),
        3 => (0u64..8_000).prop_map(Act::Pass),
    ]
}

struct World {
    queue: Queue<()>,
    now: Timestamp,
    /// What reads show.
    visible: BTreeMap<Seq, Row>,
    /// What is true.
    truth: BTreeMap<Seq, Row>,
    /// Offers on their way, oldest first.
    offers: VecDeque<Key>,
    last_at: Timestamp,
    /// Outcomes on their way, oldest first.
    records: VecDeque<(Seq, Row)>,
    in_flight: Vec<Seq>,
    timers: BTreeMap<Seq, Timestamp>,
    asked: Option<(Option<Key>, usize)>,
    read: Option<Page<()>>,
    starts: Vec<Key>,
    page_events_max: usize,
}

impl World {
    fn new(page_events_max: usize) -> Self {
        Self {
            queue: Queue::new(LIMIT, false),
            now: ts(1_000_000),
            visible: BTreeMap::new(),
            truth: BTreeMap::new(),
            offers: VecDeque::new(),
            last_at: ts(0),
            records: VecDeque::new(),
            in_flight: Vec::new(),
            timers: BTreeMap::new(),
            asked: None,
            read: None,
            starts: Vec::new(),
            page_events_max,
        }
    }

    fn read(&mut self) {
        let Some((from, limit)) = self.asked.take() else { return };
        let mut keys: Vec<Key> = self
            .visible
            .iter()
            .filter_map(|(seq, row)| match row {
                Row::Ready(due) => Some((*due, *seq)),
                Row::Waiting(due) if *due <= self.now => Some((*due, *seq)),
                Row::Waiting(_) | Row::Done => None,
            })
            .filter(|key| Some(*key) > from)
            .collect();
        keys.sort_unstable();
        let limit = limit.min(self.page_events_max);
        let more = keys.len() > limit;
        keys.truncate(limit);
        let later = |row: &Row| match row {
            Row::Waiting(due) if *due > self.now => Some(*due),
            Row::Waiting(_) | Row::Ready(_) | Row::Done => None,
        };
        self.read = Some(Page {
            events: keys.into_iter().map(|key| (key, ())).collect(),
            more,
            next_seq: self.visible.len() as Seq,
            next_due: self.visible.values().filter_map(later).min(),
        });
    }

    fn answer(&mut self, well: bool) {
        match self.read.take() {
            Some(page) if well => self.queue.page(page),
            Some(_) => {
                self.queue.page_failed();
                self.queue.retry_refill();
            }
            None => {}
        }
    }

    fn record(&mut self, seq: Seq, row: Row) {
        self.truth.insert(seq, row);
        self.records.push_back((seq, row));
    }

    fn end(&mut self, retry: Option<u64>) {
        if self.in_flight.is_empty() {
            return;
        }
        let seq = self.in_flight.remove(0);
        self.queue.ended(seq);
        match retry.map(|delay| self.now.plus_ms(delay)) {
            Some(due) => {
                self.record(seq, Row::Waiting(due));
                if self.queue.wait((due, seq), self.now) {
                    self.timers.insert(seq, due);
                } else {
                    self.queue.leave(seq, Some(Return::Waiting((due, seq))));
                }
            }
            None => {
                self.record(seq, Row::Done);
                self.queue.leave(seq, None);
            }
        }
    }

    fn hear(&mut self) {
        if let Some(key) = self.offers.pop_front() {
            self.queue.offer(key, ());
        }
    }

    fn confirm(&mut self) {
        let Some((seq, row)) = self.records.pop_front() else { return };
        // Whoever makes it durable has sent the offer before.
        while self.offers.front().is_some_and(|offer| offer.1 <= seq) {
            self.hear();
        }
        self.visible.insert(seq, row);
        if self.records.iter().all(|(other, _)| *other != seq) {
            self.queue.forget(seq, self.now);
        }
    }

    fn timer(&mut self) {
        let Some((seq, due)) = self.timers.iter().map(|(seq, due)| (*seq, *due)).min_by_key(|(_, due)| *due) else {
            return;
        };
        if due > self.now {
            return;
        }
        self.timers.remove(&seq);
        if !self.queue.enqueue((due, seq)) {
            self.queue.leave(seq, Some(Return::Waiting((due, seq))));
            if self.records.iter().all(|(other, _)| *other != seq) {
                self.queue.forget(seq, self.now);
            }
        }
    }

    fn retry(&mut self) {
        let Some(seq) = self.truth.iter().find(|(_, row)| **row == Row::Done).map(|(seq, _)| *seq) else { return };
        self.record(seq, Row::Ready(self.now));
        if !self.queue.is_paused() && self.queue.enqueue((self.now, seq)) {
            return;
        }
        self.queue.leave(seq, Some(Return::Ready((self.now, seq))));
    }

    fn cancel(&mut self) {
        let idle = |seq: &Seq| !self.in_flight.contains(seq);
        let pending = self.truth.iter().rev().find(|(seq, row)| **row != Row::Done && idle(seq));
        let Some(seq) = pending.map(|(seq, _)| *seq) else { return };
        self.timers.remove(&seq);
        self.record(seq, Row::Done);
        self.queue.leave(seq, None);
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match act {
            Act::Commit(offered, ago) => {
                let seq = self.visible.len() as Seq;
                let at = self.last_at.max(self.now.minus_ms(*ago));
                self.last_at = at;
                self.visible.insert(seq, Row::Ready(at));
                self.truth.insert(seq, Row::Ready(at));
                if *offered {
                    self.offers.push_back((at, seq));
                } else {
                    self.queue.miss((at, seq), seq);
                }
            }
            Act::Hear => self.hear(),
            Act::Read => self.read(),
            Act::Answer(well) => self.answer(*well),
            Act::End(retry) => self.end(*retry),
            Act::Confirm => self.confirm(),
            Act::Timer => self.timer(),
            Act::Retry => self.retry(),
            Act::Cancel => self.cancel(),
            Act::Pause => self.queue.pause(),
            Act::Release => self.queue.release(),
            Act::Tick => self.queue.tick(),
            Act::Pass(ms) => self.now = self.now.plus_ms(*ms),
        }
        self.perform()
    }

    fn perform(&mut self) -> Result<(), TestCaseError> {
        while let Some(effect) = self.queue.next(self.now) {
            match effect {
                Effect::Start(seq, _) => {
                    prop_assert!(!self.queue.is_paused(), "started {seq} while paused");
                    prop_assert!(!self.in_flight.contains(&seq), "{seq} started twice");
                    let key = match self.truth[&seq] {
                        Row::Ready(due) => (due, seq),
                        Row::Waiting(due) => {
                            prop_assert!(due <= self.now, "{seq} is early");
                            (due, seq)
                        }
                        Row::Done => return Err(TestCaseError::fail(format!("{seq} was done already"))),
                    };
                    self.timers.remove(&seq);
                    self.starts.push(key);
                    self.in_flight.push(seq);
                    prop_assert!(self.in_flight.len() <= LIMIT, "beyond the limit");
                }
                Effect::Refill { from, limit } => {
                    prop_assert!(self.asked.is_none() && self.read.is_none(), "one reading at a time");
                    self.asked = Some((from, limit));
                }
                Effect::WakeAt(at) => prop_assert!(at > self.now),
            }
        }
        Ok(())
    }

    /// Lets everything come to its end.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        self.act(&Act::Release)?;
        for _ in 0..2_000 {
            self.act(&Act::Tick)?;
            self.act(&Act::Hear)?;
            self.act(&Act::Read)?;
            self.act(&Act::Answer(true))?;
            self.act(&Act::Confirm)?;
            self.act(&Act::Timer)?;
            self.act(&Act::End(None))?;
            self.act(&Act::Pass(1_000))?;
        }
        let left: Vec<_> = self.truth.iter().filter(|(_, row)| **row != Row::Done).collect();
        prop_assert!(left.is_empty(), "forgotten: {left:?} by {:?}", self.queue);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_forgotten_started_twice_or_started_while_paused(
        acts in prop::collection::vec(act(), 0..150), page in 1usize..6,
    ) {
        let mut world = World::new(page);
        for act in &acts {
            world.act(act)?;
        }
        world.settle()?;
    }

    #[test]
    fn where_nothing_is_missed_starts_are_in_order(ends in prop::collection::vec(0u64..3, 1..200)) {
        let mut world = World::new(64);
        world.perform()?;
        world.act(&Act::Read)?;
        world.act(&Act::Answer(true))?;
        for pass in ends {
            world.act(&Act::Commit(true, 0))?;
            world.act(&Act::Hear)?;
            world.act(&Act::Pass(pass))?;
            if pass == 0 {
                world.act(&Act::End(None))?;
                world.act(&Act::Confirm)?;
            }
        }
        world.settle()?;
        prop_assert!(world.starts.is_sorted(), "{:?}", world.starts);
    }
}

#[test]
fn a_released_queue_ramps_up() {
    let mut queue: Queue<()> = Queue::new(64, true);
    queue.release();
    assert!(matches!(queue.next(ts(0)), Some(Effect::Refill { .. })));
    let events = (0..200).map(|seq| ((ts(0), seq), ())).collect();
    queue.page(Page { events, more: false, next_seq: 200, next_due: None });
    let mut reached = Vec::new();
    for _ in 0..6 {
        while queue.next(ts(0)).is_some() {}
        reached.push(queue.in_flight());
        queue.tick();
    }
    assert_eq!(reached, [4, 8, 16, 32, 64, 64]);
    assert!(!queue.is_ramping());
}

#[test]
fn a_pause_leaves_the_window_to_the_store() {
    let mut queue: Queue<()> = Queue::new(1, false);
    assert!(matches!(queue.next(ts(0)), Some(Effect::Refill { .. })));
    queue.page(Page { events: vec![], more: false, next_seq: 0, next_due: None });
    for seq in 0..10 {
        queue.offer((ts(1), seq), ());
    }
    assert_eq!(queue.next(ts(1)), Some(Effect::Start(0, Some(()))));
    queue.pause();
    assert_eq!((queue.window_len(), queue.is_behind(), queue.next(ts(1))), (0, true, None));
    queue.release();
    assert_eq!(queue.next(ts(1)), Some(Effect::Refill { from: Some((ts(1), 0)), limit: WINDOW_EVENTS_MAX }));
}

#[test]
fn what_was_cancelled_while_its_offer_was_held_back_by_a_reading_is_not_started() {
    let mut queue: Queue<()> = Queue::new(4, false);
    assert!(matches!(queue.next(ts(0)), Some(Effect::Refill { .. })));
    for seq in 0..3 {
        queue.offer((ts(0), seq), ());
    }
    // One is given up durably before the answer comes, of the next the record is still on its way.
    queue.leave(0, None);
    assert!(queue.forget(0, ts(0)));
    queue.leave(1, None);
    queue.page(Page { events: vec![], more: false, next_seq: 0, next_due: None });
    assert_eq!(queue.next(ts(0)), Some(Effect::Start(2, Some(()))));
    assert_eq!(queue.next(ts(0)), None);
    assert!(queue.forget(1, ts(0)), "it has not become anything else");
}

#[test]
fn an_offer_of_what_a_reading_brought_already_is_not_started_twice() {
    let mut queue: Queue<()> = Queue::new(4, false);
    assert!(matches!(queue.next(ts(0)), Some(Effect::Refill { .. })));
    queue.offer((ts(0), 0), ());
    // The reading saw more than it vouches for.
    queue.page(Page { events: vec![((ts(0), 0), ()), ((ts(0), 1), ())], more: false, next_seq: 0, next_due: None });
    queue.offer((ts(0), 1), ());
    assert_eq!(queue.next(ts(0)), Some(Effect::Start(0, Some(()))));
    assert_eq!(queue.next(ts(0)), Some(Effect::Start(1, Some(()))));
    assert_eq!((queue.next(ts(0)), queue.window_len()), (None, 0));
}

#[test]
fn an_event_that_was_dated_before_what_a_reading_began_behind_is_not_forgotten() {
    let mut queue: Queue<()> = Queue::new(1, false);
    assert!(matches!(queue.next(ts(10)), Some(Effect::Refill { .. })));
    // A retry that was due just now; whatever was dated before and is not durable yet comes as an offer.
    queue.page(Page { events: vec![((ts(10), 0), ())], more: true, next_seq: 1, next_due: None });
    assert_eq!(queue.next(ts(10)), Some(Effect::Start(0, Some(()))));
    assert!(matches!(queue.next(ts(10)), Some(Effect::Refill { from: Some((_, 0)), .. })));
    queue.offer((ts(9), 1), ());
    queue.page(Page { events: vec![], more: false, next_seq: 3, next_due: None });
    // One that arrives later still.
    queue.offer((ts(9), 2), ());
    assert_eq!(queue.window_len(), 2);
}
