//! Destinations: made, changed, replaced where they stand inline in a connection.

use super::{ConfigError, DestinationDraft, DestinationType, checks, invalid, taken};
use crate::domain::{
    CliDestination, ConfigItem, Configuration, Destination, DestinationAuth, DestinationId, DestinationKind,
    HttpDestination, HttpMethod, Timestamp,
};

/// Where nothing names the path of a CLI destination.
const PATH_DEFAULT: &str = "/";

/// The name that a draft has to have.
pub(super) fn name_of(draft: &DestinationDraft, place: &str) -> Result<String, ConfigError> {
    checks::required_name(draft.name.as_deref(), place)
}

/// A new destination.
pub(super) fn create(
    draft: DestinationDraft,
    name: String,
    now: Timestamp,
    id: DestinationId,
) -> Result<Destination, ConfigError> {
    made(draft, name, now, (id, ""))
}

fn made(
    draft: DestinationDraft,
    name: String,
    now: Timestamp,
    (id, place): (DestinationId, &str),
) -> Result<Destination, ConfigError> {
    let kind = drawn(&draft, None, place)?;
    let description = draft.description.flatten();
    checks::description(description.as_deref(), &format!("{place}description"))?;
    Ok(Destination {
        id,
        name,
        description,
        kind,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    })
}

/// A destination with what is said about it; nothing to put when that changes nothing.
pub(super) fn update(
    configuration: &Configuration,
    current: &Destination,
    draft: DestinationDraft,
    now: Timestamp,
) -> Result<Vec<ConfigItem>, ConfigError> {
    let mut destination = current.clone();
    if let Some(name) = &draft.name {
        checks::name(name, "name")?;
        if configuration.destination_named(name).is_some_and(|other| other.id != current.id) {
            return Err(taken("name", "destination", name.clone()));
        }
        destination.name.clone_from(name);
    }
    destination.kind = drawn(&draft, Some(&current.kind), "")?;
    if let Some(description) = draft.description {
        checks::description(description.as_deref(), "description")?;
        destination.description = description;
    }
    Ok(changed(current, destination, now).map(ConfigItem::Destination).into_iter().collect())
}

/// The destination that stands inline in a connection: what is to be put, if anything.
pub(super) fn put(
    configuration: &Configuration,
    draft: DestinationDraft,
    now: Timestamp,
    id: DestinationId,
) -> Result<(DestinationId, Option<Destination>), ConfigError> {
    const PLACE: &str = "destination.";
    let name = name_of(&draft, PLACE)?;
    let Some(current) = configuration.destination_named(&name) else {
        return Ok((id, Some(made(draft, name, now, (id, PLACE))?)));
    };
    let kind_otherwise = draft.kind_otherwise;
    if draft == (DestinationDraft { name: Some(name.clone()), kind_otherwise, ..DestinationDraft::default() }) {
        return Ok((current.id, None));
    }
    let keeps_description = draft.description.is_none();
    let new = made(draft, name, now, (id, PLACE))?;
    let mut destination = current.as_ref().clone();
    destination.kind = new.kind;
    if !keeps_description {
        destination.description = new.description;
    }
    Ok((current.id, changed(current, destination, now)))
}

/// What HTTP and CLI destinations have alike.
struct Manner {
    http_method: Option<HttpMethod>,
    path_forwarding_disabled: bool,
    auth: DestinationAuth,
}

impl Manner {
    fn of(kind: Option<&DestinationKind>) -> Self {
        match kind.cloned() {
            Some(
                DestinationKind::Http(HttpDestination { http_method, path_forwarding_disabled, auth, .. })
                | DestinationKind::Cli(CliDestination { http_method, path_forwarding_disabled, auth, .. }),
            ) => Self { http_method, path_forwarding_disabled, auth },
            Some(DestinationKind::MockApi) | None => {
                Self { http_method: None, path_forwarding_disabled: false, auth: DestinationAuth::HookdeckSignature }
            }
        }
    }
}

/// What a destination is with what is said about it. What a kind does not have may not be said of it.
fn drawn(
    draft: &DestinationDraft,
    current: Option<&DestinationKind>,
    place: &str,
) -> Result<DestinationKind, ConfigError> {
    let kind = draft.kind.unwrap_or_else(|| current.map_or(draft.kind_otherwise, type_of));
    let refuse = |name: &str, is_given: bool, kind: &str| {
        let message = format!("has no meaning for a destination of type {kind}: leave it out, or give another `type`");
        if is_given { Err(invalid(format!("{place}config.{name}"), message)) } else { Ok(()) }
    };
    let before = Manner::of(current);
    let http_method = draft.http_method.unwrap_or(before.http_method);
    let path_forwarding_disabled = draft.path_forwarding_disabled.unwrap_or(before.path_forwarding_disabled);
    let auth = draft.auth.clone().unwrap_or(before.auth);
    let has_url = matches!(draft.url, Some(Some(_)));
    match kind {
        DestinationType::Http => {
            refuse("path", draft.path.is_some(), "HTTP")?;
            let known = match current {
                Some(DestinationKind::Http(http)) => http.url.clone(),
                Some(DestinationKind::Cli(_) | DestinationKind::MockApi) | None => None,
            };
            let url = draft.url.clone().unwrap_or(known);
            url.as_ref().map_or(Ok(()), |url| checks::url(url, format!("{place}config.url")))?;
            Ok(DestinationKind::Http(HttpDestination { url, http_method, path_forwarding_disabled, auth }))
        }
        DestinationType::Cli => {
            refuse("url", has_url, "CLI")?;
            let known = match current {
                Some(DestinationKind::Cli(cli)) => cli.path.clone(),
                Some(DestinationKind::Http(_) | DestinationKind::MockApi) | None => PATH_DEFAULT.to_owned(),
            };
            let path = draft.path.clone().unwrap_or(known);
            Ok(DestinationKind::Cli(CliDestination { path, http_method, path_forwarding_disabled, auth }))
        }
        DestinationType::MockApi => {
            refuse("url", has_url, "MOCK_API")?;
            refuse("path", draft.path.is_some(), "MOCK_API")?;
            refuse("http_method", matches!(draft.http_method, Some(Some(_))), "MOCK_API")?;
            refuse("path_forwarding_disabled", draft.path_forwarding_disabled == Some(true), "MOCK_API")?;
            let has_auth = draft.auth.as_ref().is_some_and(|auth| *auth != DestinationAuth::HookdeckSignature);
            refuse("auth_type", has_auth, "MOCK_API")?;
            Ok(DestinationKind::MockApi)
        }
    }
}

const fn type_of(kind: &DestinationKind) -> DestinationType {
    match kind {
        DestinationKind::Http(_) => DestinationType::Http,
        DestinationKind::Cli(_) => DestinationType::Cli,
        DestinationKind::MockApi => DestinationType::MockApi,
    }
}

fn changed(current: &Destination, mut destination: Destination, now: Timestamp) -> Option<Destination> {
    if destination == *current {
        return None;
    }
    destination.updated_at = now;
    destination.version += 1;
    Some(destination)
}
