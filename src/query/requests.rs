//! Questions about requests: what arrived, what became of it, who made no event of it.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    CursorKey, Page, PageQuery, Query, Start,
    content::Content,
    cursor_bytes,
    events::{DATA_BYTES_MAX, readable},
    page_of,
    search::{Found, Rows, Searched, page_of_search, search},
    with_keys,
};
pub use crate::store::{KeptRequest, RequestContent, RequestFilter, RequestSummary};
use crate::{
    domain::{Document, DocumentKey, Family, Ignored, IgnoredEventId, Request, RequestId, Timestamp},
    store::{DocumentStretch, PayloadRef, RequestStretch, Store, StoreError},
};

/// The order of requests: that of their commit.
pub type RequestKey = PayloadRef;

/// Which requests, and how.
#[derive(Debug, Clone)]
pub struct RequestsAsked {
    /// Which.
    pub filter: RequestFilter,
    /// Which page.
    pub page: PageQuery<RequestKey>,
    /// Only those that are like this.
    pub content: Option<Arc<Content>>,
    /// With what arrived.
    pub with_data: bool,
}

/// A page of requests, and how far the search for it came where one was needed.
pub type RequestsFound = (Page<RequestRow, RequestKey>, Option<Searched>);

/// A request, and what arrived where that was asked for; an error when its bytes are damaged, erased or gone.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// As lists show it.
    pub summary: RequestSummary,
    /// What arrived.
    pub data: Option<Result<Arc<Request>, StoreError>>,
}

/// A connection that made no event of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IgnoredEvent {
    /// Its id.
    pub id: IgnoredEventId,
    /// Which connection, and why.
    pub ignored: Ignored,
    /// The request.
    pub request_id: RequestId,
    /// When that was committed.
    pub created_at: Timestamp,
    /// Its place among those of its request.
    pub key: IgnoredKey,
}

/// The order of ignored events of one request: that of the connections it went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IgnoredKey(pub u16);

/// First bytes of cursors; those of the other lists are 1 and 2.
const REQUESTS: u8 = 3;
const IGNORED: u8 = 4;

impl CursorKey for RequestKey {
    fn encode(&self) -> String {
        let mut bytes = [REQUESTS; 17];
        bytes[1..9].copy_from_slice(&self.0.to_be_bytes());
        bytes[9..].copy_from_slice(&self.1.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = cursor_bytes::<17>(text)?;
        let [REQUESTS, rest @ ..] = bytes else { return None };
        let (first, second) = rest.split_first_chunk::<8>()?;
        Some(PayloadRef(u64::from_be_bytes(*first), u64::from_be_bytes(*second.first_chunk::<8>()?)))
    }
}

impl CursorKey for IgnoredKey {
    fn encode(&self) -> String {
        let [high, low] = self.0.to_be_bytes();
        URL_SAFE_NO_PAD.encode([IGNORED, high, low])
    }

    fn decode(text: &str) -> Option<Self> {
        let [IGNORED, high, low] = cursor_bytes::<3>(text)? else { return None };
        Some(Self(u16::from_be_bytes([high, low])))
    }
}

impl Query {
    /// A page of requests.
    ///
    /// # Errors
    ///
    /// As [`Store::requests`].
    pub async fn requests(&self, asked: RequestsAsked) -> Result<RequestsFound, StoreError> {
        if asked.page.limit == 0 {
            return Ok((Page { items: vec![], next: None, prev: None }, None));
        }
        let clock = Arc::clone(&self.clock);
        self.blocking(move |store| {
            let RequestsAsked { filter, page, content, with_data } = asked;
            let descending = page.descending != matches!(page.start, Start::Before(_));
            let mut stretch = RequestRows { store, filter: &filter, descending };
            if let Some(content) = content {
                let outcome = search(&mut stretch, &page, &content, clock.as_ref(), DATA_BYTES_MAX)?;
                let row = |(summary, data): Found<RequestSummary>| RequestRow {
                    summary,
                    data: with_data.then_some(Ok(data)),
                };
                let (page, searched) = page_of_search(outcome, page.start, |summary| summary.payload_ref, row);
                return Ok((page, Some(searched)));
            }
            let after = match page.start {
                Start::First => None,
                Start::After(key) | Start::Before(key) => Some(key),
            };
            let (found, more) = stretch.behind(after, page.limit)?;
            let (mut rows, cut) = stretch.rows(found, with_data)?;
            if matches!(page.start, Start::Before(_)) {
                rows.reverse();
            }
            Ok((with_keys(rows, |row| row.summary.payload_ref, page.start, more || cut), None))
        })
        .await
    }

    /// How many requests match.
    ///
    /// # Errors
    ///
    /// As [`Store::count_requests`].
    pub async fn count_requests(&self, filter: RequestFilter) -> Result<u64, StoreError> {
        self.blocking(move |store| store.count_requests(&filter)).await
    }

    /// One request with what is kept of it.
    ///
    /// # Errors
    ///
    /// As [`Store::request_by_id`].
    pub async fn request(&self, id: RequestId) -> Result<KeptRequest, StoreError> {
        self.blocking(move |store| {
            let mut kept = store.request_by_id(id)?;
            count_later_events(store, &mut kept.summary)?;
            Ok(kept)
        })
        .await
    }

    /// A page of the connections that made no event of a request; with `ids`, only these.
    ///
    /// # Errors
    ///
    /// As [`Store::request_by_id`]; `NotFound` also when there are some, and they cannot be read any more.
    pub async fn ignored_by(
        &self,
        id: RequestId,
        ids: Vec<IgnoredEventId>,
        page: PageQuery<IgnoredKey>,
    ) -> Result<Page<IgnoredEvent, IgnoredKey>, StoreError> {
        self.blocking(move |store| {
            let mut all = ignored_events(store, id)?;
            all.retain(|one| ids.is_empty() || ids.contains(&one.id));
            Ok(page_of(all, |one| one.key, page))
        })
        .await
    }
}

/// Whether any request got events later: most gateways need not look for each row of a page.
fn any_retried(store: &dyn Store) -> Result<bool, StoreError> {
    let first = DocumentStretch { descending: false, after: None, limit: 1 };
    Ok(!store.documents(Family::Retried, first)?.is_empty())
}

/// Adds the events that a request got after it was accepted: its row never changes.
fn count_later_events(store: &dyn Store, summary: &mut RequestSummary) -> Result<(), StoreError> {
    let key = DocumentKey { family: Family::Retried, id: summary.id.bits() };
    match store.document(key) {
        Ok(Document::Retried(retried)) => {
            summary.events = summary.events.saturating_add(u32::try_from(retried.routes.len()).unwrap_or(u32::MAX));
            Ok(())
        }
        Ok(_) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The requests of a filter, in one direction.
struct RequestRows<'a> {
    store: &'a dyn Store,
    filter: &'a RequestFilter,
    descending: bool,
}

impl RequestRows<'_> {
    /// Adds what arrived where it is asked for; answers also whether the page was cut short for that.
    fn rows(&mut self, found: Vec<RequestSummary>, with_data: bool) -> Result<(Vec<RequestRow>, bool), StoreError> {
        let (mut rows, mut bytes) = (Vec::with_capacity(found.len()), 0);
        for summary in found {
            let data = if with_data { Some(self.data(&summary)?) } else { None };
            if let Some(Ok(request)) = &data {
                bytes += request.body.len();
            }
            if bytes > DATA_BYTES_MAX && !rows.is_empty() {
                return Ok((rows, true));
            }
            rows.push(RequestRow { summary, data });
        }
        Ok((rows, false))
    }
}

impl Rows for RequestRows<'_> {
    type Row = RequestSummary;
    type Key = RequestKey;

    fn behind(&mut self, after: Option<RequestKey>, limit: usize) -> Result<(Vec<RequestSummary>, bool), StoreError> {
        let stretch = RequestStretch { descending: self.descending, after, limit };
        let mut found = self.store.requests(self.filter, &stretch)?;
        if any_retried(self.store)? {
            for summary in &mut found.requests {
                count_later_events(self.store, summary)?;
            }
        }
        Ok((found.requests, found.more))
    }

    fn key(&self, summary: &RequestSummary) -> RequestKey {
        summary.payload_ref
    }

    fn data(&mut self, summary: &RequestSummary) -> Result<Result<Arc<Request>, StoreError>, StoreError> {
        readable(self.store.request(summary.payload_ref).map(Arc::new))
    }
}

fn ignored_events(store: &dyn Store, id: RequestId) -> Result<Vec<IgnoredEvent>, StoreError> {
    let KeptRequest { summary, content } = store.request_by_id(id)?;
    let ignored = match content {
        Ok(content) => content.ignored,
        Err(_) if summary.ignored == 0 => Vec::new(),
        Err(StoreError::Damaged(_)) => return Err(StoreError::NotFound),
        Err(error) => return Err(error),
    };
    let events = (0u16..).zip(ignored).map(|(index, ignored)| IgnoredEvent {
        id: id.ignored(index),
        ignored,
        request_id: id,
        created_at: summary.created_at,
        key: IgnoredKey(index),
    });
    Ok(events.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::events::{EventKey, EventOrder, EventPlace};

    proptest! {
        #[test]
        fn a_cursor_is_read_back_and_by_its_own_list_only(segment: u64, offset: u64, index: u16) {
            let (request, ignored) = (PayloadRef(segment, offset), IgnoredKey(index));
            prop_assert_eq!(RequestKey::decode(&request.encode()), Some(request));
            prop_assert_eq!(IgnoredKey::decode(&ignored.encode()), Some(ignored));
            prop_assert_eq!(RequestKey::decode(&ignored.encode()), None);
            prop_assert_eq!(IgnoredKey::decode(&request.encode()), None);
            let event = EventPlace { order: EventOrder::Created, key: EventKey::at_seq(segment) };
            prop_assert_eq!(RequestKey::decode(&event.encode()), None);
        }

        #[test]
        fn any_text_is_a_cursor_or_not_but_never_a_panic(text: String) {
            RequestKey::decode(&text);
            IgnoredKey::decode(&text);
        }
    }
}
