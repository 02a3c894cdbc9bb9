//! The shapes of requests' bodies and of answers on paths without a version, by name; a file for each kind of resource.
//!
//! Written by hand beside the code that makes them: `tests/clients` holds every answer against its schema, both ways.

mod access;
mod bulk;
mod configuration;
mod documents;
mod events;
mod figures;
mod requests;
mod status;

use super::words::{Shape, answer, anything, count, flag, list, named, number, or_null, text, word};

/// A name, and its schema.
pub(super) type Named = (&'static str, Shape);

/// Every schema there is.
pub(super) fn all() -> Vec<Named> {
    let parts = [
        shared(),
        configuration::schemas(),
        events::schemas(),
        requests::schemas(),
        bulk::schemas(),
        documents::schemas(),
        access::schemas(),
        status::schemas(),
        figures::schemas(),
    ];
    parts.into_iter().flatten().collect()
}

/// What several resources answer.
fn shared() -> Vec<Named> {
    vec![
        (
            "Error",
            answer()
                .about("Every answer that is not a success.")
                .has("handled", flag())
                .has("code", text())
                .has("status", count())
                .has("message", text())
                .has("data", anything())
                .may("request_id", text())
                .done(),
        ),
        (
            "Pagination",
            answer()
                .about("Where a page lies: `next` and `prev` are cursors of this list in this order, there when there is more.")
                .has("order_by", text())
                .has("dir", word(["asc", "desc"]))
                .has("limit", count())
                .may("next", text())
                .may("prev", text())
                .done(),
        ),
        ("Count", answer().has("count", count()).done()),
        ("Deleted", answer().has("id", text()).done()),
        ("RawBody", answer().has("body", text()).done()),
        (
            "SearchState",
            answer()
                .about("How far a search that reads bodies came.")
                .has("complete", flag())
                .may("examined", count())
                .may("elapsed_ms", number())
                .may("next", or_null(text()))
                .done(),
        ),
    ]
}

/// A page of a list.
fn page_of(name: &str) -> Shape {
    answer().has("pagination", named("Pagination")).has("count", count()).has("models", list(named(name))).done()
}
