//! Which attempts. Only `id` and `event_id` are the hosted API's; the others are ours.

use super::{ApiError, Param, Parameters, Takes, events::error_codes, read_id, word};
use crate::{
    domain::AttemptTrigger,
    query::{AttemptFilter, PENDING},
};

/// Statuses of attempts; nothing has the last two, which older versions of the API have.
const STATUSES: &[&str] = &["SUCCESSFUL", "FAILED", "CANCELLED", PENDING, "QUEUED", "HOLD"];
/// Triggers, for the description.
const TRIGGERS: &[&str] = &["INITIAL", "AUTOMATIC", "MANUAL", "BULK_RETRY", "UNPAUSE"];
/// Events whose attempts are listed at once, and attempts that are: each is looked up for every page.
const LOOKED_UP_MAX: usize = 100;

/// What attempts are filtered by.
pub const ATTEMPTS: [Param; 6] = [
    Param::new("event_id", Takes::Texts, "of any of these events"),
    Param::new("id", Takes::Texts, "any of these attempts"),
    Param::new("status", Takes::Words(STATUSES), "counted in any of these ways"),
    Param::new("trigger", Takes::Words(TRIGGERS), "caused by any of these"),
    Param::new("error_code", Takes::Texts, "with any of these errors"),
    Param::new("response_status", Takes::Counts, "HTTP status, such as 404 or 400-499"),
];

/// Reads [`ATTEMPTS`].
///
/// # Errors
///
/// 422 naming the parameter.
pub fn attempt_filter(parameters: &Parameters) -> Result<AttemptFilter, ApiError> {
    let (mut filter, possible) = any_attempt_filter(parameters)?;
    if filter.events.is_empty() && filter.ids.is_empty() {
        return Err(parameters.refusal(
            "event_id",
            "or `id` is required: attempts are found through their events, so list events first",
        ));
    }
    for (name, count) in [("event_id", filter.events.len()), ("id", filter.ids.len())] {
        if count > LOOKED_UP_MAX {
            return Err(parameters.refusal(name, &format!("takes at most {LOOKED_UP_MAX} values here")));
        }
    }
    if !possible {
        (filter.events, filter.ids) = (Vec::new(), Vec::new());
    }
    Ok(filter)
}

/// The same where attempts need not be found, because they come by themselves; and whether there can be any.
///
/// # Errors
///
/// As [`attempt_filter`].
pub fn any_attempt_filter(parameters: &Parameters) -> Result<(AttemptFilter, bool), ApiError> {
    let (errors, possible) = error_codes(parameters)?;
    let filter = AttemptFilter {
        events: parameters.many("event_id", read_id)?,
        ids: parameters.many("id", read_id)?,
        statuses: parameters.many("status", |text| {
            let known = || STATUSES.iter().copied();
            word(text, known().find(|status| *status == text), known())
        })?,
        triggers: parameters
            .many("trigger", |text| word(text, AttemptTrigger::parse(text), TRIGGERS.iter().copied()))?,
        errors,
        response_statuses: parameters.statuses("response_status")?,
    };
    Ok((filter, possible))
}
