//! Questions about documents: audits, views and bookmarks, in the order of their ids, which is that of their creation.

use std::ops::Range;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CursorKey, Page, PageQuery, Query, Start, cursor_bytes, with_keys};
use crate::{
    domain::{
        ApiKeyId, BookmarkId, Document, DocumentKey, EventDataId, EventId, Family, Request, RequestId, Span,
        document::{Audit, Author, Bookmark, View},
    },
    store::{DocumentStretch, Store, StoreError},
};

/// Documents read at a time.
const STRETCH: usize = 256;
/// Documents looked at for a page at most: then it ends early and says where it goes on.
const LOOKED_AT_MAX: usize = 20_000;
/// All ids.
const ALL: Range<u128> = 0..u128::MAX;
/// Where the time of an id stands.
const TIME_SHIFT: u32 = 80;

/// First bytes of cursors; the other lists have others.
const AUDITS: u8 = 17;
const BOOKMARKS: u8 = 18;

/// The place of a document in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentPlace<const LIST: u8>(u128);

/// The place of an audit.
pub type AuditPlace = DocumentPlace<AUDITS>;
/// The place of a bookmark.
pub type BookmarkPlace = DocumentPlace<BOOKMARKS>;

impl<const LIST: u8> CursorKey for DocumentPlace<LIST> {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([&[LIST][..], &self.0.to_be_bytes()].concat())
    }

    fn decode(text: &str) -> Option<Self> {
        let [list, bits @ ..] = cursor_bytes::<17>(text)?;
        (list == LIST).then(|| Self(u128::from_be_bytes(bits)))
    }
}

/// Which audits. Empty lists do not restrict; what is given must all hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By any of these; `None` is the gateway itself.
    pub authors: Vec<Option<ApiKeyId>>,
    /// Of any of these actions.
    pub actions: Vec<String>,
    /// When.
    pub created: Span,
}

impl AuditFilter {
    fn matches(&self, audit: &Audit) -> bool {
        let author = match &audit.author {
            Author::Key { id, .. } => Some(*id),
            Author::Gateway => None,
        };
        (self.authors.is_empty() || self.authors.contains(&author))
            && (self.actions.is_empty() || self.actions.contains(&audit.action))
    }

    /// The ids there can be: they carry the time.
    fn ids(&self) -> Range<u128> {
        let bound = |ms: i64| u128::try_from(ms).unwrap_or(0).checked_shl(TIME_SHIFT).unwrap_or(u128::MAX);
        let low = self.created.from.map_or(ALL.start, |from| bound(from.ms()));
        low..self.created.before.map_or(ALL.end, |before| bound(before.ms()))
    }
}

impl Query {
    /// A page of audits.
    ///
    /// # Errors
    ///
    /// As [`Store::documents`].
    pub async fn audits(
        &self,
        filter: AuditFilter,
        page: PageQuery<AuditPlace>,
    ) -> Result<Page<Audit, AuditPlace>, StoreError> {
        let pick = |document| if let Document::Audit(audit) = document { Some(audit) } else { None };
        self.blocking(move |store| {
            let listed = Listed { family: Family::Audit, ids: filter.ids(), id: |audit: &Audit| audit.id.bits() };
            page_of_family(store, &listed, page, |document| pick(document).filter(|audit| filter.matches(audit)))
        })
        .await
    }

    /// A page of the bookmarks that match.
    ///
    /// # Errors
    ///
    /// As [`Store::documents`].
    pub async fn bookmarks(
        &self,
        matches: impl Fn(&Bookmark) -> bool + Send + 'static,
        page: PageQuery<BookmarkPlace>,
    ) -> Result<Page<Bookmark, BookmarkPlace>, StoreError> {
        self.blocking(move |store| {
            let listed = Listed { family: Family::Bookmark, ids: ALL, id: |bookmark: &Bookmark| bookmark.id.bits() };
            page_of_family(store, &listed, page, |document| bookmark_of(document).filter(&matches))
        })
        .await
    }

    /// Bookmarks, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Store::documents`].
    pub async fn first_bookmarks(&self, limit: usize) -> Result<Vec<Bookmark>, StoreError> {
        let stretch = DocumentStretch { descending: false, after: None, limit };
        let documents = self.blocking(move |store| store.documents(Family::Bookmark, stretch)).await?;
        Ok(documents.into_iter().filter_map(bookmark_of).collect())
    }

    /// One bookmark.
    ///
    /// # Errors
    ///
    /// As [`Store::document`].
    pub async fn bookmark(&self, id: BookmarkId) -> Result<Bookmark, StoreError> {
        let key = DocumentKey { family: Family::Bookmark, id: id.bits() };
        let document = self.blocking(move |store| store.document(key)).await?;
        bookmark_of(document).ok_or(StoreError::NotFound)
    }

    /// What a bookmark keeps of the request it was made of.
    ///
    /// # Errors
    ///
    /// As [`Store::attached`].
    pub async fn bookmarked(&self, id: BookmarkId) -> Result<Request, StoreError> {
        let key = DocumentKey { family: Family::Bookmark, id: id.bits() };
        self.blocking(move |store| store.attached(key)).await
    }

    /// Views, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Store::documents`].
    pub async fn first_views(&self, limit: usize) -> Result<Vec<View>, StoreError> {
        let stretch = DocumentStretch { descending: false, after: None, limit };
        let documents = self.blocking(move |store| store.documents(Family::View, stretch)).await?;
        let view = |document| if let Document::View(view) = document { Some(view) } else { None };
        Ok(documents.into_iter().filter_map(view).collect())
    }

    /// The data of that id: what an event was made of, or a request as it arrived.
    ///
    /// # Errors
    ///
    /// `NotFound` when it is not, or no longer, there; `Damaged`, `Rebuilding`, `Io`.
    pub async fn data(&self, id: EventDataId) -> Result<Request, StoreError> {
        self.blocking(move |store| {
            let request_id = match store.event(EventId::from_bits(id.bits())) {
                Ok(kept) if kept.event.deleted_at.is_some() => return Err(StoreError::NotFound),
                Ok(kept) => kept.event.request_id,
                Err(StoreError::NotFound) => RequestId::from_bits(id.bits()),
                Err(error) => return Err(error),
            };
            store.request_by_id(request_id)?.content.map(|content| content.request)
        })
        .await
    }
}

fn bookmark_of(document: Document) -> Option<Bookmark> {
    if let Document::Bookmark(bookmark) = document { Some(bookmark) } else { None }
}

/// What a list is of.
struct Listed<T> {
    family: Family,
    /// Only these.
    ids: Range<u128>,
    id: fn(&T) -> u128,
}

/// A page of the documents that `pick` takes. One that ends early, because it looked at too many, leads on all the same.
fn page_of_family<T, const LIST: u8>(
    store: &dyn Store,
    listed: &Listed<T>,
    page: PageQuery<DocumentPlace<LIST>>,
    pick: impl Fn(Document) -> Option<T>,
) -> Result<Page<T, DocumentPlace<LIST>>, StoreError> {
    if page.limit == 0 || listed.ids.is_empty() {
        return Ok(Page { items: Vec::new(), next: None, prev: None });
    }
    let (backwards, after) = match page.start {
        Start::First => (false, None),
        Start::After(place) => (false, Some(place.0)),
        Start::Before(place) => (true, Some(place.0)),
    };
    let descending = page.descending != backwards;
    // Just before the first id that counts.
    let edge = if descending { Some(listed.ids.end) } else { listed.ids.start.checked_sub(1) };
    let mut after = match (after, edge) {
        (Some(one), Some(other)) => Some(if descending { one.min(other) } else { one.max(other) }),
        (one, other) => one.or(other),
    };
    let (mut found, mut looked_at, mut cut) = (Vec::new(), 0, None);
    'all: while found.len() <= page.limit {
        let documents = store.documents(listed.family, DocumentStretch { descending, after, limit: STRETCH })?;
        let is_last = documents.len() < STRETCH;
        looked_at += documents.len();
        for document in documents {
            let id = document.key().id;
            if !listed.ids.contains(&id) {
                break 'all;
            }
            after = Some(id);
            found.extend(pick(document));
        }
        if is_last {
            break;
        }
        if looked_at >= LOOKED_AT_MAX && found.len() <= page.limit {
            cut = after;
            break;
        }
    }
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    if backwards {
        found.reverse();
    }
    let mut page = with_keys(found, |item| DocumentPlace((listed.id)(item)), page.start, more);
    if let Some(cut) = cut {
        *(if backwards { &mut page.prev } else { &mut page.next }) = Some(DocumentPlace(cut));
    }
    Ok(page)
}

#[cfg(test)]
mod tests;
