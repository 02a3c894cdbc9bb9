//! Attempts: what was sent where, when, and what came back.

use super::{Answer, Call, Route, ok, ok_page};
use crate::{
    domain::{AttemptId, EventId, id::IdError},
    query::{AttemptKey, PageQuery},
    web::{error::ApiError, profiles as shapes},
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/attempts", |call| Box::pin(list(call))),
    Route::new("GET", "/attempts/{id}", |call| Box::pin(one(call))),
];

/// Events whose attempts are listed at once: each is looked up for every page.
const EVENTS_MAX: usize = 100;

/// The attempts of events, newest first: made ones, and on paths without a version also the one that comes next.
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
    let page = call.state.query.attempts(events, asked, !call.version.dated).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |row| shapes::attempt(context, row)))
}

async fn one(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let id: AttemptId = call.id()?;
    let row = call.state.query.attempt(id).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::attempt(call.context(&configuration), &row)))
}
