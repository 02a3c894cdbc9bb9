//! The shapes of requests' bodies and of answers on paths without a version, by name; a file for each kind of resource.
//!
//! Written by hand beside the code that makes them: `tests/clients` holds every answer against its schema, both ways.

mod access;
mod bulk;
mod configuration;
mod documents;
mod events;
mod figures;
mod projects;
mod requests;
mod status;

use super::words::{Shape, answer, anything, count, flag, list, named, text, word};

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
        projects::schemas(),
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
                .about(
                    "Where a page lies: `next` and `prev` are cursors of this list in this order, there when there is \
                     more. A list by what arrived also says how far its search came: whether it is `complete`, rows \
                     `searched`, and those of them whose bodies could not be.",
                )
                .has("order_by", text())
                .has("dir", word(["asc", "desc"]))
                .has("limit", count())
                .may("next", text())
                .may("prev", text())
                .may("complete", flag())
                .may("searched", count())
                .may("not_searched", count())
                .done(),
        ),
        ("Count", answer().has("count", count()).done()),
        ("Deleted", answer().has("id", text()).done()),
        ("RawBody", answer().has("body", text()).done()),
    ]
}

/// A page of a list.
fn page_of(name: &str) -> Shape {
    answer().has("pagination", named("Pagination")).has("count", count()).has("models", list(named(name))).done()
}
