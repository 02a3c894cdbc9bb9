//! Documents as they are stored: those of the audit with what they changed, secrets sealed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{StoredItem, StoredRequest, moment};
use crate::{
    domain::{
        ApiKeyId, AuditId, BookmarkId, BulkId, ConnectionId, Document, DocumentKey, EventDataId, Family, RequestId,
        Timestamp, ViewId,
        document::{Audit, Author, Bookmark, Bulk, BulkKind, Erasure, Retried, View},
    },
    store::local::key::{KeyError, MasterKey},
};

/// A document after a change of it, or what is left to say of one that was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDocument<'a> {
    family: u8,
    id: [u8; 16],
    /// The one it has, or had.
    pub version: u32,
    /// `None`: it is no more.
    pub content: Option<Cow<'a, StoredContent>>,
    /// Attached to it from now on, the body in the blob; `None`: what was attached before still is.
    pub attached: Option<StoredRequest<'a>>,
}

/// What a document says, without its key and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "see the domain's types")]
pub enum StoredContent {
    View {
        name: String,
        filter: String,
        created_at: i64,
        updated_at: i64,
    },
    Bookmark {
        name: Option<String>,
        label: String,
        connection: [u8; 16],
        event_data: [u8; 16],
        last_used_at: Option<i64>,
        created_at: i64,
        updated_at: i64,
    },
    Bulk {
        kind: StoredBulkKind,
        query: String,
        seq_end: u64,
        planned: u64,
        cursor: Vec<u8>,
        completed: u64,
        failed: u64,
        cancelled_at: Option<i64>,
        completed_at: Option<i64>,
        created_at: i64,
        updated_at: i64,
    },
    Audit {
        at: i64,
        author: StoredAuthor,
        action: String,
        changes: Vec<(Option<StoredItem>, StoredItem)>,
    },
    Erasure {
        at: i64,
    },
    Retried {
        routes: Vec<([u8; 16], u16)>,
    },
}

/// What a bulk operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredBulkKind {
    EventsRetry,
    EventsCancel,
    RequestsRetry,
    RequestsReplay,
    IgnoredEventsRetry,
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredAuthor {
    Key { id: [u8; 16], label: String },
    Gateway,
}

impl<'a> StoredDocument<'a> {
    /// A document as it is now.
    #[must_use]
    pub fn put(
        key: DocumentKey,
        version: u32,
        content: &'a StoredContent,
        attached: Option<StoredRequest<'a>>,
    ) -> Self {
        Self { content: Some(Cow::Borrowed(content)), attached, ..Self::removal(key, version) }
    }

    /// That there is none any more; `version` was its last.
    #[must_use]
    pub fn removal(key: DocumentKey, version: u32) -> Self {
        let DocumentKey { family, id } = key;
        Self { family: family.number(), id: id.to_be_bytes(), version, content: None, attached: None }
    }

    /// Its key; `None` when its family is unknown.
    #[must_use]
    pub fn key(&self) -> Option<DocumentKey> {
        let family = Family::from_number(self.family)?;
        Some(DocumentKey { family, id: u128::from_be_bytes(self.id) })
    }
}

impl StoredContent {
    /// Takes what is stored of a document.
    ///
    /// # Errors
    ///
    /// When a secret cannot be sealed.
    pub fn new(document: &Document, key: &MasterKey) -> Result<Self, KeyError> {
        Ok(match document {
            Document::View(view) => Self::View {
                name: view.name.clone(),
                filter: view.filter.clone(),
                created_at: view.created_at.ms(),
                updated_at: view.updated_at.ms(),
            },
            Document::Bookmark(bookmark) => Self::Bookmark {
                name: bookmark.name.clone(),
                label: bookmark.label.clone(),
                connection: bookmark.connection_id.bits().to_be_bytes(),
                event_data: bookmark.event_data_id.bits().to_be_bytes(),
                last_used_at: bookmark.last_used_at.map(Timestamp::ms),
                created_at: bookmark.created_at.ms(),
                updated_at: bookmark.updated_at.ms(),
            },
            Document::Bulk(bulk) => Self::Bulk {
                kind: bulk.kind.into(),
                query: bulk.query.clone(),
                seq_end: bulk.seq_end,
                planned: bulk.planned,
                cursor: bulk.cursor.clone(),
                completed: bulk.completed,
                failed: bulk.failed,
                cancelled_at: bulk.cancelled_at.map(Timestamp::ms),
                completed_at: bulk.completed_at.map(Timestamp::ms),
                created_at: bulk.created_at.ms(),
                updated_at: bulk.updated_at.ms(),
            },
            Document::Audit(audit) => Self::Audit {
                at: audit.at.ms(),
                author: (&audit.author).into(),
                action: audit.action.clone(),
                changes: audit
                    .changes
                    .iter()
                    .map(|(before, after)| {
                        let before = before.as_ref().map(|before| StoredItem::new(before, key)).transpose()?;
                        Ok((before, StoredItem::new(after, key)?))
                    })
                    .collect::<Result<_, KeyError>>()?,
            },
            Document::Erasure(erasure) => Self::Erasure { at: erasure.at.ms() },
            Document::Retried(retried) => Self::Retried {
                routes: retried.routes.iter().map(|(id, index)| (id.bits().to_be_bytes(), *index)).collect(),
            },
        })
    }

    /// The document with this id, its secrets opened.
    ///
    /// # Errors
    ///
    /// When a secret does not open with this key.
    pub fn into_document(self, id: u128, version: u32, key: &MasterKey) -> Result<Document, KeyError> {
        let bits = u128::from_be_bytes;
        Ok(match self {
            Self::View { name, filter, created_at, updated_at } => Document::View(View {
                id: ViewId::from_bits(id),
                name,
                filter,
                created_at: moment(created_at),
                updated_at: moment(updated_at),
                version,
            }),
            Self::Bookmark { name, label, connection, event_data, last_used_at, created_at, updated_at } => {
                Document::Bookmark(Bookmark {
                    id: BookmarkId::from_bits(id),
                    name,
                    label,
                    connection_id: ConnectionId::from_bits(bits(connection)),
                    event_data_id: EventDataId::from_bits(bits(event_data)),
                    last_used_at: last_used_at.map(moment),
                    created_at: moment(created_at),
                    updated_at: moment(updated_at),
                    version,
                })
            }
            Self::Bulk {
                kind,
                query,
                seq_end,
                planned,
                cursor,
                completed,
                failed,
                cancelled_at,
                completed_at,
                created_at,
                updated_at,
            } => Document::Bulk(Bulk {
                id: BulkId::from_bits(id),
                kind: kind.into(),
                query,
                seq_end,
                planned,
                cursor,
                completed,
                failed,
                cancelled_at: cancelled_at.map(moment),
                completed_at: completed_at.map(moment),
                created_at: moment(created_at),
                updated_at: moment(updated_at),
                version,
            }),
            Self::Audit { at, author, action, changes } => {
                let change = |(before, after): (Option<StoredItem>, StoredItem)| {
                    let before = before.map(|before| before.into_item(key)).transpose()?;
                    Ok((before, after.into_item(key)?))
                };
                Document::Audit(Audit {
                    id: AuditId::from_bits(id),
                    at: moment(at),
                    author: author.into(),
                    action,
                    changes: changes.into_iter().map(change).collect::<Result<_, KeyError>>()?,
                })
            }
            Self::Erasure { at } => Document::Erasure(Erasure { request_id: RequestId::from_bits(id), at: moment(at) }),
            Self::Retried { routes } => Document::Retried(Retried {
                request_id: RequestId::from_bits(id),
                routes: routes.into_iter().map(|(id, index)| (ConnectionId::from_bits(bits(id)), index)).collect(),
                version,
            }),
        })
    }
}

impl From<BulkKind> for StoredBulkKind {
    fn from(kind: BulkKind) -> Self {
        match kind {
            BulkKind::EventsRetry => Self::EventsRetry,
            BulkKind::EventsCancel => Self::EventsCancel,
            BulkKind::RequestsRetry => Self::RequestsRetry,
            BulkKind::RequestsReplay => Self::RequestsReplay,
            BulkKind::IgnoredEventsRetry => Self::IgnoredEventsRetry,
        }
    }
}

impl From<StoredBulkKind> for BulkKind {
    fn from(kind: StoredBulkKind) -> Self {
        match kind {
            StoredBulkKind::EventsRetry => Self::EventsRetry,
            StoredBulkKind::EventsCancel => Self::EventsCancel,
            StoredBulkKind::RequestsRetry => Self::RequestsRetry,
            StoredBulkKind::RequestsReplay => Self::RequestsReplay,
            StoredBulkKind::IgnoredEventsRetry => Self::IgnoredEventsRetry,
        }
    }
}

impl From<&Author> for StoredAuthor {
    fn from(author: &Author) -> Self {
        match author {
            Author::Key { id, label } => Self::Key { id: id.bits().to_be_bytes(), label: label.clone() },
            Author::Gateway => Self::Gateway,
        }
    }
}

impl From<StoredAuthor> for Author {
    fn from(author: StoredAuthor) -> Self {
        match author {
            StoredAuthor::Key { id, label } => Self::Key { id: ApiKeyId::from_bits(u128::from_be_bytes(id)), label },
            StoredAuthor::Gateway => Self::Gateway,
        }
    }
}
