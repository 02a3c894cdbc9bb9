//! Events: lists and single ones, the manual retry, the cancellation.

use super::{Answer, Call, Route, ok, ok_deleted, ok_page, undeleted};
use crate::{
    domain::{Event, EventId, EventStatus, Seq, delivery::Asked},
    query::{EventFilter, PageQuery},
    web::{
        error::{ApiError, quoted},
        parameters::Parameters,
        profiles::{self as shapes, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/events", |call| Box::pin(list(call))),
    Route::new("GET", "/events/{id}", |call| Box::pin(one(call))),
    Route::new("POST", "/events/{id}/retry", |call| Box::pin(retry(call))),
    Route::new("PUT", "/events/{id}/cancel", |call| Box::pin(cancel(call))).since(Profile::V2025_07_01),
    Route::new("DELETE", "/events/{id}", |call| Box::pin(delete(call)))
        .about("Deletes an event: what is pending is cancelled, and no list shows it any more; its attempts stay readable by their ids.")
        .answers("Deleted"),
];

/// Parameters of the list.
pub(super) const KNOWN: &[&str] = &["status", "webhook_id", "source_id", "destination_id", "created_at"];
/// Parameters of the API's list that are not available yet.
pub(super) const LATER: &[&str] = &[
    "id",
    "attempts",
    "response_status",
    "successful_at",
    "error_code",
    "cli_id",
    "last_attempt_at",
    "next_attempt_at",
    "search_term",
    "headers",
    "body",
    "parsed_query",
    "path",
    "cli_user_id",
    "issue_id",
    "event_data_id",
    "bulk_retry_id",
    "delivery_group",
    "include",
];

async fn list(call: Call) -> Answer {
    call.parameters.check_list(KNOWN, LATER)?;
    let filter = read_filter(&call.parameters)?;
    let asked: PageQuery<Seq> = call.parameters.page()?;
    let page = call.state.query.events(filter, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |event| shapes::event(context, event)))
}

pub(super) fn read_filter(parameters: &Parameters) -> Result<EventFilter, ApiError> {
    Ok(EventFilter {
        statuses: parameters.many("status", |text| {
            EventStatus::parse(text).ok_or_else(|| {
                let known: Vec<&str> = EventStatus::ALL.iter().map(|status| status.as_str()).collect();
                format!("{} is not one of {}", quoted(text), known.join(", "))
            })
        })?,
        connections: parameters.many("webhook_id", read_id)?,
        sources: parameters.many("source_id", read_id)?,
        destinations: parameters.many("destination_id", read_id)?,
        created: parameters.span("created_at")?,
        ..EventFilter::default()
    })
}

pub(super) fn read_id<Id: std::str::FromStr<Err = crate::domain::id::IdError>>(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error: crate::domain::id::IdError| error.to_string())
}

async fn one(call: Call) -> Answer {
    call.parameters.check(&[], &["include"])?;
    let id: EventId = call.id()?;
    let (event, request) = call.state.query.event(id).await?;
    let event = undeleted(event)?;
    let configuration = call.configuration();
    Ok(ok(&shapes::event_with_data(call.context(&configuration), &event, request.as_ref())))
}

async fn retry(call: Call) -> Answer {
    let event = call.state.gateway.retry(acted_on(&call)?, Asked::Manual).await?;
    let attempt = if call.version.profile == Profile::V2024_03_01 {
        // By now it may have been made, or given up.
        let number = u32::try_from(event.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        call.state.query.attempt(event.id().attempt(number)).await.ok()
    } else {
        None
    };
    let configuration = call.configuration();
    Ok(ok(&shapes::retried(call.context(&configuration), &event, attempt.as_ref())))
}

async fn cancel(call: Call) -> Answer {
    let event = call.state.gateway.cancel(acted_on(&call)?).await?;
    Ok(changed(&call, &event))
}

async fn delete(call: Call) -> Answer {
    let event = call.state.gateway.delete(acted_on(&call)?).await?;
    Ok(ok_deleted(&event.id()))
}

fn acted_on(call: &Call) -> Result<EventId, ApiError> {
    call.parameters.check(&[], &[])?;
    call.no_fields()?;
    call.id()
}

fn changed(call: &Call, event: &Event) -> actix_web::HttpResponse {
    let configuration = call.configuration();
    ok(&shapes::event(call.context(&configuration), event))
}
