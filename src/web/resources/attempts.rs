//! Attempts: what was sent where, when, and what came back.

use super::{Answer, Call, Route, ok, ok_page};
use crate::{
    domain::{AttemptId, EventId, id::IdError},
    query::{AttemptKey, PageQuery},
    web::{error::ApiError, profiles::v2025_07_01 as shapes},
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/attempts", |call| Box::pin(list(call))),
    Route::new("GET", "/attempts/{id}", |call| Box::pin(one(call))),
];

/// Events whose attempts are listed at once: each is looked up for every page.
const EVENTS_MAX: usize = 100;

/// The finished attempts of events, newest first.
async fn list(call: Call) -> Answer {
    call.parameters.check_list(&["event_id"], &["id"])?;
    let events: Vec<EventId> =
        call.parameters.many("event_id", |text| text.parse().map_err(|error: IdError| error.to_string()))?;
    if events.is_empty() {
        return Err(ApiError::unprocessable(
            "`event_id` is required: listing the attempts of all events is not available yet",
        ));
    }
    if events.len() > EVENTS_MAX {
        return Err(ApiError::unprocessable(format!("`event_id` takes at most {EVENTS_MAX} values here")));
    }
    let asked: PageQuery<AttemptKey> = call.parameters.page()?;
    let page = call.state.query.attempts(events, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |row| shapes::attempt(context, &row.event, row.number, &row.summary)))
}

async fn one(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let id: AttemptId = call.id()?;
    let stored = call.state.query.attempt(id).await?;
    let index = usize::try_from(stored.number).unwrap_or(usize::MAX).wrapping_sub(1);
    let summary = stored.event.attempts.get(index);
    let summary = summary.ok_or_else(|| ApiError::not_found(format!("there is no attempt {id}")))?;
    let configuration = call.configuration();
    let shape = shapes::attempt(call.context(&configuration), &stored.event, stored.number, summary);
    Ok(ok(&shapes::attempt_with_record(shape, &stored.record)))
}
