//! Operations over everything that a filter finds.

use super::{
    super::words::{Shape, answer, anything, body, count, flag, map_of, number, or_null, text, time},
    Named, page_of,
};

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("BatchOperation", operation()),
        ("BatchOperationPage", page_of("BatchOperation")),
        ("BatchPlan", plan()),
        ("NewBatchOperation", body().may_or_null("query", map_of(anything())).done()),
    ]
}

fn operation() -> Shape {
    answer()
        .about("A job that survives restarts: it goes through what the filter finds, below the rate of live traffic.")
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("type", text())
        .has("query", anything())
        .has("created_at", time())
        .has("updated_at", time())
        .has_or_null(["cancelled_at", "completed_at"], time)
        .has_or_null(
            ["estimated_batch", "estimated_count", "processed_batch", "completed_count", "failed_count"],
            count,
        )
        .has("in_progress", flag())
        .has("progress", or_null(number()))
        .has("number", or_null(number()))
        .done()
}

fn plan() -> Shape {
    answer()
        .has_or_null(["estimated_batch", "estimated_count"], count)
        .has("progress", or_null(number()))
        .may("complete", flag())
        .may("oldest_at", or_null(time()))
        .may("newest_at", or_null(time()))
        .done()
}
