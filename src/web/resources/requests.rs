//! Requests: what arrived, what was rejected and why, which connections made no event of it.

use super::{
    Answer, Call, Route,
    events::{self, read_id},
    ok, ok_page,
};
use crate::{
    domain::{IgnoredEventId, RejectionCause, Request, RequestId, Seq},
    query::{
        PageQuery,
        requests::{IgnoredKey, KeptRequest, RequestFilter, RequestKey},
    },
    web::{
        error::{ApiError, quoted},
        parameters::Parameters,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/requests", |call| Box::pin(list(call))),
    Route::new("GET", "/requests/{id}", |call| Box::pin(one(call))),
    Route::new("GET", "/requests/{id}/raw_body", |call| Box::pin(raw_body(call))),
    Route::new("GET", "/requests/{id}/events", |call| Box::pin(events_of(call))),
    Route::new("GET", "/requests/{id}/ignored_events", |call| Box::pin(ignored_events(call))),
];

/// Parameters of the list.
const KNOWN: &[&str] =
    &["id", "source_id", "status", "rejection_cause", "created_at", "ingested_at", "events_count", "ignored_count"];
/// Parameters of the API's list that are not available yet.
const LATER: &[&str] = &[
    "verified",
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_events_count",
    "bulk_retry_id",
    "include",
];

async fn list(call: Call) -> Answer {
    call.parameters.check_list(KNOWN, LATER)?;
    let filter = read_filter(&call.parameters)?;
    let asked: PageQuery<RequestKey> = call.parameters.page()?;
    let page = call.state.query.requests(filter, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |request| shapes::request(context, request)))
}

fn read_filter(parameters: &Parameters) -> Result<RequestFilter, ApiError> {
    let accepted = match parameters.one("status")? {
        None => None,
        Some(status) if status.eq_ignore_ascii_case("accepted") => Some(true),
        Some(status) if status.eq_ignore_ascii_case("rejected") => Some(false),
        Some(status) => {
            let message = format!("`status`: {} is neither accepted nor rejected", quoted(status));
            return Err(ApiError::unprocessable(message));
        }
    };
    Ok(RequestFilter {
        ids: parameters.many("id", read_id)?,
        sources: parameters.many("source_id", read_id)?,
        accepted,
        rejections: parameters.many("rejection_cause", |text| {
            RejectionCause::parse(text).ok_or_else(|| {
                let known: Vec<&str> = RejectionCause::all().map(RejectionCause::as_str).collect();
                format!("{} is not one of {}", quoted(text), known.join(", "))
            })
        })?,
        created: parameters.span("created_at")?,
        received: parameters.span("ingested_at")?,
        events: parameters.counts("events_count")?,
        ignored: parameters.counts("ignored_count")?,
    })
}

async fn one(call: Call) -> Answer {
    call.parameters.check(&[], &["include"])?;
    let KeptRequest { summary, content } = call.state.query.request(named(&call)?).await?;
    let request = content.as_ref().ok().map(|content| &content.request);
    let configuration = call.configuration();
    Ok(ok(&shapes::request_with_data(call.context(&configuration), &summary, request)))
}

async fn raw_body(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let kept = call.state.query.request(named(&call)?).await?;
    let request: Request = kept.content.map(|content| content.request).map_err(|_| {
        ApiError::not_found("the body of this request is damaged or no longer kept; what became of it still is")
    })?;
    Ok(ok(&shapes::raw_body(&request)))
}

async fn events_of(call: Call) -> Answer {
    call.parameters.check_list(events::KNOWN, events::LATER)?;
    let filter = events::read_filter(&call.parameters)?;
    let asked: PageQuery<Seq> = call.parameters.page()?;
    let page = call.state.query.events_of(named(&call)?, filter, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |event| shapes::event(context, event)))
}

async fn ignored_events(call: Call) -> Answer {
    call.parameters.check_list(&["id"], &[])?;
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
