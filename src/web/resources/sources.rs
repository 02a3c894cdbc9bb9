//! Sources: where requests arrive.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Call, INCLUDE_AUTH, Param, Route, alive, configured_page, joined, ok, ok_count, ok_deleted};
use crate::{
    domain::{
        Configuration, Source, SourceId,
        directory::{Command, SourceDraft},
    },
    web::{
        drafts,
        error::ApiError,
        filters::configuration::{self as configured, ORDERS, SOURCES},
        parameters::paging,
        profiles::{self as shapes, Profile},
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/sources", |call| Box::pin(list(call)))
        .about("Sources that match, a page at a time.")
        .query(LIST)
        .answers("SourcePage"),
    Route::new("GET", "/sources/count", |call| Box::pin(count(call)))
        .about("How many sources match.")
        .query(&SOURCES)
        .answers("Count")
        .since(Profile::V2025_07_01),
    Route::new("POST", "/sources", |call| Box::pin(named(call, Command::CreateSource)))
        .about("Makes a source.")
        .takes("SourceInput")
        .answers("Source"),
    Route::new("PUT", "/sources", |call| Box::pin(named(call, Command::UpsertSource)))
        .about("Makes a source, or changes the one of that name; what is not said stays.")
        .takes("SourceInput")
        .answers("Source"),
    Route::new("GET", "/sources/{id}", |call| Box::pin(one(call)))
        .about("Shows a source.")
        .query(&INCLUDE_AUTH)
        .answers("Source"),
    Route::new("PUT", "/sources/{id}", |call| Box::pin(update(call)))
        .about("Changes a source; what is not said stays, in its configuration too.")
        .takes("SourceUpdate")
        .answers("Source"),
    Route::new("DELETE", "/sources/{id}", |call| Box::pin(delete(call)))
        .about("Deletes a source and its connections, for ever.")
        .answers("Deleted"),
    Route::new("PUT", "/sources/{id}/enable", |call| Box::pin(switch(call, Command::EnableSource)))
        .about("Takes requests again.")
        .answers("Source"),
    Route::new("PUT", "/sources/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableSource)))
        .about("Takes requests again: the same as enable.")
        .answers("Source"),
    Route::new("PUT", "/sources/{id}/disable", |call| Box::pin(switch(call, Command::DisableSource)))
        .about("Rejects requests from now on; what is pending goes on.")
        .answers("Source"),
    Route::new("PUT", "/sources/{id}/archive", |call| Box::pin(switch(call, Command::DisableSource)))
        .about("Rejects requests from now on: the same as disable.")
        .answers("Source"),
];

/// Parameters of the list.
const LIST: &[Param] = &joined::<10>(&[&SOURCES, &paging(&ORDERS)]);

#[expect(clippy::unused_async, reason = "handlers are")]
async fn list(call: Call) -> Answer {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let found = configured::sources(&call.parameters, &configuration)?;
    let place = |order: usize, source: &&Source| configured::source_place(order, source);
    configured_page(&call, &ORDERS, found, place, |source| shapes::source(context, source))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn count(call: Call) -> Answer {
    Ok(ok_count(configured::sources(&call.parameters, &call.configuration())?.len()))
}

/// Makes a source, or changes the one of that name.
async fn named(call: Call, command: fn(SourceDraft) -> Command) -> Answer {
    let draft = drafts::source(call.fields()?)?;
    let name = draft.name.clone().unwrap_or_default();
    let configuration = call.apply(command(draft)).await?.configuration;
    let source = configuration.source_named(&name);
    let source = source.ok_or_else(|| ApiError::internal("a source is not there after it was put"))?;
    Ok(ok(&shapes::source(call.context(&configuration), source)))
}

async fn update(call: Call) -> Answer {
    let id: SourceId = call.id()?;
    let draft = drafts::source(call.fields()?)?;
    let configuration = call.apply(Command::UpdateSource(id, draft)).await?.configuration;
    let source = find(&configuration, id)?;
    Ok(ok(&shapes::source(call.context(&configuration), &source)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    // Sources have no credentials yet, so there is nothing to show or to mask.
    call.includes_auth()?;
    let id: SourceId = call.id()?;
    let configuration = call.configuration();
    let source = find(&configuration, id)?;
    let mut shown = shapes::source(call.context(&configuration), &source);
    let counts = call.state.rejections.unrecorded(id);
    if !call.version.dated && !counts.is_empty() {
        // Ours, so not in a dated version's shapes.
        let counts = counts.into_iter().map(|(cause, count)| (cause.as_str().to_owned(), Value::from(count)));
        shown["rejections_not_recorded"] = counts.collect();
    }
    Ok(ok(&shown))
}

/// Enables or disables; the same answer when it was so already.
async fn switch(call: Call, command: fn(SourceId) -> Command) -> Answer {
    let id = call.bare_id()?;
    let applied = call.apply(command(id)).await?;
    let source = find(&applied.configuration, id)?;
    Ok(ok(&shapes::source(call.context(&applied.configuration), &source)))
}

/// Takes its connections along.
async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.apply(Command::DeleteSource(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: SourceId) -> Result<Arc<Source>, ApiError> {
    let found = configuration.sources.get(&id);
    alive(found, format_args!("source {id}"), |source| source.deleted_at)
}
