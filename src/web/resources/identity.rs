//! Who somebody is by their key: what the CLI asks before it does anything else.

use super::{Answer, Call, Param, Route, Takes, ok};
use crate::{
    domain::{
        ApiKeyId, Project,
        directory::{AccessChange, Command},
        id::IdError,
    },
    web::{auth, error::ApiError, profiles as shapes},
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/cli-auth/ci", |call| Box::pin(ci(call)))
        .about("Says who a key makes of its bearer, and gives the key back to be saved.")
        .takes("DeviceInput")
        .answers("Identity"),
    Route::new("GET", "/cli-auth/validate", |call| Box::pin(validate(call)))
        .about("Says who a key makes of its bearer.")
        .answers("Identity"),
    Route::new("POST", "/cli-auth", |call| Box::pin(browser(call)))
        .about("Would begin a login in a browser: not available yet.")
        .takes("DeviceInput")
        .answers("Identity")
        .open(),
    Route::new("GET", "/cli-auth/poll", |call| Box::pin(poll(call)))
        .about("Says who the bearer of the key in the query is.")
        .query(&POLL)
        .answers("Identity")
        .open(),
    Route::new("POST", "/cli/guest", |call| Box::pin(guest(call)))
        .about("Would make a guest: there are none here.")
        .answers("Identity")
        .open(),
    Route::new("PUT", "/cli/{id}", |call| Box::pin(rename(call)))
        .about("Gives the key that asks another label.")
        .takes("DeviceInput")
        .answers("Identity"),
];

const POLL: [Param; 1] = [Param { name: "key", takes: Takes::Text, about: "an API key" }];

async fn ci(call: Call) -> Answer {
    let mut fields = call.fields()?;
    // Names the machine that asks, for the log; keys are named where they are made.
    let device = fields.text("device_name")?;
    fields.finish()?;
    tracing::info!(device, "the CLI was set up with a key");
    identity(&call)
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn validate(call: Call) -> Answer {
    identity(&call)
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn browser(_: Call) -> Answer {
    Err(ApiError::not_implemented(
        "logging in with a browser is not available yet: use `hookdeck ci --api-key` with a key of this gateway",
    ))
}

/// Whoever types a key into `login -i` is let in with it as with a header.
#[expect(clippy::unused_async, reason = "handlers are")]
async fn poll(call: Call) -> Answer {
    let text = call.parameters.one("key")?.ok_or_else(|| ApiError::unprocessable("`key` is required"))?;
    let configuration = call.configuration();
    let entered = call.state.gate.enter_with(&call.request, text, &configuration, call.state.query.now())?;
    Ok(ok(&shapes::identity(project(configuration.project.as_deref())?, &entered.key, Some(text))))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn guest(_: Call) -> Answer {
    Err(ApiError::forbidden("there are no guests here: ask for an API key, and use `hookdeck ci --api-key` with it"))
}

async fn rename(call: Call) -> Answer {
    let key = &call.entered()?.key;
    let wanted: Result<ApiKeyId, IdError> = call.id.replacen("cl_", ApiKeyId::PREFIX, 1).parse();
    if wanted.as_ref().ok() != Some(&key.id) {
        return Err(ApiError::not_found("there is no such client: `client_id` of GET /cli-auth/validate is yours"));
    }
    let mut fields = call.fields()?;
    let label = fields.required_text("device_name")?;
    fields.finish()?;
    let applied = call.apply(Command::Access(AccessChange::LabelKey(key.id, label))).await?;
    let configuration = applied.configuration;
    let key = configuration.api_keys.get(&key.id).ok_or_else(|| ApiError::internal("a key is gone"))?;
    Ok(ok(&shapes::identity(project(configuration.project.as_deref())?, key, None)))
}

fn identity(call: &Call) -> Answer {
    let configuration = call.configuration();
    let text = auth::presented(call.request.headers());
    let key = &call.entered()?.key;
    Ok(ok(&shapes::identity(project(configuration.project.as_deref())?, key, text.as_deref())))
}

/// There is one from the first start on.
pub(super) fn project(found: Option<&Project>) -> Result<&Project, ApiError> {
    found.ok_or_else(|| ApiError::unavailable("STARTING", "the gateway has no project yet: try again in a moment"))
}
