//! `GET /events/live`, `GET /attempts/live`: what happens, as it happens, as server-sent events.
//!
//! An event of a stream is `event` or `attempt` with a shape, or `resync`: then not everything was sent, and the lists have it.
//! Its `id` is the place reached; who sends it back as `Last-Event-ID` goes on there.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName},
};

use super::{Answer, Call, Param, Route, Takes, joined};
use crate::{
    domain::Span,
    query::{AttemptFilter, EventFilter},
    web::{
        error::ApiError,
        filters::{ATTEMPTS, EVENTS, NEVER, any_attempt_filter, event_filter, read_id},
        live::{Asking, Pass, Shows, Wanted},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/events/live", |call| Box::pin(of_events(call)))
        .about(
            "Events that match, as they are created and change: server-sent events, each with the event as it is then.",
        )
        .query(OF_EVENTS)
        .answers("EventStream")
        .ours(),
    Route::new("GET", "/attempts/live", |call| Box::pin(of_attempts(call)))
        .about("Attempts that match, as they end: server-sent events, each with the attempt.")
        .query(OF_ATTEMPTS)
        .answers("AttemptStream")
        .ours(),
];

/// Filters of events that look at their rows alone: nothing is read of what arrived to show that it did.
const OF_EVENTS: &[Param] = EVENTS.first_chunk::<19>().expect("there are as many").as_slice();
/// Filters of attempts, and of their events by where they come from and go to.
const OF_ATTEMPTS: &[Param] = &joined::<9>(&[
    &ATTEMPTS,
    &[
        Param::new("webhook_id", Takes::Texts, "on any of these connections"),
        Param::new("source_id", Takes::Texts, "from any of these sources"),
        Param::new("destination_id", Takes::Texts, "to any of these destinations"),
    ],
]);

/// Where a client that comes back says what it has seen.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and what behaves like it, not to keep the stream for itself.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[expect(clippy::unused_async, reason = "handlers are")]
async fn of_events(call: Call) -> Answer {
    let filter = event_filter(&call.parameters)?;
    stream(&call, Shows::Events, filter, AttemptFilter::default())
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn of_attempts(call: Call) -> Answer {
    let (mut attempts, possible) = any_attempt_filter(&call.parameters)?;
    let filter = EventFilter {
        ids: std::mem::take(&mut attempts.events),
        connections: call.parameters.many("webhook_id", read_id)?,
        sources: call.parameters.many("source_id", read_id)?,
        destinations: call.parameters.many("destination_id", read_id)?,
        created: if possible { Span::default() } else { NEVER },
        ..EventFilter::default()
    };
    stream(&call, Shows::Attempts, filter, attempts)
}

fn stream(call: &Call, shows: Shows, filter: EventFilter, attempts: AttemptFilter) -> Answer {
    let last_seen = call.request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let reader = call.state.live.read(Asking {
        wanted: Wanted { shows, filter, attempts, version: call.version },
        last_seen,
        pass: call.entered.as_ref().map(|entered| Pass::of(&entered.key, call.state.query.now())),
    })?;
    let answer = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(reader);
    Ok::<_, ApiError>(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_take_every_filter_but_those_of_contents() {
        let left: Vec<&str> =
            EVENTS.iter().filter(|param| !OF_EVENTS.contains(param)).map(|param| param.name).collect();
        assert_eq!(left, ["search_term", "headers", "body", "parsed_query", "path"]);
    }
}
