//! What the memory store holds, and every decision and answer it gives, under the store's lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use super::{documents::Documents, requests::Requests};
use crate::{
    domain::{
        AttemptId, AttemptRecord, ConfigItem, Configuration, ConnectionId, Document, Event, EventId, Phase, Request,
        RequestId, Seq, Timestamp,
    },
    store::{
        Accepted, Change, Changes, CommitListener, DocumentChange, EventFilter, EventKey, EventOrder, EventPage, Held,
        KeptEvent, NewRequest, Offer, PageRequest, PayloadRef, PendingPage, StoreError, StoreStats, StoredAttempt,
        Tally, TallyAsk, Transition,
    },
};

/// Requests whose ids are remembered, so that the same one again is answered as before: the contract's number.
const RECENT_REQUESTS: usize = 65_536;

/// An event with what belongs to it.
pub(super) struct Kept {
    event: Event,
    payload_ref: PayloadRef,
    /// Details of its attempts, in their order.
    records: Vec<Option<AttemptRecord>>,
}

/// The answers to the last requests.
#[derive(Default)]
struct Recent {
    answers: HashMap<RequestId, Accepted>,
    order: VecDeque<RequestId>,
}

impl Recent {
    fn remember(&mut self, id: RequestId, answer: Accepted) {
        if self.order.len() == RECENT_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.order.push_back(id);
        self.answers.insert(id, answer);
    }
}

/// Everything. `seq` is the place in `events`.
#[derive(Default)]
pub(super) struct State {
    configuration: Arc<Configuration>,
    pub(super) requests: Requests,
    pub(super) documents: Documents,
    events: Vec<Kept>,
    ids: BTreeMap<EventId, Seq>,
    /// The queues: what is pending, by connection, due time and seq.
    queues: BTreeSet<(ConnectionId, Timestamp, Seq)>,
    /// The latest `created_at` given.
    last_at: Timestamp,
    recent: Recent,
    resumes: bool,
    /// Whether nothing is in flight; `None` until somebody has said so.
    idle: Option<bool>,
    closed: bool,
    listener: Option<Arc<dyn CommitListener>>,
    untold: VecDeque<(ConnectionId, Vec<Offer>)>,
    telling: bool,
}

impl State {
    pub(super) fn open(&self) -> Result<(), StoreError> {
        if self.closed { Err(StoreError::Closed) } else { Ok(()) }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Takes everything that outlives a process, and leaves a closed store that only knows its configuration.
    pub(super) fn hand_over(&mut self) -> Self {
        let left = Self { configuration: Arc::clone(&self.configuration), closed: true, ..Self::default() };
        let ended_in_order = self.closed;
        let all = std::mem::replace(self, left);
        Self {
            configuration: all.configuration,
            requests: all.requests,
            documents: all.documents,
            events: all.events,
            ids: all.ids,
            queues: all.queues,
            last_at: all.last_at,
            resumes: !ended_in_order || !all.idle.unwrap_or(!all.resumes),
            ..Self::default()
        }
    }

    pub(super) fn resumes(&self) -> bool {
        self.resumes
    }

    pub(super) fn set_idle(&mut self, idle: bool) {
        self.idle = Some(idle);
    }

    pub(super) fn accept(
        &mut self,
        new: &NewRequest,
        now: Timestamp,
        changes: &Changes,
    ) -> Result<Accepted, StoreError> {
        self.open()?;
        // Further events of a request are no repetition of it: the documents that come with them tell those.
        let is_new = new.first_index == 0;
        if let Some(answer) = self.recent.answers.get(&new.request.id).filter(|_| is_new) {
            return Ok(answer.clone());
        }
        if let Some(at) = self.documents.erased(new.request.id).filter(|_| !is_new) {
            return Err(StoreError::Erased { at });
        }
        self.documents.change(put_all(new.documents.clone()))?;
        self.last_at = self.last_at.max(now);
        let answer = Accepted {
            created_at: self.last_at,
            first_seq: self.next_seq(),
            events: u32::try_from(new.routes.len()).unwrap_or(u32::MAX),
        };
        let payload_ref = self.requests.push(new, answer.created_at);
        let mut offers: Vec<(ConnectionId, Vec<Offer>)> = Vec::new();
        let mut noting = changes.noting();
        for (index, route) in (new.first_index..).zip(&new.routes) {
            let from = (new.request.id, new.request.source_id);
            let event = Event::accepted(from, index, *route, self.next_seq(), answer.created_at);
            self.ids.insert(event.id(), event.seq);
            self.queues.insert((event.connection_id, answer.created_at, event.seq));
            let offer = Offer {
                event: event.clone(),
                request: new.body_permit.as_ref().map(|_| Arc::clone(&new.request)),
                payload_ref,
                body_permit: new.body_permit.clone(),
            };
            match offers.iter_mut().find(|(connection, _)| *connection == event.connection_id) {
                Some((_, same)) => same.push(offer),
                None => offers.push((event.connection_id, vec![offer])),
            }
            if let Some(noting) = &mut noting {
                noting.add(Change::of(&event, false));
            }
            self.events.push(Kept { event, payload_ref, records: Vec::new() });
        }
        if self.listener.is_some() {
            self.untold.extend(offers);
        }
        if is_new {
            self.recent.remember(new.request.id, answer.clone());
        }
        Ok(answer)
    }

    pub(super) fn record(&mut self, transition: Transition, changes: &Changes) -> Result<(), StoreError> {
        self.open()?;
        let Transition { event, attempt } = transition;
        let kept = usize::try_from(event.seq)
            .ok()
            .and_then(|place| self.events.get_mut(place))
            .filter(|kept| kept.event.id() == event.id())
            .ok_or(StoreError::NotFound)?;
        if kept.event.version.checked_add(1) != Some(event.version) {
            return Err(StoreError::Stale { seq: event.seq, stored: kept.event.version, given: event.version });
        }
        if let Some((due, seq)) = kept.event.queue_key() {
            self.queues.remove(&(kept.event.connection_id, due, seq));
        }
        if let Some((due, seq)) = event.queue_key() {
            self.queues.insert((event.connection_id, due, seq));
        }
        if let Some(mut noting) = changes.noting() {
            noting.add(Change::of(&event, attempt.is_some()));
        }
        kept.records.resize(event.attempts.len(), None);
        if let Some(last) = kept.records.last_mut()
            && attempt.is_some()
        {
            *last = attempt;
        }
        kept.event = event;
        Ok(())
    }

    pub(super) fn put_config(
        &mut self,
        items: Vec<ConfigItem>,
        documents: Vec<Document>,
    ) -> Result<Arc<Configuration>, StoreError> {
        self.open()?;
        let mut changed = self.configuration.as_ref().clone();
        for item in items {
            if changed.version_of(&item).checked_add(1) != Some(item.version()) {
                return Err(StoreError::Conflict);
            }
            changed.put(item);
        }
        self.documents.change(put_all(documents))?;
        self.configuration = Arc::new(changed);
        Ok(self.configuration())
    }

    pub(super) fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration)
    }

    pub(super) fn listen(&mut self, listener: Arc<dyn CommitListener>) {
        self.listener = Some(listener);
    }

    /// Whether the caller has to tell the listener: something waits and nobody else is telling.
    pub(super) fn begin_telling(&mut self) -> bool {
        let begins = !self.telling && !self.untold.is_empty();
        self.telling |= begins;
        begins
    }

    /// The next thing to tell; `None` ends the telling.
    pub(super) fn next_to_tell(&mut self) -> Option<(Arc<dyn CommitListener>, ConnectionId, Vec<Offer>)> {
        let next = self.untold.pop_front().zip(self.listener.clone());
        self.telling = next.is_some();
        next.map(|((connection, offers), listener)| (listener, connection, offers))
    }

    pub(super) fn pending(
        &self,
        connection: ConnectionId,
        due_before: Timestamp,
        from: Option<(Timestamp, Seq)>,
        limit: usize,
    ) -> PendingPage {
        let later = |kept: &&Kept| kept.is_due_after(due_before);
        let mut events: Vec<KeptEvent> = self
            .queue(connection)
            .filter(|kept| kept.event.queue_key() > from && !later(kept))
            .take(limit.saturating_add(1))
            .map(Kept::pending)
            .collect();
        let more = events.len() > limit;
        events.truncate(limit);
        let next_due = self.queue(connection).find(later).and_then(|kept| kept.event.phase.due_at());
        PendingPage { events, more, next_seq: self.next_seq(), next_due }
    }

    pub(super) fn held(&self, connection: ConnectionId, now: Timestamp) -> Held {
        let mut held = Held::default();
        for kept in self.queue(connection).filter(|kept| !kept.is_due_after(now)) {
            let created_at = kept.event.created_at;
            held.events += 1;
            held.body_bytes += self.requests.get(kept.payload_ref).map_or(0, |request| request.body.len() as u64);
            held.oldest_at = Some(held.oldest_at.map_or(created_at, |oldest| oldest.min(created_at)));
        }
        held
    }

    pub(super) fn request(&self, at: PayloadRef) -> Result<Request, StoreError> {
        let request = self.requests.get(at).ok_or(StoreError::NotFound)?;
        match self.documents.erased(request.id) {
            Some(at) => Err(StoreError::Erased { at }),
            None => Ok(request.as_ref().clone()),
        }
    }

    pub(super) fn event(&self, id: EventId) -> Result<KeptEvent, StoreError> {
        self.ids.get(&id).and_then(|seq| self.kept(*seq)).map(Kept::pending).ok_or(StoreError::NotFound)
    }

    pub(super) fn attempt(&self, id: AttemptId) -> Result<StoredAttempt, StoreError> {
        // Ids count on inside the random part and may wrap there, so every event of the millisecond is asked.
        let same_time = EventId::from_parts(id.time(), 0)..=EventId::from_parts(id.time(), u128::MAX);
        self.ids
            .range(same_time)
            .filter_map(|(event, seq)| Some((self.kept(*seq)?, id.number_of(*event)?)))
            .filter_map(|(kept, number)| Some((kept, number, usize::try_from(number).ok()?.checked_sub(1)?)))
            .min_by_key(|(kept, _, place)| place.saturating_sub(kept.records.len()))
            .filter(|(kept, _, place)| *place <= kept.records.len())
            .map(|(kept, number, place)| {
                let record = kept.records.get(place).map(|record| record.clone().ok_or(StoreError::NotFound));
                StoredAttempt { event: kept.event.clone(), number, record }
            })
            .ok_or(StoreError::NotFound)
    }

    /// The events that match, oldest first.
    pub(super) fn matching<'a>(&'a self, filter: &'a EventFilter, now: Timestamp) -> impl Iterator<Item = &'a Kept> {
        let standing = |event: &Event| self.configuration.standing(event.connection_id);
        self.events.iter().filter(move |kept| filter.matches(&kept.event, standing(&kept.event), now))
    }

    pub(super) fn events(&self, filter: &EventFilter, page: &PageRequest, now: Timestamp) -> EventPage {
        let mut all: Vec<&Kept> = self.matching(filter, now).collect();
        all.sort_by_key(|kept| place(page.order, EventKey::of(&kept.event)));
        let directed: Box<dyn Iterator<Item = &Kept>> =
            if page.descending { Box::new(all.into_iter().rev()) } else { Box::new(all.into_iter()) };
        let mut events: Vec<KeptEvent> = directed
            .filter(|kept| {
                let behind = |after: EventKey| {
                    let (this, after) = (place(page.order, EventKey::of(&kept.event)), place(page.order, after));
                    if page.descending { this < after } else { this > after }
                };
                page.after.is_none_or(behind)
            })
            .take(page.limit.saturating_add(1))
            .map(Kept::pending)
            .collect();
        let more = events.len() > page.limit;
        events.truncate(page.limit);
        EventPage { events, more }
    }

    pub(super) fn rows(&self, seqs: &[Seq]) -> Vec<KeptEvent> {
        let seqs: BTreeSet<Seq> = seqs.iter().copied().collect();
        seqs.into_iter().filter_map(|seq| self.kept(seq)).map(Kept::pending).collect()
    }

    pub(super) fn tallies(&self, ask: &TallyAsk) -> HashMap<ConnectionId, Tally> {
        let mut tallies = HashMap::<ConnectionId, Tally>::new();
        for Kept { event, .. } in &self.events {
            let standing = self.configuration.standing(event.connection_id);
            tallies.entry(event.connection_id).or_default().count(event, standing, ask);
        }
        tallies.retain(|_, tally| *tally != Tally::default());
        tallies
    }

    pub(super) fn events_of(&self, request: RequestId) -> Result<Vec<Event>, StoreError> {
        // Further ones stand at places of their own, and ids may wrap within their millisecond.
        let same_time = EventId::from_parts(request.time(), 0)..=EventId::from_parts(request.time(), u128::MAX);
        let kept = self.ids.range(same_time).filter_map(|(_, seq)| self.kept(*seq));
        let mut events: Vec<Event> =
            kept.filter(|kept| kept.event.request_id == request).map(|kept| kept.event.clone()).collect();
        events.sort_unstable_by_key(|event| event.index);
        if events.is_empty() { Err(StoreError::NotFound) } else { Ok(events) }
    }

    pub(super) fn stats(&self) -> StoreStats {
        let events = self.events.iter().filter(|kept| kept.event.deleted_at.is_none()).map(|_| 1).sum();
        StoreStats { events, ..StoreStats::default() }
    }

    /// What is pending on a connection, by (due, seq), but for what was cancelled with an earlier generation.
    fn queue(&self, connection: ConnectionId) -> impl Iterator<Item = &Kept> {
        let generation = self.configuration.standing(connection).generation;
        self.queues
            .range((connection, Timestamp::from_ms(i64::MIN), 0)..=(connection, Timestamp::MAX, Seq::MAX))
            .filter_map(|(_, _, seq)| self.kept(*seq))
            .filter(move |kept| kept.event.generation >= generation)
    }

    pub(super) fn next_seq(&self) -> Seq {
        self.events.len() as Seq
    }

    fn kept(&self, seq: Seq) -> Option<&Kept> {
        self.events.get(usize::try_from(seq).ok()?)
    }
}

fn put_all(documents: Vec<Document>) -> Vec<DocumentChange> {
    documents.into_iter().map(|document| DocumentChange::Put(document, None)).collect()
}

/// The place of an event in an order.
fn place(order: EventOrder, key: EventKey) -> EventKey {
    match order {
        EventOrder::Created => EventKey { last_attempt_at: None, ..key },
        EventOrder::LastAttempt => key,
    }
}

impl Kept {
    pub(super) fn created_at(&self) -> Timestamp {
        self.event.created_at
    }

    fn is_due_after(&self, now: Timestamp) -> bool {
        matches!(self.event.phase, Phase::Waiting { due_at } if due_at > now)
    }

    fn pending(&self) -> KeptEvent {
        KeptEvent { event: self.event.clone(), payload_ref: self.payload_ref }
    }
}
