//! Going through what a filter picks: a stretch at a time, oldest first, up to what there was at the beginning.
//!
//! Only reads. A place is kept in the operation's document and leads on after a crash.

use super::{
    Content,
    plan::{Selection, is_for, is_request_for},
};
use crate::{
    domain::{
        BulkId, ConnectionId, EventId, IgnoredCause, Request, RequestId, Seq, SourceId, Timestamp,
        document::{Bulk, BulkKind},
    },
    store::{
        EventFilter, EventKey, EventOrder, PageRequest, PayloadRef, RequestFilter, RequestStretch, RequestSummary,
        Store, StoreError,
    },
};

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// About an event, and which operation last asked for it.
    Event(EventId, Option<BulkId>),
    /// About a request.
    Request(RequestId),
    /// About connections that made no event of a request.
    Ignored(RequestId, Vec<ConnectionId>),
}

impl Item {
    /// How many things that is.
    pub(super) fn things(&self) -> u64 {
        match self {
            Self::Event(..) | Self::Request(_) => 1,
            Self::Ignored(_, connections) => connections.len() as u64,
        }
    }
}

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among events.
    Events {
        /// Behind this one.
        after: Option<Seq>,
        /// Before this one.
        end: Seq,
    },
    /// Among requests.
    Requests {
        /// Behind this one.
        after: Option<PayloadRef>,
        /// Up to this one; `None` when there was none.
        last: Option<PayloadRef>,
    },
}

impl Place {
    /// Before everything that there is now.
    pub(super) fn beginning(store: &dyn Store, kind: BulkKind) -> Result<Self, StoreError> {
        match kind {
            BulkKind::EventsRetry | BulkKind::EventsCancel => Ok(Self::Events { after: None, end: store.next_seq() }),
            BulkKind::RequestsRetry | BulkKind::RequestsReplay | BulkKind::IgnoredEventsRetry => {
                let newest = RequestStretch { descending: true, after: None, limit: 1 };
                let page = store.requests(&RequestFilter::default(), &newest)?;
                Ok(Self::Requests { after: None, last: page.requests.first().map(|request| request.payload_ref) })
            }
        }
    }

    /// As the document keeps it; where the events end, it knows by itself.
    pub(super) fn encode(self) -> Vec<u8> {
        let place = |at: PayloadRef| [at.0.to_be_bytes(), at.1.to_be_bytes()].concat();
        match self {
            Self::Events { after, .. } => after.map_or(Vec::new(), |seq| seq.to_be_bytes().to_vec()),
            Self::Requests { after, last } => [last, after].into_iter().flatten().flat_map(place).collect(),
        }
    }

    /// Where an operation goes on; `None` for what was never written here.
    pub(super) fn of(bulk: &Bulk) -> Option<Self> {
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(*bytes.first_chunk()?));
        let place = |bytes: &[u8]| Some(PayloadRef(number(bytes)?, number(bytes.get(8..)?)?));
        match (bulk.kind, bulk.cursor.as_slice()) {
            (BulkKind::EventsRetry | BulkKind::EventsCancel, bytes) => match bytes.len() {
                0 => Some(Self::Events { after: None, end: bulk.seq_end }),
                8 => Some(Self::Events { after: Some(number(bytes)?), end: bulk.seq_end }),
                _ => None,
            },
            (BulkKind::RequestsRetry | BulkKind::RequestsReplay | BulkKind::IgnoredEventsRetry, bytes) => {
                match bytes.len() {
                    0 => Some(Self::Requests { after: None, last: None }),
                    16 => Some(Self::Requests { after: None, last: Some(place(bytes)?) }),
                    32 => Some(Self::Requests { after: Some(place(&bytes[16..])?), last: Some(place(bytes)?) }),
                    _ => None,
                }
            }
        }
    }
}

/// A stretch of what is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Each with when it was created.
    pub(super) items: Vec<(Item, Timestamp)>,
    /// Where it goes on; `None` at the end.
    pub(super) next: Option<Place>,
    /// How much was looked at.
    pub(super) read: usize,
}

/// Reads the next stretch: at most `limit` things are looked at.
pub(super) fn read(
    store: &dyn Store,
    (kind, selection): (BulkKind, &Selection),
    place: &Place,
    (limit, now): (usize, Timestamp),
) -> Result<Batch, StoreError> {
    match (selection, *place) {
        (Selection::Events { filter, content }, Place::Events { after, end }) => {
            events(store, (kind, filter, content.as_ref()), (after, end), (limit, now))
        }
        (Selection::Requests { filter, content }, Place::Requests { after, last }) => {
            let picked = |request: &RequestSummary| {
                let fits = is_request_for(kind, request)
                    && is_wanted(content.as_ref(), || store.request(request.payload_ref))?;
                Ok(fits.then_some(Item::Request(request.id)))
            };
            requests(store, (filter, &picked), (after, last), limit)
        }
        (Selection::Ignored { causes, connections }, Place::Requests { after, last }) => {
            let filter = RequestFilter {
                sources: sources_of(store, connections),
                ignored: vec![(1, u32::MAX)],
                ..RequestFilter::default()
            };
            let picked = |request: &RequestSummary| {
                let ignored = ignored_by(store, request.id, causes, connections)?;
                Ok((!ignored.is_empty()).then_some(Item::Ignored(request.id, ignored)))
            };
            requests(store, (&filter, &picked), (after, last), limit)
        }
        (Selection::Events { .. }, Place::Requests { .. })
        | (Selection::Requests { .. } | Selection::Ignored { .. }, Place::Events { .. }) => {
            Ok(Batch { items: Vec::new(), next: None, read: 0 })
        }
    }
}

fn events(
    store: &dyn Store,
    (kind, filter, content): (BulkKind, &EventFilter, Option<&Content>),
    (after, end): (Option<Seq>, Seq),
    (limit, now): (usize, Timestamp),
) -> Result<Batch, StoreError> {
    let after = after.map(EventKey::at_seq);
    let asked = PageRequest { order: EventOrder::Created, descending: false, after, limit };
    let page = store.events(filter, &asked, now)?;
    let configuration = store.configuration();
    let rows: Vec<_> = page.events.iter().filter(|row| row.event.seq < end).collect();
    let goes_on = page.more && rows.len() == page.events.len();
    let last = rows.last().map(|row| row.event.seq).filter(|_| goes_on);
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let event = &row.event;
        if is_for(kind, event, configuration.standing(event.connection_id))
            && is_wanted(content, || store.request(row.payload_ref))?
        {
            items.push((Item::Event(event.id(), event.bulk_id), event.created_at));
        }
    }
    let next = last.map(|seq| Place::Events { after: Some(seq), end });
    Ok(Batch { items, next, read: rows.len() })
}

type Picked<'a> = &'a dyn Fn(&RequestSummary) -> Result<Option<Item>, StoreError>;

fn requests(
    store: &dyn Store,
    (filter, picked): (&RequestFilter, Picked<'_>),
    (after, last): (Option<PayloadRef>, Option<PayloadRef>),
    limit: usize,
) -> Result<Batch, StoreError> {
    let Some(last) = last else { return Ok(Batch { items: Vec::new(), next: None, read: 0 }) };
    let page = store.requests(filter, &RequestStretch { descending: false, after, limit })?;
    let rows: Vec<_> = page.requests.iter().filter(|request| request.payload_ref <= last).collect();
    let goes_on = page.more && rows.len() == page.requests.len();
    let at = rows.last().map(|request| request.payload_ref).filter(|_| goes_on);
    let mut items = Vec::with_capacity(rows.len());
    for request in &rows {
        if let Some(item) = picked(request)? {
            items.push((item, request.created_at));
        }
    }
    let next = at.map(|at| Place::Requests { after: Some(at), last: Some(last) });
    Ok(Batch { items, next, read: rows.len() })
}

/// Whether the data of a request is as it should be; what cannot be read any more is not.
fn is_wanted(
    content: Option<&Content>,
    request: impl FnOnce() -> Result<Request, StoreError>,
) -> Result<bool, StoreError> {
    let Some(content) = content else { return Ok(true) };
    match request() {
        Ok(request) => Ok(content(&request)),
        Err(StoreError::NotFound | StoreError::Erased { .. } | StoreError::Damaged(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn sources_of(store: &dyn Store, connections: &[ConnectionId]) -> Vec<SourceId> {
    let configuration = store.configuration();
    let known = connections.iter().filter_map(|id| configuration.connections.get(id));
    known.map(|connection| connection.source_id).collect()
}

/// The connections that made no event of a request, as far as they are asked for.
fn ignored_by(
    store: &dyn Store,
    id: RequestId,
    causes: &[IgnoredCause],
    connections: &[ConnectionId],
) -> Result<Vec<ConnectionId>, StoreError> {
    let content = match store.request_by_id(id) {
        Ok(kept) => kept.content,
        Err(error) => Err(error),
    };
    match content {
        Ok(content) => Ok(content
            .ignored
            .iter()
            .filter(|one| causes.is_empty() || causes.contains(&one.cause))
            .filter(|one| connections.is_empty() || connections.contains(&one.connection_id))
            .map(|one| one.connection_id)
            .collect()),
        Err(StoreError::NotFound | StoreError::Erased { .. } | StoreError::Damaged(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Where an operation begins, as its document keeps it.
pub(super) fn beginning(store: &dyn Store, kind: BulkKind) -> Result<Vec<u8>, StoreError> {
    Ok(Place::beginning(store, kind)?.encode())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bulk(kind: BulkKind, seq_end: Seq, cursor: Vec<u8>) -> Bulk {
        Bulk {
            id: BulkId::from_bits(1),
            kind,
            query: String::new(),
            seq_end,
            planned: 0,
            cursor,
            completed: 0,
            failed: 0,
            cancelled_at: None,
            completed_at: None,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            version: 1,
        }
    }

    fn place() -> impl Strategy<Value = (BulkKind, Place)> {
        let events = prop_oneof![Just(BulkKind::EventsRetry), Just(BulkKind::EventsCancel)];
        let requests = prop_oneof![Just(BulkKind::RequestsReplay), Just(BulkKind::IgnoredEventsRetry)];
        let at = || (any::<u64>(), any::<u64>()).prop_map(|(first, second)| PayloadRef(first, second));
        prop_oneof![
            (events, any::<Option<u64>>(), any::<u64>())
                .prop_map(|(kind, after, end)| (kind, Place::Events { after, end })),
            (requests, prop::option::of((at(), prop::option::of(at())))).prop_map(|(kind, places)| {
                let (last, after) = places.unzip();
                (kind, Place::Requests { after: after.flatten(), last })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_place_is_read_back((kind, place) in place(), end: u64) {
            let end = match place { Place::Events { end, .. } => end, Place::Requests { .. } => end };
            prop_assert_eq!(Place::of(&bulk(kind, end, place.encode())), Some(place));
        }

        #[test]
        fn any_bytes_are_a_place_or_not_but_never_a_panic(bytes: Vec<u8>) {
            for kind in [BulkKind::EventsRetry, BulkKind::RequestsRetry] {
                Place::of(&bulk(kind, 9, bytes.clone()));
            }
        }
    }
}
