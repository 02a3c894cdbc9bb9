//! The queue of a connection as the store shows it: order, cursors, due times.

use super::{
    Happening, START, Subject,
    kit::{accept, accept_events, attempt, connection_id, moved, queue, queued_seqs, record, request, through},
};
use crate::{
    clock::Clock,
    domain::{AttemptTrigger, Event, Phase, Seq, Timestamp},
};

fn manual(due_at: Timestamp) -> Phase {
    Phase::Ready { due_at, trigger: AttemptTrigger::Manual, automatic_due: None }
}

fn seqs<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<Seq> {
    events.into_iter().map(|event| event.seq).collect()
}

/// Accepts `count` requests on connection 1, a second apart, and answers their events.
fn accept_spread(subject: &dyn Subject, count: u64) -> Vec<Event> {
    let accept_one = |n| {
        subject.clock().set(START.plus_ms(n * 1_000));
        accept_events(&*subject.store(), n, &[1]).remove(0)
    };
    (0..count).map(accept_one).collect()
}

pub fn ready_events_come_by_due_time_and_seq(subject: &mut dyn Subject) {
    let events = accept_spread(subject, 7);
    let now = subject.clock().now();
    through(subject, |store| {
        for limit in [1, 2, 3, 6, 7, 8] {
            let found = queue(store, 1, now, limit);
            assert_eq!(seqs(found.iter().map(|pending| &pending.event)), seqs(&events), "pages of {limit}");
        }
        let page = store.pending(connection_id(1), now, events[2].queue_key(), 2).unwrap();
        assert!(page.events.iter().map(|pending| &pending.event).eq(&events[3..5]));
        assert!(page.more && page.next_due.is_none());
        let page = store.pending(connection_id(1), now, events[4].queue_key(), 2).unwrap();
        assert!(page.events.iter().map(|pending| &pending.event).eq(&events[5..]));
        assert!(!page.more, "two are left and both were given");
        for (n, pending) in (0..).zip(queue(store, 1, now, 3)) {
            assert_eq!(store.request(pending.payload_ref).unwrap(), request(n));
        }
    });
}

pub fn waiting_events_appear_when_they_are_due(subject: &mut dyn Subject) {
    let events = accept_spread(subject, 4);
    let due = [START.plus_ms(60_000), START.plus_ms(50_000), START.plus_ms(60_000)];
    for (event, due_at) in events.iter().zip(due) {
        attempt(&*subject.store(), event, START, 503, Phase::Waiting { due_at });
    }
    let ready = events[3].seq;
    through(subject, |store| {
        let page = |at| {
            let page = store.pending(connection_id(1), at, None, 10).unwrap();
            (seqs(page.events.iter().map(|pending| &pending.event)), page.next_due, page.more)
        };
        assert_eq!(page(START), (vec![ready], Some(due[1]), false));
        assert_eq!(page(due[1].minus_ms(1)), (vec![ready], Some(due[1]), false));
        assert_eq!(page(due[1]), (vec![ready, events[1].seq], Some(due[0]), false));
        assert_eq!(page(due[0].minus_ms(1)), (vec![ready, events[1].seq], Some(due[0]), false));
        let all = vec![ready, events[1].seq, events[0].seq, events[2].seq];
        assert_eq!(page(due[0]), (all.clone(), None, false));
        assert_eq!(page(Timestamp::MAX), (all, None, false));
        // Nothing more is due although more is waiting.
        let page = store.pending(connection_id(1), due[1], None, 2).unwrap();
        assert_eq!((page.events.len(), page.more, page.next_due), (2, false, Some(due[0])));
        let page = store.pending(connection_id(1), due[1], None, 1).unwrap();
        assert_eq!((page.events.len(), page.more, page.next_due), (1, true, Some(due[0])));
    });
}

pub fn ready_events_are_pending_whatever_their_due_time(subject: &mut dyn Subject) {
    let events = accept_spread(subject, 3);
    let future = START.plus_ms(3_600_000);
    let retried = record(&*subject.store(), moved(&events[0], manual(future)), None);
    through(subject, |store| {
        // As when the clock was set back: what is ready is not hidden.
        let page = store.pending(connection_id(1), Timestamp::EPOCH, None, 10).unwrap();
        assert!(page.events.iter().map(|pending| &pending.event).eq([&events[1], &events[2], &retried]));
        assert_eq!((page.more, page.next_due), (false, None));
    });
}

pub fn a_manual_retry_takes_the_place_of_its_due_time(subject: &mut dyn Subject) {
    let events = accept_spread(subject, 5);
    let store = subject.store();
    let failed = attempt(&*store, &events[0], START, 500, Phase::Failed);
    record(&*store, moved(&failed, manual(START.plus_ms(2_500))), None);
    let successful = attempt(&*store, &events[4], START, 200, Phase::Successful);
    record(&*store, moved(&successful, manual(START.plus_ms(500))), None);
    // The same moment as another's: then the seq decides.
    record(&*store, moved(&events[3], manual(events[1].created_at)), None);
    drop(store);
    let expected = [4, 1, 3, 2, 0].map(|place: usize| events[place].seq);
    through(subject, |store| {
        for limit in 1..=6 {
            let found = queue(store, 1, START.plus_ms(10_000), limit);
            assert_eq!(seqs(found.iter().map(|pending| &pending.event)), expected, "pages of {limit}");
        }
    });
}

pub fn a_queue_with_equal_due_times_is_walked_by_cursor(subject: &mut dyn Subject) {
    let events = accept_events(&*subject.store(), 0, &[1; 50]);
    let due_at = START.plus_ms(1_000);
    let mut expected = Vec::new();
    for (n, event) in events.iter().enumerate() {
        if n % 3 == 0 {
            attempt(&*subject.store(), event, START, 500, Phase::Waiting { due_at });
        } else if n % 3 == 1 {
            record(&*subject.store(), moved(event, manual(due_at)), None);
        } else {
            expected.push(event.seq);
        }
    }
    expected.extend(events.iter().enumerate().filter(|(n, _)| n % 3 != 2).map(|(_, event)| event.seq));
    through(subject, |store| {
        for limit in [1, 7, 16, 17, 50] {
            let found = queue(store, 1, due_at, limit);
            assert_eq!(seqs(found.iter().map(|pending| &pending.event)), expected, "pages of {limit}");
        }
    });
}

pub fn a_queue_shows_nothing_settled_and_nothing_of_others(subject: &mut dyn Subject) {
    let events = accept_events(&*subject.store(), 0, &[1, 2, 1, 2, 1, 1]);
    for (place, phase) in [(0, Phase::Successful), (2, Phase::Failed), (4, Phase::Cancelled { unsent: None })] {
        attempt(&*subject.store(), &events[place], START, 500, phase);
    }
    attempt(&*subject.store(), &events[3], START, 500, Phase::Waiting { due_at: START.plus_ms(1) });
    through(subject, |store| {
        assert_eq!(queued_seqs(store, 1, Timestamp::MAX), [events[5].seq]);
        assert_eq!(queued_seqs(store, 2, Timestamp::MAX), [events[1].seq, events[3].seq]);
        let nobody = store.pending(connection_id(3), Timestamp::MAX, None, 10).unwrap();
        assert!(nobody.events.is_empty() && !nobody.more && nobody.next_due.is_none());
        let next_due = |n| store.pending(connection_id(n), START, None, 10).unwrap().next_due;
        assert_eq!((next_due(1), next_due(2)), (None, Some(START.plus_ms(1))));
    });
}

pub fn the_next_seq_passes_every_event_that_was_seen(subject: &mut dyn Subject) {
    let next_seq = |subject: &dyn Subject| subject.store().pending(connection_id(1), START, None, 1).unwrap().next_seq;
    let restarts: [Happening; 4] =
        [|_| (), |subject| subject.settle(), |subject| subject.crash(), |subject| subject.reopen()];
    for (n, restart) in (0..).zip(restarts) {
        let before = next_seq(subject);
        // On another connection: the number is the store's, not the queue's.
        let accepted = accept(&*subject.store(), n, &[2, 2]);
        assert!(before <= accepted.first_seq, "{before} was not given yet");
        assert!(next_seq(subject) >= accepted.first_seq + 2);
        restart(subject);
        assert!(next_seq(subject) >= accepted.first_seq + 2);
    }
}
