//! `/-/healthz`: the process lives. `/-/readyz`: it takes requests and answers questions, or says what is missing.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use serde_json::json;

use super::{Answer, Call, Route};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/-/healthz", |call| Box::pin(alive(call))).about("The process lives.").answers("Health").open(),
    Route::new("GET", "/-/readyz", |call| Box::pin(ready(call)))
        .about("Requests are taken and questions answered, or what is missing.")
        .answers("Readiness")
        .open(),
];

#[expect(clippy::unused_async, reason = "handlers are")]
async fn alive(_: Call) -> Answer {
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn ready(call: Call) -> Answer {
    let query = &call.state.query;
    let reason = |name: &str, result: Result<(), crate::query::StoreError>| {
        result.err().map(|error| json!({ "check": name, "reason": error.to_string() }))
    };
    let stopping = call.state.stopping.load(Ordering::Relaxed);
    let stopping = stopping.then(|| json!({ "check": "stopping", "reason": "the gateway is stopping" }));
    let reasons: Vec<_> = [stopping, reason("accepting", query.accepting()), reason("state", query.ready())]
        .into_iter()
        .flatten()
        .collect();
    if reasons.is_empty() {
        return Ok(HttpResponse::Ok().json(json!({ "status": "ok", "reasons": reasons })));
    }
    Ok(HttpResponse::ServiceUnavailable().json(json!({ "status": "unavailable", "reasons": reasons })))
}
