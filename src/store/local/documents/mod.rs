//! Documents on their way from the journal to sled: those that sled does not have yet, or has as they were.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the overlay's share: newest versions by key, and handing them to sled |
//! | `change` | what is asked of the writer, encoded |
//! | `read` | answers: sled with these over it |
//!
//! What a document says is opaque here: its content is encoded as in its record, secrets sealed. Records set a document whole, and
//! their order is the writer's: the last one is right, however often a stretch of the journal is replayed.

pub(super) mod change;
pub(super) mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::{
        Bound::{Excluded, Unbounded},
        RangeInclusive,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::{
    RecordRef,
    overlay::Overlay,
    state::{State, StateError},
};
use crate::domain::{DocumentKey, Family};

/// Documents that are handed to sled in one batch: a few hundred bytes each.
const WRITTEN_TOGETHER: usize = 1024;
/// What a document is taken to cost in memory beside its content, in bytes: its places in the map and on the heap.
const DOCUMENT_BYTES: usize = 192;

/// A document as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDocument {
    /// Its version.
    pub version: u32,
    /// Its record.
    pub at: RecordRef,
    /// The record with the request that is attached to it.
    pub attached: Attached,
    /// What it says.
    pub content: Vec<u8>,
}

/// Where the request lies that is attached to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// There is none.
    No,
    /// In this record.
    At(RecordRef),
    /// Where it lay before: whatever sled has.
    AsBefore,
}

/// What is known of a document that is newer than sled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newest {
    /// It is like this.
    Kept(Arc<KeptDocument>),
    /// It was taken away.
    Removed,
}

/// Documents newer than what sled has.
pub type NewestDocuments = BTreeMap<DocumentKey, Newest>;

/// A change of a document, as its record brought it.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    pub(super) key: DocumentKey,
    pub(super) version: u32,
    /// Whether the record has a request to attach.
    pub(super) attaches: bool,
    /// `None`: it is no more.
    pub(super) content: Option<Vec<u8>>,
}

/// The documents that sled does not have, or not as they are.
#[derive(Debug, Default)]
pub(super) struct Documents {
    newest: NewestDocuments,
    /// The overlay's.
    bytes: Arc<AtomicUsize>,
}

impl Documents {
    /// None yet; what they cost is counted in `bytes`.
    pub(super) fn new(bytes: Arc<AtomicUsize>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Takes in a change whose record lies at this place.
    pub(super) fn apply(&mut self, change: Changed, at: RecordRef) {
        let Changed { key, version, attaches, content } = change;
        let newest = match content {
            Some(content) => {
                let attached = if attaches { Attached::At(at) } else { self.attached_before(key, version) };
                Newest::Kept(Arc::new(KeptDocument { version, at, attached, content }))
            }
            None => Newest::Removed,
        };
        self.bytes.fetch_add(cost(&newest), Ordering::Relaxed);
        if let Some(old) = self.newest.insert(key, newest) {
            self.bytes.fetch_sub(cost(&old), Ordering::Relaxed);
        }
    }

    fn attached_before(&self, key: DocumentKey, version: u32) -> Attached {
        match self.newest.get(&key) {
            Some(Newest::Kept(before)) => before.attached,
            Some(Newest::Removed) => Attached::No,
            // A first version replaces nothing.
            None if version == 1 => Attached::No,
            None => Attached::AsBefore,
        }
    }

    pub(super) fn get(&self, key: DocumentKey) -> Option<&Newest> {
        self.newest.get(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }

    /// Whether any of a family is here and was not taken away.
    pub(super) fn has(&self, family: Family) -> bool {
        self.range(family, 0..=u128::MAX).any(|(_, newest)| matches!(newest, Newest::Kept(_)))
    }

    /// What a stretch of so many documents of a family may need to know from here: everything up to the last of as many that are
    /// kept.
    pub(super) fn stretch(
        &self,
        family: Family,
        ids: RangeInclusive<u128>,
        descending: bool,
        limit: usize,
    ) -> Vec<(u128, Newest)> {
        let range = self.range(family, ids);
        let directed: Box<dyn Iterator<Item = (u128, &Newest)>> =
            if descending { Box::new(range.rev()) } else { Box::new(range) };
        let mut kept = 0;
        let mut taken = Vec::new();
        for (id, newest) in directed {
            if kept == limit {
                break;
            }
            kept += usize::from(matches!(newest, Newest::Kept(_)));
            taken.push((id, newest.clone()));
        }
        taken
    }

    fn range(&self, family: Family, ids: RangeInclusive<u128>) -> impl DoubleEndedIterator<Item = (u128, &Newest)> {
        let key = |id| DocumentKey { family, id };
        let (first, last) = ids.into_inner();
        self.newest.range(key(first)..=key(last)).map(|(key, newest)| (key.id, newest))
    }

    /// Forgets what sled has now, as far as it did not change meanwhile.
    fn written(&mut self, written: &NewestDocuments) {
        for (key, then) in written {
            let same = match (self.newest.get(key), then) {
                (Some(Newest::Kept(now)), Newest::Kept(then)) => Arc::ptr_eq(now, then),
                (Some(Newest::Removed), Newest::Removed) => true,
                (Some(Newest::Kept(_)), Newest::Removed) | (Some(Newest::Removed), Newest::Kept(_)) | (None, _) => {
                    false
                }
            };
            if same {
                self.newest.remove(key);
                self.bytes.fetch_sub(cost(then), Ordering::Relaxed);
            }
        }
    }
}

fn cost(newest: &Newest) -> usize {
    match newest {
        Newest::Kept(document) => DOCUMENT_BYTES + document.content.len(),
        Newest::Removed => DOCUMENT_BYTES,
    }
}

/// Hands every document of an overlay to sled.
pub(super) fn fold(state: &State, overlay: &Mutex<Overlay>) -> Result<(), StateError> {
    let mut from = None;
    loop {
        let batch: NewestDocuments = {
            let overlay = overlay.lock();
            let behind = overlay.documents.newest.range((from.map_or(Unbounded, Excluded), Unbounded));
            behind.take(WRITTEN_TOGETHER).map(|(key, newest)| (*key, newest.clone())).collect()
        };
        let Some((last, _)) = batch.last_key_value() else { return Ok(()) };
        from = Some(*last);
        state.write_documents(&batch)?;
        overlay.lock().documents.written(&batch);
    }
}
