//! Sending again what is there already, as further events or as a new request; and erasing what arrived.

use serde_json::{Value, json};

use super::{Answer, Call, Route, ok};
use crate::{
    actors::{ResendError, Resent},
    domain::{BookmarkId, EventId, RequestId, Scope, routing::RoutingError},
    web::{
        error::ApiError,
        filters::read_id,
        profiles::{self as shapes, Profile},
    },
};

/// What these resources answer to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/requests/{id}/retry", |call| Box::pin(retry(call)))
        .about("Makes events of a request on the connections that made none of it because it was rejected or ignored.")
        .takes("RequestRetry")
        .answers("RetriedRequest"),
    Route::new("POST", "/requests/{id}/replay", |call| Box::pin(replay_request(call)))
        .about("Sends what arrived once more, as a new request over the connections that its source has now.")
        .answers("RetriedRequest")
        .since(Profile::V2026_09_01),
    Route::new("POST", "/events/{id}/replay", |call| Box::pin(replay_event(call)))
        .about("Sends what an event was made of once more, as a new request over the event's connection alone.")
        .answers("Event")
        .since(Profile::V2026_09_01),
    Route::new("POST", "/bookmarks/{id}/trigger", |call| Box::pin(trigger(call)))
        .about("Sends what a bookmark keeps, as a new request over its connection.")
        .answers("Events"),
    Route::new("DELETE", "/requests/{id}/data", |call| Box::pin(erase(call)))
        .about("Takes headers, query and body of a request out of sight at once, and off the disk within a time that is told.")
        .answers("Erased")
        .needs(Scope::Admin)
        .ours(),
];

async fn retry(call: Call) -> Answer {
    let mut fields = call.fields()?;
    let only = fields.list("webhook_ids")?.map(|ids| {
        let refusal = |why: &str| fields.refusal("webhook_ids", why);
        if ids.is_empty() {
            return Err(refusal("must name connections: leave it out for all"));
        }
        let read = |id: &Value| match id {
            Value::String(id) => read_id(id).map_err(|why| refusal(&format!("has what is no connection: {why}"))),
            _ => Err(refusal("must be an array of ids")),
        };
        ids.iter().map(read).collect::<Result<Vec<_>, _>>()
    });
    let only = only.transpose()?;
    fields.finish()?;
    let sent = call.state.gateway.retry_request(call.id()?, only).await?;
    with_request(&call, &sent).await
}

async fn replay_request(call: Call) -> Answer {
    let sent = call.state.gateway.replay_request(call.bare_id::<RequestId>()?).await?;
    with_request(&call, &sent).await
}

async fn replay_event(call: Call) -> Answer {
    let sent = call.state.gateway.replay_event(call.bare_id::<EventId>()?).await?;
    let mut events = events(&call, &sent);
    Ok(ok(&events.pop().unwrap_or_default()))
}

async fn trigger(call: Call) -> Answer {
    let sent = call.state.gateway.trigger(call.bare_id::<BookmarkId>()?).await?;
    Ok(ok(&Value::Array(events(&call, &sent))))
}

async fn erase(call: Call) -> Answer {
    let id: RequestId = call.bare_id()?;
    let erased = call.state.gateway.erase(id).await?;
    Ok(ok(&json!({
        "id": id.to_string(),
        "erased_at": erased.at.to_string(),
        "bytes_gone_by": erased.bytes_gone_by.to_string(),
    })))
}

/// 200 with a request and the events that were made of it.
async fn with_request(call: &Call, sent: &Resent) -> Answer {
    let request = call.state.query.request(sent.request_id).await?;
    let configuration = call.configuration();
    let request = shapes::request(call.context(&configuration), &request.summary);
    Ok(ok(&json!({ "request": request, "events": events(call, sent) })))
}

fn events(call: &Call, sent: &Resent) -> Vec<Value> {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    sent.events.iter().map(|event| shapes::event(context, event)).collect()
}

impl From<ResendError> for ApiError {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotFound(_) => Self::not_found(error.to_string()),
            ResendError::Deleted | ResendError::DataGone => Self::gone(error.to_string()),
            ResendError::NothingToDo => Self::malformed(error.to_string()),
            ResendError::Routing(RoutingError::Foreign(_)) => Self::unprocessable(format!("`webhook_ids`: {error}")),
            ResendError::Truncated | ResendError::TooManyConnections | ResendError::Routing(_) => {
                Self::unprocessable(error.to_string())
            }
            ResendError::Store(error) => error.into(),
        }
    }
}
