//! Retention gives the disk back, and a rebuild afterwards shows the same.

use std::{fs, time::Duration};

use super::kit::{LocalSubject, accept, accept_all, connection, everything, files, finish, finish_all, now};
use crate::{
    domain::{ConfigItem, Connection, Event, EventStatus},
    store::{
        EventFilter, StoreError,
        conformance::{Subject, kit as requests},
    },
};

const DAY_MS: u64 = 24 * 3600 * 1000;

fn with_a_day() -> LocalSubject {
    LocalSubject::with(|options| {
        options.retention = Duration::from_millis(DAY_MS);
        options.segment_bytes = 64 * 1024;
    })
}

/// Accepts so many, in commits of fifty, and finishes all but the first of every `keep`; answers those that wait.
fn fill(subject: &LocalSubject, count: usize, keep: Option<usize>) -> Vec<Event> {
    let store = subject.store();
    let mut waiting = Vec::new();
    for start in (0..count).step_by(50) {
        let numbers = start..(start + 50).min(count);
        let events = accept_all(store.as_ref(), numbers.clone().map(|_| 500));
        let (keep, done): (Vec<_>, Vec<_>) =
            numbers.zip(events).partition(|(number, _)| keep.is_some_and(|keep| number % keep == 0));
        waiting.extend(keep.into_iter().map(|(_, event)| event));
        finish_all(store.as_ref(), done.into_iter().map(|(_, event)| event).collect(), now(subject), 200);
    }
    waiting
}

fn rebuild(subject: &mut LocalSubject) {
    let directory = subject.close().to_owned();
    fs::remove_dir_all(directory.join("state")).unwrap();
    fs::remove_file(directory.join("CHECKPOINT")).unwrap();
    subject.open();
}

#[test]
fn settled_events_past_retention_go_with_their_segments_and_stay_gone_in_a_rebuild() {
    let mut subject = with_a_day();
    fill(&subject, 3_000, None);
    let event = accept(subject.store().as_ref(), 10);
    finish(subject.store().as_ref(), event, now(&subject), 200);
    subject.settle();
    let full = subject.store().stats().journal_bytes;
    subject.clock().advance_ms(2 * DAY_MS);
    let young = fill(&subject, 10, Some(1));
    subject.settle();
    subject.local().retain_now().unwrap();
    subject.settle();
    let left = subject.store().stats().journal_bytes;
    assert!(left * 10 <= full, "{left} of {full} bytes are left");
    let expected = everything(subject.store().as_ref());
    assert_eq!(expected.len(), young.len());
    rebuild(&mut subject);
    assert_eq!(everything(subject.store().as_ref()), expected);
}

#[test]
fn what_still_waits_is_carried_forward_whole() {
    let mut subject = with_a_day();
    let waiting = fill(&subject, 3_000, Some(100));
    subject.settle();
    let before: Vec<_> = everything(subject.store().as_ref());
    let before: Vec<_> = before.into_iter().filter(|line| line.contains("Ready")).collect();
    let full = subject.store().stats().journal_bytes;
    subject.clock().advance_ms(2 * DAY_MS);
    accept(subject.store().as_ref(), 10);
    subject.settle();
    let held = subject.store().held(connection(), now(&subject)).unwrap();
    assert_eq!((held.events, held.body_bytes), (waiting.len() as u64 + 1, waiting.len() as u64 * 500 + 10));
    subject.local().retain_now().unwrap();
    let left = subject.store().stats().journal_bytes;
    assert!(left * 5 <= full, "{left} of {full} bytes are left");
    let kept = everything(subject.store().as_ref());
    assert_eq!(kept.len(), waiting.len() + 1);
    assert_eq!(kept[..waiting.len()], before);
    assert_eq!(subject.store().held(connection(), now(&subject)), Ok(held));
    rebuild(&mut subject);
    assert_eq!(subject.store().held(connection(), now(&subject)), Ok(held));
    assert_eq!(everything(subject.store().as_ref()), kept);
    let queue = subject.store().pending(connection(), now(&subject), None, 1_000).unwrap();
    assert_eq!(queue.events.len(), waiting.len() + 1);
    let done = finish(subject.store().as_ref(), queue.events[0].event.clone(), now(&subject), 200);
    assert_eq!(subject.store().event(done.id()).unwrap().event, done);
}

#[test]
fn events_cut_by_their_connection_expire_as_settled_ones_do() {
    let mut subject = with_a_day();
    let waiting = fill(&subject, 1_000, Some(10));
    subject.settle();
    // Longer on hold than settled ones are kept: they are seen as cancelled all the same.
    subject.clock().advance_ms(2 * DAY_MS);
    cut(&subject);
    subject.local().retain_now().unwrap();
    let cancelled = EventFilter { statuses: vec![EventStatus::Cancelled], ..EventFilter::default() };
    assert_eq!(subject.store().count(&cancelled, now(&subject)).unwrap(), waiting.len() as u64);
    subject.clock().advance_ms(2 * DAY_MS);
    let young = accept(subject.store().as_ref(), 10);
    subject.settle();
    let count = |subject: &LocalSubject| subject.store().count(&cancelled, now(subject)).unwrap();
    // The young one was accepted over a route of before, as in a race.
    assert_eq!(count(&subject), waiting.len() as u64 + 1);
    subject.local().retain_now().unwrap();
    assert_eq!(count(&subject), 1);
    assert_eq!(subject.store().event(young.id()).unwrap().event, young);
    rebuild(&mut subject);
    assert_eq!((count(&subject), subject.store().stats().events), (1, 1));
}

/// Raises the generation of the connection that everything is on.
fn cut(subject: &LocalSubject) {
    let updated_at = now(subject);
    let item = Connection { id: connection(), generation: 1, updated_at, ..requests::connection(0, 1, None) };
    subject.store().put_config(vec![ConfigItem::Connection(item)]).wait().unwrap();
}

#[test]
fn the_quota_takes_the_oldest_settled_events_and_never_a_live_one() {
    let quota = 512 * 1024;
    let mut subject = LocalSubject::with(|options| {
        options.segment_bytes = 64 * 1024;
        options.quota_bytes = Some(quota);
    });
    let waiting = fill(&subject, 3_000, Some(50));
    subject.settle();
    subject.local().retain_now().unwrap();
    assert!(subject.store().stats().journal_bytes <= quota + 3 * 64 * 1024);
    let queue = subject.store().pending(connection(), now(&subject), None, 1_000).unwrap();
    let queued: Vec<_> = queue.events.into_iter().map(|pending| pending.event).collect();
    assert_eq!(queued, waiting);
    let kept = everything(subject.store().as_ref());
    assert!(kept.len() < 3_000);
    rebuild(&mut subject);
    assert_eq!(everything(subject.store().as_ref()), kept);
}

#[test]
fn live_events_over_the_quota_stay_and_requests_are_refused_until_they_settle() {
    let subject = LocalSubject::with(|options| {
        options.segment_bytes = 64 * 1024;
        options.quota_bytes = Some(512 * 1024);
    });
    let waiting = fill(&subject, 1_500, Some(1));
    subject.settle();
    subject.local().retain_now().unwrap();
    assert!(matches!(subject.store().accepting(), Err(StoreError::OverQuota { .. })));
    assert_eq!(everything(subject.store().as_ref()).len(), waiting.len());
    finish_all(subject.store().as_ref(), waiting, now(&subject), 200);
    subject.settle();
    subject.local().retain_now().unwrap();
    assert_eq!(subject.store().accepting(), Ok(()));
    accept(subject.store().as_ref(), 10);
}

#[test]
fn a_live_event_stays_and_configuration_is_kept_when_its_segment_goes() {
    let mut subject = with_a_day();
    super::kit::put_secrets(subject.store().as_ref());
    fill(&subject, 1_000, None);
    let event = accept(subject.store().as_ref(), 10);
    finish(subject.store().as_ref(), event, now(&subject), 200);
    subject.settle();
    subject.clock().advance_ms(2 * DAY_MS);
    accept(subject.store().as_ref(), 10);
    subject.settle();
    assert!(subject.local().retain_now().unwrap() > 0);
    rebuild(&mut subject);
    assert_eq!(subject.store().configuration().destinations.len(), 1);
    assert_eq!(subject.store().count(&EventFilter::default(), now(&subject)).unwrap(), 1);
}

#[test]
fn segments_from_before_a_restart_go_as_well() {
    let mut subject = with_a_day();
    fill(&subject, 1_000, None);
    subject.settle();
    subject.reopen();
    let full = subject.store().stats().journal_bytes;
    subject.clock().advance_ms(2 * DAY_MS);
    accept(subject.store().as_ref(), 10);
    subject.settle();
    subject.local().retain_now().unwrap();
    let left = subject.store().stats().journal_bytes;
    assert!(left * 4 <= full, "{left} of {full} bytes are left");
}

#[test]
fn a_body_that_few_events_of_a_wide_fan_out_wait_for_is_not_carried_once_for_each() {
    let mut subject = with_a_day();
    let store = subject.store();
    let mut request = requests::request(1);
    request.body = vec![7; 100_000].into();
    let accepted = store.accept(requests::new_request(request, &[1; 50])).wait().unwrap();
    let events = store.events_of(requests::request(1).id).unwrap();
    assert_eq!(accepted.events, 50);
    finish_all(store.as_ref(), events[5..].to_vec(), now(&subject), 200);
    drop(store);
    subject.clock().advance_ms(2 * DAY_MS);
    subject.reopen();
    subject.settle();
    let before = subject.store().stats().journal_bytes;
    subject.local().retain_now().unwrap();
    assert!(subject.store().stats().journal_bytes <= before);
    assert_eq!(subject.store().events_of(requests::request(1).id).unwrap(), events[..5]);
}

#[test]
fn a_damaged_segment_keeps_no_other_from_going() {
    let mut subject = with_a_day();
    fill(&subject, 1_000, None);
    subject.settle();
    let full = subject.store().stats().journal_bytes;
    let first = files(&subject.close().join("journal")).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    bytes[..64].fill(0xaa);
    fs::write(&first, bytes).unwrap();
    subject.open();
    subject.clock().advance_ms(2 * DAY_MS);
    accept(subject.store().as_ref(), 10);
    subject.settle();
    subject.local().retain_now().unwrap();
    let left = subject.store().stats().journal_bytes;
    assert!(left * 2 <= full, "{left} of {full} bytes are left");
    assert!(first.exists());
}
