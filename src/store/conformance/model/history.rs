//! The model: makes each step happen to the store and to a list of events, and compares the two.

use std::collections::HashMap;

use proptest::sample::Index;

use super::{
    assert_listed, every_filter,
    step::{Outcome, Probe, Step},
};
use crate::{
    clock::Clock,
    domain::{
        AttemptRecord, AttemptResult, AttemptSummary, AttemptTrigger, ConfigItem, Configuration, Connection, ErrorCode,
        Event, Phase, Request, RequestId, Seq, Timestamp, Unsent,
    },
    store::{
        Accepted, EventFilter, Held, NewRequest, StoreError, Transition,
        conformance::{
            START, Subject,
            kit::{
                attempt_record, connection, connection_id, fresh_event, moved, new_request, queue, request, request_id,
                source_id,
            },
        },
    },
};

/// A store and what it must be like.
pub(super) struct History {
    subject: Box<dyn Subject>,
    events: Vec<Event>,
    details: HashMap<(Seq, usize), AttemptRecord>,
    requests: Vec<(NewRequest, Accepted)>,
    configuration: Configuration,
    /// The first seq that may come next; it is the one that comes unless the store was opened again.
    next_seq: Seq,
    opened_again: bool,
    /// No moment that the store saw is later.
    latest: Timestamp,
}

impl History {
    pub(super) fn of(subject: Box<dyn Subject>) -> Self {
        Self {
            subject,
            events: Vec::new(),
            details: HashMap::new(),
            requests: Vec::new(),
            configuration: Configuration::default(),
            next_seq: 0,
            opened_again: true,
            latest: START,
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Accept { source, connections } => self.accept(*source, connections),
            Step::Burst { routes } => self.accept(0, &(0..*routes).map(|n| n % 3).collect::<Vec<_>>()),
            Step::Repeat => self.repeat(),
            Step::Try { event, outcome } => self.try_once(*event, outcome),
            Step::Retry { event, later_ms } => self.retry(*event, *later_ms),
            Step::Cancel { event } => self.cancel(*event),
            Step::Stale { event, ahead } => self.stale(*event, *ahead),
            Step::Pause { connection, paused } => self.pause(*connection, *paused),
            Step::Cut { connection } => self.cut(*connection),
            Step::Advance { ms } => self.set_clock(self.now().plus_ms(*ms)),
            Step::SetBack { ms } => self.set_clock(self.now().minus_ms(*ms)),
            Step::Settle => self.subject.settle(),
            Step::Reopen => {
                self.subject.reopen();
                self.opened_again = true;
            }
            Step::Crash => {
                self.subject.crash();
                self.opened_again = true;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.subject.clock().now()
    }

    fn set_clock(&mut self, at: Timestamp) {
        self.subject.clock().set(at);
        self.latest = self.latest.max(at);
    }

    fn accept(&mut self, source: u64, connections: &[u64]) {
        let n = self.requests.len() as u64;
        let mut new = new_request(
            Request { id: request_id(n, self.now()), source_id: source_id(source), ..request(n) },
            connections,
        );
        for route in &mut new.routes {
            route.generation = self.configuration.standing(route.connection_id).generation;
        }
        let accepted = self.subject.store().accept(new.clone()).wait().unwrap();
        assert_eq!(accepted.events as usize, connections.len());
        assert!(accepted.first_seq >= self.next_seq && (self.opened_again || accepted.first_seq == self.next_seq));
        let at_least = self.requests.last().map_or(self.now(), |(_, last)| last.created_at.max(self.now()));
        assert!((at_least..=self.latest).contains(&accepted.created_at), "created at {}", accepted.created_at);
        self.next_seq = accepted.first_seq + u64::from(accepted.events);
        self.opened_again = false;
        let count = u16::try_from(connections.len()).unwrap();
        self.events.extend((0..count).map(|index| fresh_event(&new, &accepted, index)));
        self.requests.push((new, accepted));
    }

    /// A store that was opened again has forgotten the answers and would take the request for a new one.
    fn repeat(&mut self) {
        if let Some((new, accepted)) = self.requests.last().filter(|_| !self.opened_again) {
            assert_eq!(self.subject.store().accept(new.clone()).wait().as_ref(), Ok(accepted));
        }
    }

    /// The place of one of the events that qualify.
    fn pick(&self, index: Index, qualifies: impl Fn(&Event) -> bool) -> Option<usize> {
        let places: Vec<usize> = (0..self.events.len()).filter(|place| qualifies(&self.events[*place])).collect();
        (!places.is_empty()).then(|| *index.get(&places))
    }

    /// Records a change and believes it.
    fn change(&mut self, event: Event, attempt: Option<AttemptRecord>) {
        let transition = Transition { event: event.clone(), attempt: attempt.clone() };
        assert_eq!(self.subject.store().record(transition).wait(), Ok(()));
        if let Some(record) = attempt {
            self.details.insert((event.seq, event.attempts.len()), record);
        }
        let place = self.events.partition_point(|known| known.seq < event.seq);
        self.events[place] = event;
    }

    /// Where an event stands, what its connection made of it included.
    fn phase(&self, event: &Event) -> Phase {
        event.phase.effective(event.generation, self.configuration.standing(event.connection_id))
    }

    fn cancel(&mut self, index: Index) {
        let Some(place) = self.pick(index, |event| !self.phase(event).is_settled()) else { return };
        let event = &self.events[place];
        let due_at = event.phase.due_at();
        // With and without a try that was left.
        let unsent = due_at.map(|due_at| Unsent { trigger: AttemptTrigger::BulkRetry, due_at });
        self.change(moved(event, Phase::Cancelled { unsent: unsent.filter(|_| event.seq.is_multiple_of(2)) }), None);
    }

    fn cut(&mut self, n: u64) {
        let stored = self.configuration.connections.get(&connection_id(n));
        let mut next = stored.map_or_else(|| connection(n, 0, None), |stored| stored.as_ref().clone());
        (next.version, next.generation) = (next.version + 1, next.generation + 1);
        self.put(next);
    }

    fn try_once(&mut self, index: Index, outcome: &Outcome) {
        let Some(place) = self.pick(index, |event| !self.phase(event).is_settled()) else { return };
        let event = &self.events[place];
        let (result, phase) = match outcome {
            Outcome::Success => (AttemptResult::Answered { status: 204 }, Phase::Successful),
            Outcome::Failure => (AttemptResult::Answered { status: 410 }, Phase::Failed),
            Outcome::Silence => {
                (AttemptResult::Failed { error: ErrorCode::ConnectionRefused, status: None }, Phase::Failed)
            }
            Outcome::Wait(ms) => {
                (AttemptResult::Answered { status: 503 }, Phase::Waiting { due_at: self.now().plus_ms(*ms) })
            }
        };
        let trigger = match event.phase {
            Phase::Ready { trigger, .. } => trigger,
            Phase::Waiting { .. } | Phase::Successful | Phase::Failed | Phase::Cancelled { .. } => {
                AttemptTrigger::Automatic
            }
        };
        let mut event = moved(event, phase);
        event.automatic_used += u32::from(trigger == AttemptTrigger::Automatic);
        event.attempts.push(AttemptSummary {
            trigger,
            resumed: trigger == AttemptTrigger::Manual,
            status: crate::domain::AttemptStatus::Cancelled,
            started_at: self.now(),
            latency_ms: 30,
            result,
        });
        let details = attempt_record(&format!("attempt {} of {}", event.attempts.len(), event.seq));
        self.change(event, Some(details));
    }

    fn retry(&mut self, index: Index, later_ms: u64) {
        let Some(place) = self.pick(index, |event| !matches!(self.phase(event), Phase::Ready { .. })) else { return };
        let event = &self.events[place];
        let standing = self.configuration.standing(event.connection_id);
        let phase = Phase::Ready {
            due_at: self.now().plus_ms(later_ms),
            trigger: AttemptTrigger::Manual,
            automatic_due: event.next_attempt_at(standing),
        };
        self.change(Event { generation: standing.generation, ..moved(event, phase) }, None);
    }

    fn stale(&mut self, index: Index, ahead: u32) {
        let Some(place) = self.pick(index, |_| true) else { return };
        let stored = &self.events[place];
        // Behind, the same, or too far: everything but the next.
        let given = if ahead == 1 { stored.version + 2 } else { stored.version.saturating_sub(ahead) };
        let event = Event { version: given, phase: Phase::Failed, ..stored.clone() };
        let refused = self.subject.store().record(Transition { event, attempt: None }).wait();
        assert_eq!(refused, Err(StoreError::Stale { seq: stored.seq, stored: stored.version, given }));
    }

    fn pause(&mut self, n: u64, paused: bool) {
        let stored = self.configuration.connections.get(&connection_id(n));
        let (version, generation) = stored.map_or((0, 0), |stored| (stored.version, stored.generation));
        self.put(Connection { generation, ..connection(n, version + 1, paused.then(|| self.now())) });
    }

    fn put(&mut self, connection: Connection) {
        let item = ConfigItem::Connection(connection);
        self.configuration.put(item.clone());
        let answered = self.subject.store().put_config(vec![item]).wait().unwrap();
        assert!(answered.items().eq(self.configuration.items()));
    }

    /// Asks one question of each kind.
    pub(super) fn look(&self, probe: &Probe) {
        // Long lists in few pages.
        let limit = probe.limit.max(self.events.len() / 20);
        self.compare_list(probe.filter.get(&every_filter()), limit);
        self.compare_list(&self.naming(probe.filter), limit);
        self.compare_queue(probe.connection, self.now().plus_ms(probe.later_ms), limit);
    }

    /// Asks everything.
    pub(super) fn compare_all(&self) {
        for filter in every_filter() {
            self.compare_list(&filter, self.events.len() / 7 + 1);
        }
        for n in 0..super::CONNECTIONS {
            self.compare_queue(n, self.now(), self.events.len() / 7 + 1);
        }
        let store = self.subject.store();
        assert!(store.configuration().items().eq(self.configuration.items()));
        assert_eq!(store.stats().events, self.events.len() as u64);
        for event in &self.events {
            assert_eq!(store.event(event.id()).unwrap().event, *event);
            for (n, number) in (1..=event.attempts.len()).zip(1..) {
                let found = store.attempt(event.id().attempt(number)).unwrap();
                assert_eq!((&found.event, found.number), (event, number));
                assert_eq!(found.record.unwrap().as_ref(), Ok(&self.details[&(event.seq, n)]));
            }
        }
        let mut rest = self.events.as_slice();
        for (new, accepted) in self.requests.iter().filter(|(_, accepted)| accepted.events > 0) {
            let (events, later) = rest.split_at(accepted.events as usize);
            rest = later;
            assert_eq!(store.events_of(new.request.id).unwrap(), events);
            let payload_ref = store.event(events[0].id()).unwrap().payload_ref;
            assert_eq!(store.request(payload_ref).unwrap(), *new.request);
        }
    }

    /// A filter that names a few events, or all of a few requests.
    fn naming(&self, index: Index) -> EventFilter {
        let Some(first) = self.pick(index, |_| true) else { return EventFilter::default() };
        let some = || self.events[first..].iter().step_by(5).take(4);
        if first % 2 == 0 {
            EventFilter { ids: some().map(Event::id).collect(), ..EventFilter::default() }
        } else {
            EventFilter { requests: some().map(|event| event.request_id).collect(), ..EventFilter::default() }
        }
    }

    fn compare_list(&self, filter: &EventFilter, limit: usize) {
        assert_listed(&*self.subject.store(), &self.events, &self.configuration, filter, limit, self.now());
    }

    fn compare_queue(&self, n: u64, due_before: Timestamp, limit: usize) {
        let later = |event: &&Event| matches!(event.phase, Phase::Waiting { due_at } if due_at > due_before);
        let standing = self.configuration.standing(connection_id(n));
        let is_ours =
            |event: &&Event| event.connection_id == connection_id(n) && event.generation == standing.generation;
        let of_connection = || self.events.iter().filter(is_ours);
        let mut expected: Vec<&Event> =
            of_connection().filter(|event| !event.phase.is_settled() && !later(event)).collect();
        expected.sort_by_key(|event| event.queue_key());
        let store = self.subject.store();
        let found = queue(&*store, n, due_before, limit);
        assert!(
            found.iter().map(|pending| &pending.event).eq(expected.iter().copied()),
            "queue of connection {n} at {due_before}, pages of {limit}"
        );
        let page = store.pending(connection_id(n), due_before, None, limit).unwrap();
        assert_eq!(page.next_due, of_connection().filter(later).filter_map(|event| event.phase.due_at()).min());
        assert!(page.next_seq >= self.next_seq, "{} is below {}", page.next_seq, self.next_seq);
        let bodies = |request: RequestId| {
            let of = |(new, _): &&(NewRequest, Accepted)| new.request.id == request;
            self.requests.iter().find(of).map_or(0, |(new, _)| new.request.body.len() as u64)
        };
        let held = Held {
            events: expected.len() as u64,
            body_bytes: expected.iter().map(|event| bodies(event.request_id)).sum(),
            oldest_at: expected.iter().map(|event| event.created_at).min(),
        };
        assert_eq!(store.held(connection_id(n), due_before), Ok(held), "connection {n} at {due_before}");
    }
}
