//! Attempts: what was sent, and what came back. Ours beside the hosted API's: `error_message`, `response_headers`,
//! `response_truncated`, `resumed`, and on paths without a version the attempt that was not made yet and further names.

use serde_json::{Value, json};

use super::{
    Context, time,
    values::{body, headers},
};
use crate::{
    domain::{AttemptRecord, AttemptStatus, AttemptSummary, DestinationKind, ErrorCode, NextTry},
    query::{AttemptRow, AttemptState, PENDING, StoreError},
};

/// An attempt. On paths without a version it also has further names.
#[must_use]
pub fn attempt(context: Context<'_>, row: &AttemptRow) -> Value {
    let mut shape = json!({
        "id": row.id().to_string(),
        "team_id": context.team_id(),
        "event_id": row.event.id().to_string(),
        "destination_id": row.event.destination_id.to_string(),
        "attempt_number": row.number,
        "bulk_retry_id": null,
    });
    match &row.state {
        AttemptState::Made { summary, record } => made(&mut shape, summary, record),
        AttemptState::Next(next) => planned(&mut shape, context, row, next),
    }
    if !context.version.dated {
        shape["endpoint_id"] = shape["destination_id"].clone();
        shape["endpoint_url"] = shape["requested_url"].clone();
        shape["response"] = shape["body"].clone();
        shape["response_status_code"] = shape["response_status"].clone();
        shape["attempted_at"] = shape["delivered_at"].clone();
    }
    shape
}

fn made(shape: &mut Value, summary: &AttemptSummary, record: &Result<AttemptRecord, StoreError>) {
    let status = summary.result.status();
    let succeeded = summary.status == AttemptStatus::Successful;
    shape["status"] = json!(summary.status.as_str());
    shape["trigger"] = json!(summary.trigger.as_str());
    shape["resumed"] = json!(summary.resumed);
    shape["response_status"] = json!(status);
    shape["error_code"] = json!(summary.result.error().map(|code| code.as_str()));
    for name in ["body", "requested_url", "http_method", "error_message", "response_headers", "response_truncated"] {
        shape[name] = Value::Null;
    }
    match record {
        Ok(record) => {
            shape["body"] = body(&record.response_body);
            shape["requested_url"] = json!(record.url);
            shape["http_method"] = json!(record.method);
            shape["error_message"] = json!(record.error_message);
            shape["response_headers"] = headers(&record.response_headers);
            shape["response_truncated"] = json!(record.response_truncated);
        }
        Err(error) => shape["error_message"] = json!(format!("the details of this attempt are not there: {error}")),
    }
    shape["scheduled_at"] = json!(time(summary.started_at));
    shape["delivered_at"] = json!(time(summary.started_at));
    shape["responded_at"] = json!(status.map(|_| time(summary.ended_at())));
    shape["delivery_latency"] = Value::Null;
    shape["response_latency"] = json!(status.map(|_| summary.latency_ms));
    shape["successful_at"] = json!(succeeded.then(|| time(summary.ended_at())));
    shape["updated_at"] = json!(time(summary.ended_at()));
    shape["created_at"] = json!(time(summary.started_at));
}

/// The view of a try that was not made: what is known of it, as things stand now.
fn planned(shape: &mut Value, context: Context<'_>, row: &AttemptRow, next: &NextTry) {
    let destination = context.configuration.destinations.get(&row.event.destination_id);
    let url = match destination.map(|destination| &destination.kind) {
        Some(DestinationKind::Http(http)) => http.url.as_deref(),
        Some(DestinationKind::Cli(_) | DestinationKind::MockApi) | None => None,
    };
    shape["status"] = json!(if next.cancelled { AttemptStatus::Cancelled.as_str() } else { PENDING });
    shape["trigger"] = json!(next.trigger.as_str());
    shape["resumed"] = json!(false);
    shape["requested_url"] = json!(url);
    shape["scheduled_at"] = json!(time(next.due_at));
    shape["error_code"] = json!(next.cancelled.then(|| ErrorCode::Cancelled.as_str()));
    for name in [
        "response_status",
        "body",
        "http_method",
        "error_message",
        "response_headers",
        "response_truncated",
        "delivered_at",
        "responded_at",
        "delivery_latency",
        "response_latency",
        "successful_at",
    ] {
        shape[name] = Value::Null;
    }
    shape["updated_at"] = json!(time(row.event.last_activity_at()));
    shape["created_at"] = json!(time(row.event.last_activity_at()));
}
