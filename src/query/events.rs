//! Questions about events: pages in two orders, counts, single ones, each with what arrived where that is asked for.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    CursorKey, Page, PageQuery, Query, Start,
    content::{Content, Verdict},
    cursor_bytes, page_of,
    search::{Found, Rows, Searched, page_of_search, search},
    with_keys,
};
pub use crate::store::{EventFilter, EventKey, EventOrder};
use crate::{
    domain::{Event, EventId, Request, RequestId, Timestamp},
    store::{KeptEvent, PageRequest, PayloadRef, Store, StoreError},
};

/// Bytes of bodies in a page at most: it ends early where they come to more, so that a page of large bodies costs a few times
/// the largest one and not 255 of them.
pub(super) const DATA_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A place in one of the orders of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPlace {
    /// Which order.
    pub order: EventOrder,
    /// The place.
    pub key: EventKey,
}

impl EventPlace {
    /// The place of an event.
    #[must_use]
    pub fn of(order: EventOrder, event: &Event) -> Self {
        let key = match order {
            EventOrder::Created => EventKey::at_seq(event.seq),
            EventOrder::LastAttempt => EventKey::of(event),
        };
        Self { order, key }
    }
}

/// First bytes of cursors; those of the other lists are 2 to 4.
const BY_CREATION: u8 = 1;
const BY_LAST_ATTEMPT: u8 = 5;

impl CursorKey for EventPlace {
    fn encode(&self) -> String {
        let seq = self.key.seq.to_be_bytes();
        match self.order {
            EventOrder::Created => URL_SAFE_NO_PAD.encode([&[BY_CREATION][..], &seq].concat()),
            EventOrder::LastAttempt => {
                let at = self.key.last_attempt_at;
                let tried = [BY_LAST_ATTEMPT, u8::from(at.is_some())];
                URL_SAFE_NO_PAD.encode([&tried[..], &at.map_or(0, Timestamp::ms).to_be_bytes(), &seq].concat())
            }
        }
    }

    fn decode(text: &str) -> Option<Self> {
        if let Some([BY_CREATION, seq @ ..]) = cursor_bytes::<9>(text) {
            return Some(Self { order: EventOrder::Created, key: EventKey::at_seq(u64::from_be_bytes(seq)) });
        }
        let [BY_LAST_ATTEMPT, tried @ (0 | 1), rest @ ..] = cursor_bytes::<18>(text)? else { return None };
        let (at, seq) = rest.split_first_chunk::<8>()?;
        let at = Timestamp::from_ms(i64::from_be_bytes(*at));
        let key =
            EventKey { last_attempt_at: (tried == 1).then_some(at), seq: u64::from_be_bytes(*seq.first_chunk::<8>()?) };
        Some(Self { order: EventOrder::LastAttempt, key })
    }

    fn order(&self) -> usize {
        match self.order {
            EventOrder::Created => 0,
            EventOrder::LastAttempt => 1,
        }
    }
}

/// Which events, and how.
#[derive(Debug, Clone)]
pub struct EventsAsked {
    /// Which.
    pub filter: EventFilter,
    /// In which order.
    pub order: EventOrder,
    /// Which page.
    pub page: PageQuery<EventPlace>,
    /// Only those whose request is like this.
    pub content: Option<Arc<Content>>,
    /// With what arrived.
    pub with_data: bool,
}

/// A page of events, and how far the search for it came where one was needed.
pub type EventsFound = (Page<EventRow, EventPlace>, Option<Searched>);

/// An event, and what arrived where that was asked for; an error when its bytes are damaged, erased or gone.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// The event.
    pub event: Event,
    /// What arrived.
    pub data: Option<Result<Arc<Request>, StoreError>>,
}

impl Query {
    /// A page of events.
    ///
    /// # Errors
    ///
    /// As [`Store::events`].
    pub async fn events(&self, asked: EventsAsked) -> Result<EventsFound, StoreError> {
        if asked.page.limit == 0 {
            return Ok((Page { items: vec![], next: None, prev: None }, None));
        }
        let (now, clock) = (self.now(), Arc::clone(&self.clock));
        self.blocking(move |store| {
            let EventsAsked { filter, order, page, content, with_data } = asked;
            let descending = page.descending != matches!(page.start, Start::Before(_));
            let mut stretch = EventRows { store, filter: &filter, order, descending, now, last: None };
            if let Some(content) = content {
                let outcome = search(&mut stretch, &page, &content, clock.as_ref(), DATA_BYTES_MAX)?;
                let row = |(kept, data): Found<KeptEvent>| EventRow {
                    event: kept.event,
                    data: with_data.then_some(Ok(data)),
                };
                let place = |kept: &KeptEvent| EventPlace::of(order, &kept.event);
                let (page, searched) = page_of_search(outcome, page.start, place, row);
                return Ok((page, Some(searched)));
            }
            let after = match page.start {
                Start::First => None,
                Start::After(place) | Start::Before(place) => Some(place),
            };
            let (found, more) = stretch.behind(after, page.limit)?;
            let (mut rows, cut) = if with_data { stretch.with_data(found)? } else { (bare(found), false) };
            if matches!(page.start, Start::Before(_)) {
                rows.reverse();
            }
            Ok((with_keys(rows, |row| EventPlace::of(order, &row.event), page.start, more || cut), None))
        })
        .await
    }

    /// A page of the events of a request.
    ///
    /// # Errors
    ///
    /// As [`Store::request_by_id`].
    pub async fn events_of(&self, id: RequestId, asked: EventsAsked) -> Result<EventsFound, StoreError> {
        let now = self.now();
        self.blocking(move |store| {
            let EventsAsked { filter, order, page, content, with_data } = asked;
            let configuration = store.configuration();
            let mut events = match store.events_of(id) {
                // It may be there all the same, and have become none.
                Err(StoreError::NotFound) => store.request_by_id(id).map(|_| Vec::new())?,
                found => found?,
            };
            events.retain(|event| filter.matches(event, configuration.standing(event.connection_id), now));
            // They have their data in common.
            let data = match events.first() {
                Some(event) if with_data || content.is_some() => Some(data_of(store, &store.event(event.id())?)?),
                _ => None,
            };
            let mut searched = None;
            if let (Some(content), Some(data)) = (content, &data) {
                let verdict = data.as_ref().map_or(Verdict::NotSearched, |request| content.judge(request));
                let not_searched = if verdict == Verdict::NotSearched { events.len() } else { 0 };
                searched = Some(Searched { complete: true, rows: events.len(), not_searched });
                events.retain(|_| verdict == Verdict::Matches);
            }
            let page = page_of(events, |event| EventPlace::of(order, event), page);
            let data = data.filter(|_| with_data);
            let items = page.items.into_iter().map(|event| EventRow { event, data: data.clone() }).collect();
            Ok((Page { items, next: page.next, prev: page.prev }, searched))
        })
        .await
    }

    /// How many events match.
    ///
    /// # Errors
    ///
    /// As [`Store::count`].
    pub async fn count_events(&self, filter: EventFilter) -> Result<u64, StoreError> {
        let now = self.now();
        self.blocking(move |store| store.count(&filter, now)).await
    }

    /// One event with what arrived.
    ///
    /// # Errors
    ///
    /// As [`Store::event`].
    pub async fn event(&self, id: EventId) -> Result<EventRow, StoreError> {
        self.blocking(move |store| {
            let kept = store.event(id)?;
            let data = Some(data_of(store, &kept)?);
            Ok(EventRow { event: kept.event, data })
        })
        .await
    }
}

/// The events of a filter, in one direction.
struct EventRows<'a> {
    store: &'a dyn Store,
    filter: &'a EventFilter,
    order: EventOrder,
    descending: bool,
    now: Timestamp,
    /// What was read last: events of one request follow each other.
    last: Option<(PayloadRef, Data)>,
}

/// What arrived, or why it cannot be shown.
type Data = Result<Arc<Request>, StoreError>;

impl EventRows<'_> {
    /// Adds what arrived; answers also whether the page was cut short for that.
    fn with_data(&mut self, found: Vec<KeptEvent>) -> Result<(Vec<EventRow>, bool), StoreError> {
        let (mut rows, mut bytes) = (Vec::with_capacity(found.len()), 0);
        for kept in found {
            let data = self.data(&kept)?;
            bytes += data.as_ref().map_or(0, |request| request.body.len());
            if bytes > DATA_BYTES_MAX && !rows.is_empty() {
                return Ok((rows, true));
            }
            rows.push(EventRow { event: kept.event, data: Some(data) });
        }
        Ok((rows, false))
    }
}

impl Rows for EventRows<'_> {
    type Row = KeptEvent;
    type Key = EventPlace;

    fn behind(&mut self, after: Option<EventPlace>, limit: usize) -> Result<(Vec<KeptEvent>, bool), StoreError> {
        let Self { order, descending, .. } = *self;
        let page = PageRequest { order, descending, after: after.map(|place| place.key), limit };
        self.store.events(self.filter, &page, self.now).map(|found| (found.events, found.more))
    }

    fn key(&self, kept: &KeptEvent) -> EventPlace {
        EventPlace::of(self.order, &kept.event)
    }

    fn data(&mut self, kept: &KeptEvent) -> Result<Data, StoreError> {
        if let Some((_, data)) = self.last.as_ref().filter(|(at, _)| *at == kept.payload_ref) {
            return Ok(data.clone());
        }
        let data = data_of(self.store, kept)?;
        self.last = Some((kept.payload_ref, data.clone()));
        Ok(data)
    }
}

fn bare(found: Vec<KeptEvent>) -> Vec<EventRow> {
    found.into_iter().map(|kept| EventRow { event: kept.event, data: None }).collect()
}

/// What arrived; the inner error says why it cannot be shown, the outer one that nothing can be read now.
fn data_of(store: &dyn Store, kept: &KeptEvent) -> Result<Data, StoreError> {
    let mut found = store.request(kept.payload_ref);
    // Retention may have moved it between the two readings.
    if found == Err(StoreError::NotFound) {
        found = store.event(kept.event.id()).and_then(|kept| store.request(kept.payload_ref));
    }
    readable(found.map(Arc::new))
}

/// Tells what is wrong with one thing from what is wrong with the store.
pub(super) fn readable<T>(found: Result<T, StoreError>) -> Result<Result<T, StoreError>, StoreError> {
    match found {
        Err(error @ (StoreError::Io(_) | StoreError::Closed | StoreError::Rebuilding { .. })) => Err(error),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back_with_its_order(seq: u64, at: Option<i64>) {
            let by_creation = EventPlace { order: EventOrder::Created, key: EventKey::at_seq(seq) };
            let key = EventKey { last_attempt_at: at.map(Timestamp::from_ms), seq };
            let by_last_attempt = EventPlace { order: EventOrder::LastAttempt, key };
            for place in [by_creation, by_last_attempt] {
                prop_assert_eq!(EventPlace::decode(&place.encode()), Some(place));
            }
            prop_assert_ne!(by_creation.order(), by_last_attempt.order());
        }
    }
}
