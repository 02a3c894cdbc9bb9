//! Bulk operations: five families that differ in what they do and what they go over, and in nothing else.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Param, Route, Takes, joined, ok, ok_page};
use crate::{
    actors::BulkError,
    domain::{BulkId, document::BulkKind, matching::Pattern},
    query::{
        PageQuery,
        bulk::{BulkFilter, QueryFilter},
    },
    web::{
        bulk,
        error::ApiError,
        filters::read_id,
        parameters::{PAGING, Parameters},
        profiles::{Profile, bulk as shapes},
    },
};

/// The routes of a family, and those that it has beside.
macro_rules! family {
    ($path:literal, $kind:expr, $since:expr $(, $more:expr)*) => {
        &[
            Route::new("GET", concat!("/bulk/", $path), |call| Box::pin(list(call, $kind)))
                .about("Bulk operations of this kind that match, a page at a time.")
                .query(LIST)
                .answers("BatchOperationPage")
                .since($since),
            Route::new("POST", concat!("/bulk/", $path), |call| Box::pin(start(call, $kind)))
                .about("Starts an operation over everything that a query picks; it goes on by itself, after a crash too.")
                .takes("NewBatchOperation")
                .answers("BatchOperation")
                .since($since),
            Route::new("GET", concat!("/bulk/", $path, "/plan"), |call| Box::pin(plan(call, $kind)))
                .about("What an operation would find now.")
                .query(PLAN)
                .answers("BatchPlan")
                .since($since),
            Route::new("GET", concat!("/bulk/", $path, "/{id}"), |call| Box::pin(one(call, $kind)))
                .about("One operation and how far it is.")
                .answers("BatchOperation")
                .since($since),
            $($more),*
        ]
    };
}

/// The routes of a family whose operations can be stopped.
macro_rules! stoppable {
    ($path:literal, $kind:expr, $since:expr) => {
        family!(
            $path,
            $kind,
            $since,
            Route::new("POST", concat!("/bulk/", $path, "/{id}/cancel"), |call| Box::pin(stop(call, $kind)))
                .about("Stops an operation; what it did stays done, and one that has ended stays as it is.")
                .answers("BatchOperation")
                .since($since)
        )
    };
}

/// Events once more.
pub const EVENTS_RETRY: &[Route] = stoppable!("events/retry", BulkKind::EventsRetry, Profile::OLDEST);
/// No more tries of events.
pub const EVENTS_CANCEL: &[Route] = family!("events/cancel", BulkKind::EventsCancel, Profile::V2025_07_01);
/// Requests over the connections that made no event of them.
pub const REQUESTS_RETRY: &[Route] = stoppable!("requests/retry", BulkKind::RequestsRetry, Profile::OLDEST);
/// Requests over some of these connections.
pub const IGNORED_EVENTS_RETRY: &[Route] =
    stoppable!("ignored-events/retry", BulkKind::IgnoredEventsRetry, Profile::OLDEST);
/// Requests as if they had just arrived.
pub const REQUESTS_REPLAY: &[Route] = stoppable!("requests/replay", BulkKind::RequestsReplay, Profile::V2026_09_01);

const PLAN: &[Param] = &[Param::new("query", Takes::Object, "filters in brackets, such as query[status]=FAILED")];
const FILTERS: [Param; 7] = [
    Param::new("id", Takes::Texts, "any of these operations"),
    Param::new("in_progress", Takes::Flag, "whether they go on"),
    Param::new("created_at", Takes::Time, "when they were asked for"),
    Param::new("completed_at", Takes::Time, "when they came to their end"),
    Param::new("cancelled_at", Takes::Time, "when somebody stopped them"),
    Param::new("query", Takes::Object, "with this query"),
    Param::new("query_partial_match", Takes::Word(&["true", "false"]), "with more in their query beside, too"),
];
const LIST: &[Param] = &joined::<12>(&[&FILTERS, &PAGING]);

async fn list(call: Call, kind: BulkKind) -> Answer {
    let parameters = &call.parameters;
    let filter = BulkFilter {
        kind,
        ids: parameters.many("id", read_id)?,
        in_progress: parameters.flag("in_progress")?,
        created: parameters.span("created_at")?,
        completed: parameters.moment("completed_at")?,
        cancelled: parameters.moment("cancelled_at")?,
        query: read_query(parameters)?,
    };
    let asked: PageQuery<BulkId> = parameters.page()?;
    let page = call.state.query.bulks(filter, asked).await?;
    let configuration = call.configuration();
    let context = call.context(&configuration);
    Ok(ok_page(&asked, &page, |bulk| shapes::operation(context, bulk)))
}

/// What the filter of the operations must be.
fn read_query(parameters: &Parameters) -> Result<Option<QueryFilter>, ApiError> {
    // The hosted API's library writes an object in this way.
    let is_partial = match parameters.one("query_partial_match")? {
        Some("[object Object]") => true,
        Some(_) => parameters.flag("query_partial_match")? == Some(true),
        None => false,
    };
    let Some(query) = parameters.object("query")? else { return Ok(None) };
    let Value::Object(fields) = &query else {
        return Err(parameters.refusal("query", "must be of type object, such as query[status]=FAILED"));
    };
    let part = Pattern::new(&query).map_err(|error| parameters.bad("query", &error.to_string()))?;
    let names = (!is_partial).then(|| fields.keys().cloned().collect());
    Ok(Some(QueryFilter { part, names }))
}

async fn start(call: Call, kind: BulkKind) -> Answer {
    let mut fields = call.fields()?;
    let query = match fields.take("query") {
        None => Map::new(),
        Some(Value::Object(query)) => query,
        Some(_) => {
            return Err(ApiError::unprocessable("`query` must be of type object, such as {\"status\": \"FAILED\"}"));
        }
    };
    fields.later("target")?;
    fields.finish()?;
    let selection = bulk::of_object(kind, &query)?;
    let started = call.state.gateway.start_bulk(kind, Value::Object(query).to_string(), selection).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::operation(call.context(&configuration), &started)))
}

async fn plan(call: Call, kind: BulkKind) -> Answer {
    let selection = bulk::of_brackets(kind, &call.parameters)?;
    let plan = call.state.gateway.plan_bulk(kind, selection).await?;
    let mut shape = shapes::plan(plan.count);
    if !call.version.dated {
        shape["complete"] = json!(plan.complete);
        shape["oldest_at"] = json!(plan.oldest.map(|at| at.to_string()));
        shape["newest_at"] = json!(plan.newest.map(|at| at.to_string()));
    }
    Ok(ok(&shape))
}

async fn one(call: Call, kind: BulkKind) -> Answer {
    let bulk = call.state.query.bulk(kind, call.id()?).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::operation(call.context(&configuration), &bulk)))
}

async fn stop(call: Call, kind: BulkKind) -> Answer {
    let stopped = call.state.gateway.stop_bulk(kind, call.bare_id()?).await?;
    let configuration = call.configuration();
    Ok(ok(&shapes::operation(call.context(&configuration), &stopped)))
}

impl From<BulkError> for ApiError {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::NotFound => Self::not_found(error.to_string()),
            BulkError::Empty => Self::unprocessable(format!("`query` {error}")),
            BulkError::TooMany => Self::unprocessable(error.to_string()),
            BulkError::Store(error) => error.into(),
        }
    }
}
