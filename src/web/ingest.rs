//! `ANY /e/{token}[/path][?query]`: what a webhook's sender talks to.
//!
//! The one hot path of this module: one handler without routing or extractors. The path is taken apart by hand,
//! because what follows the token is kept byte for byte (`//`, `%2F`, a trailing slash). Success is answered only when
//! the request is on disk; what is refused is on disk as well, as far as there is room for that.

mod made;
mod rejection;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        Uri,
        header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    },
    web::{self, Data, Payload, ServiceConfig},
};
use bytes::{Bytes, BytesMut};

use self::rejection::Rejection;
pub use self::{
    made::{Made, Outcome, TestSender},
    rejection::RejectionAnswers,
};
use super::{
    body::{self, Cut, Limits, Pace},
    client_ip::TrustedProxies,
    error::{ApiError, quoted},
};
use crate::{
    domain::{CustomResponse, RequestId, ResponseType, Source},
    ingress::{Arrival, BODY_KEPT_BYTES_MAX, BodyPermit, Ingress, IngressError},
};

/// What every answer of this listener that is a success says, before the request's id.
const SUCCESS: &str = r#"{"status":"SUCCESS","message":"Request successfully handled by hookgate""#;

/// What the ingress listener's handler needs.
pub struct IngestState {
    /// Accepts what arrived.
    pub ingress: Ingress,
    /// `ingress.body_bytes_max`.
    pub body_bytes_max: usize,
    /// `ingress.trusted_proxies`
    pub trusted_proxies: TrustedProxies,
    /// `ingress.body_timeout_ms` and `ingress.body_rate_min_bytes_per_s`.
    pub pace: Pace,
    /// `ingress.rejections`.
    pub rejections: RejectionAnswers,
}

impl IngestState {
    /// Where the setting is not given: the API's promise of 10 MiB.
    pub const BODY_BYTES_MAX_DEFAULT: usize = 10 * 1024 * 1024;
}

/// Sets up an app of the ingress listener: every request comes here.
pub fn configure(app: &mut ServiceConfig, state: Data<IngestState>) {
    app.app_data(state).default_service(web::to(ingest));
}

async fn ingest(request: HttpRequest, mut payload: Payload, state: Data<IngestState>) -> HttpResponse {
    match answer(&request, &mut payload, &state).await {
        Ok(accepted) => accepted,
        Err(refused) => body::answer_early(refused, payload),
    }
}

/// What is answered: `Ok` when the request was accepted, and so read whole.
async fn answer(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &IngestState,
) -> Result<HttpResponse, HttpResponse> {
    let ingress = &state.ingress;
    let received_at = ingress.now();
    let configuration = ingress.configuration();
    let (path, source) = split_path(request.uri())
        .ok_or_else(|| ApiError::not_found("nothing is here: sources are at `/e/{token}`, as their `url` says"))
        .and_then(|(token, path)| {
            let unknown = || ApiError::not_found(format!("no source has the token {}: check the URL", quoted(token)));
            Ok((path, configuration.source_by_token(token).ok_or_else(unknown)?))
        })
        .map_err(|error| error.error_response())?;

    let mut permit = ingress.budget().permit();
    let taken = take(source, request, payload, (state, &mut permit)).await.map_err(|error| error.error_response())?;
    let arrival = Arrival {
        received_at,
        method: request.method().as_str().to_owned(),
        path: path.to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: kept_headers(request.headers()),
        body: taken.body,
        body_truncated: taken.is_cut,
        client_ip: state.trusted_proxies.client_ip(request),
        permit,
    };
    if let Some(rejection) = taken.rejection {
        let id = ingress.reject(source, rejection.cause, arrival).await;
        return Err(state.rejections.answer(rejection, id));
    }
    match ingress.accept(&configuration, source, arrival).await {
        Ok(receipt) => Ok(match &source.custom_response {
            Some(response) => custom(response),
            None => success(receipt.map(|receipt| receipt.request_id)),
        }),
        Err(error) => Err(ApiError::from(error).error_response()),
    }
}

/// A request of a known source, taken in as far as it is kept.
struct Taken {
    body: Bytes,
    is_cut: bool,
    /// Why nothing comes of it.
    rejection: Option<Rejection>,
}

/// Judges a request and reads its body: whole when it may be accepted, its beginning otherwise.
///
/// # Errors
///
/// What is not worth a record: no memory, a body that does not come.
async fn take(
    source: &Source,
    request: &HttpRequest,
    payload: &mut Payload,
    (state, permit): (&IngestState, &mut BodyPermit),
) -> Result<Taken, ApiError> {
    let headers = request.headers();
    let head_bytes =
        request.uri().path().len() + headers.iter().map(|(n, v)| n.as_str().len() + v.len()).sum::<usize>();
    if !permit.grow(head_bytes) {
        return Err(overloaded());
    }
    let limits = |bytes_max, permit| Limits { bytes_max, permit: Some(permit), pace: state.pace };
    if let Some(rejection) = Rejection::by_head(source, request.method().as_str()) {
        // A short body is read to its end, so that the connection can be used on; whatever comes of that, it is refused.
        let begun = body::receive(headers, payload, limits(BODY_KEPT_BYTES_MAX, permit)).await;
        return Ok(Taken { body: begun.bytes, is_cut: begun.cut.is_some(), rejection: Some(rejection) });
    }
    let bytes_max = state.body_bytes_max;
    let too_large = |body| Ok(Taken { body, is_cut: true, rejection: Some(Rejection::too_large(bytes_max)) });
    if body::announced_bytes(headers).is_some_and(|length| length > bytes_max as u64) {
        return too_large(Bytes::new());
    }
    let received = body::receive(headers, payload, limits(bytes_max, permit)).await;
    match received.cut {
        None => {}
        Some(Cut::TooLarge(_)) => return too_large(received.bytes),
        Some(cut @ (Cut::NoMemory | Cut::TooLate(_) | Cut::TooSlow(_) | Cut::Broken(_))) => return Err(cut.into()),
    }
    let rejection = Rejection::by_body(headers, &received.bytes).await;
    Ok(Taken { body: received.bytes, is_cut: false, rejection })
}

fn overloaded() -> ApiError {
    ApiError::unavailable("OVERLOADED", "too many requests are in memory: try again in a moment")
}

/// The token and what follows it, undecoded: `/e/{token}` with nothing, or with something that starts with `/`.
fn split_path(uri: &Uri) -> Option<(&str, &str)> {
    let rest = uri.path().strip_prefix("/e/")?;
    let (token, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!token.is_empty()).then_some((token, path))
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

/// Success, with the id under which the request can be found; without one it was not recorded.
fn success(id: Option<RequestId>) -> HttpResponse {
    let body = match id {
        Some(id) => [SUCCESS, ",\"request_id\":\"", &id.to_string(), "\"}"].concat(),
        None => [SUCCESS, "}"].concat(),
    };
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(body)
}

/// What the source's owner wants accepted requests to be answered with.
fn custom(response: &CustomResponse) -> HttpResponse {
    let media_type = match response.content_type {
        ResponseType::Json => "application/json",
        ResponseType::Text => "text/plain; charset=utf-8",
        ResponseType::Xml => "application/xml",
    };
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static(media_type))).body(response.body.clone())
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
