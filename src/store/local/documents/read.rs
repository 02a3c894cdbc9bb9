//! The read side of documents: sled with what is newer over it, and what is attached from the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Attached, KeptDocument, Newest};
use crate::{
    domain::{AuditId, Document, DocumentKey, Family, Request, RequestId, Timestamp},
    store::{
        DocumentStretch, StoreError,
        local::{
            RecordRef,
            record::{Kind, RecordError, StoredContent, StoredDocument, decode},
            retention::horizon,
            shared::Shared,
        },
    },
};

/// See [`Store::document`](crate::store::Store::document).
pub(in crate::store::local) fn document(shared: &Shared, key: DocumentKey) -> Result<Document, StoreError> {
    if key.id < first_kept(shared, key.family) {
        return Err(StoreError::NotFound);
    }
    let kept = kept(shared, key)?.ok_or(StoreError::NotFound)?;
    into_document(shared, key.id, &kept)
}

/// See [`Store::documents`](crate::store::Store::documents).
pub(in crate::store::local) fn documents(
    shared: &Shared,
    family: Family,
    stretch: DocumentStretch,
) -> Result<Vec<Document>, StoreError> {
    let state = shared.state()?;
    let DocumentStretch { descending, after, limit } = stretch;
    let (first, last) = (first_kept(shared, family), u128::MAX);
    let bounds = match after {
        None => Some((first, last)),
        Some(after) if descending => after.checked_sub(1).map(|last| (first, last)),
        Some(after) => after.checked_add(1).map(|next| (first.max(next), last)),
    };
    let Some((first, last)) = bounds.filter(|(first, last)| first <= last) else { return Ok(Vec::new()) };
    // Before sled is looked at: what is taken away here meanwhile is there then.
    let newest = shared.overlay.lock().documents.stretch(family, first..=last, descending, limit);
    let enough = limit.saturating_add(newest.len());
    let folded = state.documents(family, first..=last, descending, enough);
    let folded = folded.map_err(|error| shared.state_failed(&error))?;
    let mut found: BTreeMap<u128, Arc<KeptDocument>> =
        folded.into_iter().map(|(id, document)| (id, Arc::new(document))).collect();
    for (id, newest) in newest {
        match newest {
            Newest::Kept(document) => drop(found.insert(id, document)),
            Newest::Removed => drop(found.remove(&id)),
        }
    }
    let shown = |(id, kept): (u128, Arc<KeptDocument>)| into_document(shared, id, &kept);
    if descending {
        found.into_iter().rev().take(limit).map(shown).collect()
    } else {
        found.into_iter().take(limit).map(shown).collect()
    }
}

/// See [`Store::attached`](crate::store::Store::attached).
pub(in crate::store::local) fn attached(shared: &Shared, key: DocumentKey) -> Result<Request, StoreError> {
    let kept = kept(shared, key)?.ok_or(StoreError::NotFound)?;
    let at = attached_at(shared, key, &kept)?.ok_or(StoreError::NotFound)?;
    attached_request(shared, at)
}

/// A document as it is kept; `None` when there is none.
pub(in crate::store::local) fn kept(
    shared: &Shared,
    key: DocumentKey,
) -> Result<Option<Arc<KeptDocument>>, StoreError> {
    let state = shared.state()?;
    let newest = shared.overlay.lock().documents.get(key).cloned();
    match newest {
        Some(Newest::Kept(document)) => Ok(Some(document)),
        Some(Newest::Removed) => Ok(None),
        None => state.document(key).map(|found| found.map(Arc::new)).map_err(|error| shared.state_failed(&error)),
    }
}

/// The version of a document; 0 when there is none.
pub(in crate::store::local) fn version(shared: &Shared, key: DocumentKey) -> Result<u32, StoreError> {
    Ok(kept(shared, key)?.map_or(0, |document| document.version))
}

/// The record with what is attached to a document.
pub(in crate::store::local) fn attached_at(
    shared: &Shared,
    key: DocumentKey,
    kept: &KeptDocument,
) -> Result<Option<RecordRef>, StoreError> {
    match kept.attached {
        Attached::No => Ok(None),
        Attached::At(at) => Ok(Some(at)),
        Attached::AsBefore => {
            let folded = shared.state()?.document(key).map_err(|error| shared.state_failed(&error))?;
            // Sled has a place or none, never this.
            Ok(folded.and_then(|folded| if let Attached::At(at) = folded.attached { Some(at) } else { None }))
        }
    }
}

/// The request in a document's record.
pub(in crate::store::local) fn attached_request(shared: &Shared, at: RecordRef) -> Result<Request, StoreError> {
    let record = shared.reader.read(at)?;
    if Kind::from_number(record.head.kind) != Some(Kind::Document) {
        return Err(crate::store::local::read::misplaced(at));
    }
    let stored: StoredDocument<'_> = decode(record.head.kind, record.head.format, &record.meta)?;
    stored.attached.map(|request| request.into_request(record.blob)).ok_or(StoreError::NotFound)
}

/// When the data of a request was erased; `None` when it was not.
///
/// What is being rebuilt holds nothing that anybody could ask for by then.
pub(in crate::store::local) fn erased(shared: &Shared, request: RequestId) -> Result<Option<Timestamp>, StoreError> {
    if !shared.has_erasures() || shared.state().is_err() {
        return Ok(None);
    }
    let key = DocumentKey { family: Family::Erasure, id: request.bits() };
    let Some(kept) = kept(shared, key)? else { return Ok(None) };
    match into_document(shared, key.id, &kept)? {
        Document::Erasure(erasure) => Ok(Some(erasure.at)),
        Document::View(_) | Document::Bookmark(_) | Document::Bulk(_) | Document::Audit(_) | Document::Retried(_) => {
            Err(StoreError::Damaged("an erasure is another document".to_owned()))
        }
    }
}

/// What a document says, as it is stored.
pub(in crate::store::local) fn content_of(kept: &KeptDocument) -> Result<StoredContent, StoreError> {
    postcard::from_bytes(&kept.content)
        .map_err(|error| RecordError::Shape { kind: Kind::Document as u8, why: error.to_string() }.into())
}

fn into_document(shared: &Shared, id: u128, kept: &KeptDocument) -> Result<Document, StoreError> {
    let document = content_of(kept)?.into_document(id, kept.version, &shared.key);
    document.map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The lowest id of a family that is shown: the audit is kept as long as events are.
pub(in crate::store::local) fn first_kept(shared: &Shared, family: Family) -> u128 {
    match family {
        Family::Audit => AuditId::from_parts(horizon(shared), 0).bits(),
        Family::View | Family::Bookmark | Family::Bulk | Family::Erasure | Family::Retried => 0,
    }
}
