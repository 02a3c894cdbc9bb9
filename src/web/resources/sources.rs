//! Sources: where requests arrive.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Call, Route, alive, ok, ok_deleted};
use crate::{
    domain::{
        Configuration, HttpMethod, Source, SourceId,
        directory::{Command, NewSource},
    },
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/sources", |call| Box::pin(create(call))),
    Route::new("GET", "/sources/{id}", |call| Box::pin(one(call))),
    Route::new("DELETE", "/sources/{id}", |call| Box::pin(delete(call))),
    Route::new("PUT", "/sources/{id}/enable", |call| Box::pin(switch(call, Command::EnableSource))),
    Route::new("PUT", "/sources/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableSource))),
    Route::new("PUT", "/sources/{id}/disable", |call| Box::pin(switch(call, Command::DisableSource))),
    Route::new("PUT", "/sources/{id}/archive", |call| Box::pin(switch(call, Command::DisableSource))),
];

/// Where a body names no type.
const KIND_DEFAULT: &str = "WEBHOOK";
/// Types whose requests are taken as they come. The others promise that a provider's signature is checked, which is not built:
/// to take them would be to lie about that.
const KINDS: [&str; 2] = [KIND_DEFAULT, "HTTP"];
/// The API's default: all but GET.
const METHODS_DEFAULT: [HttpMethod; 4] = [HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete];

async fn create(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let new = read(call.fields()?)?;
    let name = new.name.clone();
    let applied = call.state.gateway.apply(Command::CreateSource(new)).await?;
    let configuration = applied.configuration;
    let source = configuration.source_named(&name);
    let source = source.ok_or_else(|| ApiError::internal("a source is not there after it was created"))?;
    Ok(ok(&shapes::source(call.context(&configuration), source)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    call.parameters.check(&["include"], &[])?;
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
    let applied = call.state.gateway.apply(command(id)).await?;
    let source = find(&applied.configuration, id)?;
    Ok(ok(&shapes::source(call.context(&applied.configuration), &source)))
}

/// Takes its connections along.
async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.state.gateway.apply(Command::DeleteSource(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: SourceId) -> Result<Arc<Source>, ApiError> {
    let found = configuration.sources.get(&id);
    alive(found, format_args!("source {id}"), |source| source.deleted_at)
}

/// Reads `{name, type?, description?, config?}`, of a body or inline in a connection.
///
/// # Errors
///
/// 422 naming the field.
pub fn read(mut fields: Fields) -> Result<NewSource, ApiError> {
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let kind = fields.text("type")?.unwrap_or_else(|| KIND_DEFAULT.to_owned());
    if !KINDS.contains(&kind.as_str()) {
        let message = "must be WEBHOOK or HTTP: types that verify a provider's signature are not available yet";
        return Err(fields.refusal("type", message));
    }
    let mut allowed_http_methods = METHODS_DEFAULT.to_vec();
    if let Some(mut config) = fields.object("config")? {
        config.later("custom_response")?;
        config.later("auth_type")?;
        config.later("auth")?;
        if let Some(methods) = config.list("allowed_http_methods")? {
            allowed_http_methods = read_methods(&config, &methods)?;
        }
        config.finish()?;
    }
    fields.finish()?;
    Ok(NewSource { name, description, kind, allowed_http_methods })
}

fn read_methods(config: &Fields, methods: &[Value]) -> Result<Vec<HttpMethod>, ApiError> {
    let mut read = Vec::new();
    for method in methods {
        let known = method.as_str().and_then(HttpMethod::parse).ok_or_else(|| {
            let why = format!("has {} in it: known are GET, POST, PUT, PATCH and DELETE", quoted(&method.to_string()));
            config.refusal("allowed_http_methods", &why)
        })?;
        if !read.contains(&known) {
            read.push(known);
        }
    }
    if read.is_empty() {
        return Err(config.refusal("allowed_http_methods", "must name at least one method"));
    }
    Ok(read)
}
