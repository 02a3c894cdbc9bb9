//! Destinations: where events go.

use std::sync::Arc;

use super::{Answer, Call, INCLUDE_AUTH, Param, Route, alive, configured_page, joined, ok, ok_count, ok_deleted};
use crate::{
    domain::{
        Configuration, Destination, DestinationId,
        directory::{Command, DestinationDraft},
    },
    web::{
        drafts,
        error::ApiError,
        filters::configuration::{self as configured, DESTINATIONS, ORDERS},
        parameters::paging,
        profiles::{self as shapes, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/destinations", |call| Box::pin(list(call)))
        .about("Destinations that match, a page at a time.")
        .query(LIST)
        .answers("DestinationPage"),
    Route::new("GET", "/destinations/count", |call| Box::pin(count(call)))
        .about("How many destinations match.")
        .query(&DESTINATIONS)
        .answers("Count")
        .since(Profile::V2025_07_01),
    Route::new("POST", "/destinations", |call| Box::pin(named(call, Command::CreateDestination)))
        .about("Makes a destination.")
        .takes("DestinationInput")
        .answers("Destination"),
    Route::new("PUT", "/destinations", |call| Box::pin(named(call, Command::UpsertDestination)))
        .about("Makes a destination, or changes the one of that name; what is not said stays.")
        .takes("DestinationInput")
        .answers("Destination"),
    Route::new("GET", "/destinations/{id}", |call| Box::pin(one(call)))
        .about("Shows a destination; its credentials with include=config.auth.")
        .query(&INCLUDE_AUTH)
        .answers("Destination"),
    Route::new("PUT", "/destinations/{id}", |call| Box::pin(update(call)))
        .about("Changes a destination; what is not said stays, in its configuration too.")
        .takes("DestinationUpdate")
        .answers("Destination"),
    Route::new("DELETE", "/destinations/{id}", |call| Box::pin(delete(call)))
        .about("Deletes a destination and its connections, for ever.")
        .answers("Deleted"),
    Route::new("PUT", "/destinations/{id}/enable", |call| Box::pin(switch(call, Command::EnableDestination)))
        .about("Sends to it again; what was cancelled stays so.")
        .answers("Destination"),
    Route::new("PUT", "/destinations/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableDestination)))
        .about("Sends to it again: the same as enable.")
        .answers("Destination"),
    Route::new("PUT", "/destinations/{id}/disable", |call| Box::pin(switch(call, Command::DisableDestination)))
        .about("Cancels what is pending for it and ignores what comes.")
        .answers("Destination"),
    Route::new("PUT", "/destinations/{id}/archive", |call| Box::pin(switch(call, Command::DisableDestination)))
        .about("Cancels what is pending for it and ignores what comes: the same as disable.")
        .answers("Destination"),
];

/// Parameters of the list.
const LIST: &[Param] = &joined::<12>(&[&DESTINATIONS, &paging(&ORDERS)]);

#[expect(clippy::unused_async, reason = "handlers are")]
async fn list(call: Call) -> Answer {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let found = configured::destinations(&call.parameters, &configuration)?;
    let place = |order: usize, destination: &&Destination| configured::destination_place(order, destination);
    configured_page(&call, &ORDERS, found, place, |destination| shapes::destination(context, destination))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn count(call: Call) -> Answer {
    Ok(ok_count(configured::destinations(&call.parameters, &call.configuration())?.len()))
}

/// Makes a destination, or changes the one of that name.
async fn named(call: Call, command: fn(DestinationDraft) -> Command) -> Answer {
    let draft = drafts::destination(call.fields()?, call.version.profile)?;
    let name = draft.name.clone().unwrap_or_default();
    let configuration = call.apply(command(draft)).await?.configuration;
    let destination = configuration.destination_named(&name);
    let destination = destination.ok_or_else(|| ApiError::internal("a destination is not there after it was put"))?;
    Ok(ok(&shapes::destination(call.context(&configuration), destination)))
}

async fn update(call: Call) -> Answer {
    let id: DestinationId = call.id()?;
    let draft = drafts::destination(call.fields()?, call.version.profile)?;
    let configuration = call.apply(Command::UpdateDestination(id, draft)).await?.configuration;
    let destination = find(&configuration, id)?;
    Ok(ok(&shapes::destination(call.context(&configuration), &destination)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    let with_auth = call.includes_auth()?;
    let id: DestinationId = call.id()?;
    let configuration = call.configuration();
    let destination = find(&configuration, id)?;
    let context = shapes::Context { with_auth, ..call.context(&configuration) };
    Ok(ok(&shapes::destination(context, &destination)))
}

/// Enables or disables; the same answer when it was so already.
async fn switch(call: Call, command: fn(DestinationId) -> Command) -> Answer {
    let id = call.bare_id()?;
    let applied = call.apply(command(id)).await?;
    let destination = find(&applied.configuration, id)?;
    Ok(ok(&shapes::destination(call.context(&applied.configuration), &destination)))
}

/// Takes its connections along.
async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.apply(Command::DeleteDestination(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: DestinationId) -> Result<Arc<Destination>, ApiError> {
    let found = configuration.destinations.get(&id);
    alive(found, format_args!("destination {id}"), |destination| destination.deleted_at)
}
