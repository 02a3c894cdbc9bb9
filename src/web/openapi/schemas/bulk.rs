//! Operations over everything that a filter finds.

use super::{
    super::words::{Shape, answer, anything, body, count, flag, map_of, nothing, number, or_null, text, time, word},
    Named, page_of,
};

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("BatchOperation", operation()),
        ("BatchOperationPage", page_of("BatchOperation")),
        ("BatchPlan", plan()),
        ("NewBatchOperation", new_operation()),
    ]
}

fn new_operation() -> Shape {
    body()
        .about("`query` has the filters of the list that is gone over; all of it without one.")
        .may_or_null("query", map_of(anything()))
        .may("target", nothing())
        .done()
}

fn operation() -> Shape {
    let kinds = ["events_retry", "events_cancel", "requests_retry", "requests_replay", "ignored_events_retry"];
    answer()
        .about("A job that survives restarts: it goes through what the query picked, below the rate of live traffic.")
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("type", word(kinds))
        .has("query", map_of(anything()))
        .has("created_at", time())
        .has("updated_at", time())
        .has_or_null(["cancelled_at", "completed_at"], time)
        .has("estimated_batch", count())
        .has("estimated_count", count())
        .has("processed_batch", count())
        .has("completed_count", count())
        .has("failed_count", count())
        .has("in_progress", flag())
        .has("progress", number())
        .has("number", or_null(number()))
        .done()
}

fn plan() -> Shape {
    answer()
        .about("What an operation would find now; `complete` is false when not everything could be looked at in time.")
        .has("estimated_batch", count())
        .has("estimated_count", count())
        .has("progress", number())
        .has("complete", flag())
        .has_or_null(["oldest_at", "newest_at"], time)
        .done()
}
