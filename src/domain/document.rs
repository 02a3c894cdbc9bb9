//! Documents: what people keep beside the configuration, and what the gateway writes down about itself.
//!
//! A document is whole, small, and found by its key; those of one family are in the order of their ids. Each has a version
//! that rises by one with each change. The event path reads none of them.

use super::{
    ApiKeyId, AuditId, BookmarkId, BulkId, ConfigItem, ConnectionId, EventDataId, RequestId, Seq, Timestamp, ViewId,
};

/// What kind of document, in the order of their numbers on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each names the document's type")]
pub enum Family {
    View,
    Bookmark,
    Bulk,
    Audit,
    Erasure,
    Retried,
}

impl Family {
    /// All, each at the place of its number less one. Numbers are never reused.
    pub const ALL: [Self; 6] = [Self::View, Self::Bookmark, Self::Bulk, Self::Audit, Self::Erasure, Self::Retried];

    /// Its number on disk.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Reads a number from disk.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.number() == number)
    }
}

/// Names a document: its family and the bits of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentKey {
    /// Its family.
    pub family: Family,
    /// The bits of its id.
    pub id: u128,
}

/// A saved filter over events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name in the API.
    pub id: ViewId,
    /// Unique among views.
    pub name: String,
    /// The filter, as an object of query parameters: JSON text.
    pub filter: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

/// A request somebody wants to keep and send again. What arrived is attached to it, whatever becomes of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// Its name in the API.
    pub id: BookmarkId,
    /// Unique among bookmarks when given.
    pub name: Option<String>,
    /// Free text.
    pub label: String,
    /// The connection that it is sent over.
    pub connection_id: ConnectionId,
    /// The data it was made of.
    pub event_data_id: EventDataId,
    /// When it was last sent.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

/// What a bulk operation does with each thing it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BulkKind {
    EventsRetry,
    EventsCancel,
    RequestsRetry,
    RequestsReplay,
    IgnoredEventsRetry,
}

/// An operation over everything that a filter finds: a durable job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// Its name in the API.
    pub id: BulkId,
    /// What it does.
    pub kind: BulkKind,
    /// The filter, as an object of query parameters: JSON text.
    pub query: String,
    /// What is newer is not touched: events from this number on, or requests committed after `created_at`.
    pub seq_end: Seq,
    /// How many there were when it was planned.
    pub planned: u64,
    /// Behind this place it goes on; opaque to all but the job. Empty at the beginning.
    pub cursor: Vec<u8>,
    /// How many were done.
    pub completed: u64,
    /// How many could not be done.
    pub failed: u64,
    /// When somebody stopped it.
    pub cancelled_at: Option<Timestamp>,
    /// When it came to its end.
    pub completed_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last got on.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// Whoever has this key.
    Key {
        /// The key.
        id: ApiKeyId,
        /// Its label at that time.
        label: String,
    },
    /// The gateway itself, at its first start, or its command line.
    Gateway,
}

/// A change of the configuration that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its id; also its place in time.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub author: Author,
    /// What was asked for, such as `connection.pause`.
    pub action: String,
    /// Each item as it was before, if it was there, and as it became.
    pub changes: Vec<(Option<ConfigItem>, ConfigItem)>,
}

/// Data of a request that nobody may read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The request.
    pub request_id: RequestId,
    /// When.
    pub at: Timestamp,
}

/// Events that a request got after it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The request.
    pub request_id: RequestId,
    /// The connections, each with the place of its event in the request's fan-out.
    pub routes: Vec<(ConnectionId, u16)>,
    /// Counts its changes, from 1.
    pub version: u32,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each holds its type")]
pub enum Document {
    View(View),
    Bookmark(Bookmark),
    Bulk(Bulk),
    Audit(Audit),
    Erasure(Erasure),
    Retried(Retried),
}

impl Document {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> DocumentKey {
        let (family, id) = match self {
            Self::View(view) => (Family::View, view.id.bits()),
            Self::Bookmark(bookmark) => (Family::Bookmark, bookmark.id.bits()),
            Self::Bulk(bulk) => (Family::Bulk, bulk.id.bits()),
            Self::Audit(audit) => (Family::Audit, audit.id.bits()),
            Self::Erasure(erasure) => (Family::Erasure, erasure.request_id.bits()),
            Self::Retried(retried) => (Family::Retried, retried.request_id.bits()),
        };
        DocumentKey { family, id }
    }

    /// The version it claims; what it replaces must be one less, nothing counting as 0.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self {
            Self::View(view) => view.version,
            Self::Bookmark(bookmark) => bookmark.version,
            Self::Bulk(bulk) => bulk.version,
            Self::Retried(retried) => retried.version,
            Self::Audit(_) | Self::Erasure(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_read_back_by_its_number() {
        for family in Family::ALL {
            assert_eq!(Family::from_number(family.number()), Some(family));
        }
        assert_eq!(Family::from_number(0), None);
    }
}
