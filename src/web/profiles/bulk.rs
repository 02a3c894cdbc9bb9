//! Bulk operations: the same in every version.

use serde_json::{Value, json};

use super::Context;
use crate::domain::document::{Bulk, BulkKind};

/// Things that are shown as a batch; what is done at once depends on the rate.
const BATCH: u64 = 250;

/// An operation and how far it is.
#[must_use]
pub fn operation(context: Context<'_>, bulk: &Bulk) -> Value {
    let done = bulk.completed + bulk.failed;
    let is_completed = bulk.completed_at.is_some();
    #[expect(clippy::cast_precision_loss, reason = "a share, shown to people")]
    let share = if is_completed { 1.0 } else { (done as f64 / bulk.planned.max(1) as f64).min(1.0) };
    let batches = bulk.planned.div_ceil(BATCH);
    json!({
        "id": bulk.id.to_string(),
        "team_id": context.configuration.project.as_ref().map(|project| project.id.to_string()),
        "type": word(bulk.kind),
        "query": serde_json::from_str::<Value>(&bulk.query).unwrap_or_default(),
        "created_at": bulk.created_at.to_string(),
        "updated_at": bulk.updated_at.to_string(),
        "cancelled_at": bulk.cancelled_at.map(|at| at.to_string()),
        "completed_at": bulk.completed_at.map(|at| at.to_string()),
        "estimated_batch": batches,
        "estimated_count": bulk.planned,
        "processed_batch": if is_completed { batches } else { (done / BATCH).min(batches) },
        "completed_count": bulk.completed,
        "failed_count": bulk.failed,
        "in_progress": bulk.completed_at.is_none() && bulk.cancelled_at.is_none(),
        "progress": share,
        "number": null,
    })
}

/// What an operation would find.
#[must_use]
pub fn plan(count: u64) -> Value {
    json!({ "estimated_batch": count.div_ceil(BATCH), "estimated_count": count, "progress": 0 })
}

/// The word for what an operation does.
const fn word(kind: BulkKind) -> &'static str {
    match kind {
        BulkKind::EventsRetry => "events_retry",
        BulkKind::EventsCancel => "events_cancel",
        BulkKind::RequestsRetry => "requests_retry",
        BulkKind::RequestsReplay => "requests_replay",
        BulkKind::IgnoredEventsRetry => "ignored_events_retry",
    }
}
