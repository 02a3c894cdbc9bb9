//! The model: every row in a map, and next to it a state with an overlay, kept as the feeder keeps them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use tempfile::TempDir;

use super::{
    super::{Asking, HeldAsk, PendingAsk, State},
    CACHE,
    steps::{Ask, START, Step, bulk, connection, destination, source},
};
use crate::{
    domain::{
        AttemptResult, AttemptSummary, AttemptTrigger, ConnectionId, ErrorCode, Event, EventId, EventStatus, Phase,
        RequestId, Seq, Standing, Timestamp, Unsent,
    },
    store::{
        Held,
        local::{
            RecordRef,
            backlog::Backlog,
            row::{Overlaid, RequestRef, Row, Slot, block_of, slot_of},
        },
        query::{EventFilter, EventKey, EventOrder, Histogram, PageRequest},
    },
};

pub(super) struct World {
    dir: TempDir,
    state: Option<State>,
    over: Overlaid,
    /// Every event there ever was; `None` when it is gone.
    all: BTreeMap<Seq, Option<Row>>,
    /// How many attempts are folded of those that are.
    folded: HashMap<Seq, usize>,
    next_seq: Seq,
    now: i64,
    requests: u128,
    offset: u64,
    /// Of each connection.
    generations: [u32; 4],
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = Some(State::open(dir.path(), CACHE).unwrap());
        let (over, all, folded) = (Overlaid::new(), BTreeMap::new(), HashMap::new());
        Self { dir, state, over, all, folded, next_seq: 0, now: START, requests: 0, offset: 64, generations: [0; 4] }
    }

    pub(super) fn state(&self) -> &State {
        self.state.as_ref().unwrap()
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn close(self) -> TempDir {
        drop(self.state);
        self.dir
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (Seq, Row)> + '_ {
        self.all.iter().filter_map(|(seq, row)| row.clone().map(|row| (*seq, row)))
    }

    /// What a paused or cut connection makes of its events.
    pub(super) fn generation(&self, id: ConnectionId) -> u32 {
        (0..4).find(|number| connection(*number) == id).map_or(0, |number| self.generations[usize::from(number)])
    }

    fn place(&mut self) -> Option<RecordRef> {
        self.offset += 1000 + self.offset % 977;
        Some(RecordRef { segment: self.offset >> 16, offset: self.offset & 0xffff })
    }

    fn pick(&self, which: u16) -> Option<Seq> {
        let seqs: Vec<Seq> = self.rows().map(|(seq, _)| seq).collect();
        seqs.get(usize::from(which).checked_rem(seqs.len())?).copied()
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Accept { after_ms, skip, fan_out, of } => self.accept(after_ms, skip, fan_out, of),
            Step::Change { which, to, after_ms, tries } => {
                if let Some(seq) = self.pick(which) {
                    self.change(seq, to, after_ms, tries);
                }
            }
            Step::Cut { on } => self.generations[usize::from(on)] += 1,
            Step::Expire { which } => {
                if let Some(seq) = self.pick(which) {
                    self.all.insert(seq, None);
                    self.lay_over(seq, Slot::Gone);
                }
            }
            Step::Fold { which } => {
                if let Some(seq) = self.pick(which) {
                    self.fold(block_of(seq));
                }
            }
            Step::FoldAll => {
                let blocks: Vec<u64> = self.over.keys().copied().collect();
                blocks.into_iter().for_each(|block| self.fold(block));
            }
            Step::Reopen => {
                drop(self.state.take());
                self.state = Some(State::open(self.dir.path(), CACHE).unwrap());
            }
            Step::Truncate { which } => {
                if let Some(seq) = self.pick(which) {
                    self.truncate(seq);
                }
            }
        }
    }

    fn accept(&mut self, after_ms: u16, skip: u16, fan_out: u8, of: u8) {
        self.now += i64::from(after_ms);
        self.next_seq += u64::from(skip);
        self.requests += 1;
        let drawn = Timestamp::from_ms(self.now - i64::from(after_ms % 7));
        let request_id = RequestId::from_parts(drawn, self.requests * 0x1234_5678_9abc_def1_2345);
        let body_bytes = u32::from(after_ms) * 3;
        let request_at = self.place().map(|at| RequestRef { at, body_bytes });
        let created_at = Timestamp::from_ms(self.now);
        for index in 0..u16::from(fan_out) {
            let on = (of + u8::try_from(index).unwrap()) % 3;
            let event = Event {
                seq: self.next_seq,
                request_id,
                index,
                connection_id: connection(on),
                source_id: source(of),
                destination_id: destination(on),
                created_at,
                version: 0,
                phase: Phase::Ready { due_at: created_at, trigger: AttemptTrigger::Initial, automatic_due: None },
                generation: self.generations[usize::from(on)],
                automatic_used: 0,
                bulk_id: None,
                deleted_at: None,
                attempts: vec![],
            };
            let row = Row { event, request_at, attempts_at: vec![] };
            self.all.insert(self.next_seq, Some(row.clone()));
            self.lay_over(self.next_seq, Slot::Row(row.into()));
            self.next_seq += 1;
        }
    }

    fn change(&mut self, seq: Seq, to: u8, after_ms: u32, tries: u8) {
        let mut row = self.all[&seq].clone().unwrap();
        let at = row.event.created_at.plus_ms(after_ms.into());
        for number in 0..tries {
            let result = match (to / 5 + number) % 4 {
                0 => AttemptResult::Answered { status: 200 },
                1 => AttemptResult::Answered { status: 404 },
                2 => AttemptResult::Failed { error: ErrorCode::Timeout, status: None },
                _ => AttemptResult::Failed { error: ErrorCode::SocketClosed, status: Some(503) },
            };
            let trigger = if number == 0 { AttemptTrigger::Initial } else { AttemptTrigger::Automatic };
            let latency_ms = u32::from(to) * 3;
            row.event.attempts.push(AttemptSummary {
                trigger,
                resumed: latency_ms % 2 == 0,
                status: crate::domain::AttemptStatus::Failed,
                started_at: at,
                latency_ms,
                result,
            });
            let place = self.place();
            row.attempts_at.push(place);
        }
        let automatic_due = (to > 128).then(|| at.plus_ms(77));
        row.event.phase = match to % 6 {
            0 => Phase::Ready { due_at: at, trigger: AttemptTrigger::Manual, automatic_due },
            1 => Phase::Waiting { due_at: at.plus_ms(u64::from(to) * 8) },
            2 => Phase::Waiting { due_at: row.event.created_at },
            3 => Phase::Successful,
            4 => Phase::Failed,
            _ => Phase::Cancelled {
                unsent: (to > 200).then_some(Unsent { trigger: AttemptTrigger::BulkRetry, due_at: at.plus_ms(9) }),
            },
        };
        // Somebody asked for it again, or it is as it was.
        if to.is_multiple_of(6) {
            row.event.generation = self.generation(row.event.connection_id);
        }
        if to.is_multiple_of(5) {
            row.event.bulk_id = Some(bulk(to % 3));
        }
        if to % 17 == 5 {
            row.event.deleted_at = Some(at);
        }
        row.event.version += 1;
        row.event.automatic_used += u32::from(tries / 2);
        self.all.insert(seq, Some(row.clone()));
        // The writer does not know where records of folded events lie.
        if let Some(folded) = self.folded.get(&seq) {
            row.request_at = None;
            row.attempts_at.iter_mut().take(*folded).for_each(|at| *at = None);
        }
        self.lay_over(seq, Slot::Row(row.into()));
    }

    fn lay_over(&mut self, seq: Seq, slot: Slot) {
        Arc::make_mut(self.over.entry(block_of(seq)).or_default()).insert(slot_of(seq), slot);
    }

    fn fold(&mut self, block: u64) {
        let Some(slots) = self.over.remove(&block) else { return };
        self.state().write_block(block, &slots).unwrap();
        for slot in slots.keys() {
            let seq = block * 1024 + u64::from(*slot);
            match self.all[&seq].as_ref().map(|row| row.attempts_at.len()) {
                Some(attempts) => self.folded.insert(seq, attempts),
                None => self.folded.remove(&seq),
            };
        }
    }

    fn truncate(&mut self, next_seq: Seq) {
        self.state().truncate_after(next_seq).unwrap();
        for (seq, row) in self.all.clone().range(next_seq..) {
            self.folded.remove(seq);
            self.lay_over(*seq, row.clone().map_or(Slot::Gone, |row| Slot::Row(row.into())));
        }
    }

    pub(super) fn check(&self, ask: &Ask) {
        let paused = |id: ConnectionId| ask.paused.iter().any(|number| connection(*number) == id);
        let standing = |id: ConnectionId| Standing { paused: paused(id), generation: self.generation(id) };
        let filter = self.filter(ask);
        let asking = Asking { filter: &filter, standing: &standing, now: ask.now };
        let matching: Vec<Event> = self
            .rows()
            .map(|(_, row)| row.event)
            .filter(|event| filter.matches(event, standing(event.connection_id), ask.now))
            .collect();
        self.check_pages(&asking, ask.limit, &matching);
        assert_eq!(self.state().count(&self.over, &asking).unwrap(), matching.len() as u64, "count of {ask:?}");
        let shape =
            Histogram { start: ask.now.minus_ms(ask.bucket_ms * 2), bucket_ms: ask.bucket_ms, buckets: ask.buckets };
        let mut buckets = vec![0; shape.buckets];
        matching.iter().filter_map(|event| shape.bucket_of(event.created_at)).for_each(|bucket| buckets[bucket] += 1);
        assert_eq!(self.state().histogram(&self.over, &asking, shape).unwrap(), buckets, "histogram of {ask:?}");
        (0..4).for_each(|number| self.check_pending(connection(number), ask));
        (0..4).for_each(|number| self.check_held(connection(number), ask.now));
        self.check_lookups();
    }

    /// What is asked, with the ids it names.
    fn filter(&self, ask: &Ask) -> EventFilter {
        let events: Vec<Event> = self.rows().map(|(_, row)| row.event).collect();
        let none = (EventId::from_bits(7), RequestId::from_bits(7));
        let pick = |which: &u16| {
            let place = usize::from(*which) % (events.len() + 1);
            events.get(place).map_or(none, |event| (event.id(), event.request_id))
        };
        EventFilter {
            ids: ask.ids.iter().map(|which| pick(which).0).collect(),
            requests: ask.requests.iter().map(|which| pick(which).1).collect(),
            ..ask.filter.clone()
        }
    }

    fn check_pages(&self, asking: &Asking<'_>, limit: usize, matching: &[Event]) {
        for (order, descending) in [
            (EventOrder::Created, false),
            (EventOrder::Created, true),
            (EventOrder::LastAttempt, false),
            (EventOrder::LastAttempt, true),
        ] {
            let (mut after, mut shown) = (None, Vec::new());
            loop {
                let page = PageRequest { order, descending, after, limit };
                let page = self.state().page(&self.over, asking, &page).unwrap();
                shown.extend(page.0.into_iter().map(|row| row.event));
                assert_eq!(page.1, shown.len() < matching.len(), "whether more follow");
                if !page.1 {
                    break;
                }
                after = shown.last().map(EventKey::of);
            }
            let mut expected = matching.to_vec();
            if order == EventOrder::LastAttempt {
                expected.sort_by_key(EventKey::of);
            }
            if descending {
                expected.reverse();
            }
            assert_eq!(shown, expected, "all pages by {order:?} of {:?}", asking.filter);
        }
    }

    fn check_pending(&self, connection: ConnectionId, ask: &Ask) {
        let due_before = ask.now;
        let generation = self.generation(connection);
        let is_ours = |event: &Event| event.connection_id == connection && event.generation == generation;
        let ours = || self.rows().map(|(_, row)| row).filter(|row| is_ours(&row.event));
        let backlog = Backlog::of(&self.over);
        let later = |row: &Row| match row.event.phase {
            Phase::Waiting { due_at } if due_at > due_before => Some(due_at),
            _ => None,
        };
        let mut expected: Vec<Row> =
            ours().filter(|row| row.event.queue_key().is_some() && later(row).is_none()).collect();
        expected.sort_by_key(|row| row.event.queue_key());
        let (mut from, mut shown) = (None, Vec::new());
        loop {
            let asked = PendingAsk { connection, generation, due_before, from, limit: ask.limit };
            let page = self.state().pending(&self.over, backlog.stretch(&asked), &asked).unwrap();
            assert_eq!(page.next_due, ours().filter_map(|row| later(&row)).min(), "the next due time");
            shown.extend(page.rows);
            assert_eq!(page.more, shown.len() < expected.len(), "whether more are due");
            if !page.more {
                break;
            }
            from = shown.last().unwrap().event.queue_key();
        }
        assert_eq!(shown, expected, "the queue");
    }

    fn check_held(&self, connection: ConnectionId, now: Timestamp) {
        let generation = self.generation(connection);
        let standing = Standing { paused: true, generation };
        let is_held =
            |event: &Event| event.connection_id == connection && event.status(standing, now) == EventStatus::Hold;
        let rows: Vec<Row> = self.rows().map(|(_, row)| row).filter(|row| is_held(&row.event)).collect();
        let expected = Held {
            events: rows.len() as u64,
            body_bytes: rows.iter().filter_map(|row| row.request_at).map(|request| u64::from(request.body_bytes)).sum(),
            oldest_at: rows.iter().map(|row| row.event.created_at).min(),
        };
        assert_eq!(self.state().held(&self.over, &HeldAsk { connection, generation, now }).unwrap(), expected);
    }

    fn check_lookups(&self) {
        let state = self.state();
        let mut requests = BTreeMap::<RequestId, Vec<Row>>::new();
        for (seq, row) in &self.all {
            assert_eq!(&state.row(*seq, &self.over).unwrap(), row, "row {seq}");
            let Some(row) = row else { continue };
            let (id, tries) = (row.event.id(), u32::try_from(row.event.attempts.len()).unwrap());
            assert_eq!(state.find_event(id, &self.over).unwrap().as_ref(), Some(row));
            let next = state.find_attempt(id.attempt(tries + 1), &self.over).unwrap();
            assert_eq!(next, Some((row.clone(), tries + 1)));
            assert_eq!(state.find_attempt(id.attempt(tries + 2), &self.over).unwrap(), None);
            if tries > 0 {
                let found = state.find_attempt(id.attempt(tries), &self.over).unwrap();
                assert_eq!(found, Some((row.clone(), tries)));
            }
            requests.entry(row.event.request_id).or_default().push(row.clone());
            if self.over.get(&block_of(*seq)).is_none_or(|over| !over.contains_key(&slot_of(*seq))) {
                assert_eq!(state.version(*seq).unwrap(), Some(row.event.version));
            }
        }
        for (id, rows) in requests {
            assert_eq!(state.find_request(id, &self.over).unwrap(), rows);
        }
        for block in self.all.keys().map(|seq| block_of(*seq)).collect::<std::collections::BTreeSet<_>>() {
            let rows: Vec<Row> = self.rows().filter(|(seq, _)| block_of(*seq) == block).map(|(_, row)| row).collect();
            let slots = state.read_block(block, &self.over).unwrap();
            let read = slots.into_values().filter_map(|slot| match slot {
                Slot::Row(row) => Some(Row::clone(&row)),
                Slot::Gone => None,
            });
            assert_eq!(read.collect::<Vec<_>>(), rows, "block {block}");
        }
        let folded = self.folded.len() as u64;
        let blocks = state.blocks(&|_| Standing::default());
        assert_eq!(blocks.iter().map(|block| block.live).sum::<u64>(), folded);
    }
}
