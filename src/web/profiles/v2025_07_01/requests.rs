//! Requests with their data, and the connections that made no event of them.

use serde_json::{Value, json};

use super::{
    Context, time,
    values::{body, headers, parsed_query},
};
use crate::{
    domain::Request,
    query::requests::{IgnoredEvent, RequestRow, RequestSummary},
};

/// A request, as lists show it.
#[must_use]
pub fn request(context: Context<'_>, request: &RequestSummary) -> Value {
    json!({
        "id": request.id.to_string(),
        "team_id": context.team_id(),
        "verified": false,
        "original_event_data_id": request.id.data().to_string(),
        "rejection_cause": request.rejection.map(|cause| cause.as_str()),
        "ingested_at": time(request.received_at),
        "source_id": request.source_id.to_string(),
        "events_count": request.events,
        "cli_events_count": 0,
        "ignored_count": request.ignored,
        "updated_at": time(request.created_at),
        "created_at": time(request.created_at),
    })
}

/// A request, with its data where that was read.
#[must_use]
pub fn request_row(context: Context<'_>, row: &RequestRow) -> Value {
    match &row.data {
        None => request(context, &row.summary),
        Some(data) => request_with_data(context, &row.summary, data.as_ref().ok().map(AsRef::as_ref)),
    }
}

/// A request with its data; null where its bytes are damaged or gone. `method` is our addition.
#[must_use]
pub fn request_with_data(context: Context<'_>, summary: &RequestSummary, of: Option<&Request>) -> Value {
    let mut shape = request(context, summary);
    shape["data"] = of.map_or(Value::Null, arrived);
    shape
}

/// What arrived.
#[must_use]
pub fn arrived(of: &Request) -> Value {
    json!({
        "method": of.method,
        "path": of.path,
        "query": of.query,
        "parsed_query": parsed_query(of.query.as_deref().unwrap_or_default()),
        "headers": headers(&of.headers),
        "body": body(&of.body),
        "is_large_payload": of.body_truncated,
    })
}

/// A body as text; bytes that are not UTF-8 show as replacement characters.
#[must_use]
pub fn raw_body(of: &Request) -> Value {
    json!({ "body": String::from_utf8_lossy(&of.body) })
}

/// A connection that made no event of a request.
#[must_use]
pub fn ignored_event(context: Context<'_>, event: &IgnoredEvent) -> Value {
    json!({
        "id": event.id.to_string(),
        "team_id": context.team_id(),
        "webhook_id": event.ignored.connection_id.to_string(),
        "cause": event.ignored.cause.as_str(),
        "meta": null,
        "request_id": event.request_id.to_string(),
        "created_at": time(event.created_at),
    })
}
