//! Events: lists, counts, histograms, single ones, the manual retry, the cancellation.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::{Answer, Call, Param, Route, Takes, joined, ok, ok_deleted, ok_models, pagination, undeleted, with_search};
use crate::{
    domain::{Event, EventId, delivery::Asked},
    query::{
        events::{EventOrder, EventPlace, EventRow, EventsAsked, EventsFound},
        histogram::{BUCKETS_MAX, Granularity, HistogramError},
    },
    web::{
        error::{ApiError, quoted},
        filters::{EVENTS, content, event_filter, refuse_content},
        parameters::{Parameters, paging},
        profiles::{self as shapes, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/events", |call| Box::pin(list(call)))
        .about("Events that match, a page at a time.")
        .query(LIST)
        .answers("EventPage"),
    Route::new("GET", "/events/count", |call| Box::pin(count(call)))
        .ours()
        .about("How many events match.")
        .query(&EVENTS)
        .answers("Count"),
    Route::new("GET", "/events/histogram", |call| Box::pin(histogram(call)))
        .ours()
        .about("How many of the events that match were created in each stretch of time.")
        .query(HISTOGRAM)
        .answers("Histogram"),
    Route::new("GET", "/events/{id}", |call| Box::pin(one(call)))
        .about("One event with the data that arrived.")
        .query(&INCLUDE)
        .answers("Event"),
    Route::new("GET", "/events/{id}/raw_body", |call| Box::pin(raw_body(call)))
        .about("The body of an event as text.")
        .answers("RawBody"),
    Route::new("POST", "/events/{id}/retry", |call| Box::pin(retry(call)))
        .about("Sends an event once more, whatever its status.")
        .answers("Event"),
    Route::new("PUT", "/events/{id}/cancel", |call| Box::pin(cancel(call)))
        .since(Profile::V2025_07_01)
        .about("Gives up an event that is not settled yet.")
        .answers("Event"),
    Route::new("PUT", "/events/{id}/mute", |call| Box::pin(cancel(call)))
        .about("The same as cancelling.")
        .answers("Event"),
    Route::new("DELETE", "/events/{id}", |call| Box::pin(delete(call)))
        .ours()
        .about("Deletes an event: what is pending is cancelled, and no list shows it any more; its attempts stay readable by their ids.")
        .answers("Deleted")
        .ours(),
];

/// `include=data`.
pub(super) const INCLUDE: [Param; 1] =
    [Param::new("include", Takes::Word(&["data"]), "what else to show: the data that arrived")];
/// What the hosted API's own pages send along.
const PROGRESSIVE: [Param; 1] = [Param::new("progressive", Takes::Flag, "taken and of no effect")];
/// The orders of events, the usual one first.
pub(super) const ORDERS: [&str; 2] = ["created_at", "last_attempt_at"];
/// Parameters of a list of events.
pub(super) const LIST: &[Param] = &joined::<31>(&[&EVENTS, &paging(&ORDERS), &INCLUDE, &PROGRESSIVE]);
const HISTOGRAM: &[Param] = &joined::<25>(&[
    &EVENTS,
    &[Param::new("granularity", Takes::Text, "width of a bucket, such as 5m, 1h or 1d; chosen by itself without one")],
]);

async fn list(call: Call) -> Answer {
    let asked = read_list(&call.parameters)?;
    let found = call.state.query.events(asked.clone()).await?;
    Ok(ok_events(&call, &asked, &found))
}

/// Reads what a list of events is asked for.
pub(super) fn read_list(parameters: &Parameters) -> Result<EventsAsked, ApiError> {
    parameters.flag("progressive")?;
    let (order, page) = parameters.page_in::<EventPlace>(&ORDERS)?;
    let order = [EventOrder::Created, EventOrder::LastAttempt][order];
    Ok(EventsAsked {
        filter: event_filter(parameters)?,
        order,
        page,
        content: content(parameters)?,
        with_data: parameters.includes("data")?,
    })
}

/// 200 with a page of events.
pub(super) fn ok_events(call: &Call, asked: &EventsAsked, (page, searched): &EventsFound) -> HttpResponse {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let models = page.items.iter().map(|row| shapes::event_row(context, row)).collect();
    let order = match asked.order {
        EventOrder::Created => ORDERS[0],
        EventOrder::LastAttempt => ORDERS[1],
    };
    ok_models(with_search(pagination(order, &asked.page, page), searched.as_ref()), models)
}

async fn count(call: Call) -> Answer {
    refuse_content(&call.parameters)?;
    let count = call.state.query.count_events(event_filter(&call.parameters)?).await?;
    Ok(ok(&json!({ "count": count })))
}

async fn histogram(call: Call) -> Answer {
    refuse_content(&call.parameters)?;
    let filter = event_filter(&call.parameters)?;
    let granularity = read_granularity(&call.parameters)?;
    let found = call.state.query.histogram(filter, granularity).await;
    let found = found.map_err(|error| too_fine(error, &call.parameters, "created_at"))?;
    let buckets: Vec<Value> =
        found.counts.iter().map(|(begin, count)| json!({ "time_bucket": begin.to_string(), "count": count })).collect();
    Ok(ok(&json!({ "buckets": buckets, "granularity": found.granularity.to_string() })))
}

/// Reads the width of a bucket.
pub(super) fn read_granularity(parameters: &Parameters) -> Result<Option<Granularity>, ApiError> {
    let Some(text) = parameters.one("granularity")? else { return Ok(None) };
    let read = Granularity::parse(text).ok_or_else(|| {
        let why = format!("{} is not a number and one of s, m, h, d and w, such as 5m", quoted(text));
        parameters.bad("granularity", &why)
    });
    read.map(Some)
}

/// Says what to do about too many buckets: `span` is the parameter that can be narrowed.
pub(super) fn too_fine(error: HistogramError, parameters: &Parameters, span: &str) -> ApiError {
    match error {
        HistogramError::Store(error) => error.into(),
        HistogramError::TooMany(buckets) => parameters.refusal(
            "granularity",
            &format!("makes {buckets} buckets of this stretch, at most {BUCKETS_MAX} are shown: use a coarser one, or narrow `{span}`"),
        ),
    }
}

async fn one(call: Call) -> Answer {
    call.parameters.includes("data")?;
    let row = found(&call).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::event_row(call.context(&configuration), &row)))
}

async fn raw_body(call: Call) -> Answer {
    let data = found(&call).await?.data;
    let request = super::requests::arrived(data)?;
    Ok(ok(&shapes::raw_body(&request)))
}

/// The event in the path.
async fn found(call: &Call) -> Result<EventRow, ApiError> {
    let id: EventId = call.id()?;
    let row = call.state.query.event(id).await?;
    Ok(EventRow { event: undeleted(row.event)?, ..row })
}

async fn retry(call: Call) -> Answer {
    let event = call.state.gateway.retry(call.bare_id()?, Asked::Manual).await?;
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
    let event = call.state.gateway.cancel(call.bare_id()?).await?;
    Ok(changed(&call, &event))
}

async fn delete(call: Call) -> Answer {
    let event = call.state.gateway.delete(call.bare_id()?).await?;
    Ok(ok_deleted(&event.id()))
}

fn changed(call: &Call, event: &Event) -> HttpResponse {
    let configuration = call.configuration();
    ok(&shapes::event(call.context(&configuration), event))
}
