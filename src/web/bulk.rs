//! What bulk operations go over, as clients spell it: an object of the filters that the lists take, in brackets for a plan, in
//! JSON for an operation, and as text in its document.
//!
//! Unknown names are refused in every version of the API: what these filters choose is acted upon.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    error::ApiError,
    filters::{self, EVENTS, REQUESTS, event_filter, read_id, request_filter},
    parameters::Parameters,
    resources::{Param, Takes},
};
use crate::{
    actors::{Content, Reader, Selection},
    domain::{IgnoredCause, document::BulkKind},
    query::content::Verdict,
};

/// What stands before the names of filters in messages.
const PLACE: &str = "query.";
/// Causes of the API that nothing is ignored for here.
const NEVER_GIVEN: [&str; 3] = ["FILTERED", "TRANSFORMATION_FAILED", "DUPLICATE"];

/// What connections that made no event are filtered by.
pub const IGNORED: [Param; 3] = [
    Param::new("cause", Takes::Texts, "for any of these causes"),
    Param::new("webhook_id", Takes::Texts, "any of these connections"),
    Param::new("transformation_id", Takes::Texts, "by a transformation; there are none"),
];

/// The filters that an operation takes.
#[must_use]
pub const fn known(kind: BulkKind) -> &'static [Param] {
    match kind {
        BulkKind::EventsRetry | BulkKind::EventsCancel => &EVENTS,
        BulkKind::RequestsRetry | BulkKind::RequestsReplay => &REQUESTS,
        BulkKind::IgnoredEventsRetry => &IGNORED,
    }
}

/// Reads filters as the documents of operations keep them.
#[must_use]
pub fn reader() -> Reader {
    Arc::new(|kind, text| {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        of_object(kind, &object).map_err(|error| error.to_string())
    })
}

/// Reads filters as they stand in the body of a call.
///
/// # Errors
///
/// 422 naming the filter; 501 for one that is not available yet.
pub fn of_object(kind: BulkKind, object: &Map<String, Value>) -> Result<Selection, ApiError> {
    selection(kind, &Parameters::of_object(object, known(kind), PLACE)?)
}

/// Reads filters as they stand in the query string, inside of `query[…]`.
///
/// # Errors
///
/// As [`of_object`].
pub fn of_brackets(kind: BulkKind, parameters: &Parameters) -> Result<Selection, ApiError> {
    selection(kind, &parameters.inside("query", known(kind), PLACE)?)
}

fn selection(kind: BulkKind, parameters: &Parameters) -> Result<Selection, ApiError> {
    Ok(match kind {
        BulkKind::EventsRetry | BulkKind::EventsCancel => {
            Selection::Events { filter: Arc::new(event_filter(parameters)?), content: content(parameters)? }
        }
        BulkKind::RequestsRetry | BulkKind::RequestsReplay => {
            Selection::Requests { filter: request_filter(parameters)?, content: content(parameters)? }
        }
        BulkKind::IgnoredEventsRetry => {
            let causes = causes(parameters)?;
            Selection::Ignored { causes, connections: parameters.many("webhook_id", read_id)? }
        }
    })
}

/// The causes that are asked for.
fn causes(parameters: &Parameters) -> Result<Vec<IgnoredCause>, ApiError> {
    if parameters.has("transformation_id") {
        return Err(parameters.refusal("transformation_id", "picks nothing: there are no transformations yet"));
    }
    let known = [IgnoredCause::Disabled, IgnoredCause::CliDisconnected];
    let words = parameters.many("cause", |text| Ok(text.to_owned()))?;
    let mut causes = Vec::new();
    for word in words.iter().filter(|word| !NEVER_GIVEN.contains(&word.as_str())) {
        let cause = known.into_iter().find(|cause| cause.as_str() == word.as_str());
        causes.push(cause.ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|cause| cause.as_str()).chain(NEVER_GIVEN).collect();
            parameters.refusal("cause", &format!("is not one of {}", words.join(", ")))
        })?);
    }
    if causes.is_empty() && !words.is_empty() {
        return Err(parameters.refusal("cause", "picks nothing: nothing is ignored for that cause here yet"));
    }
    Ok(causes)
}

/// What the data that arrived must be like; what cannot be searched is left alone.
fn content(parameters: &Parameters) -> Result<Option<Content>, ApiError> {
    let content = filters::content(parameters)?;
    Ok(content.map(|content| -> Content { Arc::new(move |request| content.judge(request) == Verdict::Matches) }))
}
