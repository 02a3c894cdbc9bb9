//! One exchange: the request as awc sends it, the answer as it is kept. Knows nothing of connections and their pool.

use awc::http::{
    Method, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{RESPONSE_BYTES_MAX, clients::Origin, failure::Failure, stream::Seen};
use crate::{
    domain::{AttemptRecord, AttemptResult, ErrorCode},
    transport::{Outbound, Reply},
};

/// Headers of a response that are kept; destinations that send more are not describing the answer.
const RESPONSE_HEADERS_MAX: usize = 100;
/// Bytes of names and values of response headers that are kept.
pub(super) const RESPONSE_HEADER_BYTES_MAX: usize = 16 * 1024;
/// Sent where the request has none.
pub(super) const OUR_USER_AGENT: &str = concat!("hookgate/", env!("CARGO_PKG_VERSION"));
/// Headers that frame the message are the transport's: a request's own would contradict what is sent.
const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "expect", "host"];

/// Where a request goes.
pub(super) struct Target {
    pub(super) origin: Origin,
    /// As awc gets it: always `http`, because TLS is spoken below it, and with the port that `https` stands for.
    uri: Uri,
    host: HeaderValue,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// When it is none that HTTP could be spoken to.
    pub(super) fn of(url: &str) -> Result<Self, Failure> {
        let refuse =
            |problem: String| Failure::new(ErrorCode::InvalidUrl, format!("the URL cannot be requested: {problem}"));
        let uri: Uri = url.parse().map_err(|error| refuse(format!("{error}")))?;
        let origin = Origin::of(&uri).ok_or_else(|| refuse("it is not http:// or https:// with a host".to_owned()))?;
        let (authority, host) = (&origin.authority, origin.authority.host());
        let (default_port, port) = (if origin.tls { 443 } else { 80 }, authority.port_u16());
        let named = match port {
            Some(port) if port != default_port => format!("{host}:{port}"),
            Some(_) | None => host.to_owned(),
        };
        let host = HeaderValue::try_from(named).map_err(|error| refuse(format!("{error}")))?;
        if !origin.tls {
            return Ok(Self { origin, uri, host });
        }
        let authority =
            if port.is_some() { authority.to_string() } else { format!("{}:{default_port}", authority.as_str()) };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let uri = Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
        Ok(Self { uri: uri.map_err(|error| refuse(format!("{error}")))?, origin, host })
    }

    #[cfg(test)]
    pub(super) fn host(&self) -> &str {
        self.host.to_str().unwrap()
    }
}

/// What has come of an attempt so far.
pub(super) struct Progress {
    status: Option<u16>,
    record: AttemptRecord,
    body: BytesMut,
}

impl Progress {
    pub(super) fn starting(outbound: &Outbound) -> Self {
        let record =
            AttemptRecord { url: outbound.url.clone(), method: outbound.method.clone(), ..AttemptRecord::default() };
        Self { status: None, record, body: BytesMut::new() }
    }

    /// Whether the connection is none for HTTP any more.
    pub(super) fn switched_protocols(&self) -> bool {
        self.status == Some(StatusCode::SWITCHING_PROTOCOLS.as_u16())
    }

    pub(super) fn finish(mut self, failure: Option<Failure>) -> Reply {
        self.record.response_body = self.body.freeze();
        let result = match (failure, self.status) {
            (Some(failure), status) => {
                self.record.error_message = Some(failure.message);
                AttemptResult::Failed { error: failure.code, status }
            }
            (None, Some(status)) => AttemptResult::Answered { status },
            // `attempt` sets a status before it succeeds.
            (None, None) => AttemptResult::Failed { error: ErrorCode::InternalError, status: None },
        };
        Reply { result, record: self.record }
    }
}

/// Sends, then reads the answer into `progress`.
pub(super) async fn exchange(
    client: &awc::Client,
    target: &Target,
    outbound: &Outbound,
    seen: &Seen,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let method = Method::from_bytes(outbound.method.as_bytes()).map_err(|_| {
        Failure::new(ErrorCode::ProtocolError, format!("`{}` is not an HTTP method", outbound.method.escape_debug()))
    })?;
    let request = prepare(client, method.clone(), target, outbound)?;
    let sent = request.send_body(outbound.body.clone()).await;
    let mut response = sent.map_err(|error| Failure::of_request(error, seen))?;
    progress.status = Some(response.status().as_u16());
    progress.record.response_headers = kept_headers(response.headers());
    if progress.switched_protocols() {
        let message = "the destination switched to another protocol (101), which it was not asked to";
        return Err(Failure::new(ErrorCode::ProtocolError, message));
    }
    let announced = announced_length(&method, response.status(), response.headers());

    let mut received: u64 = 0;
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(Failure::of_body)?;
        received += chunk.len() as u64;
        let room = RESPONSE_BYTES_MAX - progress.body.len();
        progress.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            progress.record.response_truncated = true;
            // Dropping the response drops its connection: the rest is not read.
            return Ok(());
        }
    }
    match announced {
        Some(length) if received < length => Err(Failure::new(
            ErrorCode::SocketClosed,
            format!("the connection was closed after {received} of {length} bytes of the response body"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Puts the request together; what cannot be sent as it is is refused rather than left out.
fn prepare(
    client: &awc::Client,
    method: Method,
    target: &Target,
    outbound: &Outbound,
) -> Result<awc::ClientRequest, Failure> {
    let mut request = client.request(method, target.uri.clone()).no_decompress();
    request = request.insert_header((HOST, target.host.clone()));
    let mut names_agent = false;
    for (name, value) in &outbound.headers {
        if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            continue;
        }
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(value.clone()))
        else {
            let message = format!("the header `{}` has bytes that cannot be sent", name.escape_debug());
            return Err(Failure::new(ErrorCode::ProtocolError, message));
        };
        names_agent |= name == USER_AGENT;
        request = request.append_header((name, value));
    }
    if !names_agent {
        request = request.insert_header((USER_AGENT, HeaderValue::from_static(OUR_USER_AGENT)));
    }
    Ok(request)
}

/// The response's headers as far as they are kept, sorted by name: awc's map has no order but among equal names.
/// `retry-after` is always among them, because it is obeyed.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    let mut bytes = 0;
    let is_obeyed = |(name, _): &(&HeaderName, &HeaderValue)| *name == RETRY_AFTER;
    let obeyed = headers.iter().filter(is_obeyed);
    let mut kept: Vec<(String, Bytes)> = obeyed
        .chain(headers.iter().filter(|header| !is_obeyed(header)))
        .take(RESPONSE_HEADERS_MAX)
        .take_while(|(name, value)| {
            bytes += name.as_str().len() + value.len();
            bytes <= RESPONSE_HEADER_BYTES_MAX
        })
        .map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())))
        .collect();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    kept
}

/// How many bytes of body must come; `None` where none do or the end is marked otherwise.
fn announced_length(method: &Method, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    if method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
