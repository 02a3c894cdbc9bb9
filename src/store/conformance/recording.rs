//! Recording transitions and attempts: versions, order, what is kept.

use bytes::Bytes;

use super::{
    START, Subject,
    kit::{accept_events, attempt, attempt_record, moved, record, request, through, tried},
};
use crate::{
    domain::{
        AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, ErrorCode, Event, EventStatus,
        Phase, Timestamp, Unsent,
    },
    store::{EventFilter, StoreError, Transition},
};

/// Attempts of a long history: an event's automatic retries at most, and some manual ones.
const LONG_HISTORY: u16 = 60;

pub fn a_transition_is_seen_by_the_next_read(subject: &mut dyn Subject) {
    let store = subject.store();
    let [event, other] = accept_events(&*store, 0, &[1, 1]).try_into().unwrap();
    let due_at = START.plus_ms(60_000);
    let waiting = attempt(&*store, &event, START, 503, Phase::Waiting { due_at });
    assert_eq!(store.event(event.id()).unwrap().event, waiting);
    let successful = attempt(&*store, &waiting, due_at, 200, Phase::Successful);
    assert_eq!(store.event(event.id()).unwrap().event, successful);
    drop(store);
    through(subject, |store| {
        assert_eq!(store.event(event.id()).unwrap().event, successful);
        assert_eq!(store.events_of(event.request_id).unwrap(), [successful.clone(), other.clone()]);
        let filter = EventFilter { statuses: vec![EventStatus::Successful], ..EventFilter::default() };
        assert_eq!(store.count(&filter, due_at), Ok(1));
        assert_eq!(store.count(&EventFilter::default(), due_at), Ok(2));
        let payload_ref = store.event(event.id()).unwrap().payload_ref;
        assert_eq!(store.request(payload_ref).unwrap(), request(0));
    });
}

pub fn a_stale_version_is_refused_and_changes_nothing(subject: &mut dyn Subject) {
    let event = accept_events(&*subject.store(), 0, &[1]).remove(0);
    let stored = attempt(&*subject.store(), &event, START, 500, Phase::Failed);
    let late = |version| Event { version, ..tried(&event, START, 200, Phase::Successful) };
    let refused = |subject: &dyn Subject| {
        for given in [0, 1, 3] {
            let transition = Transition { event: late(given), attempt: Some(attempt_record("refused")) };
            let stale = StoreError::Stale { seq: event.seq, stored: 1, given };
            assert_eq!(subject.store().record(transition).wait(), Err(stale));
        }
        assert_eq!(subject.store().event(event.id()).unwrap().event, stored);
        let kept = subject.store().attempt(event.id().attempt(1)).unwrap();
        assert_eq!(kept.record, Some(Ok(attempt_record("answer"))));
    };
    refused(subject);
    subject.settle();
    refused(subject);
    subject.crash();
    refused(subject);
    subject.reopen();
    refused(subject);
    record(&*subject.store(), moved(&stored, Phase::Cancelled { unsent: None }), None);
}

pub fn an_unknown_event_cannot_be_changed(subject: &mut dyn Subject) {
    let event = accept_events(&*subject.store(), 0, &[1]).remove(0);
    let unknown = Event { seq: event.seq + 1, index: 1, ..moved(&event, Phase::Cancelled { unsent: None }) };
    let refused = subject.store().record(Transition { event: unknown, attempt: None }).wait();
    assert_eq!(refused, Err(StoreError::NotFound));
    through(subject, |store| {
        assert_eq!(store.count(&EventFilter::default(), START), Ok(1));
        assert_eq!(store.event(event.id()).unwrap().event, event);
    });
}

pub fn transitions_are_decided_in_the_order_of_submission(subject: &mut dyn Subject) {
    let store = subject.store();
    let mut event = accept_events(&*store, 0, &[1]).remove(0);
    let mut commits = Vec::new();
    for n in 0..50 {
        event = tried(&event, START.plus_ms(n), 500, Phase::Waiting { due_at: START.plus_ms(n + 1) });
        let attempt = Some(attempt_record(&format!("answer {}", n + 1)));
        commits.push(store.record(Transition { event: event.clone(), attempt }));
    }
    let too_late = store.record(Transition { event: event.clone(), attempt: None });
    assert!(commits.into_iter().all(|commit| commit.wait() == Ok(())));
    assert_eq!(too_late.wait(), Err(StoreError::Stale { seq: event.seq, stored: 50, given: 50 }));
    drop(store);
    through(subject, |store| {
        assert_eq!(store.event(event.id()).unwrap().event, event);
        for number in 1..=50 {
            let record = store.attempt(event.id().attempt(number)).unwrap().record.unwrap().unwrap();
            assert_eq!(record.response_body, format!("answer {number}"));
        }
    });
}

pub fn attempts_read_back_with_their_details(subject: &mut dyn Subject) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let records = [
        AttemptRecord {
            url: "https://example.com/a%20b?c=%ff&ü".to_owned(),
            method: "PUT".to_owned(),
            response_headers: [("set-cookie", &b"b=2"[..]), ("date", b"today"), ("set-cookie", &all_bytes[128..])]
                .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value)))
                .to_vec(),
            response_body: Bytes::from(all_bytes.repeat(256)),
            response_truncated: true,
            error_message: None,
        },
        AttemptRecord {
            error_message: Some("connection refused: „nobody“ listens".to_owned()), ..attempt_record("")
        },
        AttemptRecord::default(),
    ];
    let mut event = accept_events(&*subject.store(), 0, &[1]).remove(0);
    for record in &records {
        let next = tried(&event, START, 500, Phase::Failed);
        event = self::record(&*subject.store(), next, Some(record.clone()));
    }
    let cancelled = record(&*subject.store(), moved(&event, Phase::Cancelled { unsent: None }), None);
    through(subject, |store| {
        for (number, record) in (1..).zip(&records) {
            let found = store.attempt(event.id().attempt(number)).unwrap();
            assert_eq!((found.number, &found.event), (number, &cancelled));
            assert!(found.record.unwrap().as_ref() == Ok(record), "attempt {number} differs");
        }
    });
}

pub fn every_phase_and_result_is_kept(subject: &mut dyn Subject) {
    let soon = START.plus_ms(1_000);
    let ready = |trigger, automatic_due| Phase::Ready { due_at: soon, trigger, automatic_due };
    let phases = [
        ready(AttemptTrigger::Manual, Some(START.plus_ms(7 * 24 * 3_600_000))),
        ready(AttemptTrigger::Manual, None),
        ready(AttemptTrigger::Automatic, None),
        Phase::Waiting { due_at: soon },
        Phase::Successful,
        Phase::Failed,
        Phase::Cancelled { unsent: None },
        Phase::Cancelled { unsent: Some(Unsent { trigger: AttemptTrigger::BulkRetry, due_at: soon }) },
        Phase::Cancelled { unsent: Some(Unsent { trigger: AttemptTrigger::Initial, due_at: START }) },
    ];
    let errors = (1..=u8::MAX).filter_map(ErrorCode::from_number);
    let failures = errors.flat_map(|error| [None, Some(502)].map(|status| AttemptResult::Failed { error, status }));
    let answers = [100, 200, 299, 404, 599, 999].map(|status| AttemptResult::Answered { status });
    let triggers = [
        AttemptTrigger::Initial,
        AttemptTrigger::Automatic,
        AttemptTrigger::Manual,
        AttemptTrigger::BulkRetry,
        AttemptTrigger::Unpause,
    ];
    let statuses = [AttemptStatus::Successful, AttemptStatus::Failed, AttemptStatus::Cancelled];
    let mut expected = Vec::new();
    for (n, result) in (0..).zip(failures.chain(answers)) {
        let event = accept_events(&*subject.store(), n, &[1]).remove(0);
        let place = usize::try_from(n).unwrap();
        let mut event = moved(&event, phases[place % phases.len()]);
        event.automatic_used = u32::try_from(n).unwrap();
        let trigger = triggers[place % triggers.len()];
        event.attempts.push(AttemptSummary {
            trigger,
            resumed: place.is_multiple_of(2),
            status: statuses[place % statuses.len()],
            started_at: START,
            latency_ms: u32::MAX,
            result,
        });
        expected.push(record(&*subject.store(), event, Some(attempt_record("answer"))));
    }
    // Without an attempt, too.
    for (n, phase) in (100..).zip(phases) {
        let event = accept_events(&*subject.store(), n, &[1]).remove(0);
        expected.push(record(&*subject.store(), moved(&event, phase), None));
    }
    through(subject, |store| {
        for event in &expected {
            assert_eq!(store.event(event.id()).unwrap().event, *event);
        }
    });
}

pub fn a_long_history_is_kept_whole(subject: &mut dyn Subject) {
    let mut event = accept_events(&*subject.store(), 0, &[1]).remove(0);
    for number in 1..=LONG_HISTORY {
        let at = Timestamp::from_ms(START.ms() + i64::from(number) * 3_600_000);
        let next = tried(&event, at, 400 + number, Phase::Waiting { due_at: at.plus_ms(1) });
        event = record(&*subject.store(), next, Some(attempt_record(&format!("answer {number}"))));
        // Older attempts lie in what was settled, newer ones do not.
        if number == LONG_HISTORY / 2 {
            subject.settle();
        }
    }
    through(subject, |store| {
        assert_eq!(store.event(event.id()).unwrap().event, event);
        for number in 1..=u32::from(LONG_HISTORY) {
            let record = store.attempt(event.id().attempt(number)).unwrap().record.unwrap();
            assert_eq!(record, Ok(attempt_record(&format!("answer {number}"))));
        }
    });
}
