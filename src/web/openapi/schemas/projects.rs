//! The project, its organization, and who somebody is by their key.

use super::{
    super::words::{Thing, answer, body, flag, list, or_null, text, text_up_to, time, word},
    Named,
};

/// Characters of a name at most.
const NAME_LENGTH_MAX: usize = 155;

pub(super) fn schemas() -> Vec<Named> {
    let listed = || answer().has("id", text()).has("name", text());
    let project = answer()
        .about("The one project of a gateway: `team_id` of everything in it.")
        .has("id", text())
        .has("name", text())
        .has("type", word(["event_gateway"]))
        .has("organization_id", text())
        .has("created_at", time());
    let organization = answer()
        .about("The one organization: it has the project's name.")
        .has("id", text())
        .has("name", text())
        .has("created_at", time());
    vec![
        ("Identity", identity().done()),
        ("Project", project.done()),
        ("ListedProjects", list(listed().has("type", word(["event_gateway"])).done())),
        ("ListedTeams", list(listed().has("mode", word(["inbound"])).done())),
        ("Organization", organization.done()),
        ("NameInput", body().has("name", text_up_to(NAME_LENGTH_MAX)).done()),
        ("DeviceInput", body().may_or_null("device_name", text_up_to(NAME_LENGTH_MAX)).done()),
    ]
}

fn identity() -> Thing {
    let texts = [
        "user_id",
        "user_name",
        "user_email",
        "organization_name",
        "organization_id",
        "team_id",
        "team_name",
        "team_name_no_org",
        "team_type",
        "team_mode",
        "client_id",
    ];
    let thing = answer().about("Who somebody is by their key, in the words of every CLI there was.");
    let thing = texts.into_iter().fold(thing, |thing, name| thing.has(name, text()));
    thing.has("claimed", flag()).has("user_is_guest", flag()).has("key", or_null(text()))
}
