//! Requests: what arrived, what was rejected and why, which connections made no event of it.

use std::sync::Arc;

use serde_json::json;

use super::{
    Answer, Call, Param, Route, Takes,
    events::{self, INCLUDE},
    joined, ok, ok_models, ok_page, pagination, why, with_search,
};
use crate::{
    domain::{IgnoredEventId, Request, RequestId},
    query::{
        PageQuery, StoreError,
        requests::{IgnoredKey, KeptRequest, RequestsAsked},
    },
    web::{
        error::ApiError,
        filters::{REQUESTS, content, read_id, refuse_content, request_filter},
        parameters::PAGING,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/requests", |call| Box::pin(list(call)))
        .about("Requests that match, a page at a time.")
        .query(LIST)
        .answers("RequestPage"),
    Route::new("GET", "/requests/count", |call| Box::pin(count(call)))
        .ours()
        .about("How many requests match.")
        .query(&REQUESTS)
        .answers("Count"),
    Route::new("GET", "/requests/{id}", |call| Box::pin(one(call)))
        .about("One request with the data that arrived.")
        .query(&INCLUDE)
        .answers("Request"),
    Route::new("GET", "/requests/{id}/raw_body", |call| Box::pin(raw_body(call)))
        .about("The body of a request as text.")
        .answers("RawBody"),
    Route::new("GET", "/requests/{id}/why", |call| Box::pin(why::why(call)))
        .ours()
        .about("What became of a request on each connection, and what can be done about it.")
        .answers("RequestWhy"),
    Route::new("GET", "/requests/{id}/events", |call| Box::pin(events_of(call)))
        .about("The events of a request.")
        .query(events::LIST)
        .answers("EventPage"),
    Route::new("GET", "/requests/{id}/ignored_events", |call| Box::pin(ignored_events(call)))
        .about("The connections that made no event of a request, and why.")
        .query(IGNORED)
        .answers("IgnoredEventPage"),
];

/// Parameters of the list.
const LIST: &[Param] =
    &joined::<23>(&[&REQUESTS, &PAGING, &INCLUDE, &[Param::new("progressive", Takes::Flag, "taken and of no effect")]]);
const IGNORED: &[Param] = &joined::<6>(&[&[Param::new("id", Takes::Texts, "any of these ignored events")], &PAGING]);

async fn list(call: Call) -> Answer {
    call.parameters.flag("progressive")?;
    let asked = RequestsAsked {
        filter: request_filter(&call.parameters)?,
        page: call.parameters.page()?,
        content: content(&call.parameters)?,
        with_data: call.parameters.includes("data")?,
    };
    let (page, searched) = call.state.query.requests(asked.clone()).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let models = page.items.iter().map(|row| shapes::request_row(context, row)).collect();
    Ok(ok_models(with_search(pagination("created_at", &asked.page, &page), searched.as_ref()), models))
}

async fn count(call: Call) -> Answer {
    refuse_content(&call.parameters)?;
    let count = call.state.query.count_requests(request_filter(&call.parameters)?).await?;
    Ok(ok(&json!({ "count": count })))
}

async fn one(call: Call) -> Answer {
    call.parameters.includes("data")?;
    let KeptRequest { summary, content } = call.state.query.request(named(&call)?).await?;
    let request = content.as_ref().ok().map(|content| &content.request);
    let configuration = call.configuration();
    Ok(ok(&shapes::request_with_data(call.context(&configuration), &summary, request)))
}

async fn raw_body(call: Call) -> Answer {
    let kept = call.state.query.request(named(&call)?).await?;
    let request = arrived(Some(kept.content.map(|content| Arc::new(content.request))))?;
    Ok(ok(&shapes::raw_body(&request)))
}

/// What arrived, where it can be shown.
///
/// # Errors
///
/// 404 when it is damaged or no longer kept; as the store says for the rest.
pub(super) fn arrived(data: Option<Result<Arc<Request>, StoreError>>) -> Result<Arc<Request>, ApiError> {
    data.unwrap_or(Err(StoreError::NotFound)).map_err(|error| match error {
        StoreError::NotFound | StoreError::Damaged(_) => {
            ApiError::not_found("the body of this request is damaged or no longer kept; what became of it still is")
        }
        other => other.into(),
    })
}

async fn events_of(call: Call) -> Answer {
    let asked = events::read_list(&call.parameters)?;
    let page = call.state.query.events_of(named(&call)?, asked.clone()).await?;
    Ok(events::ok_events(&call, &asked, &page))
}

async fn ignored_events(call: Call) -> Answer {
    let ids: Vec<IgnoredEventId> = call.parameters.many("id", read_id)?;
    let asked: PageQuery<IgnoredKey> = call.parameters.page()?;
    let page = call.state.query.ignored_by(named(&call)?, ids, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |event| shapes::ignored_event(context, event)))
}

fn named(call: &Call) -> Result<RequestId, ApiError> {
    call.id()
}
