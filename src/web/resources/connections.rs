//! Connections: source → destination with rules; made, changed, paused, disabled, deleted.

use std::sync::Arc;

use serde_json::json;

use super::{Answer, Call, Param, Route, alive, configured_page, joined, ok, ok_count, ok_deleted};
use crate::{
    domain::{
        ConfigItem, Configuration, Connection, ConnectionId,
        directory::{Command, ConnectionDraft},
    },
    web::{
        drafts,
        error::ApiError,
        filters::configuration::{self as configured, CONNECTION_ORDERS, CONNECTIONS},
        parameters::paging,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/connections", |call| Box::pin(list(call)))
        .about("Connections that match, a page at a time.")
        .query(LIST)
        .answers("ConnectionPage"),
    Route::new("GET", "/connections/count", |call| Box::pin(count(call)))
        .about("How many connections match.")
        .query(&CONNECTIONS)
        .answers("Count"),
    Route::new("POST", "/connections", |call| Box::pin(put(call, Command::CreateConnection)))
        .about("Makes a connection, with the source and the destination that stand inline in it.")
        .takes("ConnectionInput")
        .answers("Connection"),
    Route::new("PUT", "/connections", |call| Box::pin(put(call, Command::UpsertConnection)))
        .about("Makes a connection, or changes the one of that name; what is not said stays.")
        .takes("ConnectionInput")
        .answers("Connection"),
    Route::new("GET", "/connections/{id}", |call| Box::pin(one(call)))
        .about("Shows a connection with its source and destination.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}", |call| Box::pin(update(call)))
        .about("Changes a connection's name, description or rules; rules are replaced as a whole.")
        .takes("ConnectionUpdate")
        .answers("Connection"),
    Route::new("DELETE", "/connections/{id}", |call| Box::pin(delete(call)))
        .about("Deletes a connection, for ever; what is pending is cancelled.")
        .answers("Deleted"),
    Route::new("PUT", "/connections/{id}/enable", |call| Box::pin(switch(call, Command::EnableConnection)))
        .about("Makes events of requests again; what was cancelled stays so.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableConnection)))
        .about("Makes events of requests again: the same as enable.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}/disable", |call| Box::pin(switch(call, Command::DisableConnection)))
        .about("Cancels what is pending and ignores what comes.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}/archive", |call| Box::pin(switch(call, Command::DisableConnection)))
        .about("Cancels what is pending and ignores what comes: the same as disable.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}/pause", |call| Box::pin(switch(call, Command::Pause)))
        .about("Holds events until it is unpaused.")
        .answers("Connection"),
    Route::new("PUT", "/connections/{id}/unpause", |call| Box::pin(switch(call, Command::Unpause)))
        .about("Sends what was on hold.")
        .answers("Connection"),
];

/// Parameters of the list.
const LIST: &[Param] = &joined::<13>(&[&CONNECTIONS, &paging(&CONNECTION_ORDERS)]);

#[expect(clippy::unused_async, reason = "handlers are")]
async fn list(call: Call) -> Answer {
    let configuration = call.configuration();
    let context = call.context(&configuration);
    let found = configured::connections(&call.parameters, &configuration)?;
    let place =
        |order: usize, connection: &&Connection| configured::connection_place(order, connection, &configuration);
    configured_page(&call, &CONNECTION_ORDERS, found, place, |connection| shapes::connection(context, connection))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn count(call: Call) -> Answer {
    Ok(ok_count(configured::connections(&call.parameters, &call.configuration())?.len()))
}

/// Makes a connection, or changes the one of that name.
async fn put(call: Call, command: fn(ConnectionDraft) -> Command) -> Answer {
    let draft = drafts::connection(call.fields()?, call.version.profile)?;
    let name = draft.name.clone().flatten();
    let applied = call.apply(command(draft)).await?;
    let changed = applied.changed.iter().find_map(|item| match item {
        ConfigItem::Connection(connection) => Some(connection),
        ConfigItem::Project(_) | ConfigItem::Source(_) | ConfigItem::Destination(_) | ConfigItem::ApiKey(_) => None,
    });
    // One that was so already is there under its name.
    let unchanged = || name.and_then(|name| applied.configuration.connection_named(&name)).map(AsRef::as_ref);
    let connection = changed.or_else(unchanged);
    let connection = connection.ok_or_else(|| ApiError::internal("a connection is not there after it was put"))?;
    Ok(ok(&shapes::connection(call.context(&applied.configuration), connection)))
}

async fn update(call: Call) -> Answer {
    let id: ConnectionId = call.id()?;
    let draft = drafts::connection_update(call.fields()?)?;
    let configuration = call.apply(Command::UpdateConnection(id, draft)).await?.configuration;
    let connection = find(&configuration, id)?;
    Ok(ok(&shapes::connection(call.context(&configuration), &connection)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    let configuration = call.configuration();
    let connection = find(&configuration, call.id()?)?;
    Ok(ok(&shapes::connection(call.context(&configuration), &connection)))
}

/// Pauses, disables and the like; the same answer when it was so already.
async fn switch(call: Call, command: fn(ConnectionId) -> Command) -> Answer {
    let id = call.bare_id()?;
    let applied = call.apply(command(id)).await?;
    let connection = find(&applied.configuration, id)?;
    let mut shape = shapes::connection(call.context(&applied.configuration), &connection);
    // Our addition: whoever asks for the hosted API's shapes gets those alone.
    if let Some(released) = applied.released.filter(|_| !call.version.dated) {
        shape["released"] = json!({
            "count": released.events,
            "oldest_at": released.oldest_at.map(|at| at.to_string()),
            "bytes": released.body_bytes,
        });
    }
    Ok(ok(&shape))
}

async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.apply(Command::DeleteConnection(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: ConnectionId) -> Result<Arc<Connection>, ApiError> {
    let found = configuration.connections.get(&id);
    alive(found, format_args!("connection {id}"), |connection| connection.deleted_at)
}
