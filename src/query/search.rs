//! Lists by what arrived: events or requests that match otherwise are gone through in the order asked for, and what arrived
//! with each is read and judged, for as long as one question may take.
//!
//! An answer always comes: where the budget ends first, the page says that it is not complete, and its cursor goes on where
//! the search stopped, not where the last match stands.

use std::sync::Arc;

use super::{
    Page, PageQuery, Start,
    content::{Content, Verdict},
};
use crate::{
    clock::Clock,
    domain::{Request, Timestamp},
    store::StoreError,
};

/// How long one search goes on: below the second that a person waits for.
pub const SEARCH_MS_MAX: u64 = 800;
/// Rows that one search reads: what the time is enough for on a fast machine; bounds the work where the clock does not move.
pub const SEARCH_ROWS_MAX: usize = 200_000;
/// Rows fetched at a time: few enough that a page that fills at once fetched little in vain.
const BATCH_ROWS: usize = 512;
/// Bytes that are judged between two looks at the clock: some milliseconds of parsing.
const LOOK_BYTES: usize = 256 * 1024;
/// What a row counts beside its body.
const ROW_BYTES: usize = 4096;

/// How far a search came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searched {
    /// Whether everything that the page could have shown was looked at.
    pub complete: bool,
    /// Rows that were looked at.
    pub rows: usize,
    /// Of these, rows whose bodies were too large, could not be read, or took too long: they may match and are not shown.
    pub not_searched: usize,
}

/// A row with what arrived.
pub(super) type Found<T> = (T, Arc<Request>);

/// The places that lead on from a page of a search, and the page in the order asked for.
pub(super) fn page_of_search<T, K: Copy, I>(
    outcome: Outcome<T, K>,
    start: Start<K>,
    key: impl Fn(&T) -> K,
    item: impl Fn(Found<T>) -> I,
) -> (Page<I, K>, Searched) {
    let begin = outcome.found.first().map(|(row, _)| key(row)).or(outcome.first);
    let mut items: Vec<I> = outcome.found.into_iter().map(item).collect();
    let (next, prev) = match start {
        Start::First => (outcome.end, None),
        Start::After(came_by) => (outcome.end, begin.or(Some(came_by))),
        Start::Before(came_by) => (begin.or(Some(came_by)), outcome.end),
    };
    if matches!(start, Start::Before(_)) {
        items.reverse();
    }
    (Page { items, next, prev }, outcome.searched)
}

/// What a search found, in the direction it went.
pub(super) struct Outcome<T, K> {
    pub(super) found: Vec<Found<T>>,
    pub(super) searched: Searched,
    /// The first row that was looked at.
    pub(super) first: Option<K>,
    /// Where to go on, when there may be more.
    pub(super) end: Option<K>,
}

/// Where the rows come from.
pub(super) trait Rows {
    /// One of them.
    type Row;
    /// Its place.
    type Key: Copy;
    /// The rows behind a place, and whether there are more.
    fn behind(&mut self, after: Option<Self::Key>, limit: usize) -> Result<(Vec<Self::Row>, bool), StoreError>;
    /// The place of a row.
    fn key(&self, row: &Self::Row) -> Self::Key;
    /// What arrived with it; the inner error says why that cannot be read.
    fn data(&mut self, row: &Self::Row) -> Result<Result<Arc<Request>, StoreError>, StoreError>;
}

/// Goes through rows until `limit` of them match, none are left, the page has `bytes_max` of bodies, or the budget ends.
pub(super) fn search<R: Rows>(
    rows: &mut R,
    page: &PageQuery<R::Key>,
    content: &Content,
    clock: &dyn Clock,
    bytes_max: usize,
) -> Result<Outcome<R::Row, R::Key>, StoreError> {
    let mut budget = Budget { until: clock.now().plus_ms(SEARCH_MS_MAX), rows: SEARCH_ROWS_MAX, unseen: 0 };
    let mut at = match page.start {
        Start::First => None,
        Start::After(key) | Start::Before(key) => Some(key),
    };
    let searched = Searched { complete: true, rows: 0, not_searched: 0 };
    let mut outcome = Outcome { found: Vec::new(), searched, first: None, end: None };
    let mut bytes = 0;
    loop {
        let (batch, more) = rows.behind(at, BATCH_ROWS)?;
        let count = batch.len();
        for (place, row) in batch.into_iter().enumerate() {
            let key = rows.key(&row);
            let is_last = place + 1 == count && !more;
            outcome.first = outcome.first.or(Some(key));
            outcome.searched.rows += 1;
            let data = rows.data(&row)?;
            let length = data.as_ref().map_or(0, |request| request.body.len());
            match data.as_ref().map(|request| content.judge(request)) {
                Ok(Verdict::Matches) => {
                    if let Ok(request) = data {
                        outcome.found.push((row, request));
                        bytes += length;
                    }
                }
                // What is not there any more matches nothing.
                Ok(Verdict::Differs) | Err(StoreError::NotFound | StoreError::Erased { .. }) => {}
                Ok(Verdict::NotSearched) | Err(_) => outcome.searched.not_searched += 1,
            }
            at = Some(key);
            if outcome.found.len() >= page.limit || bytes > bytes_max {
                outcome.end = at.filter(|_| !is_last);
                return Ok(outcome);
            }
            if !is_last && budget.ends(length, clock) {
                outcome.searched.complete = false;
                outcome.end = at;
                return Ok(outcome);
            }
        }
        if !more {
            return Ok(outcome);
        }
    }
}

/// What one search may still cost.
struct Budget {
    until: Timestamp,
    rows: usize,
    /// Bytes since the last look at the clock.
    unseen: usize,
}

impl Budget {
    fn ends(&mut self, length: usize, clock: &dyn Clock) -> bool {
        self.rows = self.rows.saturating_sub(1);
        self.unseen += length + ROW_BYTES;
        if self.unseen >= LOOK_BYTES {
            self.unseen = 0;
            return self.rows == 0 || clock.now() >= self.until;
        }
        self.rows == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::domain::{RequestId, SourceId};

    /// A clock that every look moves on.
    struct Hurried(AtomicI64);

    impl Clock for Hurried {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(self.0.fetch_add(200, Ordering::Relaxed))
        }
    }

    /// Numbers below a limit, each with its digits as the body.
    struct Numbers(usize);

    impl Rows for Numbers {
        type Row = usize;
        type Key = usize;

        fn behind(&mut self, after: Option<usize>, limit: usize) -> Result<(Vec<usize>, bool), StoreError> {
            let first = after.map_or(0, |after| after + 1);
            let end = (first + limit).min(self.0);
            Ok(((first..end).collect(), end < self.0))
        }

        fn key(&self, row: &usize) -> usize {
            *row
        }

        fn data(&mut self, row: &usize) -> Result<Result<Arc<Request>, StoreError>, StoreError> {
            if row % 1000 == 999 {
                return Ok(Err(StoreError::Damaged("torn".to_owned())));
            }
            Ok(Ok(Arc::new(Request {
                id: RequestId::from_bits(1),
                source_id: SourceId::from_bits(1),
                received_at: Timestamp::EPOCH,
                method: "POST".to_owned(),
                path: String::new(),
                query: None,
                headers: vec![],
                body: format!("<{row}>").into(),
                body_truncated: false,
                client_ip: None,
            })))
        }
    }

    fn pages(limit: usize) -> (Vec<usize>, Vec<Searched>) {
        let mut content = Content::default();
        content.with_term("77>");
        let clock = Hurried(AtomicI64::new(0));
        let (mut found, mut told, mut start) = (Vec::new(), Vec::new(), Start::First);
        loop {
            let page = PageQuery { descending: false, start, limit };
            let outcome = search(&mut Numbers(3000), &page, &content, &clock, usize::MAX).unwrap();
            let (page, searched) = page_of_search(outcome, start, |row| *row, |(row, _)| row);
            found.extend(page.items);
            told.push(searched);
            match page.next {
                Some(next) => start = Start::After(next),
                None => return (found, told),
            }
        }
    }

    #[test]
    fn a_search_that_runs_out_of_time_goes_on_where_it_stopped() {
        let expected: Vec<usize> = (0..3000).filter(|number| number % 100 == 77).collect();
        for limit in [1, 5, 255] {
            let (found, told) = pages(limit);
            assert_eq!(found, expected, "pages of {limit}");
            assert!(told.last().unwrap().complete);
            assert_eq!(told.iter().map(|searched| searched.rows).sum::<usize>(), 3000);
            assert_eq!(told.iter().map(|searched| searched.not_searched).sum::<usize>(), 3, "what is torn is told");
        }
        let (_, told) = pages(255);
        assert!(told.len() > 5 && told[..told.len() - 1].iter().all(|searched| !searched.complete), "{told:?}");
    }

    #[test]
    fn a_page_that_ends_with_the_last_row_does_not_lead_on() {
        let mut content = Content::default();
        content.with_term("<4>");
        let page = PageQuery { descending: false, start: Start::First, limit: 1 };
        let clock = Hurried(AtomicI64::new(0));
        let outcome = search(&mut Numbers(5), &page, &content, &clock, usize::MAX).unwrap();
        assert_eq!((outcome.found.len(), outcome.end), (1, None));
    }
}
