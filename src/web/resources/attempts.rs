//! Attempts: what was sent where, when, and what came back.

use super::{Answer, Call, Param, Route, joined, ok, ok_page};
use crate::{
    domain::AttemptId,
    query::{AttemptKey, PageQuery},
    web::{
        filters::{ATTEMPTS, attempt_filter},
        parameters::PAGING,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/attempts", |call| Box::pin(list(call)))
        .about("The attempts of events, a page at a time.")
        .query(LIST)
        .answers("AttemptPage"),
    Route::new("GET", "/attempts/{id}", |call| Box::pin(one(call)))
        .about("One attempt with what came back.")
        .answers("Attempt"),
];

const LIST: &[Param] = &joined::<11>(&[&ATTEMPTS, &PAGING]);

/// The attempts of events, newest first: made ones, and on paths without a version also the one that comes next.
async fn list(call: Call) -> Answer {
    let filter = attempt_filter(&call.parameters)?;
    let asked: PageQuery<AttemptKey> = call.parameters.page()?;
    let page = call.state.query.attempts(filter, asked, !call.version.dated).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |row| shapes::attempt(context, row)))
}

async fn one(call: Call) -> Answer {
    let id: AttemptId = call.id()?;
    let row = call.state.query.attempt(id).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::attempt(call.context(&configuration), &row)))
}
