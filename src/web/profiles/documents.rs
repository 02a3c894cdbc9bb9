//! Views and bookmarks, as all versions show them.

use serde_json::{Map, Value, json};

use super::{Context, v2025_07_01::arrived};
use crate::domain::{
    Request, Timestamp, ViewId,
    document::{Bookmark, View},
};

/// A saved filter.
#[must_use]
pub fn view(view: &View) -> Value {
    // It was checked when it was kept.
    let filter: Map<String, Value> = serde_json::from_str(&view.filter).unwrap_or_default();
    json!({
        "id": view.id.to_string(),
        "name": view.name,
        "filter": filter,
        "built_in": false,
        "created_at": view.created_at.to_string(),
        "updated_at": view.updated_at.to_string(),
    })
}

/// A view that is always there.
#[must_use]
pub fn built_in_view(id: ViewId, name: &str, statuses: &[&str], since: Option<Timestamp>) -> Value {
    let since = since.map(|at| at.to_string());
    json!({
        "id": id.to_string(),
        "name": name,
        "filter": { "status": statuses },
        "built_in": true,
        "created_at": since,
        "updated_at": since,
    })
}

/// A bookmark, with what it keeps where that was read.
#[must_use]
pub fn bookmark(context: Context<'_>, bookmark: &Bookmark, data: Option<&Request>) -> Value {
    let mut shape = json!({
        "id": bookmark.id.to_string(),
        "team_id": context.team_id(),
        "webhook_id": bookmark.connection_id.to_string(),
        "event_data_id": bookmark.event_data_id.to_string(),
        "label": bookmark.label,
        "alias": bookmark.name,
        "last_used_at": bookmark.last_used_at.map(|at| at.to_string()),
        "updated_at": bookmark.updated_at.to_string(),
        "created_at": bookmark.created_at.to_string(),
    });
    if !context.version.dated {
        // What it is called when it is given.
        shape["name"] = json!(bookmark.name);
    }
    if let Some(data) = data {
        shape["data"] = arrived(data);
    }
    shape
}
