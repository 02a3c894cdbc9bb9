//! Who may do what, and who did: keys, sessions, the signing secret, the audit.

use super::{
    super::words::{
        Shape, Thing, answer, anything, body, count_between, flag, list, nothing, or_null, text, text_up_to, time, word,
    },
    Named, page_of,
};
use crate::domain::{
    Scope,
    directory::{NAME_CHARS_MAX, ROLL_DELAY_MS_MAX},
};

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("Key", key().done()),
        ("KeyWithText", with_text(key()).done()),
        ("KeyPage", page_of("Key")),
        ("NewKey", body().has("label", label()).has("scope", scope()).done()),
        ("KeyLabel", body().has("label", label()).done()),
        ("ApiKey", api_key().done()),
        ("ApiKeyWithText", with_text(api_key()).done()),
        ("ApiKeyPage", page_of("ApiKey")),
        ("NewApiKey", new_api_key()),
        ("Roll", roll()),
        ("SigningSecret", signing_secret()),
        ("SignIn", body().has("key", text()).done()),
        ("SignedOut", answer().has("signed_out", flag()).done()),
        ("Session", session()),
        ("Audit", audit()),
        ("AuditPage", page_of("Audit")),
    ]
}

fn label() -> Shape {
    text_up_to(NAME_CHARS_MAX)
}

fn scope() -> Shape {
    word(Scope::ALL.map(Scope::as_str))
}

fn key() -> Thing {
    answer()
        .has("id", text())
        .has("label", text())
        .has("scope", scope())
        .has_or_null(["previous_until", "revoked_at"], time)
        .has("created_at", time())
}

fn with_text(key: Thing) -> Thing {
    key.about("The text of the key is shown this once.").has("key", text())
}

fn api_key() -> Thing {
    answer()
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("label", text())
        .has("type", word(["project"]))
        .has("scopes", list(scope()))
        .has("grants", list(anything()))
        .has("created_at", time())
}

fn new_api_key() -> Shape {
    body()
        .has("label", label())
        .may_or_null("type", word(["project"]))
        .may_or_null("team_id", text())
        .may_or_null("scopes", list(scope()))
        .may("grants", nothing())
        .done()
}

fn roll() -> Shape {
    let seconds = u32::try_from(ROLL_DELAY_MS_MAX / 1000).unwrap_or(u32::MAX);
    body().about("For how many seconds what is rolled counts on.").has("delay_sec", count_between(0, seconds)).done()
}

fn signing_secret() -> Shape {
    answer()
        .has("signing_secret", text())
        .has("previous_secret", or_null(text()))
        .has("previous_until", or_null(time()))
        .done()
}

fn session() -> Shape {
    answer()
        .has("key_id", text())
        .has("label", text())
        .has("scope", scope())
        .has("by", word(["key", "session"]))
        .has_or_null(["project_id", "project_name"], text)
        .done()
}

fn audit() -> Shape {
    let author = answer().has("type", word(["key", "gateway"])).has_or_null(["id", "label"], text).done();
    let change = answer()
        .has("type", word(["project", "key", "source", "destination", "connection"]))
        .has("id", text())
        .has("before", anything())
        .has("after", anything())
        .has("secret_changed", flag())
        .done();
    answer()
        .about("A change of the configuration that was made, with each item before and after it; secrets are masked.")
        .has("id", text())
        .has("created_at", time())
        .has("author", author)
        .has("action", text())
        .has("changes", list(change))
        .done()
}
