//! Sources: made, changed, replaced where they stand inline in a connection.

use super::{ConfigError, FreshIds, RESPONSE_CHARS_MAX, SourceDraft, checks, invalid, taken};
use crate::domain::{ConfigItem, Configuration, HttpMethod, Source, SourceId, Timestamp};

/// Where nothing names a type.
const KIND_DEFAULT: &str = "WEBHOOK";
/// The API's default: all but GET.
const METHODS_DEFAULT: [HttpMethod; 4] = [HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete];

/// The name that a draft has to have.
pub(super) fn name_of(draft: &SourceDraft, place: &str) -> Result<String, ConfigError> {
    checks::required_name(draft.name.as_deref(), place)
}

/// A new source.
pub(super) fn create(
    draft: SourceDraft,
    name: String,
    now: Timestamp,
    fresh: &FreshIds,
) -> Result<Source, ConfigError> {
    made(draft, name, now, (fresh, ""))
}

fn made(
    draft: SourceDraft,
    name: String,
    now: Timestamp,
    (fresh, place): (&FreshIds, &str),
) -> Result<Source, ConfigError> {
    let mut source = Source {
        id: fresh.source,
        name,
        description: None,
        token: fresh.token.clone(),
        kind: KIND_DEFAULT.to_owned(),
        allowed_http_methods: METHODS_DEFAULT.to_vec(),
        custom_response: None,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    draw(&mut source, draft, place)?;
    Ok(source)
}

/// A source with what is said about it; nothing to put when that changes nothing.
pub(super) fn update(
    configuration: &Configuration,
    current: &Source,
    draft: SourceDraft,
    now: Timestamp,
) -> Result<Vec<ConfigItem>, ConfigError> {
    let mut source = current.clone();
    if let Some(name) = &draft.name {
        checks::name(name, "name")?;
        if configuration.source_named(name).is_some_and(|other| other.id != current.id) {
            return Err(taken("name", "source", name.clone()));
        }
        source.name.clone_from(name);
    }
    draw(&mut source, draft, "")?;
    Ok(changed(current, source, now).map(ConfigItem::Source).into_iter().collect())
}

/// The source that stands inline in a connection: what is to be put, if anything.
pub(super) fn put(
    configuration: &Configuration,
    draft: SourceDraft,
    now: Timestamp,
    fresh: &FreshIds,
) -> Result<(SourceId, Option<Source>), ConfigError> {
    const PLACE: &str = "source.";
    let name = name_of(&draft, PLACE)?;
    let Some(current) = configuration.source_named(&name) else {
        return Ok((fresh.source, Some(made(draft, name, now, (fresh, PLACE))?)));
    };
    if draft == (SourceDraft { name: Some(name.clone()), ..SourceDraft::default() }) {
        return Ok((current.id, None));
    }
    let keeps_description = draft.description.is_none();
    let mut source = made(draft, name, now, (fresh, PLACE))?;
    if keeps_description {
        source.description.clone_from(&current.description);
    }
    let source = Source {
        id: current.id,
        token: current.token.clone(),
        disabled_at: current.disabled_at,
        created_at: current.created_at,
        updated_at: current.updated_at,
        version: current.version,
        ..source
    };
    Ok((current.id, changed(current, source, now)))
}

/// Everything that is said but the name.
fn draw(source: &mut Source, draft: SourceDraft, place: &str) -> Result<(), ConfigError> {
    if let Some(description) = draft.description {
        checks::description(description.as_deref(), &format!("{place}description"))?;
        source.description = description;
    }
    if let Some(kind) = draft.kind {
        source.kind = kind;
    }
    if let Some(methods) = draft.allowed_http_methods {
        source.allowed_http_methods = methods;
    }
    if let Some(response) = draft.custom_response {
        if response.as_ref().is_some_and(|response| response.body.chars().count() > RESPONSE_CHARS_MAX) {
            let message = format!("must have at most {RESPONSE_CHARS_MAX} characters");
            return Err(invalid(format!("{place}config.custom_response.body"), message));
        }
        source.custom_response = response;
    }
    Ok(())
}

fn changed(current: &Source, mut source: Source, now: Timestamp) -> Option<Source> {
    if source == *current {
        return None;
    }
    source.updated_at = now;
    source.version += 1;
    Some(source)
}
