//! Figures of the gateway, streams of what happens, requests that are made up.

use super::{
    super::words::{Shape, answer, anything, body, count, list, map_of, named, number, or_null, text, time, word},
    Named,
};
use crate::query::stats::Health;

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("Stats", stats()),
        ("ConnectionStats", of_connection()),
        ("Lately", lately()),
        ("StatsSeries", series()),
        ("EventStream", text()),
        ("AttemptStream", text()),
        ("TestRequest", test_request()),
        ("TestResult", test_result()),
    ]
}

fn stats() -> Shape {
    let totals = answer()
        .has("connections", count())
        .has("depth", count())
        .has("held", count())
        .has("in_flight", count())
        .has("oldest_due_at", or_null(time()))
        .has("oldest_due_age_ms", count())
        .has("last_hour", named("Lately"))
        .has("last_minute", named("Lately"))
        .done();
    let storage = answer()
        .has("events", count())
        .has("journal_bytes", count())
        .has("segments", count())
        .has("state_bytes", count())
        .has("overlay_bytes", count())
        .has("disk_free_bytes", or_null(count()))
        .has("retention_ms", count())
        .has("quota_bytes", or_null(count()))
        .done();
    answer()
        .about("How everything is doing at one moment. `settings` has no secrets.")
        .has("at", time())
        .has("connections", list(named("ConnectionStats")))
        .has("totals", totals)
        .has("storage", storage)
        .has("version", text())
        .has("started_at", time())
        .has("uptime_ms", count())
        .has("settings", map_of(anything()))
        .done()
}

fn of_connection() -> Shape {
    let side = || answer().has("id", text()).has("name", text()).done();
    answer()
        .about("`depth` waits to be sent, `held` of it because of a pause; `health_reason` is a sentence.")
        .has("id", text())
        .has("name", or_null(text()))
        .has("source", side())
        .has("destination", side())
        .has("status", word(["active", "paused", "disabled"]))
        .has("paused_at", or_null(time()))
        .has("disabled_at", or_null(time()))
        .has("depth", count())
        .has("held", count())
        .has("in_flight", count())
        .has("oldest_due_at", or_null(time()))
        .has("oldest_due_age_ms", count())
        .has("last_hour", named("Lately"))
        .has("last_minute", named("Lately"))
        .has("health", word(Health::ALL.map(Health::as_str)))
        .has("health_reason", text())
        .done()
}

fn lately() -> Shape {
    answer()
        .about("Of the events that were accepted in this time; the ratio is of those that were tried.")
        .has("accepted", count())
        .has("successful", count())
        .has("failed", count())
        .has("events_per_s", number())
        .has("success_ratio", or_null(number()))
        .done()
}

fn series() -> Shape {
    let bucket = answer()
        .about(
            "Of the events that were accepted in this time: all, those delivered by now, those whose last try failed.",
        )
        .has("time_bucket", time())
        .has("in", count())
        .has("delivered", count())
        .has("failed", count())
        .done();
    answer().has("granularity", text()).has("buckets", list(bucket)).done()
}

fn test_request() -> Shape {
    body()
        .about("What is sent: a `path` may have a query; a `body` that is no text is sent as JSON.")
        .may_or_null("method", text())
        .may_or_null("path", text())
        .may_or_null("headers", map_of(text()))
        .may_or_null("body", anything())
        .done()
}

fn test_result() -> Shape {
    answer()
        .about("What became of it. Without an id it was counted and not recorded.")
        .has("request_id", or_null(text()))
        .has("status", word(["ACCEPTED", "REJECTED"]))
        .has("rejection_cause", or_null(named("RejectionCause")))
        .has("message", or_null(text()))
        .has("events", list(named("Event")))
        .done()
}
