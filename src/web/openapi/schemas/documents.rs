//! Views and bookmarks.

use super::{
    super::words::{
        Shape, answer, anything, body, flag, list, map_of, named, or_null, text, text_like, text_up_to, time,
    },
    Named, page_of,
};

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("View", view()),
        ("ViewPage", page_of("View")),
        ("NewView", body().has("name", text_up_to(155)).may_or_null("filter", map_of(anything())).done()),
        ("ViewUpdate", body().may_or_null("name", text_up_to(155)).may_or_null("filter", map_of(anything())).done()),
        ("Bookmark", bookmark()),
        ("BookmarkPage", page_of("Bookmark")),
        ("NewBookmark", new_bookmark()),
        ("BookmarkUpdate", bookmark_update()),
        ("Events", list(named("Event"))),
    ]
}

fn view() -> Shape {
    answer()
        .about("A saved filter over events.")
        .has("id", text())
        .has("name", text())
        .has("filter", map_of(anything()))
        .has("built_in", flag())
        .has_or_null(["created_at", "updated_at"], time)
        .done()
}

fn bookmark() -> Shape {
    answer()
        .about("A request somebody keeps to send again; its data outlives the request.")
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("webhook_id", text())
        .has("event_data_id", text())
        .has("label", text())
        .has("alias", or_null(text()))
        .has("name", or_null(text()))
        .has("last_used_at", or_null(time()))
        .has("updated_at", time())
        .has("created_at", time())
        .may("data", or_null(named("RequestData")))
        .done()
}

fn new_bookmark() -> Shape {
    body()
        .has("event_data_id", text())
        .has("webhook_id", text())
        .has("label", text_up_to(500))
        .may_or_null("name", text_like("^[A-Za-z0-9_-]+$", 155))
        .done()
}

fn bookmark_update() -> Shape {
    body()
        .may_or_null("event_data_id", text())
        .may_or_null("webhook_id", text())
        .may_or_null("label", text_up_to(500))
        .may_or_null("name", text_like("^[A-Za-z0-9_-]+$", 155))
        .done()
}
