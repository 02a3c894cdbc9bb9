//! Attempts, with what came back.

use serde_json::{Value, json};

use super::{
    Context, time,
    values::{body, headers},
};
use crate::{
    domain::{AttemptRecord, AttemptStatus, AttemptSummary, Event},
    query::StoreError,
};

/// An attempt, as lists show it.
#[must_use]
pub fn attempt(context: Context<'_>, event: &Event, number: u32, summary: &AttemptSummary) -> Value {
    let status = summary.result.status();
    let succeeded = summary.status == AttemptStatus::Successful;
    json!({
        "id": event.id().attempt(number).to_string(),
        "team_id": context.team_id(),
        "event_id": event.id().to_string(),
        "destination_id": event.destination_id.to_string(),
        "response_status": status,
        "attempt_number": number,
        "trigger": summary.trigger.as_str(),
        "error_code": summary.result.error().map(|code| code.as_str()),
        "body": null,
        "requested_url": null,
        "http_method": null,
        "bulk_retry_id": null,
        "status": summary.status.as_str(),
        "successful_at": succeeded.then(|| time(summary.ended_at())),
        "delivered_at": time(summary.started_at),
        "responded_at": status.map(|_| time(summary.ended_at())),
        "delivery_latency": null,
        "response_latency": status.map(|_| summary.latency_ms),
        "updated_at": time(summary.ended_at()),
        "created_at": time(summary.started_at),
    })
}

/// An attempt with what is kept of it; `error_message`, `response_headers` and `response_truncated` are our additions.
#[must_use]
pub fn attempt_with_record(mut shape: Value, record: &Result<AttemptRecord, StoreError>) -> Value {
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
    shape
}
