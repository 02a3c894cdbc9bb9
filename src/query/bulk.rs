//! Questions about bulk operations: lists, newest first, and single ones.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use serde_json::Value;

use super::{CursorKey, Page, PageQuery, Query, Start, cursor_bytes, with_keys};
pub use crate::store::Moment;
use crate::{
    actors::is_unfinished,
    domain::{
        BulkId, Document, DocumentKey, Family, Span,
        document::{Bulk, BulkKind},
        matching::Pattern,
    },
    store::{DocumentStretch, StoreError},
};

/// First byte of cursors; the other lists have others.
const BULKS: u8 = 16;
/// Documents read at a time.
const PAGE_DOCUMENTS: usize = 256;

impl CursorKey for BulkId {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([&[BULKS][..], &self.bits().to_be_bytes()].concat())
    }

    fn decode(text: &str) -> Option<Self> {
        let [BULKS, bits @ ..] = cursor_bytes::<17>(text)? else { return None };
        Some(Self::from_bits(u128::from_be_bytes(bits)))
    }
}

/// Which operations. Empty lists and `None` do not restrict; what is given must all hold.
#[derive(Debug, Clone)]
pub struct BulkFilter {
    /// What they do.
    pub kind: BulkKind,
    /// Any of these.
    pub ids: Vec<BulkId>,
    /// Whether they go on.
    pub in_progress: Option<bool>,
    /// When they were asked for.
    pub created: Span,
    /// When they came to their end.
    pub completed: Moment,
    /// When somebody stopped them.
    pub cancelled: Moment,
    /// What they go over.
    pub query: Option<QueryFilter>,
}

/// What the filter of an operation must be.
#[derive(Debug, Clone)]
pub struct QueryFilter {
    /// It has this in it.
    pub part: Pattern,
    /// It has these names and no others; `None` for whichever it has beside.
    pub names: Option<BTreeSet<String>>,
}

impl QueryFilter {
    fn matches(&self, query: &str) -> bool {
        let Ok(query) = serde_json::from_str::<Value>(query) else { return false };
        let names = query.as_object().map(|query| query.keys().cloned().collect());
        self.part.matches(&query) && (self.names.is_none() || self.names == names)
    }
}

impl BulkFilter {
    /// Whether an operation matches.
    #[must_use]
    pub fn matches(&self, bulk: &Bulk) -> bool {
        bulk.kind == self.kind
            && (self.ids.is_empty() || self.ids.contains(&bulk.id))
            && self.in_progress.is_none_or(|in_progress| in_progress == is_unfinished(bulk))
            && self.created.contains(bulk.created_at)
            && self.completed.matches(bulk.completed_at)
            && self.cancelled.matches(bulk.cancelled_at)
            && self.query.as_ref().is_none_or(|query| query.matches(&bulk.query))
    }
}

impl Query {
    /// A page of operations.
    ///
    /// # Errors
    ///
    /// As [`Store::documents`](crate::store::Store::documents).
    pub async fn bulks(&self, filter: BulkFilter, page: PageQuery<BulkId>) -> Result<Page<Bulk, BulkId>, StoreError> {
        if page.limit == 0 {
            return Ok(Page { items: vec![], next: None, prev: None });
        }
        self.blocking(move |store| {
            let (backwards, mut after) = match page.start {
                Start::First => (false, None),
                Start::After(id) => (false, Some(id.bits())),
                Start::Before(id) => (true, Some(id.bits())),
            };
            let descending = page.descending != backwards;
            let mut found = Vec::new();
            while found.len() <= page.limit {
                let stretch = DocumentStretch { descending, after, limit: PAGE_DOCUMENTS };
                let documents = store.documents(Family::Bulk, stretch)?;
                after = documents.last().map(|document| document.key().id);
                let is_last = documents.len() < PAGE_DOCUMENTS;
                found.extend(documents.into_iter().filter_map(bulk).filter(|bulk| filter.matches(bulk)));
                if is_last {
                    break;
                }
            }
            let more = found.len() > page.limit;
            found.truncate(page.limit);
            if backwards {
                found.reverse();
            }
            Ok(with_keys(found, |bulk| bulk.id, page.start, more))
        })
        .await
    }

    /// One operation of a kind.
    ///
    /// # Errors
    ///
    /// As [`Store::document`](crate::store::Store::document).
    pub async fn bulk(&self, kind: BulkKind, id: BulkId) -> Result<Bulk, StoreError> {
        let key = DocumentKey { family: Family::Bulk, id: id.bits() };
        let document = self.blocking(move |store| store.document(key)).await?;
        bulk(document).filter(|bulk| bulk.kind == kind).ok_or(StoreError::NotFound)
    }
}

fn bulk(document: Document) -> Option<Bulk> {
    match document {
        Document::Bulk(bulk) => Some(bulk),
        Document::View(_)
        | Document::Bookmark(_)
        | Document::Audit(_)
        | Document::Erasure(_)
        | Document::Retried(_) => None,
    }
}
