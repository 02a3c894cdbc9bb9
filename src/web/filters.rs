//! Filters of lists, as clients spell them: which events, which requests. Lists, counts, histograms, views and bulk operations
//! read them here, from the query string or from a body.
//!
//! A value that the API has and that nothing here can have (a session's events, an issue) is answered truthfully: by nothing.

mod attempts;
pub mod configuration;
mod content;
mod events;
mod requests;

use std::str::FromStr;

pub use self::{
    attempts::{ATTEMPTS, any_attempt_filter, attempt_filter},
    content::{content, refuse_content},
    events::{EVENTS, event_filter},
    requests::{REQUESTS, request_filter},
};
use super::{
    error::{ApiError, quoted},
    parameters::Parameters,
    resources::{Param, Takes},
};
use crate::domain::{Span, Timestamp, id::IdError};

/// A span that nothing lies in: of a filter that cannot match.
pub const NEVER: Span = Span::between(Timestamp::EPOCH, Timestamp::EPOCH);

/// Reads an id of one kind.
///
/// # Errors
///
/// What is wrong with it.
pub fn read_id<Id: FromStr<Err = IdError>>(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error: IdError| error.to_string())
}

/// Whether a parameter asks for one of the values that nothing has.
fn asks_for_some(parameters: &Parameters, name: &str) -> Result<bool, ApiError> {
    let asked = parameters.texts(name)?;
    Ok(!asked.any_of.is_empty() || !asked.contains.is_empty() || asked.present == Some(true))
}

/// Reads one of several words.
fn word<T>(text: &str, read: Option<T>, known: impl Iterator<Item = &'static str>) -> Result<T, String> {
    read.ok_or_else(|| format!("{} is not one of {}", quoted(text), known.collect::<Vec<_>>().join(", ")))
}

/// What is in both lists, where an empty one does not restrict; `None` when that is nothing.
fn both<T: PartialEq + Copy>(one: Vec<T>, other: Vec<T>) -> Option<Vec<T>> {
    if one.is_empty() || other.is_empty() {
        return Some(if one.is_empty() { other } else { one });
    }
    let both: Vec<T> = one.into_iter().filter(|id| other.contains(id)).collect();
    (!both.is_empty()).then_some(both)
}
