//! The one project, the organization it stands for, and whom a key makes of its bearer. One form serves all versions: what
//! was a team became a project, and clients read the names they know.

use serde_json::{Value, json};

use super::time;
use crate::domain::{ApiKey, Project};

/// What the CLI wants to know before it calls a project one that it can work with.
const PROJECT_TYPE: &str = "event_gateway";
/// What older ones want to know instead.
const PROJECT_MODE: &str = "inbound";

/// Who somebody is by their key; `text` is the key where it may be given back.
#[must_use]
pub fn identity(project: &Project, key: &ApiKey, text: Option<&str>) -> Value {
    let number = ulid::Ulid::from(key.id.bits());
    json!({
        "claimed": true,
        "user_id": format!("usr_{number}"),
        "user_name": key.label,
        "user_email": "",
        "user_is_guest": false,
        "organization_name": project.name,
        "organization_id": organization_id(project),
        "team_id": project.id.to_string(),
        "team_name": listed_name(project),
        "team_name_no_org": project.name,
        "team_type": PROJECT_TYPE,
        "team_mode": PROJECT_MODE,
        "key": text,
        "client_id": format!("cl_{number}"),
    })
}

/// The project.
#[must_use]
pub fn project(of: &Project) -> Value {
    json!({
        "id": of.id.to_string(),
        "name": of.name,
        "type": PROJECT_TYPE,
        "organization_id": organization_id(of),
        "created_at": time(of.created_at),
    })
}

/// The project, as a list shows it.
#[must_use]
pub fn listed_project(of: &Project) -> Value {
    json!({ "id": of.id.to_string(), "name": listed_name(of), "type": PROJECT_TYPE })
}

/// The same, as it was called before.
#[must_use]
pub fn listed_team(of: &Project) -> Value {
    json!({ "id": of.id.to_string(), "name": listed_name(of), "mode": PROJECT_MODE })
}

/// The organization: there is one, of the one project, and they have one name.
#[must_use]
pub fn organization(of: &Project) -> Value {
    json!({ "id": organization_id(of), "name": of.name, "created_at": time(of.created_at) })
}

fn organization_id(project: &Project) -> String {
    format!("org_{}", ulid::Ulid::from(project.id.bits()))
}

/// The CLI takes what stands in brackets for the organization's name.
fn listed_name(project: &Project) -> String {
    format!("[{0}] {0}", project.name)
}
