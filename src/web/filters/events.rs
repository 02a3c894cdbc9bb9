//! Which events.

use super::{ApiError, NEVER, Param, Parameters, Takes, asks_for_some, both, read_id, word};
use crate::{
    domain::{ErrorCode, EventDataId, EventId, EventStatus},
    query::{EventFilter, Optional},
};

/// Statuses, for the description.
const STATUSES: &[&str] = &["SCHEDULED", "QUEUED", "HOLD", "SUCCESSFUL", "FAILED", "CANCELLED"];
/// Error codes of the API that no attempt of ours ends with.
const NEVER_GIVEN: [&str; 14] = [
    "BAD_RESPONSE",
    "BULK_RETRY_CANCELLED",
    "CANCELLED_PAST_RETENTION",
    "CLI",
    "CLI_BINARY_UNSUPPORTED",
    "DATA_ARCHIVED",
    "INVALID_CHARACTER",
    "NETWORK_ERROR",
    "NETWORK_REQUEST_CANCELED",
    "OAUTH2_HANDSHAKE_FAILED",
    "TOO_MANY_REDIRECTS",
    "TTL_EXPIRED",
    "UNABLE_TO_GET_ISSUER_CERT",
    "Z_DATA_ERROR",
];

/// What events are filtered by.
pub const EVENTS: [Param; 24] = [
    Param::new("id", Takes::Texts, "any of these events"),
    Param::new("status", Takes::Words(STATUSES), "in any of these statuses"),
    Param::new("webhook_id", Takes::Texts, "on any of these connections"),
    Param::new("source_id", Takes::Texts, "from any of these sources"),
    Param::new("destination_id", Takes::Texts, "to any of these destinations"),
    Param::new("request_id", Takes::Texts, "of any of these requests"),
    Param::new("event_data_id", Takes::Texts, "with any of these data"),
    Param::new("bulk_retry_id", Takes::Texts, "last asked for again by any of these bulk operations"),
    Param::new("created_at", Takes::Time, "when they were created"),
    Param::new("last_attempt_at", Takes::Time, "when their last attempt ended"),
    Param::new("next_attempt_at", Takes::Time, "when their next automatic try is due"),
    Param::new("successful_at", Takes::Time, "when they were delivered"),
    Param::new("attempts", Takes::Counts, "how often they were tried"),
    Param::new("response_status", Takes::Counts, "HTTP status of the last attempt, such as 404 or 400-499"),
    Param::new("error_code", Takes::Texts, "error of the last attempt"),
    Param::new("cli_id", Takes::Texts, "of a session; there are none"),
    Param::new("cli_user_id", Takes::Texts, "of a session's user; there are none"),
    Param::new("issue_id", Takes::Texts, "of an issue; there are none"),
    Param::new("delivery_group", Takes::Texts, "of a delivery group; there are none"),
    Param::new("search_term", Takes::Text, "text in body, headers, query or path; at least 3 characters"),
    Param::new("headers", Takes::Object, "what the headers must match"),
    Param::new("body", Takes::Object, "what the body must match"),
    Param::new("parsed_query", Takes::Object, "what the query must match"),
    Param::new("path", Takes::Text, "a part of the path"),
];

/// Reads [`EVENTS`], but for what must be looked up in what arrived.
///
/// # Errors
///
/// 422 naming the parameter.
pub fn event_filter(parameters: &Parameters) -> Result<EventFilter, ApiError> {
    let (errors, mut possible) = error_codes(parameters)?;
    let mut filter = EventFilter {
        ids: parameters.many("id", read_id)?,
        requests: parameters.many("request_id", read_id)?,
        statuses: parameters.many("status", |text| {
            word(text, EventStatus::parse(text), EventStatus::ALL.iter().map(|status| status.as_str()))
        })?,
        connections: parameters.many("webhook_id", read_id)?,
        sources: parameters.many("source_id", read_id)?,
        destinations: parameters.many("destination_id", read_id)?,
        bulks: parameters.many("bulk_retry_id", read_id)?,
        created: parameters.span("created_at")?,
        last_attempt: parameters.moment("last_attempt_at")?,
        successful: parameters.moment("successful_at")?,
        next_attempt: parameters.moment("next_attempt_at")?,
        attempts: parameters.counts("attempts")?,
        response_statuses: parameters.statuses("response_status")?,
        errors,
    };
    for name in ["cli_id", "cli_user_id", "issue_id", "delivery_group"] {
        possible &= !asks_for_some(parameters, name)?;
    }
    let data: Vec<EventDataId> = parameters.many("event_data_id", read_id)?;
    // The data of an event has its number.
    let named = data.into_iter().map(|data| EventId::from_bits(data.bits())).collect();
    match both(std::mem::take(&mut filter.ids), named) {
        Some(ids) => filter.ids = ids,
        None => possible = false,
    }
    if !possible {
        filter.created = NEVER;
    }
    Ok(filter)
}

/// The error codes asked for, and whether any of them can be.
pub(super) fn error_codes(parameters: &Parameters) -> Result<(Optional<ErrorCode>, bool), ApiError> {
    let asked = parameters.texts("error_code")?;
    if !asked.contains.is_empty() {
        return Err(parameters.refusal("error_code", "does not take the operator `contains`: use values or any"));
    }
    let mut any_of = Vec::new();
    for text in asked.any_of.iter().filter(|text| !NEVER_GIVEN.contains(&text.as_str())) {
        let read = word(text, ErrorCode::parse(text), ErrorCode::all().map(ErrorCode::as_str));
        any_of.push(read.map_err(|why| parameters.bad("error_code", &why))?);
    }
    let possible = asked.any_of.is_empty() || !any_of.is_empty();
    Ok((Optional { present: asked.present, any_of }, possible))
}
