//! The API's routes: one table, put together from the resources' own, and one way through it for every request.
//!
//! Key, version, path, method, scope, parameters, body: checked here in this order and once for all, so that every refusal
//! has the API's shape and nothing that was not let in is read.

use std::{
    str,
    sync::{Arc, atomic::AtomicBool},
};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap},
    web::{self, Data, Payload, ServiceConfig},
};
use bytes::Bytes;

use super::{
    auth::Gate,
    body::{self, Limits, Pace},
    error::{ApiError, quoted},
    ingest::TestSender,
    later::{self, LATER},
    live::Live,
    openapi,
    parameters::Parameters,
    profiles::Version,
    resources::{
        Answer, Call, Route, access, attempts, bookmarks, bulk, connections, destinations, events, health, identity,
        keys, live, projects, requests, resending, sources,
        stats::{self, About},
        testing, views,
    },
};
use crate::{actors::GatewayHandle, ingress::Rejections, query::Query};

/// Bytes of a body of the API at most: a hundred times what any of its objects needs.
pub const API_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Every resource's table.
const TABLES: &[&[Route]] = &[
    health::ROUTES,
    identity::ROUTES,
    projects::ROUTES,
    live::ROUTES,
    sources::ROUTES,
    destinations::ROUTES,
    connections::ROUTES,
    requests::ROUTES,
    events::ROUTES,
    attempts::ROUTES,
    views::ROUTES,
    bookmarks::ROUTES,
    keys::ROUTES,
    access::ROUTES,
    openapi::ROUTES,
    stats::ROUTES,
    testing::ROUTES,
    resending::ROUTES,
    bulk::EVENTS_RETRY,
    bulk::EVENTS_CANCEL,
    bulk::REQUESTS_RETRY,
    bulk::IGNORED_EVENTS_RETRY,
    bulk::REQUESTS_REPLAY,
];

/// Every route, in the order in which they are tried.
pub fn all() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().copied().flatten()
}

/// What the API is built from.
pub struct ApiState {
    /// The read side, and the store behind it.
    pub query: Query,
    /// The way to whoever changes things.
    pub gateway: GatewayHandle,
    /// `ingress.public_url`: where senders reach the ingress listener.
    pub ingress_url: String,
    /// Set when the stop has begun: balancers are to look elsewhere.
    pub stopping: Arc<AtomicBool>,
    /// What sources refused and nobody recorded.
    pub rejections: Arc<Rejections>,
    /// Who is let in.
    pub gate: Gate,
    /// Who follows what happens.
    pub live: Arc<Live>,
    /// Sends made-up requests through the ingress.
    pub tests: TestSender,
    /// What the process is.
    pub about: About,
    /// Held by whoever changes views or bookmarks: what one looks at before it writes stays as it is until then.
    pub desk: tokio::sync::Mutex<()>,
}

/// Sets up an app of the API's listener: every request comes here.
pub fn configure(app: &mut ServiceConfig, state: Data<ApiState>) {
    app.app_data(state).default_service(web::to(api));
}

async fn api(request: HttpRequest, mut payload: Payload, state: Data<ApiState>) -> HttpResponse {
    match answer(&request, &mut payload, &state).await {
        Ok(answer) => answer,
        Err(error) => body::answer_early(error.error_response(), payload),
    }
}

async fn answer(request: &HttpRequest, payload: &mut Payload, state: &Data<ApiState>) -> Answer {
    let path = request.uri().path();
    let method = request.method().as_str();
    let version = Version::split(path);
    let found = match &version {
        Ok((version, rest)) => find(*version, method, rest).map(|found| (*version, found)),
        Err(error) => Err(error.clone()),
    };
    let is_open = matches!(&found, Ok((_, (route, _))) if route.scope.is_none());
    // Before anything is told about what is there.
    let enter = || state.gate.enter(request, &state.query.configuration(), state.query.now());
    let entered = if is_open { None } else { Some(enter()?) };
    let (version, (route, id)) = found?;
    if let (Some(entered), Some(scope)) = (&entered, route.scope) {
        entered.require(scope)?;
    }
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default(), !version.dated)?;
    // Balancers add what they like to an open path.
    if route.scope.is_some() {
        parameters.check(route.query)?;
    }
    let body = if method == "GET" { Bytes::new() } else { json_body(request, payload).await? };
    let (state, request) = (Data::clone(state), request.clone());
    let call = Call { route, state, version, id, parameters, body, entered, request };
    (route.handler)(call).await
}

/// The route behind a path and the segment in the place of `{id}`, or why there is none.
fn find(version: Version, method: &str, path: &str) -> Result<(&'static Route, String), ApiError> {
    let mut allowed: Vec<&str> = Vec::new();
    let mut elsewhere = false;
    // A path that is written out in a table is that one alone, and no id in a wider one.
    let is_written_out = all().any(|route| route.path == path) || LATER.iter().any(|(later, _)| *later == path);
    let fits = |pattern: &str| matched(pattern, path).filter(|_| !is_written_out || pattern == path);
    for route in all() {
        if let Some(id) = fits(route.path) {
            if !route.versions.have(version) {
                elsewhere = true;
                continue;
            }
            if route.method == method {
                return Ok((route, id.to_owned()));
            }
            allowed.push(route.method);
        }
    }
    for (later, methods) in LATER {
        if fits(later).is_some() {
            if version.profile < later::since(later) {
                elsewhere = true;
                continue;
            }
            if methods.contains(&method) {
                let message = format!("{method} {later} is part of the API, and not available yet");
                return Err(ApiError::not_implemented(message));
            }
            allowed.extend(*methods);
        }
    }
    if allowed.is_empty() && elsewhere {
        let message = format!("{} is a path of other versions of the API, not of this one", quoted(path));
        return Err(ApiError::not_found(message));
    }
    if allowed.is_empty() {
        return Err(ApiError::not_found(format!("{} is not a path of the API", quoted(path))));
    }
    allowed.sort_unstable();
    allowed.dedup();
    Err(ApiError::method_not_allowed(method, &allowed))
}

/// Whether a path is of a pattern, and its first segment in the place of an `{id}`; empty for patterns without.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let (mut segments, mut id) = (path.split('/'), None);
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted == "{id}" && !segment.is_empty() {
            id.get_or_insert(segment);
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then(|| id.unwrap_or_default())
}

/// Reads a body that says it is JSON, or says nothing.
async fn json_body(request: &HttpRequest, payload: &mut Payload) -> Result<Bytes, ApiError> {
    let limits = Limits { bytes_max: API_BODY_BYTES_MAX, permit: None, pace: Pace::default() };
    let body = body::read(request.headers(), payload, limits).await?;
    if !body.is_empty() {
        check_media_type(request.headers())?;
    }
    Ok(body)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::unsupported_media_type("encoded bodies are not read: send it as it is"));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = str::from_utf8(value.as_bytes()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type(format!("{} is not read here: send application/json", quoted(value))))
}
