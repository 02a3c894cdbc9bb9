//! Documents of a segment that is to go: what is still true of them is written again at the journal's end.

use std::collections::BTreeMap;

use super::submit;
use crate::{
    domain::{DocumentKey, Family, RequestId},
    store::{
        StoreError,
        local::{
            documents::{
                change::DocumentJob,
                read::{attached_at, attached_request, content_of, first_kept, kept},
            },
            queue::Job,
            record::StoredDocument,
            requests::read::is_kept,
            shared::Shared,
        },
    },
};

/// Records that are written together: keeps a frame short.
const WRITE_AT_ONCE: usize = 1024;
/// The same in bytes, for what is attached.
const WRITE_AT_ONCE_BYTES: usize = 4 << 20;

/// The documents that a segment has records of, each with the version it was taken away at if its last record says so.
#[derive(Default)]
pub(super) struct Named(BTreeMap<DocumentKey, Option<u32>>);

impl Named {
    pub(super) fn add(&mut self, record: &StoredDocument<'_>) {
        if let Some(key) = record.key() {
            self.0.insert(key, record.content.is_none().then_some(record.version));
        }
    }

    /// Writes what is needed of them behind everything else; false when one changed meanwhile: then it is looked at again.
    pub(super) fn carry(&self, shared: &Shared, segment: u64, oldest: bool) -> Result<bool, StoreError> {
        let mut changes = Vec::new();
        for (key, removed) in &self.0 {
            changes.extend(match removed {
                // An older segment would bring it back in a rebuild.
                Some(version) if !oldest && kept(shared, *key)?.is_none() => {
                    Some(DocumentJob::removal(*key, *version, 0))
                }
                Some(_) | None => needed(shared, *key, segment)?,
            });
            let bytes: usize = changes.iter().map(DocumentJob::bytes).sum();
            if (changes.len() >= WRITE_AT_ONCE || bytes >= WRITE_AT_ONCE_BYTES)
                && !write(shared, std::mem::take(&mut changes))?
            {
                return Ok(false);
            }
        }
        write(shared, changes)
    }
}

fn write(shared: &Shared, changes: Vec<DocumentJob>) -> Result<bool, StoreError> {
    if changes.is_empty() {
        return Ok(true);
    }
    match submit(shared, |answer| Job::Documents { changes, answer }) {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is to be written of a document when this segment goes; `None` when nothing of it lies there, or it is past its time.
fn needed(shared: &Shared, key: DocumentKey, segment: u64) -> Result<Option<DocumentJob>, StoreError> {
    if key.id < first_kept(shared, key.family) {
        return Ok(None);
    }
    let Some(kept) = kept(shared, key)? else { return Ok(None) };
    let attached = attached_at(shared, key, &kept)?.filter(|at| at.segment == segment);
    if kept.at.segment != segment && attached.is_none() {
        return Ok(None);
    }
    if is_over(shared, key)? {
        return Ok(Some(DocumentJob::removal(key, kept.version, kept.version)));
    }
    let request = match attached.map(|at| attached_request(shared, at)) {
        Some(Ok(request)) => Some(request),
        // Nobody can read it any more in any case.
        Some(Err(StoreError::NotFound | StoreError::Damaged(_))) | None => None,
        Some(Err(error)) => return Err(error),
    };
    Ok(Some(DocumentJob::as_it_is(key, kept.version, &content_of(&kept)?, request.as_ref())))
}

/// Whether a document is about something that is not kept any more.
fn is_over(shared: &Shared, key: DocumentKey) -> Result<bool, StoreError> {
    match key.family {
        Family::Erasure | Family::Retried => Ok(!is_kept(shared, RequestId::from_bits(key.id))?),
        Family::View | Family::Bookmark | Family::Bulk | Family::Audit => Ok(false),
    }
}
