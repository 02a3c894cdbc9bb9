//! Documents in sled: one value each, in the order of family and id (CONTRIBUTING, decision 4).
//!
//! Nothing of them is in memory: who asks reads sled. What a document says is opaque here.

use std::ops::RangeInclusive;

use super::{State, StateError, error::Corrupt, keys};
use crate::{
    domain::{DocumentKey, Family},
    store::local::{
        RecordRef,
        documents::{Attached, KeptDocument, Newest, NewestDocuments},
    },
};

/// Version, place of the record, place of the record with what is attached (zeros for none); the content follows.
const HEAD: usize = 4 + 4 * 8;

impl State {
    /// A document; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when it cannot be read.
    pub fn document(&self, key: DocumentKey) -> Result<Option<KeptDocument>, StateError> {
        self.get(&keys::document(key), decode)
    }

    /// Documents of a family with ids in a range, from either end, at most so many.
    ///
    /// # Errors
    ///
    /// As [`document`](Self::document).
    pub fn documents(
        &self,
        family: Family,
        ids: RangeInclusive<u128>,
        descending: bool,
        limit: usize,
    ) -> Result<Vec<(u128, KeptDocument)>, StateError> {
        let range = self.document_range(family, ids);
        let directed: Box<dyn Iterator<Item = sled::Result<_>>> =
            if descending { Box::new(range.rev()) } else { Box::new(range) };
        let mut found = Vec::new();
        for entry in directed.take(limit) {
            let (key, value) = entry.map_err(|error| self.sled("reading documents", error))?;
            let damaged = |corrupt| self.damaged(&key, corrupt);
            let id = keys::id_of_document(&key).ok_or_else(|| damaged(Corrupt("it is no document's key")))?;
            found.push((id, keys::unseal(&key, &value).and_then(decode).map_err(damaged)?));
        }
        Ok(found)
    }

    /// Whether there is any document of a family.
    ///
    /// # Errors
    ///
    /// As [`document`](Self::document).
    pub fn has_documents(&self, family: Family) -> Result<bool, StateError> {
        let first = self.document_range(family, 0..=u128::MAX).next().transpose();
        Ok(first.map_err(|error| self.sled("reading documents", error))?.is_some())
    }

    /// Writes documents over what is there, and takes away those that are no more: all or none.
    ///
    /// # Errors
    ///
    /// `Damaged` when what is there does not decode, `Io` when it cannot be written. Nothing has changed then.
    pub fn write_documents(&self, documents: &NewestDocuments) -> Result<(), StateError> {
        let _writing = self.writing.lock();
        let mut batch = sled::Batch::default();
        for (key, newest) in documents {
            let name = keys::document(*key);
            match newest {
                Newest::Kept(document) => {
                    let attached = match document.attached {
                        Attached::AsBefore => self.document(*key)?.map_or(Attached::No, |before| before.attached),
                        Attached::No | Attached::At(_) => document.attached,
                    };
                    batch.insert(&name, keys::seal(&name, &encode(document, attached)));
                }
                Newest::Removed => batch.remove(&name),
            }
        }
        self.tree.apply_batch(batch).map_err(|error| self.sled("writing documents", error))
    }

    /// Drops the documents of a family with an id below this one.
    ///
    /// # Errors
    ///
    /// `Io`; some may be dropped then.
    pub fn forget_documents(&self, family: Family, below: u128) -> Result<(), StateError> {
        let Some(last) = below.checked_sub(1) else { return Ok(()) };
        let _writing = self.writing.lock();
        for key in self.document_range(family, 0..=last).keys() {
            let dropped = key.and_then(|key| self.tree.remove(key));
            dropped.map_err(|error| self.sled("dropping documents", error))?;
        }
        Ok(())
    }

    fn document_range(&self, family: Family, ids: RangeInclusive<u128>) -> sled::Iter {
        let key = |id| keys::document(DocumentKey { family, id });
        self.tree.range(key(*ids.start())..=key(*ids.end()))
    }
}

fn encode(document: &KeptDocument, attached: Attached) -> Vec<u8> {
    let attached = match attached {
        Attached::At(at) => at,
        Attached::No | Attached::AsBefore => NOWHERE,
    };
    let mut value = Vec::with_capacity(HEAD + document.content.len());
    value.extend_from_slice(&document.version.to_le_bytes());
    for number in [document.at.segment, document.at.offset, attached.segment, attached.offset] {
        value.extend_from_slice(&number.to_le_bytes());
    }
    value.extend_from_slice(&document.content);
    value
}

/// No record begins with its segment.
const NOWHERE: RecordRef = RecordRef { segment: 0, offset: 0 };

fn decode(value: &[u8]) -> Result<KeptDocument, Corrupt> {
    const SHORT: Corrupt = Corrupt("a document is too short");
    let (version, rest) = value.split_first_chunk::<4>().ok_or(SHORT)?;
    let (places, content) = rest.split_first_chunk::<{ HEAD - 4 }>().ok_or(SHORT)?;
    let mut places = places.chunks_exact(8).map(|raw| raw.try_into().map(u64::from_le_bytes).map_err(|_| SHORT));
    let mut number = || places.next().ok_or(SHORT)?;
    let at = RecordRef { segment: number()?, offset: number()? };
    let attached = RecordRef { segment: number()?, offset: number()? };
    Ok(KeptDocument {
        version: u32::from_le_bytes(*version),
        at,
        attached: if attached == NOWHERE { Attached::No } else { Attached::At(attached) },
        content: content.to_vec(),
    })
}
