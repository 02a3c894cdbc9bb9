//! The documents of the memory store.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use crate::{
    domain::{Document, DocumentKey, Family, Request, RequestId, Timestamp},
    store::{DocumentChange, DocumentStretch, StoreError},
};

type Kept = (Document, Option<Arc<Request>>);

/// All documents, by key.
#[derive(Default)]
pub(super) struct Documents(BTreeMap<DocumentKey, Kept>);

impl Documents {
    /// Makes every change, or none when one cannot be made.
    pub(super) fn change(&mut self, changes: Vec<DocumentChange>) -> Result<(), StoreError> {
        let mut next = self.0.clone();
        for change in changes {
            match change {
                DocumentChange::Put(document, attached) => {
                    let before = next.get(&document.key());
                    if before.map_or(0, |(before, _)| before.version()) + 1 != document.version() {
                        return Err(StoreError::Conflict);
                    }
                    let attached = attached.or_else(|| before.and_then(|(_, attached)| attached.clone()));
                    next.insert(document.key(), (document, attached));
                }
                DocumentChange::Remove(key, version) => match next.remove(&key) {
                    Some((document, _)) if document.version() == version => {}
                    Some(_) | None => return Err(StoreError::Conflict),
                },
            }
        }
        self.0 = next;
        Ok(())
    }

    pub(super) fn get(&self, key: DocumentKey) -> Result<Document, StoreError> {
        self.0.get(&key).map(|(document, _)| document.clone()).ok_or(StoreError::NotFound)
    }

    pub(super) fn attached(&self, key: DocumentKey) -> Result<Request, StoreError> {
        let (_, attached) = self.0.get(&key).ok_or(StoreError::NotFound)?;
        attached.as_ref().map(|request| request.as_ref().clone()).ok_or(StoreError::NotFound)
    }

    /// When the data of a request was erased.
    pub(super) fn erased(&self, request: RequestId) -> Option<Timestamp> {
        let (document, _) = self.0.get(&DocumentKey { family: Family::Erasure, id: request.bits() })?;
        if let Document::Erasure(erasure) = document { Some(erasure.at) } else { None }
    }

    /// Whether data of any was.
    pub(super) fn has_erased(&self) -> bool {
        self.0.keys().any(|key| key.family == Family::Erasure)
    }

    pub(super) fn stretch(&self, family: Family, stretch: DocumentStretch) -> Vec<Document> {
        let key = |id| DocumentKey { family, id };
        let after = stretch.after.map(|id| Bound::Excluded(key(id)));
        let (first, last) = (Bound::Included(key(0)), Bound::Included(key(u128::MAX)));
        // A range that ends where it begins, both left out, is refused by the map.
        if stretch.after == Some(if stretch.descending { 0 } else { u128::MAX }) {
            return Vec::new();
        }
        let range = if stretch.descending { (first, after.unwrap_or(last)) } else { (after.unwrap_or(first), last) };
        let all = self.0.range(range).map(|(_, (document, _))| document);
        let directed: Box<dyn Iterator<Item = &Document>> =
            if stretch.descending { Box::new(all.rev()) } else { Box::new(all) };
        directed.take(stretch.limit).cloned().collect()
    }
}
