//! The read side: pages of events, attempts and requests with opaque cursors, single ones with everything that is kept of them.
//!
//! Reads of the store block, so each runs on a blocking thread. Never changes anything.

pub mod bulk;
pub mod configuration;
pub mod content;
pub mod documents;
pub mod events;
pub mod feed;
pub mod histogram;
pub mod requests;
pub mod search;
pub mod stats;
pub mod why;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub use crate::store::{
    EventFilter, StoreError, StoredAttempt,
    query::{Moment, Optional},
};
use crate::{
    clock::Clock,
    domain::{
        AttemptId, AttemptRecord, AttemptResult, AttemptStatus, AttemptSummary, AttemptTrigger, Configuration,
        ErrorCode, Event, EventId, NextTry, Timestamp,
    },
    store::Store,
};

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<K> {
    /// At the beginning.
    First,
    /// Behind this key (`next`).
    After(K),
    /// So that it ends just before this key (`prev`).
    Before(K),
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery<K> {
    /// Newest first when true.
    pub descending: bool,
    /// Where it begins.
    pub start: Start<K>,
    /// At most this many.
    pub limit: usize,
}

/// A page with the keys that lead on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// What [`Start::After`] takes to go on, when there is more.
    pub next: Option<K>,
    /// What [`Start::Before`] takes to go back, when there is something.
    pub prev: Option<K>,
}

/// An attempt.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// Its event.
    pub event: Arc<Event>,
    /// Its number, from 1.
    pub number: u32,
    /// What is known of it.
    pub state: AttemptState,
}

/// Whether an attempt was made.
#[derive(Debug, Clone)]
pub enum AttemptState {
    /// It was.
    Made {
        /// What every list shows.
        summary: AttemptSummary,
        /// What was kept of it; `Err` when that is damaged or gone.
        record: Result<AttemptRecord, StoreError>,
    },
    /// Not yet, or never.
    Next(NextTry),
}

/// The order of attempts: when they started or are due, then their ids.
pub type AttemptKey = (Timestamp, AttemptId);

impl AttemptRow {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> AttemptId {
        self.event.id().attempt(self.number)
    }
}

/// A key that travels through clients as a cursor: opaque text, not a secret.
pub trait CursorKey: Sized {
    /// The cursor.
    fn encode(&self) -> String;
    /// Reads a cursor; `None` when it is not one of ours, or one of another list.
    fn decode(text: &str) -> Option<Self>;
    /// Which of its list's orders it belongs to, counted from the usual one.
    fn order(&self) -> usize {
        0
    }
}

/// First byte of cursors, so that one of another list is refused.
const ATTEMPTS: u8 = 2;

fn cursor_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl CursorKey for AttemptKey {
    fn encode(&self) -> String {
        let mut bytes = [ATTEMPTS; 25];
        bytes[1..9].copy_from_slice(&self.0.ms().to_be_bytes());
        bytes[9..].copy_from_slice(&self.1.bits().to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = cursor_bytes::<25>(text)?;
        let [ATTEMPTS, rest @ ..] = bytes else { return None };
        let (at, id) = rest.split_first_chunk::<8>()?;
        let id = id.first_chunk::<16>()?;
        Some((Timestamp::from_ms(i64::from_be_bytes(*at)), AttemptId::from_bits(u128::from_be_bytes(*id))))
    }
}

/// Answers questions about attempts; those about events are in [`events`], those about requests in [`requests`].
#[derive(Clone)]
pub struct Query {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Query {
    /// Reads from `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn configuration(&self) -> Arc<Configuration> {
        self.store.configuration()
    }

    /// Whether questions can be answered.
    ///
    /// # Errors
    ///
    /// As [`Store::ready`].
    pub fn ready(&self) -> Result<(), StoreError> {
        self.store.ready()
    }

    /// Whether requests are taken.
    ///
    /// # Errors
    ///
    /// As [`Store::accepting`].
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.store.accepting()
    }

    /// The time that statuses are derived at.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        let done = actix_web::web::block(move || read(store.as_ref())).await;
        done.unwrap_or_else(|_| Err(StoreError::Io("a reading thread died".to_owned())))
    }

    /// A page of attempts; events and attempts that are not there have none. With `next`, the one that comes next is among
    /// them.
    ///
    /// # Errors
    ///
    /// As [`Store::event`].
    pub async fn attempts(
        &self,
        filter: AttemptFilter,
        page: PageQuery<AttemptKey>,
        next: bool,
    ) -> Result<Page<AttemptRow, AttemptKey>, StoreError> {
        let now = self.now();
        self.blocking(move |store| {
            let mut found = Vec::new();
            for event in filter.events_of(store)? {
                let planned = if next { next_of(store, &event, now) } else { None };
                found.extend(places_of(&Arc::new(event), planned).into_iter().filter(|place| filter.matches(place)));
            }
            let page = page_of(found, |place| place.key, page);
            let items = page.items.into_iter().map(|place| row_at(store, place)).collect::<Result<_, _>>()?;
            Ok(Page { items, next: page.next, prev: page.prev })
        })
        .await
    }

    /// One attempt with what is kept of it, also the one that comes next.
    ///
    /// # Errors
    ///
    /// As [`Store::attempt`].
    pub async fn attempt(&self, id: AttemptId) -> Result<AttemptRow, StoreError> {
        let now = self.now();
        self.blocking(move |store| row_of(store, store.attempt(id)?, now)).await
    }
}

/// Which attempts. Empty lists and `None` do not restrict; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// Of any of these events. Without them and without `ids` there are none: attempts are found through their events.
    pub events: Vec<EventId>,
    /// Any of these.
    pub ids: Vec<AttemptId>,
    /// Counted in any of these ways, in the API's words.
    pub statuses: Vec<&'static str>,
    /// Caused by any of these.
    pub triggers: Vec<AttemptTrigger>,
    /// With any of these errors.
    pub errors: Optional<ErrorCode>,
    /// HTTP status, in any of these closed ranges.
    pub response_statuses: Optional<(u16, u16)>,
}

impl AttemptFilter {
    /// The events that have any.
    fn events_of(&self, store: &dyn Store) -> Result<Vec<Event>, StoreError> {
        let found: Vec<Result<Event, StoreError>> = if self.ids.is_empty() {
            self.events.iter().map(|id| store.event(*id).map(|kept| kept.event)).collect()
        } else {
            self.ids.iter().map(|id| store.attempt(*id).map(|stored| stored.event)).collect()
        };
        let mut events: Vec<Event> = Vec::new();
        for event in found {
            match event {
                Ok(event) if events.iter().any(|other| other.seq == event.seq) => {}
                Ok(event) if self.events.is_empty() || self.events.contains(&event.id()) => events.push(event),
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(events)
    }

    fn matches(&self, place: &AttemptPlace) -> bool {
        match place.next {
            Some(next) if next.cancelled => {
                self.matches_as(place.key.1, (AttemptStatus::Cancelled.as_str(), next.trigger, None))
            }
            Some(next) => self.matches_as(place.key.1, (PENDING, next.trigger, None)),
            None => place.summary().is_some_and(|made| self.matches_made(place.key.1, &made)),
        }
    }

    /// Whether it matches an attempt that was made, leaving aside of which events it is to be.
    #[must_use]
    pub fn matches_made(&self, id: AttemptId, made: &AttemptSummary) -> bool {
        self.matches_as(id, (made.status.as_str(), made.trigger, Some(made.result)))
    }

    fn matches_as(
        &self,
        id: AttemptId,
        (status, trigger, result): (&'static str, AttemptTrigger, Option<AttemptResult>),
    ) -> bool {
        (self.ids.is_empty() || self.ids.contains(&id))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && (self.triggers.is_empty() || self.triggers.contains(&trigger))
            && self.errors.matches(result.and_then(AttemptResult::error), |one, error| *one == error)
            && self
                .response_statuses
                .matches(result.and_then(AttemptResult::status), |(low, high), status| (*low..=*high).contains(&status))
    }
}

/// How an attempt is shown that was not made yet.
pub const PENDING: &str = "PENDING";

/// The place of an attempt in a list; `Some` of the one that comes next.
#[derive(Clone)]
struct AttemptPlace {
    event: Arc<Event>,
    number: u32,
    next: Option<NextTry>,
    key: AttemptKey,
}

impl AttemptPlace {
    fn summary(&self) -> Option<AttemptSummary> {
        self.event.attempts.get(usize::try_from(self.number).ok()?.checked_sub(1)?).copied()
    }
}

fn places_of(event: &Arc<Event>, next: Option<NextTry>) -> Vec<AttemptPlace> {
    let place = |number: u32, at: Timestamp, next| AttemptPlace {
        event: Arc::clone(event),
        number,
        next,
        key: (at, event.id().attempt(number)),
    };
    let made = (1..).zip(&event.attempts).map(|(number, summary)| place(number, summary.started_at, None));
    made.chain(next.map(|next| place(next.number, next.due_at, Some(next)))).collect()
}

fn next_of(store: &dyn Store, event: &Event, now: Timestamp) -> Option<NextTry> {
    let configuration = store.configuration();
    let connection = configuration.connections.get(&event.connection_id);
    let unpaused_at = connection.and_then(|connection| connection.unpaused_at);
    event.next_try(configuration.standing(event.connection_id), unpaused_at, now)
}

/// Reads what is kept of an attempt that a page shows.
fn row_at(store: &dyn Store, place: AttemptPlace) -> Result<AttemptRow, StoreError> {
    let AttemptPlace { event, number, next, .. } = place;
    let state = match next {
        Some(next) => AttemptState::Next(next),
        None => match store.attempt(event.id().attempt(number)) {
            Ok(stored) => made(&event, number, stored.record.unwrap_or(Err(StoreError::NotFound)))?,
            // Retention was faster.
            Err(StoreError::NotFound) => made(&event, number, Err(StoreError::NotFound))?,
            Err(error) => return Err(error),
        },
    };
    Ok(AttemptRow { event, number, state })
}

fn row_of(store: &dyn Store, stored: StoredAttempt, now: Timestamp) -> Result<AttemptRow, StoreError> {
    let StoredAttempt { event, number, record } = stored;
    let state = match record {
        Some(record) => made(&event, number, record)?,
        None => AttemptState::Next(next_of(store, &event, now).ok_or(StoreError::NotFound)?),
    };
    Ok(AttemptRow { event: Arc::new(event), number, state })
}

fn made(event: &Event, number: u32, record: Result<AttemptRecord, StoreError>) -> Result<AttemptState, StoreError> {
    let index = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
    let summary = *event.attempts.get(index).ok_or(StoreError::NotFound)?;
    Ok(AttemptState::Made { summary, record })
}

/// Cuts a page out of all items: attempts of a few events are few, as is what belongs to one request.
fn page_of<T, K: Ord>(mut items: Vec<T>, key_of: impl Fn(&T) -> K, page: PageQuery<K>) -> Page<T, K> {
    items.sort_by_key(&key_of);
    items.dedup_by_key(|item| key_of(item));
    if page.descending {
        items.reverse();
    }
    let is_before = |item: &T, key: &K| if page.descending { key_of(item) > *key } else { key_of(item) < *key };
    let (begin, end) = match &page.start {
        Start::First => (0, page.limit),
        Start::After(key) => {
            let begin = items.partition_point(|item| is_before(item, key) || key_of(item) == *key);
            (begin, begin.saturating_add(page.limit))
        }
        Start::Before(key) => {
            let end = items.partition_point(|item| is_before(item, key));
            (end.saturating_sub(page.limit), end)
        }
    };
    let end = end.min(items.len());
    let more = match page.start {
        Start::First | Start::After(_) => end < items.len(),
        Start::Before(_) => begin > 0,
    };
    let cut = items.drain(begin..end).collect();
    with_keys(cut, key_of, page.start, more)
}

/// Adds the keys that lead on; `more` tells whether there is more in the direction of travel.
#[expect(clippy::needless_pass_by_value, reason = "where it came from is used up with it")]
fn with_keys<T, K>(items: Vec<T>, key: impl Fn(&T) -> K, start: Start<K>, more: bool) -> Page<T, K> {
    let (first, last) = (items.first().map(&key), items.last().map(&key));
    let (next, prev) = match start {
        Start::First => (last.filter(|_| more), None),
        // Whoever came here by a key came from somewhere.
        Start::After(_) => (last.filter(|_| more), first),
        Start::Before(_) => (last, first.filter(|_| more)),
    };
    Page { items, next, prev }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{events::EventPlace, *};
    use crate::store::{EventKey, EventOrder};

    proptest! {
        #[test]
        fn a_cursor_is_read_back_and_by_its_own_list_only(seq: u64, at: i64, bits: u128) {
            let key: AttemptKey = (Timestamp::from_ms(at), AttemptId::from_bits(bits));
            let place = EventPlace { order: EventOrder::Created, key: EventKey::at_seq(seq) };
            prop_assert_eq!(AttemptKey::decode(&CursorKey::encode(&key)), Some(key));
            prop_assert_eq!(AttemptKey::decode(&place.encode()), None);
            prop_assert_eq!(EventPlace::decode(&CursorKey::encode(&key)), None);
        }

        #[test]
        fn any_text_is_a_cursor_or_not_but_never_a_panic(text: String) {
            EventPlace::decode(&text);
            AttemptKey::decode(&text);
        }
    }
}
