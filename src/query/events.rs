//! Questions about events: pages in two orders, counts, single ones, each with what arrived where that is asked for.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CursorKey, Page, PageQuery, Query, Start, cursor_bytes, page_of, with_keys};
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
    /// With what arrived.
    pub with_data: bool,
}

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
    pub async fn events(&self, asked: EventsAsked) -> Result<Page<EventRow, EventPlace>, StoreError> {
        let EventsAsked { filter, order, page, with_data } = asked;
        if page.limit == 0 {
            return Ok(Page { items: vec![], next: None, prev: None });
        }
        let now = self.now();
        self.blocking(move |store| {
            let (backwards, after) = match page.start {
                Start::First => (false, None),
                Start::After(place) => (false, Some(place.key)),
                Start::Before(place) => (true, Some(place.key)),
            };
            let descending = page.descending != backwards;
            let found = store.events(&filter, &PageRequest { order, descending, after, limit: page.limit }, now)?;
            let (mut rows, cut) = rows(store, found.events, with_data)?;
            if backwards {
                rows.reverse();
            }
            Ok(with_keys(rows, |row| EventPlace::of(order, &row.event), page.start, found.more || cut))
        })
        .await
    }

    /// A page of the events of a request.
    ///
    /// # Errors
    ///
    /// As [`Store::request_by_id`].
    pub async fn events_of(&self, id: RequestId, asked: EventsAsked) -> Result<Page<EventRow, EventPlace>, StoreError> {
        let EventsAsked { filter, order, page, with_data } = asked;
        let now = self.now();
        self.blocking(move |store| {
            let configuration = store.configuration();
            let mut events = match store.events_of(id) {
                // It may be there all the same, and have become none.
                Err(StoreError::NotFound) => store.request_by_id(id).map(|_| Vec::new())?,
                found => found?,
            };
            events.retain(|event| filter.matches(event, configuration.standing(event.connection_id), now));
            let page = page_of(events, |event| EventPlace::of(order, event), page);
            // They have their data in common.
            let data = match page.items.first() {
                Some(event) if with_data => Some(data_of(store, &store.event(event.id())?)?),
                _ => None,
            };
            let items = page.items.into_iter().map(|event| EventRow { event, data: data.clone() }).collect();
            Ok(Page { items, next: page.next, prev: page.prev })
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

/// Adds what arrived; answers also whether the page was cut short for that.
fn rows(store: &dyn Store, found: Vec<KeptEvent>, with_data: bool) -> Result<(Vec<EventRow>, bool), StoreError> {
    let mut rows: Vec<EventRow> = Vec::with_capacity(found.len());
    let (mut bytes, mut last) = (0, None::<(PayloadRef, Result<Arc<Request>, StoreError>)>);
    for kept in found {
        if !with_data {
            rows.push(EventRow { event: kept.event, data: None });
            continue;
        }
        // Events of one request follow each other.
        let data = match last {
            Some((at, ref data)) if at == kept.payload_ref => data.clone(),
            _ => data_of(store, &kept)?,
        };
        bytes += data.as_ref().map_or(0, |request| request.body.len());
        if bytes > DATA_BYTES_MAX && !rows.is_empty() {
            return Ok((rows, true));
        }
        last = Some((kept.payload_ref, data.clone()));
        rows.push(EventRow { event: kept.event, data: Some(data) });
    }
    Ok((rows, false))
}

/// What arrived; the inner error says why it cannot be shown, the outer one that nothing can be read now.
pub(super) fn data_of(store: &dyn Store, kept: &KeptEvent) -> Result<Result<Arc<Request>, StoreError>, StoreError> {
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
