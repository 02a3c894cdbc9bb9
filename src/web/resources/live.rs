//! `GET /events/live`, `GET /attempts/live`: what happens, as it happens, as server-sent events.
//!
//! An event of a stream is `event` or `attempt` with a shape, or `resync`: then not everything was sent, and the lists have it.
//! Its `id` is the place reached; who sends it back as `Last-Event-ID` goes on there.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName},
};

use super::{Answer, Call, Route, events};
use crate::{
    domain::EventId,
    query::EventFilter,
    web::{
        error::ApiError,
        live::{Asking, Shows, Wanted},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/events/live", |call| Box::pin(of_events(call)))
        .about(
            "Events that match, as they are created and change: server-sent events, each with the event as it is then.",
        )
        .answers("EventStream")
        .ours(),
    Route::new("GET", "/attempts/live", |call| Box::pin(of_attempts(call)))
        .about("Attempts that match, as they end: server-sent events, each with the attempt.")
        .answers("AttemptStream")
        .ours(),
];

/// Where a client that comes back says what it has seen.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and what behaves like it, not to keep the stream for itself.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[expect(clippy::unused_async, reason = "handlers are")]
async fn of_events(call: Call) -> Answer {
    call.parameters.check(events::KNOWN, events::LATER)?;
    let filter = events::read_filter(&call.parameters)?;
    stream(&call, Shows::Events, filter)
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn of_attempts(call: Call) -> Answer {
    call.parameters.check(&["event_id", "webhook_id", "source_id", "destination_id"], &[])?;
    let ids: Vec<EventId> = call.parameters.many("event_id", events::read_id)?;
    let filter = EventFilter { ids, ..events::read_filter(&call.parameters)? };
    stream(&call, Shows::Attempts, filter)
}

fn stream(call: &Call, shows: Shows, filter: EventFilter) -> Answer {
    let last_seen = call.request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let reader = call.state.live.read(Asking {
        wanted: Wanted { shows, filter, version: call.version },
        last_seen,
        key: call.entered.as_ref().map(|entered| entered.key.id),
    })?;
    let answer = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(reader);
    Ok::<_, ApiError>(answer)
}
