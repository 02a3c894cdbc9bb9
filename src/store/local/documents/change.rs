//! A change of a document as the writer takes it: encoded and sealed already, with what must hold for it.

use std::sync::Arc;

use bytes::Bytes;

use super::Changed;
use crate::{
    domain::{Document, DocumentKey, Request},
    store::{
        DocumentChange, StoreError,
        local::{
            journal::blob_crc,
            key::MasterKey,
            record::{StoredContent, StoredDocument, StoredRequest, encode},
        },
    },
};

/// One record to write, if the document is at the version it is made for.
#[derive(Debug)]
pub(in crate::store::local) struct DocumentJob {
    /// What the record brings.
    pub(in crate::store::local) changed: Changed,
    /// The version it must be at; 0 when there must be none.
    pub(in crate::store::local) expects: u32,
    /// The record's meta.
    pub(in crate::store::local) meta: Vec<u8>,
    /// The body of the request that is attached.
    pub(in crate::store::local) body: Bytes,
    /// Its checksum.
    pub(in crate::store::local) blob_crc: u32,
}

impl DocumentJob {
    /// Encodes a change.
    ///
    /// # Errors
    ///
    /// `Conflict` for a version that nothing comes before; when a secret cannot be sealed.
    pub(in crate::store::local) fn new(change: &DocumentChange, key: &MasterKey) -> Result<Self, StoreError> {
        match change {
            DocumentChange::Put(document, attached) => Self::put(document, attached.as_ref(), key),
            DocumentChange::Remove(_, 0) => Err(StoreError::Conflict),
            DocumentChange::Remove(key, version) => Ok(Self::removal(*key, *version, *version)),
        }
    }

    /// Encodes documents without attachments.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(in crate::store::local) fn all(documents: &[Document], key: &MasterKey) -> Result<Vec<Self>, StoreError> {
        documents.iter().map(|document| Self::put(document, None, key)).collect()
    }

    fn put(document: &Document, attached: Option<&Arc<Request>>, key: &MasterKey) -> Result<Self, StoreError> {
        let content = StoredContent::new(document, key).map_err(|error| StoreError::Io(error.to_string()))?;
        let version = document.version();
        let expects = version.checked_sub(1).ok_or(StoreError::Conflict)?;
        Ok(Self { expects, ..Self::as_it_is(document.key(), version, &content, attached.map(AsRef::as_ref)) })
    }

    /// Writes a document again as it is, with what is attached to it when that is given.
    pub(in crate::store::local) fn as_it_is(
        key: DocumentKey,
        version: u32,
        content: &StoredContent,
        attached: Option<&Request>,
    ) -> Self {
        let request = attached.map(|request| StoredRequest::new(request, &[], &[], None));
        let body = attached.map_or_else(Bytes::new, |request| request.body.clone());
        Self {
            changed: Changed { key, version, attaches: attached.is_some(), content: Some(encode(content)) },
            expects: version,
            meta: encode(&StoredDocument::put(key, version, content, request)),
            blob_crc: blob_crc(&[&body]),
            body,
        }
    }

    /// Says that there is no such document any more, if it is at the version expected (0: if that is so already).
    pub(in crate::store::local) fn removal(key: DocumentKey, version: u32, expects: u32) -> Self {
        Self {
            changed: Changed { key, version, attaches: false, content: None },
            expects,
            meta: encode(&StoredDocument::removal(key, version)),
            blob_crc: blob_crc(&[]),
            body: Bytes::new(),
        }
    }

    /// What it will take in the journal, about.
    pub(in crate::store::local) fn bytes(&self) -> usize {
        self.meta.len() + self.body.len()
    }

    /// The version that there is afterwards; 0 for none.
    pub(in crate::store::local) fn leaves(&self) -> u32 {
        if self.changed.content.is_some() { self.changed.version } else { 0 }
    }
}
