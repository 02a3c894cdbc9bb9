//! Destinations: what a body says about one, in the spelling of any version.

use actix_web::http::{
    Uri,
    header::{HeaderName, HeaderValue},
};
use serde_json::Value;

use crate::{
    domain::{
        DestinationAuth, HttpMethod, Secret,
        directory::{DestinationDraft, DestinationType},
    },
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        profiles::Profile,
    },
};

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

/// What 2024-03-01 has in the destination itself, and where later versions have it in the configuration.
const FLAT: [(&str, &str); 6] = [
    ("url", "url"),
    ("cli_path", "path"),
    ("rate_limit", "rate_limit"),
    ("rate_limit_period", "rate_limit_period"),
    ("http_method", "http_method"),
    ("path_forwarding_disabled", "path_forwarding_disabled"),
];

/// Reads what a body, or an object inline in a connection, says about a destination.
///
/// # Errors
///
/// 422 naming the field.
pub fn destination(mut fields: Fields, profile: Profile) -> Result<DestinationDraft, ApiError> {
    let name = fields.text("name")?;
    let description = fields.text_or_null("description")?;
    let is_flat = profile == Profile::V2024_03_01 && !fields.has("config") && !fields.has("type");
    let has_flat_url = fields.has("url");
    let has_flat_path = fields.has("cli_path");
    let kind = match fields.text("type")?.as_deref() {
        Some("HTTP") => Some(DestinationType::Http),
        Some("CLI") => Some(DestinationType::Cli),
        Some("MOCK_API") => Some(DestinationType::MockApi),
        Some(_) => return Err(fields.refusal("type", "must be HTTP, MOCK_API or CLI")),
        // Its kind shows in what is there.
        None if has_flat_url && has_flat_path => {
            return Err(fields.refusal("cli_path", "and `url` exclude each other: give one"));
        }
        None if has_flat_url => Some(DestinationType::Http),
        None if has_flat_path => Some(DestinationType::Cli),
        None => None,
    };
    let auth_method = fields.given("auth_method");
    let mut config = fields.object_with("config", &FLAT)?;
    let draft = DestinationDraft {
        name,
        description,
        kind,
        kind_otherwise: if is_flat { DestinationType::MockApi } else { DestinationType::Http },
        url: read_url(&mut config)?,
        path: read_path(&mut config)?,
        http_method: read_method(&mut config)?,
        path_forwarding_disabled: config.flag("path_forwarding_disabled")?,
        auth: match auth_method {
            None => read_auth(&mut config)?,
            Some(method) => Some(read_auth_method(&fields, &mut config, method)?),
        },
    };
    refuse_limits(&mut config)?;
    config.finish()?;
    fields.finish()?;
    Ok(draft)
}

fn read_url(config: &mut Fields) -> Result<Option<Option<String>>, ApiError> {
    let url = config.text_or_null("url")?;
    if let Some(Some(url)) = &url {
        check_url(config, url)?;
    }
    Ok(url)
}

fn read_path(config: &mut Fields) -> Result<Option<String>, ApiError> {
    let path = config.text("path")?;
    let can_be = |path: &str| path.starts_with('/') && path.len() <= URL_BYTES_MAX && path.parse::<Uri>().is_ok();
    match path {
        Some(path) if !can_be(&path) => {
            Err(config.refusal("path", "must be a path that begins with / and can stand in a request line"))
        }
        path => Ok(path),
    }
}

fn read_method(config: &mut Fields) -> Result<Option<Option<HttpMethod>>, ApiError> {
    match config.text_or_null("http_method")? {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(method)) => {
            let known = HttpMethod::parse(&method).map(|known| Some(Some(known)));
            known.ok_or_else(|| config.refusal("http_method", "must be GET, POST, PUT, PATCH or DELETE"))
        }
    }
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

/// How 2024-03-01 says it: `{type, config}`, or null for the project's signature.
fn read_auth_method(fields: &Fields, config: &mut Fields, method: Value) -> Result<DestinationAuth, ApiError> {
    if config.has("auth_type") || config.has("auth") {
        return Err(fields.refusal("auth_method", "and `config.auth_type` exclude each other: give one"));
    }
    if method.is_null() {
        return Ok(DestinationAuth::HookdeckSignature);
    }
    let mut method = Fields::of(&fields.place_of("auth_method"), method)?;
    let auth_type = method.required_text("type")?;
    let auth = method.object_with("config", &[])?;
    let read = credentials((&method, "type"), &auth_type, auth)?;
    method.finish()?;
    Ok(read)
}

fn read_auth(config: &mut Fields) -> Result<Option<DestinationAuth>, ApiError> {
    let auth_type = config.text_or_null("auth_type")?;
    let auth = config.object("auth")?;
    match (auth_type, auth) {
        (None, None) => Ok(None),
        (Some(None), None) => Ok(Some(DestinationAuth::HookdeckSignature)),
        (Some(Some(auth_type)), Some(auth)) => credentials((config, "auth_type"), &auth_type, auth).map(Some),
        (Some(Some(_)), None) => Err(config.refusal("auth", "is required beside `auth_type`, even when it is {}")),
        (said @ (None | Some(None)), Some(auth)) => {
            // An empty one says nothing.
            match auth.finish() {
                Ok(()) => Ok(said.map(|_| DestinationAuth::HookdeckSignature)),
                Err(_) => Err(config.refusal("auth_type", "is required beside `auth`")),
            }
        }
    }
}

fn credentials((fields, key): (&Fields, &str), auth_type: &str, mut auth: Fields) -> Result<DestinationAuth, ApiError> {
    let read = match auth_type {
        "HOOKDECK_SIGNATURE" => DestinationAuth::HookdeckSignature,
        "BEARER_TOKEN" => DestinationAuth::BearerToken { token: Secret::new(credential(&mut auth, "token")?) },
        "BASIC_AUTH" => DestinationAuth::BasicAuth {
            username: text_or_empty(&mut auth, "username")?,
            password: Secret::new(text_or_empty(&mut auth, "password")?),
        },
        "API_KEY" => read_api_key(&mut auth)?,
        later if AUTH_LATER.contains(&later) => {
            return Err(fields.refusal(key, &format!("{later} is not available yet")));
        }
        other => return Err(fields.refusal(key, &format!("{} is not known", quoted(other)))),
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
