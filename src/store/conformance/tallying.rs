//! Figures of all connections, against what the events themselves add up to.

use std::collections::HashMap;

use super::{
    START, Subject,
    kit::{accept_events, attempt, connection, connection_id, moved, record, through},
};
use crate::{
    domain::{AttemptTrigger, ConfigItem, Connection, ConnectionId, Event, Phase},
    store::{Recent, Store, Tally, TallyAsk},
};

fn put(store: &dyn Store, connection: Connection) {
    drop(store.put_config(vec![ConfigItem::Connection(connection)]).wait().unwrap());
}

/// What every connection has, counted one event after the other.
fn counted(store: &dyn Store, events: &[Event], ask: &TallyAsk) -> HashMap<ConnectionId, Tally> {
    let configuration = store.configuration();
    let mut tallies = HashMap::<ConnectionId, Tally>::new();
    for event in events {
        let standing = configuration.standing(event.connection_id);
        tallies.entry(event.connection_id).or_default().count(event, standing, ask);
    }
    tallies.retain(|_, tally| *tally != Tally::default());
    tallies
}

pub fn a_connection_is_told_what_waits_and_what_became_of_the_latest(subject: &mut dyn Subject) {
    let due_at = START.plus_ms(60_000);
    let store = subject.store();
    let mut all = Vec::new();
    for n in 0..3 {
        subject.clock().set(START.plus_ms(n * 1_000));
        all.push(accept_events(&*store, n, &[1, 1, 1, 2]));
    }
    attempt(&*store, &all[0][0], START, 200, Phase::Successful);
    attempt(&*store, &all[1][0], START, 500, Phase::Waiting { due_at });
    attempt(&*store, &all[2][0], START, 500, Phase::Failed);
    attempt(&*store, &all[2][3], START, 200, Phase::Successful);
    let deleted = Event { deleted_at: Some(START), ..moved(&all[0][2], Phase::Cancelled { unsent: None }) };
    record(&*store, deleted, None);
    put(&*store, connection(2, 1, Some(START)));
    drop(store);
    let recent = |accepted, successful, failed| Recent { accepted, successful, failed };
    let ask = |now| TallyAsk { since: [START.plus_ms(1), START.plus_ms(2_000)], now };
    through(subject, |store| {
        let tallies = store.tallies(&ask(due_at)).unwrap();
        let one = Tally { pending: 6, held: 0, oldest_due: Some(START), recent: [recent(6, 0, 2), recent(3, 0, 1)] };
        let two = Tally { pending: 2, held: 2, oldest_due: Some(START), recent: [recent(2, 1, 0), recent(1, 1, 0)] };
        assert_eq!(tallies, HashMap::from([(connection_id(1), one), (connection_id(2), two)]));
        let nothing = TallyAsk { since: [due_at; 2], now: START.minus_ms(1) };
        let tallies = store.tallies(&nothing).unwrap();
        let one = Tally { pending: 6, ..Tally::default() };
        let two = Tally { pending: 2, held: 2, ..Tally::default() };
        assert_eq!(tallies, HashMap::from([(connection_id(1), one), (connection_id(2), two)]));
    });
}

pub fn what_a_connection_cut_counts_as_cancelled(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1, 1, 1]);
    attempt(&*store, &events[0], START, 500, Phase::Waiting { due_at: START });
    attempt(&*store, &events[1], START, 500, Phase::Failed);
    subject.settle();
    put(&*store, Connection { generation: 1, ..connection(1, 1, None) });
    drop(store);
    let ask = TallyAsk { since: [START, START.plus_ms(1)], now: START };
    let only = Recent { accepted: 3, successful: 0, failed: 1 };
    let expected = Tally { recent: [only, Recent::default()], ..Tally::default() };
    through(subject, |store| {
        assert_eq!(store.tallies(&ask), Ok(HashMap::from([(connection_id(1), expected)])));
    });
    let store = subject.store();
    let ready = Phase::Ready { due_at: START, trigger: AttemptTrigger::Manual, automatic_due: None };
    let retried =
        Event { version: 2, phase: ready, generation: 1, ..store.rows(&[events[0].seq]).unwrap()[0].event.clone() };
    record(&*store, retried, None);
    drop(store);
    through(subject, |store| {
        let again = Tally { pending: 1, oldest_due: Some(START), ..expected };
        assert_eq!(store.tallies(&ask), Ok(HashMap::from([(connection_id(1), again)])));
    });
}

pub fn many_connections_are_told_apart_as_few_are(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut events: Vec<Event> = Vec::new();
    for n in 0..5 {
        subject.clock().set(START.plus_ms(n * 1_000));
        let connections: Vec<u64> = (0..700).map(|n| n % 61 / 2).collect();
        events.extend(accept_events(&*store, n, &connections));
    }
    let due = |place: usize| START.plus_ms(place as u64 % 9_000);
    for (place, event) in events.iter_mut().enumerate().step_by(3) {
        let phase = if place % 2 == 0 { Phase::Waiting { due_at: due(place) } } else { Phase::Successful };
        *event = attempt(&*store, event, START, 500, phase);
    }
    subject.settle();
    for (place, event) in events.iter_mut().enumerate().step_by(41) {
        *event = attempt(&*store, event, START, 503, Phase::Waiting { due_at: due(place) });
    }
    for n in [1, 4, 7] {
        put(&*store, connection(n, 1, Some(START)));
    }
    put(&*store, Connection { generation: 1, ..connection(9, 1, None) });
    drop(store);
    let asks: Vec<TallyAsk> = [(0, 2_000, 3_500), (1_500, 4_000, 0), (5_000, 9_000, 20_000)]
        .into_iter()
        .map(|(one, other, now)| TallyAsk {
            since: [START.plus_ms(one), START.plus_ms(other)],
            now: START.plus_ms(now),
        })
        .collect();
    through(subject, |store| {
        for ask in &asks {
            assert_eq!(store.tallies(ask).unwrap(), counted(store, &events, ask), "{ask:?}");
        }
    });
}
