//! Keys and audits, as all versions show them. Neither ever shows a secret: a text is shown once, by whoever made it.

use serde_json::{Value, json};

use super::{Context, connection, destination, source};
use crate::domain::{
    ApiKey, ConfigItem, Destination, DestinationAuth, DestinationKind, Project, Secret,
    document::{Audit, Author},
};

/// A key.
#[must_use]
pub fn key(key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "label": key.label,
        "scope": key.scope.as_str(),
        "previous_until": key.previous.as_ref().map(|previous| previous.until.to_string()),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
        "created_at": key.created_at.to_string(),
    })
}

/// A key, as the hosted API has it.
#[must_use]
pub fn organization_key(context: Context<'_>, key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "team_id": context.team_id(),
        "label": key.label,
        "type": "project",
        "scopes": [key.scope.as_str()],
        "grants": [],
        "created_at": key.created_at.to_string(),
    })
}

/// The same with its text, which is shown this once.
#[must_use]
pub fn with_text(mut shape: Value, text: &Secret) -> Value {
    shape["key"] = json!(text.expose());
    shape
}

/// The signing secret, and the one before it.
#[must_use]
pub fn signing_secret(context: Context<'_>, project: &Project) -> Value {
    let previous = project.previous_secret.as_ref().filter(|previous| context.now < previous.until);
    json!({
        "signing_secret": project.signing_secret.expose(),
        "previous_secret": previous.map(|previous| previous.value.expose()),
        "previous_until": previous.map(|previous| previous.until.to_string()),
    })
}

/// A change that was made, with each item before and after it; secrets are masked, and `secret_changed` tells whether one is
/// another now.
#[must_use]
pub fn audit(context: Context<'_>, audit: &Audit) -> Value {
    let author = match &audit.author {
        Author::Key { id, label } => json!({ "type": "key", "id": id.to_string(), "label": label }),
        Author::Gateway => json!({ "type": "gateway", "id": null, "label": null }),
    };
    let change = |(before, after): &(Option<ConfigItem>, ConfigItem)| {
        let (kind, shown) = item(context, after);
        json!({
            "type": kind,
            "id": shown["id"],
            "before": before.as_ref().map(|before| item(context, before).1),
            "after": shown,
            "secret_changed": before.as_ref().is_some_and(|before| secret_changed(before, after)),
        })
    };
    json!({
        "id": audit.id.to_string(),
        "created_at": audit.at.to_string(),
        "author": author,
        "action": audit.action,
        "changes": audit.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn item(context: Context<'_>, item: &ConfigItem) -> (&'static str, Value) {
    let (kind, mut shape, deleted_at) = match item {
        ConfigItem::Project(project) => return ("project", self::project(project)),
        ConfigItem::ApiKey(key) => return ("key", self::key(key)),
        ConfigItem::Source(item) => ("source", source(context, item), item.deleted_at),
        ConfigItem::Destination(item) => ("destination", destination(context, item), item.deleted_at),
        ConfigItem::Connection(item) => {
            let mut shape = connection(context, item);
            if let Some(shape) = shape.as_object_mut() {
                // They show what is there now, not what was there then.
                for name in ["source", "destination", "full_name"] {
                    shape.remove(name);
                }
            }
            shape["source_id"] = json!(item.source_id.to_string());
            shape["destination_id"] = json!(item.destination_id.to_string());
            ("connection", shape, item.deleted_at)
        }
    };
    shape["deleted_at"] = json!(deleted_at.map(|at| at.to_string()));
    (kind, shape)
}

fn project(project: &Project) -> Value {
    json!({
        "id": project.id.to_string(),
        "name": project.name,
        "previous_secret_until": project.previous_secret.as_ref().map(|previous| previous.until.to_string()),
        "created_at": project.created_at.to_string(),
    })
}

fn secret_changed(before: &ConfigItem, after: &ConfigItem) -> bool {
    match (before, after) {
        (ConfigItem::Project(before), ConfigItem::Project(after)) => before.signing_secret != after.signing_secret,
        (ConfigItem::ApiKey(before), ConfigItem::ApiKey(after)) => before.hash != after.hash,
        (ConfigItem::Destination(before), ConfigItem::Destination(after)) => auth(before) != auth(after),
        // The others have none.
        _ => false,
    }
}

fn auth(destination: &Destination) -> Option<&DestinationAuth> {
    match &destination.kind {
        DestinationKind::Http(http) => Some(&http.auth),
        DestinationKind::Cli(cli) => Some(&cli.auth),
        DestinationKind::MockApi => None,
    }
}
