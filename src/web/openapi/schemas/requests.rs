//! Requests, the connections that made no event of them, and why.

use super::{
    super::words::{Shape, answer, anything, body, count, flag, list, map_of, named, or_null, text, time, word},
    Named,
    events::parsed_query,
    page_of,
};
use crate::domain::RejectionCause;

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("RejectionCause", word(RejectionCause::all().map(RejectionCause::as_str))),
        ("Request", request()),
        ("RequestPage", page_of("Request")),
        ("RequestData", request_data()),
        ("RequestWhy", why()),
        ("RequestFate", fate()),
        ("IgnoredEvent", ignored_event()),
        ("IgnoredEventPage", page_of("IgnoredEvent")),
        (
            "RequestRetry",
            body().about("Which connections; all without it.").may_or_null("webhook_ids", list(text())).done(),
        ),
        ("Erased", answer().has("id", text()).has("erased_at", time()).has("bytes_gone_by", time()).done()),
        ("RetriedRequest", answer().has("request", named("Request")).has("events", list(named("Event"))).done()),
    ]
}

fn request() -> Shape {
    answer()
        .about("What arrived at a source. `data` is there for single requests and with `include=data`.")
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("verified", or_null(flag()))
        .has("original_event_data_id", or_null(text()))
        .has("rejection_cause", or_null(named("RejectionCause")))
        .has("ingested_at", or_null(time()))
        .has("source_id", text())
        .has("events_count", count())
        .has("cli_events_count", count())
        .has("ignored_count", count())
        .has("updated_at", time())
        .has("created_at", time())
        .may("data", or_null(named("RequestData")))
        .done()
}

fn why() -> Shape {
    answer()
        .about("What became of a request: as a whole in one sentence, and on each connection.")
        .has("request_id", text())
        .has("source_id", text())
        .has("status", word(["accepted", "rejected"]))
        .has("rejection_cause", or_null(named("RejectionCause")))
        .has("text", text())
        .has("replayable", flag())
        .has("connections", list(named("RequestFate")))
        .done()
}

fn fate() -> Shape {
    let connection = answer().has("id", text()).has("name", or_null(text())).has("full_name", or_null(text())).done();
    answer()
        .about("What became of a request on one connection; `how` is the call that has it sent, where there is one.")
        .has("connection", connection)
        .has("outcome", word(["event", "held", "deleted", "disabled", "ignored", "rejected", "no_route"]))
        .has("text", text())
        .has("cause", or_null(text()))
        .has("event", or_null(named("Event")))
        .has("ignored_event_id", or_null(text()))
        .has("duplicate_of", or_null(text()))
        .has("replayable", flag())
        .has("how", or_null(text()))
        .done()
}

/// What arrived, byte for byte where it is text.
fn request_data() -> Shape {
    answer()
        .has("method", text())
        .has("path", or_null(text()))
        .has("query", or_null(text()))
        .has("parsed_query", parsed_query())
        .has("headers", map_of(text()))
        .has("body", anything())
        .has("is_large_payload", flag())
        .done()
}

fn ignored_event() -> Shape {
    answer()
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("webhook_id", text())
        .has("cause", text())
        .has("meta", anything())
        .has("request_id", text())
        .has("created_at", time())
        .done()
}
