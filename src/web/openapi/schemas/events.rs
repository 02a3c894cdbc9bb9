//! Events, attempts and what is counted of them.

use super::{
    super::words::{
        Shape, Thing, answer, anything, count, either, flag, list, map_of, named, or_null, text, time, word,
    },
    Named, page_of,
};
use crate::domain::{AttemptTrigger, ErrorCode, EventStatus};

const TRIGGERS: [AttemptTrigger; 5] = [
    AttemptTrigger::Initial,
    AttemptTrigger::Automatic,
    AttemptTrigger::Manual,
    AttemptTrigger::BulkRetry,
    AttemptTrigger::Unpause,
];

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("EventStatus", word(EventStatus::ALL.map(EventStatus::as_str))),
        ("ErrorCode", word((1..=u8::MAX).filter_map(ErrorCode::from_number).map(ErrorCode::as_str))),
        ("AttemptTrigger", word(TRIGGERS.map(AttemptTrigger::as_str))),
        ("Event", event(answer()).done()),
        ("EventPage", page_of("Event")),
        (
            "Histogram",
            answer()
                .about("Events by when they were created: every bucket from the first to the last, empty ones too.")
                .has("granularity", text())
                .has("buckets", list(named("HistogramBucket")))
                .done(),
        ),
        ("HistogramBucket", answer().has("time_bucket", time()).has("count", count()).done()),
        ("EventData", event_data()),
        ("Attempt", attempt()),
        ("AttemptPage", page_of("Attempt")),
    ]
}

/// The fields of an event, behind those that are there already.
fn event(thing: Thing) -> Thing {
    thing
        .about("A request on its way over one connection. `data` is there for single events and with `include=data`.")
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("webhook_id", text())
        .has("source_id", text())
        .has("destination_id", text())
        .has("event_data_id", text())
        .has("request_id", text())
        .has("attempts", count())
        .has_or_null(["last_attempt_at", "next_attempt_at", "successful_at"], time)
        .has("response_status", or_null(count()))
        .has("error_code", or_null(named("ErrorCode")))
        .has("status", named("EventStatus"))
        .has("cli_id", or_null(text()))
        .has("delivery_group", or_null(text()))
        .has("updated_at", time())
        .has("created_at", time())
        .may("data", or_null(named("EventData")))
}

/// What went, or will go, to the destination.
fn event_data() -> Shape {
    answer()
        .has("url", text())
        .has("method", text())
        .has("path", or_null(text()))
        .has("query", or_null(text()))
        .has("parsed_query", parsed_query())
        .has("headers", map_of(text()))
        .has("appended_headers", list(text()))
        .has("body", anything())
        .has("is_large_payload", flag())
        .done()
}

/// A query string as an object: a name that is there several times has an array.
pub(super) fn parsed_query() -> Shape {
    map_of(either([text(), list(text())]))
}

fn attempt() -> Shape {
    answer()
        .about(
            "A delivery that was made, or the one that comes next (`PENDING`). `response`, `response_status_code`, \
             `endpoint_id`, `endpoint_url` and `attempted_at` are further names of the same things.",
        )
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("event_id", text())
        .has("destination_id", text())
        .has("attempt_number", count())
        .has("status", word(["SUCCESSFUL", "FAILED", "PENDING", "CANCELLED"]))
        .has("trigger", named("AttemptTrigger"))
        .has("resumed", flag())
        .has("response_status", or_null(count()))
        .has("response_status_code", or_null(count()))
        .has("error_code", or_null(named("ErrorCode")))
        .has_or_null(["requested_url", "http_method", "error_message", "bulk_retry_id", "endpoint_url"], text)
        .has("endpoint_id", text())
        .has("response_headers", or_null(map_of(text())))
        .has("response_truncated", or_null(flag()))
        .has("body", anything())
        .has("response", anything())
        .has_or_null(["scheduled_at", "delivered_at", "responded_at", "successful_at", "attempted_at"], time)
        .has_or_null(["delivery_latency", "response_latency"], count)
        .has("updated_at", time())
        .has("created_at", time())
        .done()
}
