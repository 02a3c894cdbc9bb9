//! Sources: what a body says about one, in the spelling of any version.

use serde_json::Value;

use crate::{
    domain::{CustomResponse, HttpMethod, ResponseType, directory::SourceDraft},
    web::{
        error::{ApiError, quoted},
        fields::Fields,
    },
};

/// Types whose requests are taken as they come. The others promise that a provider's signature is checked, which is not built:
/// to take them would be to lie about that.
const KINDS: [&str; 2] = ["WEBHOOK", "HTTP"];
/// What 2024-03-01 has in the source itself, and later versions in its configuration.
const FLAT: [(&str, &str); 2] =
    [("allowed_http_methods", "allowed_http_methods"), ("custom_response", "custom_response")];

/// Reads what a body, or an object inline in a connection, says about a source.
///
/// # Errors
///
/// 422 naming the field.
pub fn source(mut fields: Fields) -> Result<SourceDraft, ApiError> {
    let name = fields.text("name")?;
    let description = fields.text_or_null("description")?;
    let kind = fields.text("type")?;
    if kind.as_deref().is_some_and(|kind| !KINDS.contains(&kind)) {
        let message = "must be WEBHOOK or HTTP: types that verify a provider's signature are not available yet";
        return Err(fields.refusal("type", message));
    }
    fields.later("verification")?;
    let mut config = fields.object_with("config", &FLAT)?;
    config.later("auth_type")?;
    if let Some(auth) = config.object("auth")? {
        // An empty one says nothing.
        auth.finish().map_err(|_| config.refusal("auth", "is not available yet: leave it out"))?;
    }
    let allowed_http_methods = match config.list("allowed_http_methods")? {
        None => None,
        Some(methods) => Some(read_methods(&config, &methods)?),
    };
    let custom_response = match config.given("custom_response") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(response) => Some(Some(read_response(Fields::of(&config.place_of("custom_response"), response)?)?)),
    };
    config.finish()?;
    fields.finish()?;
    Ok(SourceDraft { name, description, kind, allowed_http_methods, custom_response })
}

fn read_response(mut response: Fields) -> Result<CustomResponse, ApiError> {
    let content_type = ResponseType::parse(&response.required_text("content_type")?)
        .ok_or_else(|| response.refusal("content_type", "must be json, text or xml"))?;
    let body = response.required_text("body")?;
    response.finish()?;
    Ok(CustomResponse { content_type, body })
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
