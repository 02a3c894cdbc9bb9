//! Which requests.

use super::{ApiError, NEVER, Param, Parameters, Takes, quoted, read_id, word};
use crate::{domain::RejectionCause, query::requests::RequestFilter};

/// A cause of the API that nothing is rejected for here.
const NEVER_GIVEN: &str = "UNKNOWN";

/// What requests are filtered by.
pub const REQUESTS: [Param; 16] = [
    Param::new("id", Takes::Texts, "any of these requests"),
    Param::new("status", Takes::Word(&["accepted", "rejected"]), "whether anything came of them"),
    Param::new("rejection_cause", Takes::Texts, "rejected for any of these causes"),
    Param::new("source_id", Takes::Texts, "at any of these sources"),
    Param::new("verified", Takes::Flag, "whether the sender was verified; none is"),
    Param::new("created_at", Takes::Time, "when they were committed"),
    Param::new("ingested_at", Takes::Time, "when they arrived"),
    Param::new("events_count", Takes::Counts, "how many events they became"),
    Param::new("cli_events_count", Takes::Counts, "how many events of sessions they became; none did"),
    Param::new("ignored_count", Takes::Counts, "how many connections made no event of them"),
    Param::new("bulk_retry_id", Takes::Texts, "retried by any of these bulk operations; not available yet"),
    Param::new("search_term", Takes::Text, "text in body, headers, query or path; at least 3 characters"),
    Param::new("headers", Takes::Object, "what the headers must match"),
    Param::new("body", Takes::Object, "what the body must match"),
    Param::new("parsed_query", Takes::Object, "what the query must match"),
    Param::new("path", Takes::Text, "a part of the path"),
];

/// Reads [`REQUESTS`], but for what must be looked up in what arrived.
///
/// # Errors
///
/// 422 naming the parameter; 501 for what is not available yet.
pub fn request_filter(parameters: &Parameters) -> Result<RequestFilter, ApiError> {
    if parameters.has("bulk_retry_id") {
        return Err(ApiError::not_implemented("the parameter `bulk_retry_id` is not available for requests yet"));
    }
    let mut filter = RequestFilter {
        ids: parameters.many("id", read_id)?,
        sources: parameters.many("source_id", read_id)?,
        accepted: read_status(parameters)?,
        rejections: Vec::new(),
        created: parameters.span("created_at")?,
        received: parameters.span("ingested_at")?,
        events: parameters.counts("events_count")?,
        ignored: parameters.counts("ignored_count")?,
    };
    let mut possible = read_causes(parameters, &mut filter)?;
    possible &= parameters.flag("verified")? != Some(true);
    let sessions = parameters.counts("cli_events_count")?;
    possible &= sessions.is_empty() || sessions.iter().any(|(low, high)| (*low..=*high).contains(&0));
    if !possible {
        filter.created = NEVER;
    }
    Ok(filter)
}

fn read_status(parameters: &Parameters) -> Result<Option<bool>, ApiError> {
    match parameters.one("status")? {
        None => Ok(None),
        Some(status) if status.eq_ignore_ascii_case("accepted") => Ok(Some(true)),
        Some(status) if status.eq_ignore_ascii_case("rejected") => Ok(Some(false)),
        Some(status) => {
            Err(parameters.refusal("status", &format!("cannot be {}: use accepted or rejected", quoted(status))))
        }
    }
}

/// Reads the causes; answers whether any of those asked for can be.
fn read_causes(parameters: &Parameters, filter: &mut RequestFilter) -> Result<bool, ApiError> {
    let asked = parameters.texts("rejection_cause")?;
    if !asked.contains.is_empty() {
        return Err(parameters.refusal("rejection_cause", "does not take the operator `contains`: use values or any"));
    }
    for text in asked.any_of.iter().filter(|text| *text != NEVER_GIVEN) {
        let read = word(text, RejectionCause::parse(text), RejectionCause::all().map(RejectionCause::as_str));
        filter.rejections.push(read.map_err(|why| parameters.bad("rejection_cause", &why))?);
    }
    // Accepted ones have no cause.
    let accepted = asked.present.map(|present| !present);
    let agree = filter.accepted.is_none() || accepted.is_none() || filter.accepted == accepted;
    filter.accepted = filter.accepted.or(accepted);
    Ok(agree && (asked.any_of.is_empty() || !filter.rejections.is_empty()))
}
