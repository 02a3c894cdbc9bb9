//! What is held back on a connection, in numbers.

use super::{
    START, Subject,
    kit::{accept_events, attempt, connection, connection_id, new_request, request, through},
};
use crate::{
    domain::{ConfigItem, Connection, Phase, Request},
    store::{Held, Store},
};

/// Accepts request `n` with a body of so many bytes and one event on each connection; the clock stands `n` seconds on.
fn accept_sized(subject: &dyn Subject, n: u64, bytes: usize, connections: &[u64]) {
    subject.clock().set(START.plus_ms(n * 1_000));
    let request = Request { body: vec![b'x'; bytes].into(), ..request(n) };
    subject.store().accept(new_request(request, connections)).wait().unwrap();
}

pub fn what_is_on_hold_is_summed(subject: &mut dyn Subject) {
    for (n, bytes) in [(0, 100), (1, 20), (2, 3), (3, 0)] {
        accept_sized(subject, n, bytes, &[1, 2, 1]);
        if n == 1 {
            subject.settle();
        }
    }
    let of = |store: &dyn Store, n| store.events_of(request(n).id).unwrap();
    let store = subject.store();
    let due_at = START.plus_ms(60_000);
    attempt(&*store, &of(&*store, 0)[0], START, 503, Phase::Waiting { due_at });
    attempt(&*store, &of(&*store, 2)[2], START, 503, Phase::Waiting { due_at: due_at.plus_ms(1) });
    drop(store);
    let oldest_at = Some(START);
    through(subject, |store| {
        let held = |n, at| store.held(connection_id(n), at).unwrap();
        assert_eq!(held(1, START), Held { events: 6, body_bytes: 100 + 2 * 20 + 3, oldest_at });
        assert_eq!(held(1, due_at), Held { events: 7, body_bytes: 2 * 100 + 2 * 20 + 3, oldest_at });
        assert_eq!(held(1, due_at.plus_ms(1)), Held { events: 8, body_bytes: 2 * 123, oldest_at });
        assert_eq!(held(2, START), Held { events: 4, body_bytes: 123, oldest_at });
        assert_eq!(held(3, START), Held::default());
    });
}

pub fn cut_and_settled_events_are_not_on_hold(subject: &mut dyn Subject) {
    let store = subject.store();
    let events = accept_events(&*store, 0, &[1, 1, 1, 2]);
    attempt(&*store, &events[0], START, 200, Phase::Successful);
    subject.settle();
    attempt(&*store, &events[1], START, 500, Phase::Failed);
    let bytes = request(0).body.len() as u64;
    let one = Held { events: 1, body_bytes: bytes, oldest_at: Some(events[2].created_at) };
    assert_eq!(store.held(connection_id(1), START), Ok(one));
    let item = ConfigItem::Connection(Connection { generation: 1, ..connection(1, 1, None) });
    store.put_config(vec![item]).wait().unwrap();
    drop(store);
    through(subject, |store| {
        assert_eq!(store.held(connection_id(1), START), Ok(Held::default()));
        assert_eq!(store.held(connection_id(2), START), Ok(one));
    });
}
