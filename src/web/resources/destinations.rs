//! Destinations: where events go.

use std::sync::Arc;

use actix_web::http::{
    Uri,
    header::{HeaderName, HeaderValue},
};

use super::{Answer, Call, Route, alive, ok, ok_deleted};
use crate::{
    domain::{
        CliDestination, Configuration, Destination, DestinationAuth, DestinationId, DestinationKind, HttpDestination,
        HttpMethod, Secret,
        directory::{Command, NewDestination},
    },
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/destinations", |call| Box::pin(create(call))),
    Route::new("GET", "/destinations/{id}", |call| Box::pin(one(call))),
    Route::new("DELETE", "/destinations/{id}", |call| Box::pin(delete(call))),
    Route::new("PUT", "/destinations/{id}/enable", |call| Box::pin(switch(call, Command::EnableDestination))),
    Route::new("PUT", "/destinations/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableDestination))),
    Route::new("PUT", "/destinations/{id}/disable", |call| Box::pin(switch(call, Command::DisableDestination))),
    Route::new("PUT", "/destinations/{id}/archive", |call| Box::pin(switch(call, Command::DisableDestination))),
];

/// Bytes of a URL at most: what common servers take in a request line.
const URL_BYTES_MAX: usize = 4096;
/// Bytes of a credential at most: well below what servers take as a header.
const CREDENTIAL_BYTES_MAX: usize = 4096;
/// Headers that frame a message or name its receiver: a key cannot travel in them.
const RESERVED_HEADERS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te"];
/// Ways of authentication that will come.
const AUTH_LATER: [&str; 5] = [
    "CUSTOM_SIGNATURE",
    "OAUTH2_CLIENT_CREDENTIALS",
    "OAUTH2_AUTHORIZATION_CODE",
    "AWS_SIGNATURE",
    "GCP_SERVICE_ACCOUNT",
];

async fn create(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let new = read(call.fields()?)?;
    let name = new.name.clone();
    let applied = call.state.gateway.apply(Command::CreateDestination(new)).await?;
    let configuration = applied.configuration;
    let destination = configuration.destination_named(&name);
    let destination =
        destination.ok_or_else(|| ApiError::internal("a destination is not there after it was created"))?;
    Ok(ok(&shapes::destination(call.context(&configuration), destination)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    call.parameters.check(&["include"], &[])?;
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
    let applied = call.state.gateway.apply(command(id)).await?;
    let destination = find(&applied.configuration, id)?;
    Ok(ok(&shapes::destination(call.context(&applied.configuration), &destination)))
}

/// Takes its connections along.
async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.state.gateway.apply(Command::DeleteDestination(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: DestinationId) -> Result<Arc<Destination>, ApiError> {
    let found = configuration.destinations.get(&id);
    alive(found, format_args!("destination {id}"), |destination| destination.deleted_at)
}

/// Reads `{name, type?, description?, config?}`, of a body or inline in a connection.
///
/// # Errors
///
/// 422 naming the field.
pub fn read(mut fields: Fields) -> Result<NewDestination, ApiError> {
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let kind = fields.text("type")?;
    let config = match fields.object("config")? {
        Some(config) => config,
        None => Fields::of(&fields.place_of("config"), serde_json::json!({}))?,
    };
    let kind = match kind.as_deref() {
        None | Some("HTTP") => DestinationKind::Http(read_http(config)?),
        Some("MOCK_API") => {
            read_mock(config)?;
            DestinationKind::MockApi
        }
        Some("CLI") => DestinationKind::Cli(read_cli(config)?),
        Some(_) => return Err(fields.refusal("type", "must be HTTP, MOCK_API or CLI")),
    };
    fields.finish()?;
    Ok(NewDestination { name, description, kind })
}

fn read_http(mut config: Fields) -> Result<HttpDestination, ApiError> {
    let url = config.text("url")?;
    if let Some(url) = &url {
        check_url(&config, url)?;
    }
    refuse_limits(&mut config)?;
    let http_method = read_method(&mut config)?;
    let path_forwarding_disabled = config.flag("path_forwarding_disabled")?.unwrap_or(false);
    let auth = read_auth(&mut config)?;
    config.finish()?;
    Ok(HttpDestination { url, http_method, path_forwarding_disabled, auth })
}

fn read_cli(mut config: Fields) -> Result<CliDestination, ApiError> {
    let path = config.text("path")?.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') || path.len() > URL_BYTES_MAX || path.parse::<Uri>().is_err() {
        return Err(config.refusal("path", "must be a path that begins with / and can stand in a request line"));
    }
    let http_method = read_method(&mut config)?;
    let path_forwarding_disabled = config.flag("path_forwarding_disabled")?.unwrap_or(false);
    let auth = read_auth(&mut config)?;
    config.finish()?;
    Ok(CliDestination { path, http_method, path_forwarding_disabled, auth })
}

fn read_method(config: &mut Fields) -> Result<Option<HttpMethod>, ApiError> {
    match config.text("http_method")? {
        None => Ok(None),
        Some(method) => {
            let known = HttpMethod::parse(&method);
            known.map(Some).ok_or_else(|| config.refusal("http_method", "must be GET, POST, PUT, PATCH or DELETE"))
        }
    }
}

/// A mock answers 200 whatever it is sent: what says otherwise cannot be kept.
fn read_mock(mut config: Fields) -> Result<(), ApiError> {
    refuse_limits(&mut config)?;
    if config.flag("path_forwarding_disabled")? == Some(true) {
        return Err(config.refusal("path_forwarding_disabled", "has no meaning for MOCK_API: leave it out"));
    }
    if read_auth(&mut config)? != DestinationAuth::HookdeckSignature {
        return Err(config.refusal("auth_type", "has no meaning for MOCK_API: leave it out"));
    }
    config.finish()
}

fn refuse_limits(config: &mut Fields) -> Result<(), ApiError> {
    config.later("rate_limit")?;
    config.later("delivery_policy")?;
    // A period without a rate limits nothing.
    match config.text("rate_limit_period")?.as_deref() {
        None | Some("second" | "minute" | "hour" | "concurrent") => Ok(()),
        Some(_) => Err(config.refusal("rate_limit_period", "must be second, minute, hour or concurrent")),
    }
}

/// What the configuration's own check leaves: whether it can stand in a request line as it is.
fn check_url(config: &Fields, url: &str) -> Result<(), ApiError> {
    if url.len() > URL_BYTES_MAX {
        return Err(config.refusal("url", &format!("must have at most {URL_BYTES_MAX} bytes")));
    }
    let uri: Uri = url.parse().map_err(|error| {
        config.refusal("url", &format!("cannot be requested as it is, escape what needs it: {error}"))
    })?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(config.refusal("url", "must begin with http:// or https:// and name a host"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(config.refusal("url", "has credentials in it, which are not sent: use `auth_type` BASIC_AUTH"));
    }
    Ok(())
}

fn read_auth(config: &mut Fields) -> Result<DestinationAuth, ApiError> {
    let auth_type = config.text("auth_type")?;
    let auth = config.object("auth")?;
    let (auth_type, mut auth) = match (auth_type, auth) {
        (None, None) => return Ok(DestinationAuth::HookdeckSignature),
        (Some(auth_type), Some(auth)) => (auth_type, auth),
        (Some(_), None) => return Err(config.refusal("auth", "is required beside `auth_type`, even when it is {}")),
        (None, Some(auth)) => {
            // An empty one says nothing.
            return match auth.finish() {
                Ok(()) => Ok(DestinationAuth::HookdeckSignature),
                Err(_) => Err(config.refusal("auth_type", "is required beside `auth`")),
            };
        }
    };
    let read = match auth_type.as_str() {
        "HOOKDECK_SIGNATURE" => DestinationAuth::HookdeckSignature,
        "BEARER_TOKEN" => DestinationAuth::BearerToken { token: Secret::new(credential(&mut auth, "token")?) },
        "BASIC_AUTH" => DestinationAuth::BasicAuth {
            username: text_or_empty(&mut auth, "username")?,
            password: Secret::new(text_or_empty(&mut auth, "password")?),
        },
        "API_KEY" => read_api_key(&mut auth)?,
        later if AUTH_LATER.contains(&later) => {
            return Err(config.refusal("auth_type", &format!("{later} is not available yet")));
        }
        other => return Err(config.refusal("auth_type", &format!("{} is not known", quoted(other)))),
    };
    auth.finish()?;
    Ok(read)
}

fn read_api_key(auth: &mut Fields) -> Result<DestinationAuth, ApiError> {
    match auth.text("to")?.as_deref() {
        None | Some("header") => {}
        Some("query") => return Err(auth.refusal("to", "query is not available yet: use header")),
        Some(_) => return Err(auth.refusal("to", "must be header or query")),
    }
    let key = auth.required_text("key")?;
    let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| auth.refusal("key", "must be a header's name"))?;
    if RESERVED_HEADERS.contains(&name.as_str()) {
        return Err(auth.refusal("key", "is a header that frames the message: choose another"));
    }
    Ok(DestinationAuth::ApiKeyHeader { key, api_key: Secret::new(credential(auth, "api_key")?) })
}

/// A credential that is encoded before it is sent.
fn text_or_empty(auth: &mut Fields, key: &str) -> Result<String, ApiError> {
    let text = auth.text(key)?.unwrap_or_default();
    bounded(auth, key, text)
}

/// A credential that stands in a header as it is.
fn credential(auth: &mut Fields, key: &str) -> Result<String, ApiError> {
    let text = auth.required_text(key)?;
    if HeaderValue::from_str(&text).is_err() {
        return Err(auth.refusal(key, "has characters that cannot stand in a header"));
    }
    bounded(auth, key, text)
}

fn bounded(auth: &Fields, key: &str, text: String) -> Result<String, ApiError> {
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(auth.refusal(key, &format!("must have at most {CREDENTIAL_BYTES_MAX} bytes")));
    }
    Ok(text)
}
