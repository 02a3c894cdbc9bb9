//! The read side: sled with the overlay over it, and bodies from the journal.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    RecordRef,
    documents::read::erased,
    journal::{JournalError, Record},
    record::{Kind, RecordError, StoredCarried, StoredOutcome, StoredRequest, decode},
    row::Row,
    shared::Shared,
    state::PendingAsk,
    writer::payload_ref,
};
use crate::{
    domain::{AttemptId, AttemptRecord, ConnectionId, EventId, Request, RequestId, Seq, Timestamp},
    store::{KeptEvent, PayloadRef, PendingPage, RequestContent, StoreError, StoredAttempt},
};

impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NotFound { .. } => Self::NotFound,
            JournalError::Damaged(_) => Self::Damaged(error.to_string()),
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// See [`Store::pending`](crate::store::Store::pending).
pub(super) fn pending(
    shared: &Shared,
    connection: ConnectionId,
    due_before: Timestamp,
    from: Option<(Timestamp, Seq)>,
    limit: usize,
) -> Result<PendingPage, StoreError> {
    // Read before the snapshot: every event below was visible to it.
    let (_, next_seq, _) = shared.applied_position();
    let found =
        shared.pending(connection, |generation| PendingAsk { connection, generation, due_before, from, limit })?;
    let events = found.rows.into_iter().map(kept_event).collect();
    Ok(PendingPage { events, more: found.more, next_seq, next_due: found.next_due })
}

/// See [`Store::event`](crate::store::Store::event).
pub(super) fn event(shared: &Shared, id: EventId) -> Result<KeptEvent, StoreError> {
    let row = shared.query(|state, over, _| state.find_event(id, over))?.ok_or(StoreError::NotFound)?;
    Ok(kept_event(row))
}

/// See [`Store::rows`](crate::store::Store::rows).
pub(super) fn rows(shared: &Shared, seqs: &[Seq]) -> Result<Vec<KeptEvent>, StoreError> {
    let rows = shared.query(|state, over, _| state.rows(seqs.iter().copied().collect::<BTreeSet<_>>(), over))?;
    let mut found: Vec<KeptEvent> = rows.into_values().map(kept_event).collect();
    found.sort_unstable_by_key(|kept| kept.event.seq);
    Ok(found)
}

pub(super) fn kept_event(row: Row) -> KeptEvent {
    let payload_ref = row.request_at.map_or_else(PayloadRef::default, |request| payload_ref(request.at));
    KeptEvent { event: row.event, payload_ref }
}

/// See [`Store::attempt`](crate::store::Store::attempt).
pub(super) fn attempt(shared: &Shared, id: AttemptId) -> Result<StoredAttempt, StoreError> {
    let (row, number) = shared.query(|state, over, _| state.find_attempt(id, over))?.ok_or(StoreError::NotFound)?;
    let index = number as usize - 1;
    if index == row.event.attempts.len() {
        return Ok(StoredAttempt { event: row.event, number, record: None });
    }
    let place = row.attempts_at.get(index).copied().flatten();
    let record = place.ok_or(StoreError::NotFound).and_then(|place| attempt_record(shared, place, index));
    Ok(StoredAttempt { event: row.event, number, record: Some(record) })
}

/// See [`Store::request`](crate::store::Store::request).
pub(super) fn request(shared: &Shared, at: RecordRef) -> Result<Request, StoreError> {
    request_content(shared, at).map(|content| content.request)
}

/// A request's record: what arrived, and the connections that made no event of it. `Erased` when that is so.
pub(super) fn request_content(shared: &Shared, at: RecordRef) -> Result<RequestContent, StoreError> {
    let record = shared.reader.read(at)?;
    match Kind::from_number(record.head.kind) {
        Some(Kind::Request) => {
            let stored: StoredRequest<'_> = decode(record.head.kind, record.head.format, &record.meta)?;
            expect_not_erased(shared, stored.id())?;
            Ok(with_ignored(stored, record.blob))
        }
        Some(Kind::Carried) => {
            let stored: StoredCarried<'_> = decode(record.head.kind, record.head.format, &record.meta)?;
            expect_not_erased(shared, stored.event.request_id())?;
            let body = part(&record.blob, 0, stored.body_len as usize)?;
            stored.request.map(|request| with_ignored(request, body)).ok_or(StoreError::NotFound)
        }
        Some(Kind::Outcome | Kind::Change | Kind::Config | Kind::Gone | Kind::Document) | None => Err(misplaced(at)),
    }
}

/// The details of an attempt from the record that has it; `index` counts the event's attempts from 0.
pub(super) fn attempt_record(shared: &Shared, at: RecordRef, index: usize) -> Result<AttemptRecord, StoreError> {
    let record = shared.reader.read(at)?;
    let details = match Kind::from_number(record.head.kind) {
        Some(Kind::Outcome) => {
            let stored: StoredOutcome<'_> = decode(record.head.kind, record.head.format, &record.meta)?;
            stored.attempt.into_record(&record.blob)
        }
        Some(Kind::Carried) => carried_attempt(&record, index)?,
        Some(Kind::Request | Kind::Change | Kind::Config | Kind::Gone | Kind::Document) | None => None,
    };
    details.ok_or_else(|| misplaced(at))
}

fn carried_attempt(record: &Record, index: usize) -> Result<Option<AttemptRecord>, StoreError> {
    let stored: StoredCarried<'_> = decode(record.head.kind, record.head.format, &record.meta)?;
    let before =
        stored.attempts.iter().take(index).flatten().map(super::record::StoredAttempt::blob_len).sum::<usize>();
    let start = stored.body_len as usize + before;
    let Some(Some(attempt)) = stored.attempts.into_iter().nth(index) else { return Err(StoreError::NotFound) };
    let blob = part(&record.blob, start, attempt.blob_len())?;
    Ok(attempt.into_record(&blob))
}

fn expect_not_erased(shared: &Shared, request: RequestId) -> Result<(), StoreError> {
    erased(shared, request)?.map_or(Ok(()), |at| Err(StoreError::Erased { at }))
}

fn with_ignored(stored: StoredRequest<'_>, body: Bytes) -> RequestContent {
    let ignored = stored.ignored().collect();
    RequestContent { request: stored.into_request(body), ignored }
}

fn part(blob: &Bytes, start: usize, len: usize) -> Result<Bytes, StoreError> {
    let end = start.checked_add(len).filter(|end| *end <= blob.len());
    end.map(|end| blob.slice(start..end))
        .ok_or_else(|| StoreError::Damaged("a carried record is shorter than its parts".to_owned()))
}

pub(super) fn misplaced(at: RecordRef) -> StoreError {
    StoreError::Damaged(format!("segment {:016x}, offset {}: not the record that was expected", at.segment, at.offset))
}
