//! `ANY /e/{token}[/path][?query]`: what a webhook's sender talks to.
//!
//! The one hot path of this module: one handler without routing or extractors. The path is taken apart by hand,
//! because what follows the token is kept byte for byte (`//`, `%2F`, a trailing slash). Success is answered only when
//! the request is on disk.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Uri,
        header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    },
    web::{self, Data, Payload, ServiceConfig},
};
use bytes::{Bytes, BytesMut};

use super::{
    body::{self, Limits},
    client_ip::TrustedProxies,
    error::{ApiError, quoted},
};
use crate::{
    domain::{HttpMethod, RequestId, Source},
    ingress::{Arrival, Ingress, IngressError},
};

/// What every answer of this listener that is a success says, around the request's id.
const ACCEPTED: &str = r#"{"status":"SUCCESS","message":"Request successfully handled by hookgate","request_id":""#;
const ACCEPTED_END: &str = "\"}";

/// What the ingress listener's handler needs.
pub struct IngestState {
    /// Accepts what arrived.
    pub ingress: Ingress,
    /// `ingress.body_bytes_max`.
    pub body_bytes_max: usize,
    /// `ingress.trusted_proxies`
    pub trusted_proxies: TrustedProxies,
}

impl IngestState {
    /// Where the setting is not given: the API's promise of 10 MiB.
    pub const BODY_BYTES_MAX_DEFAULT: usize = 10 * 1024 * 1024;
}

/// Sets up an app of the ingress listener: every request comes here.
pub fn configure(app: &mut ServiceConfig, state: Data<IngestState>) {
    app.app_data(state).default_service(web::to(ingest));
}

async fn ingest(request: HttpRequest, payload: Payload, state: Data<IngestState>) -> Result<HttpResponse, ApiError> {
    let ingress = &state.ingress;
    let received_at = ingress.now();
    let (token, path) = split_path(request.uri())
        .ok_or_else(|| ApiError::not_found("nothing is here: sources are at `/e/{token}`, as their `url` says"))?;
    let configuration = ingress.configuration();
    let source = configuration
        .source_by_token(token)
        .ok_or_else(|| ApiError::not_found(format!("no source has the token {}: check the URL", quoted(token))))?;
    let method = admit(source, &request)?;

    let mut permit = ingress.budget().permit();
    let head_bytes =
        request.uri().path().len() + request.headers().iter().map(|(n, v)| n.as_str().len() + v.len()).sum::<usize>();
    if !permit.grow(head_bytes) {
        return Err(ApiError::unavailable("OVERLOADED", "too many requests are in memory: try again in a moment"));
    }
    let limits = Limits { bytes_max: state.body_bytes_max, permit: Some(&mut permit) };
    let body = body::read(request.headers(), payload, limits).await?;

    let arrival = Arrival {
        received_at,
        method: method.as_str().to_owned(),
        path: path.to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: kept_headers(request.headers()),
        body,
        client_ip: state.trusted_proxies.client_ip(&request),
        permit,
    };
    let receipt = ingress.accept(&configuration, source, arrival).await?;
    Ok(accepted(receipt.request_id))
}

/// The token and what follows it, undecoded: `/e/{token}` with nothing, or with something that starts with `/`.
fn split_path(uri: &Uri) -> Option<(&str, &str)> {
    let rest = uri.path().strip_prefix("/e/")?;
    let (token, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!token.is_empty()).then_some((token, path))
}

/// Whether the source takes this request, by what its head says.
fn admit(source: &Source, request: &HttpRequest) -> Result<HttpMethod, ApiError> {
    if source.disabled_at.is_some() {
        return Err(ApiError::forbidden("this source is disabled: enable it to send to it"));
    }
    let method = request.method().as_str();
    HttpMethod::parse(method).filter(|method| source.allowed_http_methods.contains(method)).ok_or_else(|| {
        let allowed: Vec<&str> = source.allowed_http_methods.iter().map(|method| method.as_str()).collect();
        ApiError::method_not_allowed(method, &allowed)
    })
}

/// Names in lower case with the bytes of their values, sorted by name: actix's map has no order but among equal names.
///
/// The values are copied into one allocation, because they are slices of the connection's read buffer.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    let mut values = BytesMut::with_capacity(headers.iter().map(|(_, value)| value.len()).sum());
    headers.iter().for_each(|(_, value)| values.extend_from_slice(value.as_bytes()));
    let mut values = values.freeze();
    let mut kept: Vec<(String, Bytes)> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), values.split_to(value.len()))).collect();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    kept
}

fn accepted(id: RequestId) -> HttpResponse {
    let body = [ACCEPTED, &id.to_string(), ACCEPTED_END].concat();
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(body)
}

impl From<IngressError> for ApiError {
    fn from(error: IngressError) -> Self {
        match error {
            IngressError::Store(error) => error.into(),
            IngressError::Unconfirmed => Self::unavailable("UNCONFIRMED", error.to_string()),
            IngressError::TooManyConnections(_) => Self::unavailable("TOO_MANY_CONNECTIONS", error.to_string()),
        }
    }
}
