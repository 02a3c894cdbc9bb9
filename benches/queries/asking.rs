//! Asks one state everything.

use std::{path::Path, time::Instant};

use hookgate::{
    domain::{ConnectionId, EventStatus, Span, Standing},
    store::{
        local::{
            row::Overlaid,
            state::{Asking, State},
        },
        query::{EventFilter, EventKey, EventOrder, Histogram, PageRequest},
    },
};

use crate::{
    Budget,
    history::{CACHE_BYTES, DAY_MS, History, connection},
    questions::{COMBINED, Question, SINGLE},
    spread::spread,
    table::{Table, ms, rss_mib},
};

/// Events on a page.
const PAGE: usize = 100;
/// New events and late changes that are not folded yet.
const FRESH: u64 = 20_000;
const CHANGED: u64 = 2_000;

struct Subject {
    state: State,
    over: Overlaid,
    history: History,
    times: u64,
}

/// One connection is paused.
fn standing(id: ConnectionId) -> Standing {
    Standing { paused: id == connection(42), generation: 0 }
}

pub(crate) fn ask(budget: Budget, dir: &Path, times: u64) -> Table {
    let mut table = Table::default();
    let history = History { events: budget.events };
    let over = Overlaid::new();
    let idle = rss_mib();
    let opened = Instant::now();
    let state = State::open(dir, CACHE_BYTES).unwrap();
    table.add("open", ms(opened), "ms", 10_000.0);
    let mut subject = Subject { state, over, history, times };
    for order in [EventOrder::Created, EventOrder::LastAttempt] {
        subject.first_pages(&mut table, &budget, order);
        subject.far_pages(&mut table, &budget, order);
    }
    subject.figures(&mut table, &budget);
    table.add("memory above idle", rss_mib() - idle, "MiB", budget.memory_mib);
    subject.over = history.overlay(FRESH, CHANGED);
    subject.overlaid(&mut table, &budget);
    table
}

fn words(order: EventOrder) -> &'static str {
    match order {
        EventOrder::Created => "page",
        EventOrder::LastAttempt => "page by last attempt",
    }
}

impl Subject {
    fn page(&self, filter: &EventFilter, page: &PageRequest) -> (Option<EventKey>, f64) {
        let asking = Asking { filter, standing: &standing, now: self.history.now() };
        let begun = Instant::now();
        let (rows, _) = self.state.page(&self.over, &asking, page).unwrap();
        (rows.last().map(|row| EventKey::of(&row.event)), ms(begun))
    }

    /// The first pages of every question.
    fn first_pages(&self, table: &mut Table, budget: &Budget, order: EventOrder) {
        let first = PageRequest { order, descending: true, after: None, limit: PAGE };
        for (name, filter) in SINGLE.iter().chain(&COMBINED) {
            let once = |n| self.page(&filter(self.history, n), &first).1;
            let (median, slow) = spread((0..self.times).map(once).collect());
            table.add(&format!("{}, {name}", words(order)), median, "ms", budget.page_ms.0);
            table.add(&format!("{}, {name}, p99", words(order)), slow, "ms", budget.page_ms.1);
        }
    }

    /// A thousand pages on end, of everything and of what is rare: the last as fast as the first.
    fn far_pages(&self, table: &mut Table, budget: &Budget, order: EventOrder) {
        let failed = EventFilter { statuses: vec![EventStatus::Failed], ..EventFilter::default() };
        for (name, filter, pages) in [("everything", EventFilter::default(), 1_000), ("FAILED", failed, 200)] {
            let mut page = PageRequest { order, descending: true, after: None, limit: PAGE };
            let mut times = Vec::new();
            for _ in 0..pages {
                let (last, took) = self.page(&filter, &page);
                page.after = Some(last.expect("there are more pages"));
                times.push(took);
            }
            let first = spread(times[..20].to_vec()).0;
            let (last, slow) = spread(times[pages - 20..].to_vec());
            table.add(&format!("{}s 1 to 20, {name}", words(order)), first, "ms", budget.page_ms.0);
            table.add(&format!("{}s to {pages}, {name}", words(order)), last, "ms", budget.page_ms.0);
            table.add(&format!("{}s to {pages}, {name}, slowest", words(order)), slow, "ms", budget.page_ms.1);
        }
    }

    fn median(&self, question: &Question, work: impl Fn(&Asking<'_>)) -> f64 {
        let once = |n| {
            let filter = (question.1)(self.history, n);
            let asking = Asking { filter: &filter, standing: &standing, now: self.history.now() };
            let begun = Instant::now();
            work(&asking);
            ms(begun)
        };
        spread((0..self.times / 4).map(once).collect()).0
    }

    /// Counts and histograms of every question.
    fn figures(&self, table: &mut Table, budget: &Budget) {
        let now = self.history.now();
        let shape = |length_ms: u64, buckets: usize| Histogram {
            start: now.minus_ms(length_ms),
            bucket_ms: length_ms / buckets as u64,
            buckets,
        };
        for question in SINGLE.iter().chain(&COMBINED) {
            let name = question.0;
            let count = |asking: &Asking<'_>| {
                assert!(self.state.count(&self.over, asking).unwrap() <= self.history.events + FRESH);
            };
            table.add(&format!("count, {name}"), self.median(question, count), "ms", budget.count_ms);
            let month =
                |asking: &Asking<'_>| drop(self.state.histogram(&self.over, asking, shape(30 * DAY_MS, 1000)).unwrap());
            table.add(&format!("histogram, {name}"), self.median(question, month), "ms", budget.histogram_ms);
            let day = |asking: &Asking<'_>| {
                let created = Span::since(now.minus_ms(DAY_MS));
                let filter = EventFilter { created, ..asking.filter.clone() };
                let asking = Asking { filter: &filter, ..*asking };
                drop(self.state.histogram(&self.over, &asking, shape(DAY_MS, 720)).unwrap());
            };
            table.add(&format!("histogram of a day, {name}"), self.median(question, day), "ms", budget.day_ms);
        }
    }

    /// The same with what is not folded yet, of the questions that it costs most.
    fn overlaid(&self, table: &mut Table, budget: &Budget) {
        for order in [EventOrder::Created, EventOrder::LastAttempt] {
            let first = PageRequest { order, descending: true, after: None, limit: PAGE };
            for (name, filter) in [SINGLE[0], SINGLE[4], SINGLE[8], SINGLE[13], COMBINED[0]] {
                let once = |n| self.page(&filter(self.history, n), &first).1;
                let (median, _) = spread((0..self.times / 4).map(once).collect());
                table.add(&format!("overlay, {}, {name}", words(order)), median, "ms", budget.page_ms.0);
            }
        }
        let count =
            |asking: &Asking<'_>| assert!(self.state.count(&self.over, asking).unwrap() <= self.history.events + FRESH);
        table.add("overlay, count, everything", self.median(&SINGLE[0], count), "ms", budget.count_ms);
    }
}
