//! Views and bookmarks as lines; a bookmark with the request that is attached to it.
//!
//! Other documents are not in an archive: they are about what happened here, and about requests that an import does not bring.

use serde::{Deserialize, Serialize};

use super::{history::Request, words::Text};
use crate::domain::{
    self, BookmarkId, ConnectionId, Document, EventDataId, RequestId, SourceId, Timestamp, ViewId, document,
};

/// Documents begin anew: versions only order changes.
const FIRST_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    pub(super) id: Text<ViewId>,
    pub(super) name: String,
    /// JSON text.
    filter: String,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bookmark {
    pub(super) id: Text<BookmarkId>,
    pub(super) name: Option<String>,
    label: String,
    pub(super) connection_id: Text<ConnectionId>,
    event_data_id: Text<EventDataId>,
    last_used_at: Option<Text<Timestamp>>,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
    /// `null` when it was damaged.
    attached: Option<Attached>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attached {
    request_id: Text<RequestId>,
    source_id: Text<SourceId>,
    request: Request,
}

impl From<document::View> for View {
    fn from(view: document::View) -> Self {
        Self {
            id: Text(view.id),
            name: view.name,
            filter: view.filter,
            created_at: Text(view.created_at),
            updated_at: Text(view.updated_at),
        }
    }
}

impl From<View> for Document {
    fn from(view: View) -> Self {
        Self::View(document::View {
            id: view.id.0,
            name: view.name,
            filter: view.filter,
            created_at: view.created_at.0,
            updated_at: view.updated_at.0,
            version: FIRST_VERSION,
        })
    }
}

impl Bookmark {
    pub(super) fn new(bookmark: document::Bookmark, attached: Option<&domain::Request>) -> Self {
        Self {
            id: Text(bookmark.id),
            name: bookmark.name,
            label: bookmark.label,
            connection_id: Text(bookmark.connection_id),
            event_data_id: Text(bookmark.event_data_id),
            last_used_at: bookmark.last_used_at.map(Text),
            created_at: Text(bookmark.created_at),
            updated_at: Text(bookmark.updated_at),
            attached: attached.map(|request| Attached {
                request_id: Text(request.id),
                source_id: Text(request.source_id),
                request: request.into(),
            }),
        }
    }

    /// The bookmark, and what is attached to it.
    pub(super) fn into_document(self) -> (Document, Option<domain::Request>) {
        let bookmark = Document::Bookmark(document::Bookmark {
            id: self.id.0,
            name: self.name,
            label: self.label,
            connection_id: self.connection_id.0,
            event_data_id: self.event_data_id.0,
            last_used_at: self.last_used_at.map(|at| at.0),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
            version: FIRST_VERSION,
        });
        let request = |attached: Attached| attached.request.into_request(attached.request_id.0, attached.source_id.0);
        (bookmark, self.attached.map(request))
    }
}
