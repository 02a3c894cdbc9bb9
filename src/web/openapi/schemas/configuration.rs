//! Sources, destinations, connections and their rules: as they are answered, and as they are given.

use super::{
    super::words::{
        Shape, Thing, answer, anything, body, count, count_between, either, flag, list, map_of, named, nothing,
        or_null, text, text_like, text_up_to, time, word,
    },
    Named, page_of,
};

/// Names of sources, destinations and connections.
const NAME: &str = "^[A-Za-z0-9_-]+$";
/// Characters of a name at most.
const NAME_LENGTH_MAX: usize = 155;
/// Characters of a description at most.
const DESCRIPTION_LENGTH_MAX: usize = 500;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) fn schemas() -> Vec<Named> {
    vec![
        ("Source", source()),
        ("SourcePage", page_of("Source")),
        ("SourceInput", source_input(body().has("name", name()))),
        ("SourceUpdate", source_input(body().may_or_null("name", name()))),
        ("CustomResponse", custom_response()),
        ("Destination", destination()),
        ("DestinationPage", page_of("Destination")),
        ("DestinationInput", destination_input(body().has("name", name()))),
        ("DestinationUpdate", destination_input(body().may_or_null("name", name()))),
        ("Connection", connection()),
        ("ConnectionPage", page_of("Connection")),
        ("ConnectionInput", connection_input()),
        ("ConnectionUpdate", connection_update(body())),
        ("Rule", rule()),
    ]
}

fn name() -> Shape {
    text_like(NAME, NAME_LENGTH_MAX)
}

fn described(thing: Thing) -> Thing {
    thing.may_or_null("description", text_up_to(DESCRIPTION_LENGTH_MAX))
}

/// What sources, destinations and connections have at their end.
fn dated(thing: Thing) -> Thing {
    thing.has("disabled_at", or_null(time())).has("updated_at", time()).has("created_at", time())
}

fn source() -> Shape {
    let config = answer()
        .has("allowed_http_methods", list(word(METHODS)))
        .has("custom_response", or_null(named("CustomResponse")))
        .has("auth_type", or_null(text()))
        .has("auth", anything())
        .done();
    let thing = answer()
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("name", text())
        .has("description", or_null(text()))
        .has("type", text())
        .has("url", text())
        .has("authenticated", flag())
        .has("config", config)
        .may("rejections_not_recorded", map_of(count()));
    dated(thing).about("Where requests arrive: `url` is where senders send them.").done()
}

fn custom_response() -> Shape {
    answer().has("content_type", word(["json", "text", "xml"])).has("body", text_up_to(1000)).done()
}

fn source_input(thing: Thing) -> Shape {
    let config = body()
        .may_or_null("allowed_http_methods", list(word(METHODS)))
        .may_or_null("custom_response", named("CustomResponse"))
        .may_or_null("auth_type", text())
        .may_or_null("auth", map_of(anything()))
        .done();
    described(thing).may_or_null("type", word(["WEBHOOK", "HTTP"])).may_or_null("config", config).done()
}

fn destination() -> Shape {
    let config = answer()
        .about(
            "Of `HTTP`: `url` and how it is called; of `CLI`: `path`; of `MOCK_API`: nothing. `auth` is empty \
             without `include=config.auth`.",
        )
        .may("url", or_null(text()))
        .may("path", text())
        .may("delivery_policy", nothing())
        .may("http_method", or_null(word(METHODS)))
        .may("path_forwarding_disabled", flag())
        .may("auth_type", text())
        .may("auth", map_of(text()))
        .done();
    let thing = answer()
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("name", text())
        .has("description", or_null(text()))
        .has("type", word(["HTTP", "CLI", "MOCK_API"]))
        .has("config", config);
    dated(thing).about("Where events go.").done()
}

fn destination_input(thing: Thing) -> Shape {
    let config = body()
        .may_or_null("url", text_up_to(4096))
        .may_or_null("path", text_up_to(4096))
        .may("delivery_policy", nothing())
        .may_or_null("http_method", word(METHODS))
        .may_or_null("path_forwarding_disabled", flag())
        .may_or_null("auth_type", word(["HOOKDECK_SIGNATURE", "BEARER_TOKEN", "BASIC_AUTH", "API_KEY"]))
        .may_or_null("auth", map_of(text()))
        .done();
    described(thing).may_or_null("type", word(["HTTP", "CLI", "MOCK_API"])).may_or_null("config", config).done()
}

fn connection() -> Shape {
    let released = answer()
        .about("What an unpausing let go.")
        .has("count", count())
        .has("oldest_at", or_null(time()))
        .has("bytes", count())
        .done();
    let thing = answer()
        .has("id", text())
        .has("team_id", or_null(text()))
        .has("name", or_null(text()))
        .has("full_name", or_null(text()))
        .has("description", or_null(text()))
        .has("source", named("Source"))
        .has("destination", named("Destination"))
        .has("rules", list(named("Rule")))
        .has("paused_at", or_null(time()))
        .may("released", released);
    dated(thing).about("From a source to a destination, by rules.").done()
}

fn connection_update(thing: Thing) -> Shape {
    described(thing.may_or_null("name", name())).may_or_null("rules", list(named("Rule"))).done()
}

fn connection_input() -> Shape {
    let inputs = body()
        .about(
            "Exactly one of `source_id` and `source`, and one of `destination_id` and `destination`. Inline ones are made, or \
             changed by their name. `rules` replace all that were there.",
        )
        .may_or_null("source_id", text())
        .may_or_null("source", named("SourceInput"))
        .may_or_null("destination_id", text())
        .may_or_null("destination", named("DestinationInput"));
    connection_update(inputs)
}

/// A rule, given and answered alike: no key is added to what was given.
fn rule() -> Shape {
    let codes = r"^(?:([2-5]\d{2})-([2-5]\d{2})|([><=]{1,2})([2-5]\d{2})|!?([2-5]\d{2}))$";
    let retry = body()
        .about("Tries again. `interval` in milliseconds.")
        .has("type", word(["retry"]))
        .has("strategy", word(["linear", "exponential"]))
        .may_or_null("interval", count())
        .may_or_null("count", count_between(0, 50))
        .may_or_null("response_status_codes", list(text_like(codes, 7)))
        .done();
    either([retry])
}
