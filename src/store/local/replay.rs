//! From records back to changes: what start-up, rebuild and retention read out of the journal.

use super::{
    documents::Changed,
    journal::{Entry, RecordHead},
    key::{KeyError, MasterKey},
    overlay::Change,
    record::{
        FORMAT, Kind, RecordError, StoredCarried, StoredDocument, StoredEvent, StoredGone, StoredItems, StoredOutcome,
        StoredRequest, decode, encode,
    },
    row::RequestRef,
};
use crate::domain::{ConfigItem, Event, Timestamp};

/// Why a record that passed its checksum cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplayError {
    /// Its shape.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A sealed secret.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Calls `each` with the request and every change of events that a record brings.
///
/// # Errors
///
/// When the record's shape is newer or unknown.
pub(super) fn changes(entry: &Entry<'_>, mut each: impl FnMut(Change)) -> Result<(), RecordError> {
    let Entry { at, head, meta, .. } = *entry;
    match Kind::from_number(head.kind) {
        Some(Kind::Request) => {
            let request: StoredRequest<'_> = decode(head.kind, head.format, meta)?;
            if request.first_index() == 0 {
                each(Change::Arrived(request.summary(at, Timestamp::from_ms(head.at_ms))));
            }
            for event in new_events(&request, head) {
                each(Change::New(event, RequestRef { at, body_bytes: entry.blob_len }));
            }
        }
        Some(Kind::Outcome) => {
            let outcome: StoredOutcome<'_> = decode(head.kind, head.format, meta)?;
            each(Change::Changed(outcome.event.into_event(head.seq), Some(at)));
        }
        Some(Kind::Change) => {
            let event: StoredEvent = decode(head.kind, head.format, meta)?;
            each(Change::Changed(event.into_event(head.seq), None));
        }
        Some(Kind::Gone) => {
            let gone: StoredGone = decode(head.kind, head.format, meta)?;
            for (first, last) in gone.ranges {
                each(Change::Gone(first, last));
            }
        }
        Some(Kind::Carried) => {
            let carried: StoredCarried<'_> = decode(head.kind, head.format, meta)?;
            let request = RequestRef { at, body_bytes: carried.body_len };
            each(Change::Carried(carried.event.into_event(head.seq), request));
        }
        Some(Kind::Document) => each(Change::Document(document(&decode(head.kind, head.format, meta)?)?, at)),
        Some(Kind::Config) => {}
        None => return Err(RecordError::Shape { kind: head.kind, why: "the kind is unknown".to_owned() }),
    }
    Ok(())
}

/// The configuration items a record brings, secrets opened; none when it is of another kind.
///
/// # Errors
///
/// When the record's shape is newer (whatever its kind) or unknown, or a secret does not open.
pub(super) fn config_items(entry: &Entry<'_>, key: &MasterKey) -> Result<Vec<ConfigItem>, ReplayError> {
    let Entry { head, meta, .. } = *entry;
    if head.format > FORMAT {
        return Err(RecordError::Newer(head.format).into());
    }
    if Kind::from_number(head.kind) != Some(Kind::Config) {
        return Ok(Vec::new());
    }
    let items: StoredItems = decode(head.kind, head.format, meta)?;
    items.0.into_iter().map(|item| item.into_item(key).map_err(ReplayError::from)).collect()
}

/// One past the last event that a record numbers; 0 when it numbers none.
#[must_use]
pub(super) fn next_seq_after(entry: &Entry<'_>) -> u64 {
    let Entry { head, meta, .. } = *entry;
    match Kind::from_number(head.kind) {
        Some(Kind::Request) => decode::<StoredRequest<'_>>(head.kind, head.format, meta)
            .map_or(0, |request| head.seq + request.routes().len() as u64),
        Some(Kind::Outcome | Kind::Change | Kind::Carried) => head.seq + 1,
        Some(Kind::Gone) => decode::<StoredGone>(head.kind, head.format, meta)
            .map_or(0, |gone| gone.ranges.last().map_or(0, |(_, last)| last + 1)),
        Some(Kind::Config | Kind::Document) | None => 0,
    }
}

fn new_events<'a>(request: &'a StoredRequest<'_>, head: RecordHead) -> impl Iterator<Item = Event> + 'a {
    let at = Timestamp::from_ms(head.at_ms);
    let from = (request.id(), request.source_id());
    (request.first_index()..)
        .zip(head.seq..)
        .zip(request.routes())
        .map(move |((index, seq), route)| Event::accepted(from, index, route, seq, at))
}

fn document(stored: &StoredDocument<'_>) -> Result<Changed, RecordError> {
    let unknown = || RecordError::Shape { kind: Kind::Document as u8, why: "the family is unknown".to_owned() };
    Ok(Changed {
        key: stored.key().ok_or_else(unknown)?,
        version: stored.version,
        attaches: stored.attached.is_some(),
        content: stored.content.as_ref().map(|content| encode(content.as_ref())),
    })
}
