//! Events, with the data of their requests.

use serde_json::{Value, json};

use super::{
    Context, time,
    values::{body, headers, parsed_query},
};
use crate::{
    domain::{DestinationKind, Event, Request},
    query::events::EventRow,
};

/// An event.
#[must_use]
pub fn event(context: Context<'_>, event: &Event) -> Value {
    let standing = context.configuration.standing(event.connection_id);
    let status = event.status(standing, context.now);
    json!({
        "id": event.id().to_string(),
        "team_id": context.team_id(),
        "webhook_id": event.connection_id.to_string(),
        "source_id": event.source_id.to_string(),
        "destination_id": event.destination_id.to_string(),
        "event_data_id": event.id().data().to_string(),
        "request_id": event.request_id.to_string(),
        "attempts": event.attempts.len(),
        "last_attempt_at": event.last_attempt_at().map(time),
        "next_attempt_at": event.next_attempt_at(standing).map(time),
        "response_status": event.response_status(),
        "error_code": event.error_code().map(|code| code.as_str()),
        "status": status.as_str(),
        "successful_at": event.successful_at().map(time),
        "cli_id": null,
        "updated_at": time(event.last_activity_at()),
        "created_at": time(event.created_at),
    })
}

/// An event, with the data of its request where that was read; null where its bytes are damaged, erased or gone.
#[must_use]
pub fn event_row(context: Context<'_>, row: &EventRow) -> Value {
    let mut shape = event(context, &row.event);
    if let Some(data) = &row.data {
        shape["data"] = data.as_ref().map_or(Value::Null, |request| event_data(context, &row.event, request));
    }
    shape
}

fn event_data(context: Context<'_>, event: &Event, request: &Request) -> Value {
    let destination = context.configuration.destinations.get(&event.destination_id);
    let url = match destination.map(|destination| &destination.kind) {
        Some(DestinationKind::Http(http)) => http.url.as_deref().unwrap_or_default(),
        Some(DestinationKind::Cli(_) | DestinationKind::MockApi) | None => "",
    };
    json!({
        "url": url,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "parsed_query": parsed_query(request.query.as_deref().unwrap_or_default()),
        "headers": headers(&request.headers),
        "appended_headers": [],
        "body": body(&request.body),
        "is_large_payload": false,
    })
}
