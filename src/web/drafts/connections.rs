//! Connections: what a body says about one, with what stands inline in it.

use super::{destination, rules::rules, source};
use crate::{
    domain::{
        DestinationId, SourceId,
        directory::{ConnectionDraft, DestinationDraft, Reference, SourceDraft},
        id::IdError,
    },
    web::{error::ApiError, fields::Fields, profiles::Profile},
};

/// Reads what a body says about a connection that may be a new one.
///
/// # Errors
///
/// 422 naming the field.
pub fn connection(mut fields: Fields, profile: Profile) -> Result<ConnectionDraft, ApiError> {
    let source = read_source(&mut fields)?;
    let destination = read_destination(&mut fields, profile)?;
    Ok(ConnectionDraft { source, destination, ..connection_update(fields)? })
}

/// Reads what a body says about a connection that is there: its ends stay what they are.
///
/// # Errors
///
/// 422 naming the field.
pub fn connection_update(mut fields: Fields) -> Result<ConnectionDraft, ApiError> {
    let draft = ConnectionDraft {
        name: fields.text_or_null("name")?,
        description: fields.text_or_null("description")?,
        rules: rules(&mut fields)?,
        ..ConnectionDraft::default()
    };
    fields.finish()?;
    Ok(draft)
}

fn read_source(fields: &mut Fields) -> Result<Option<Reference<SourceId, SourceDraft>>, ApiError> {
    match (fields.text("source_id")?, fields.object("source")?) {
        (None, None) => Ok(None),
        (Some(id), None) => Ok(Some(Reference::Existing(read_id(fields, "source_id", &id)?))),
        (None, Some(inline)) => Ok(Some(Reference::Inline(source(inline)?))),
        (Some(_), Some(_)) => Err(fields.refusal("source_id", "and `source` exclude each other: give one")),
    }
}

fn read_destination(
    fields: &mut Fields,
    profile: Profile,
) -> Result<Option<Reference<DestinationId, DestinationDraft>>, ApiError> {
    match (fields.text("destination_id")?, fields.object("destination")?) {
        (None, None) => Ok(None),
        (Some(id), None) => Ok(Some(Reference::Existing(read_id(fields, "destination_id", &id)?))),
        (None, Some(inline)) => Ok(Some(Reference::Inline(destination(inline, profile)?))),
        (Some(_), Some(_)) => Err(fields.refusal("destination_id", "and `destination` exclude each other: give one")),
    }
}

fn read_id<Id: std::str::FromStr<Err = IdError>>(fields: &Fields, key: &str, text: &str) -> Result<Id, ApiError> {
    text.parse().map_err(|error: IdError| fields.refusal(key, &format!("is no such id: {error}")))
}
