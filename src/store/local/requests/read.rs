//! The read side of requests: sled with what is newer over it, and their data from the journal.

use crate::{
    domain::{Event, RequestId, Span, routing::LATER_INDEX_MIN},
    store::{
        KeptRequest, PayloadRef, RequestContent, RequestFilter, RequestPage, RequestStretch, RequestSummary,
        StoreError,
        local::{
            RecordRef,
            read::request_content,
            requests::NewRequests,
            retention::horizon,
            row::Row,
            shared::Shared,
            state::{State, StateError},
            writer::payload_ref,
        },
    },
};

/// See [`Store::requests`](crate::store::Store::requests).
pub(in crate::store::local) fn page(
    shared: &Shared,
    filter: &RequestFilter,
    stretch: &RequestStretch,
) -> Result<RequestPage, StoreError> {
    query(shared, |state, new| state.page_of_requests(new, &kept(shared, filter), stretch))
}

/// See [`Store::count_requests`](crate::store::Store::count_requests).
pub(in crate::store::local) fn count(shared: &Shared, filter: &RequestFilter) -> Result<u64, StoreError> {
    query(shared, |state, new| state.count_requests(new, &kept(shared, filter)))
}

/// See [`Store::request_by_id`](crate::store::Store::request_by_id).
pub(in crate::store::local) fn by_id(shared: &Shared, id: RequestId) -> Result<KeptRequest, StoreError> {
    let row = query(shared, |state, new| state.find_request_row(new, id))?;
    let row = match row {
        Some(row) if row.created_at >= horizon(shared) => {
            let content = content(shared, row.payload_ref);
            if content != Err(StoreError::NotFound) {
                return Ok(KeptRequest { summary: row, content });
            }
            Some(row)
        }
        // Past its time, unless one of its events is not.
        older => older,
    };
    let events = shared.query(|state, over, _| state.find_request(id, over))?;
    // Of those that came later it is not known how many there were.
    let mut first_ones = events.iter().filter(|row| row.event.index < LATER_INDEX_MIN);
    let Some(last) = first_ones.next_back().or(events.last()) else {
        // Of a segment that has gone just now.
        return Err(StoreError::NotFound);
    };
    let carried = events
        .iter()
        .find_map(|event| event.request_at)
        .map_or(PayloadRef::default(), |request| payload_ref(request.at));
    let content = content(shared, carried);
    let summary = row.unwrap_or_else(|| from_event(last, carried, content.as_ref().ok()));
    Ok(KeptRequest { summary, content })
}

/// Whether a request, or any of its events, is kept.
pub(in crate::store::local) fn is_kept(shared: &Shared, id: RequestId) -> Result<bool, StoreError> {
    let row = query(shared, |state, new| state.find_request_row(new, id))?;
    if row.is_some_and(|row| row.created_at >= horizon(shared)) {
        return Ok(true);
    }
    Ok(!shared.query(|state, over, _| state.find_request(id, over))?.is_empty())
}

/// What the newest of its events that are left tells of a request whose row has gone.
fn from_event(Row { event, .. }: &Row, payload_ref: PayloadRef, content: Option<&RequestContent>) -> RequestSummary {
    let Event { request_id, source_id, created_at, index, .. } = *event;
    RequestSummary {
        payload_ref,
        id: request_id,
        source_id,
        received_at: content.map_or(created_at, |content| content.request.received_at),
        created_at,
        rejection: None,
        events: if index < LATER_INDEX_MIN { u32::from(index) + 1 } else { 0 },
        ignored: content.map_or(0, |content| u32::try_from(content.ignored.len()).unwrap_or(u32::MAX)),
    }
}

fn content(shared: &Shared, at: PayloadRef) -> Result<RequestContent, StoreError> {
    request_content(shared, RecordRef { segment: at.0, offset: at.1 })
}

/// The filter without what is past retention.
fn kept(shared: &Shared, filter: &RequestFilter) -> RequestFilter {
    let from = filter.created.from.max(Some(horizon(shared)));
    RequestFilter { created: Span { from, ..filter.created }, ..filter.clone() }
}

fn query<T>(shared: &Shared, ask: impl FnOnce(&State, &NewRequests) -> Result<T, StateError>) -> Result<T, StoreError> {
    let state = shared.state()?;
    // Before sled is looked at: what it has of a chunk then is no less than what was taken away here.
    let new = shared.overlay.lock().requests.snapshot();
    ask(state, &new).map_err(|error| shared.state_failed(&error))
}
