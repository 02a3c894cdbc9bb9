//! Listing requests: what became of each, filters, pages, single ones with their data.

use super::{
    START, Subject,
    kit::{accept, attempt, connection_id, new_request, request, request_id, source_id, through},
};
use crate::{
    domain::{Ignored, IgnoredCause, Phase, RejectionCause, Request, RequestId, Span, Timestamp},
    store::{
        NewRequest, PayloadRef, RequestContent, RequestFilter, RequestPage, RequestStretch, RequestSummary, Store,
        StoreError,
    },
};

/// Connections 100 and up that make no event of a request, disabled and without a listener in turn.
fn ignored(count: u64) -> Vec<Ignored> {
    let cause = |n: u64| if n.is_multiple_of(2) { IgnoredCause::Disabled } else { IgnoredCause::CliDisconnected };
    (0..count).map(|n| Ignored { connection_id: connection_id(100 + n), cause: cause(n) }).collect()
}

/// Request `n` at source `n % 3`: in turn accepted by two, rejected, ignored by one and accepted by one, ignored by two.
fn varied(n: u64) -> NewRequest {
    let request = Request { source_id: source_id(n % 3), ..request(n) };
    match n % 5 {
        0 => new_request(request, &[1, 2]),
        1 => new_request(request, &[]),
        2 => NewRequest { rejection: Some(RejectionCause::PayloadTooLarge), ..new_request(request, &[]) },
        3 => NewRequest { ignored: ignored(1), ..new_request(request, &[1]) },
        _ => NewRequest { ignored: ignored(2), rejection: None, ..new_request(request, &[]) },
    }
}

/// Accepts them, a millisecond apart, and answers what lists must show, oldest first.
fn accept_varied(subject: &dyn Subject, numbers: std::ops::Range<u64>) -> Vec<RequestSummary> {
    let store = subject.store();
    // Few get a moment each; many share commits.
    let one_by_one = numbers.end - numbers.start <= 100;
    let commits: Vec<_> = numbers
        .map(|n| {
            subject.clock().set(START.plus_ms(n));
            let new = varied(n);
            let commit = store.accept(new.clone());
            (new, if one_by_one { crate::store::Commit::ready(commit.wait()) } else { commit })
        })
        .collect();
    let summary = |(new, commit): (NewRequest, crate::store::Commit<crate::store::Accepted>)| {
        let accepted = commit.wait().unwrap();
        RequestSummary {
            payload_ref: PayloadRef::default(),
            id: new.request.id,
            source_id: new.request.source_id,
            received_at: new.request.received_at,
            created_at: accepted.created_at,
            rejection: new.rejection,
            events: accepted.events,
            ignored: u32::try_from(new.ignored.len()).unwrap(),
        }
    };
    commits.into_iter().map(summary).collect()
}

fn page(
    store: &dyn Store,
    filter: &RequestFilter,
    descending: bool,
    after: Option<PayloadRef>,
    limit: usize,
) -> RequestPage {
    store.requests(filter, &RequestStretch { descending, after, limit }).unwrap()
}

/// All that match, walked by pages of `limit`; places left out, since only their order is the contract's.
fn walk(store: &dyn Store, filter: &RequestFilter, descending: bool, limit: usize) -> Vec<RequestSummary> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(store, filter, descending, after, limit);
        assert!(
            page.requests.len() <= limit && (!page.more || page.requests.len() == limit),
            "{}",
            page.requests.len()
        );
        for summary in page.requests {
            let goes_on = after.is_none_or(|after| (summary.payload_ref < after) == descending);
            assert!(goes_on && after != Some(summary.payload_ref), "a page does not go on where the last one ended");
            after = Some(summary.payload_ref);
            all.push(RequestSummary { payload_ref: PayloadRef::default(), ..summary });
        }
        if !page.more {
            return all;
        }
    }
}

fn assert_listed(store: &dyn Store, all: &[RequestSummary], filter: &RequestFilter, limit: usize) {
    let mut expected: Vec<RequestSummary> = all.iter().filter(|summary| filter.matches(summary)).copied().collect();
    assert!(walk(store, filter, false, limit) == expected, "oldest first, by {limit}: {filter:?}");
    expected.reverse();
    assert!(walk(store, filter, true, limit) == expected, "newest first, by {limit}: {filter:?}");
    assert_eq!(store.count_requests(filter), Ok(expected.len() as u64), "{filter:?}");
}

/// One filter for every field, and some together; each matches something of sixty varied requests.
fn every_filter(all: &[RequestSummary]) -> Vec<RequestFilter> {
    let any = RequestFilter::default;
    let at = |place: usize| Some(all[place].created_at);
    vec![
        any(),
        RequestFilter { ids: vec![all[3].id, all[41].id, request_id(9_999, START)], ..any() },
        RequestFilter { sources: vec![source_id(1)], ..any() },
        RequestFilter { sources: vec![source_id(2), source_id(0), source_id(77)], ..any() },
        RequestFilter { accepted: Some(true), ..any() },
        RequestFilter { accepted: Some(false), sources: vec![source_id(2)], ..any() },
        RequestFilter { rejections: vec![RejectionCause::PayloadTooLarge], ..any() },
        RequestFilter { rejections: vec![RejectionCause::NoConnection, RejectionCause::SourceDisabled], ..any() },
        RequestFilter { created: Span { from: at(7), before: None }, ..any() },
        RequestFilter { created: Span { from: None, before: at(33) }, ..any() },
        RequestFilter { created: Span { from: at(20), before: at(21) }, ..any() },
        RequestFilter { received: Span { from: Some(all[11].received_at), before: at(50) }, ..any() },
        RequestFilter { events: vec![(1, u32::MAX)], ..any() },
        RequestFilter { events: vec![(0, 0), (2, 2)], created: Span { from: at(5), before: None }, ..any() },
        RequestFilter { ignored: vec![(1, 1)], ..any() },
        RequestFilter { ignored: vec![(2, u32::MAX)], accepted: Some(true), sources: vec![source_id(0)], ..any() },
    ]
}

/// Some that match nothing.
fn empty_filters() -> Vec<RequestFilter> {
    let any = RequestFilter::default;
    vec![
        RequestFilter { ids: vec![RequestId::from_bits(0), RequestId::from_bits(u128::MAX)], ..any() },
        RequestFilter { sources: vec![source_id(3)], ..any() },
        RequestFilter { rejections: vec![RejectionCause::SourceDisabled], ..any() },
        RequestFilter { accepted: Some(true), rejections: vec![RejectionCause::NoConnection], ..any() },
        RequestFilter { created: Span { from: None, before: Some(START) }, ..any() },
        RequestFilter { received: Span { from: Some(Timestamp::MAX), before: None }, ..any() },
        RequestFilter { events: vec![(3, 9)], ..any() },
        RequestFilter { ignored: vec![(1, 0)], ..any() },
    ]
}

pub fn requests_are_listed_whatever_became_of_them(subject: &mut dyn Subject) {
    let all = accept_varied(subject, 0..60);
    through(subject, |store| {
        for filter in every_filter(&all) {
            assert!(all.iter().any(|summary| filter.matches(summary)), "nothing to find: {filter:?}");
            assert_listed(store, &all, &filter, 7);
        }
        for filter in empty_filters() {
            assert_listed(store, &all, &filter, 1);
            assert!(!all.iter().any(|summary| filter.matches(summary)), "{filter:?}");
        }
    });
}

pub fn pages_of_requests_walk_both_ways_without_gap_or_repetition(subject: &mut dyn Subject) {
    let all = accept_varied(subject, 0..30);
    let rejected = RequestFilter { accepted: Some(false), ..RequestFilter::default() };
    through(subject, |store| {
        for limit in [1, 2, 5, 12, 29, 30, 31] {
            for filter in [&RequestFilter::default(), &rejected] {
                assert_listed(store, &all, filter, limit);
            }
        }
        let whole = page(store, &RequestFilter::default(), false, None, 30);
        assert!(!whole.more);
        // A cursor needs no request that matches, nor one that is there.
        let places: Vec<PayloadRef> = whole.requests.iter().map(|summary| summary.payload_ref).collect();
        let first = |descending, after| page(store, &rejected, descending, Some(after), 1).requests.pop();
        assert_eq!(first(false, places[4]).map(|summary| summary.id), Some(all[6].id));
        assert_eq!(first(true, places[5]).map(|summary| summary.id), Some(all[2].id));
        assert_eq!(first(true, places[1]), None);
        let beyond = PayloadRef(places[29].0 + 1, 0);
        assert_eq!((first(true, beyond).map(|summary| summary.id), first(false, beyond)), (Some(all[27].id), None));
        assert_eq!(page(store, &rejected, false, None, 0), RequestPage { requests: vec![], more: true });
    });
}

pub fn cursors_of_requests_stay_in_place_while_new_ones_arrive(subject: &mut dyn Subject) {
    let old = accept_varied(subject, 0..6);
    let store = subject.store();
    let ids = |page: RequestPage| (page.requests.iter().map(|it| it.id).collect::<Vec<_>>(), page.more);
    let any = RequestFilter::default();
    let newest = page(&*store, &any, true, None, 2);
    let last = newest.requests[1].payload_ref;
    assert_eq!(ids(newest), (vec![old[5].id, old[4].id], true));
    accept_varied(subject, 6..8);
    let next = page(&*store, &any, true, Some(last), 2);
    let last = next.requests[1].payload_ref;
    assert_eq!(ids(next), (vec![old[3].id, old[2].id], true));
    drop(store);
    subject.settle();
    accept_varied(subject, 8..9);
    subject.reopen();
    accept_varied(subject, 9..10);
    let store = subject.store();
    assert_eq!(ids(page(&*store, &any, true, Some(last), 2)), (vec![old[1].id, old[0].id], false));
    // The other way, what is new comes at the end.
    let later = page(&*store, &any, false, Some(last), 100);
    assert_eq!((later.requests.len(), later.requests.last().unwrap().id), (7, request(9).id));
}

pub fn a_request_is_found_by_its_id_with_its_data(subject: &mut dyn Subject) {
    let all = accept_varied(subject, 0..10);
    // What becomes of its events later changes nothing.
    let event = subject.store().events_of(all[0].id).unwrap().remove(0);
    attempt(&*subject.store(), &event, START, 200, Phase::Successful);
    through(subject, |store| {
        for (n, summary) in (0..).zip(&all) {
            let kept = store.request_by_id(summary.id).unwrap();
            assert_eq!(RequestSummary { payload_ref: PayloadRef::default(), ..kept.summary }, *summary);
            let NewRequest { request, ignored, .. } = varied(n);
            assert_eq!(kept.content, Ok(RequestContent { request: request.as_ref().clone(), ignored }));
            assert_eq!(store.request(kept.summary.payload_ref).unwrap(), *request);
        }
        for missing in [request_id(0, START.plus_ms(1)), request_id(10, START), RequestId::from_bits(u128::MAX)] {
            assert_eq!(store.request_by_id(missing), Err(StoreError::NotFound));
        }
    });
}

pub fn requests_of_one_millisecond_are_told_apart(subject: &mut dyn Subject) {
    let ids =
        [700, 10_000, 701, (1 << 79) + 70_000, 1 << 79, (1 << 80) - 1, 0].map(|n| RequestId::from_parts(START, n));
    for id in ids {
        subject.store().accept(new_request(Request { id, ..request(0) }, &[])).wait().unwrap();
    }
    through(subject, |store| {
        for id in ids {
            assert_eq!(store.request_by_id(id).unwrap().content.unwrap().request.id, id);
            let filter = RequestFilter { ids: vec![id], ..RequestFilter::default() };
            assert_eq!(store.count_requests(&filter), Ok(1));
        }
        assert_eq!(store.request_by_id(RequestId::from_parts(START, 702)), Err(StoreError::NotFound));
        let listed: Vec<_> = walk(store, &RequestFilter::default(), false, 3).iter().map(|it| it.id).collect();
        assert_eq!(listed, ids, "in the order of commit");
    });
}

pub fn many_requests_are_listed_as_few_are(subject: &mut dyn Subject) {
    let mut all = accept_varied(subject, 0..1_500);
    subject.settle();
    all.extend(accept_varied(subject, 1_500..2_600));
    through(subject, |store| {
        for filter in every_filter(&all).iter().chain(&empty_filters()) {
            assert_listed(store, &all, filter, 250);
        }
    });
    subject.crash();
    all.extend(accept_varied(subject, 2_600..2_700));
    for (place, limit) in [(0, 2_000), (2_650, 40)] {
        let filter = RequestFilter {
            created: Span { from: Some(all[place].created_at), before: None },
            ..RequestFilter::default()
        };
        assert_listed(&*subject.store(), &all, &filter, limit);
    }
}

pub fn a_request_that_was_answered_before_is_listed_once(subject: &mut dyn Subject) {
    for _ in 0..2 {
        accept(&*subject.store(), 0, &[1]);
    }
    through(subject, |store| assert_eq!(store.count_requests(&RequestFilter::default()), Ok(1)));
}
