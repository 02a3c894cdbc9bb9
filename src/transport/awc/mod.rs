//! Deliveries over HTTP/1.1 with awc: one client per arbiter, one time-out around the whole attempt.
//!
//! Owns what awc leaves open (LIMITS: "awc errors as they arrive"): no pool limit, because awc's spans all hosts and
//! caps are ours; no redirects, no decompression, no headers of its own; a body shorter than announced is a failure.
//! Who may be connected to is asked once for each connection, in `connector`; an idle one that is used again was asked for.
//! Never retries: whether a try is repeated is decided by the event's connection.
//!
//! Left as it is in awc: it sends a `date` of its own where the request has none, and it does not read the body of an
//! HTTP/1.1 answer that has neither a length nor chunks; the status counts all the same. A chunked body that is cut off
//! between two chunks looks complete.

mod connector;
mod failure;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use awc::http::{
    Method, StatusCode, Uri,
    header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::LocalBoxFuture};

use self::{connector::GuardedConnector, failure::Failure};
use super::{Outbound, Reply, Transport, TransportFactory, egress::EgressPolicy, resolver::Resolver};
use crate::domain::{AttemptRecord, AttemptResult, ErrorCode};

/// Bytes of a response body that are kept: enough to read an error by, little enough for a million attempts.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Headers of a response that are kept; destinations that send more are not describing the answer.
const RESPONSE_HEADERS_MAX: usize = 100;
/// Bytes of names and values of response headers that are kept.
const RESPONSE_HEADER_BYTES_MAX: usize = 16 * 1024;
/// An idle connection is not used again after this: less than the 5 s after which common servers close theirs,
/// so that a try rarely meets a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// A connection is replaced after this, so that a change of DNS is noticed.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(75);
/// awc's own time-outs, out of the way of the attempt's.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Sent where the request has none.
const OUR_USER_AGENT: &str = concat!("hookgate/", env!("CARGO_PKG_VERSION"));
/// Headers that frame the message are the transport's: a request's own would contradict what is sent.
const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "expect", "host"];

/// What deliveries are sent with.
#[derive(Clone)]
pub struct AwcOptions {
    /// Which addresses may be delivered to.
    pub egress: EgressPolicy,
    /// Where addresses come from; shared by all arbiters.
    pub resolver: Resolver,
}

/// Builds an [`AwcTransport`] on each arbiter; TLS settings, guard and resolver are made once and shared.
#[derive(Clone)]
pub struct AwcFactory {
    tls: Arc<rustls::ClientConfig>,
    connector: GuardedConnector,
}

impl AwcFactory {
    /// Trusts the public certification authorities.
    ///
    /// # Errors
    ///
    /// When the TLS library refuses its own default protocol versions.
    pub fn new(options: AwcOptions) -> Result<Self, rustls::Error> {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // HTTP/1.1 only: there, a body that is too long is ended by dropping its connection.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = GuardedConnector::new(options.resolver, Arc::new(options.egress));
        Ok(Self { tls: Arc::new(tls), connector })
    }
}

impl TransportFactory for AwcFactory {
    fn build(&self) -> Rc<dyn Transport> {
        Rc::new(AwcTransport { client: Rc::new(RefCell::new(self.client())), factory: self.clone() })
    }
}

impl AwcFactory {
    /// A client with connections of its own.
    fn client(&self) -> awc::Client {
        let connector = awc::Connector::new()
            .connector(self.connector.clone())
            .rustls_0_23(Arc::clone(&self.tls))
            .timeout(NO_TIMEOUT)
            .handshake_timeout(NO_TIMEOUT)
            .limit(0)
            .conn_keep_alive(KEEP_ALIVE)
            .conn_lifetime(CONNECTION_LIFETIME);
        let client = awc::Client::builder().connector(connector).disable_timeout();
        client.disable_redirects().no_default_headers().finish()
    }
}

/// Sends attempts from the arbiter it was built on.
pub struct AwcTransport {
    /// Replaced when a connection of its pool may hold an answer that nobody waits for.
    client: Rc<RefCell<awc::Client>>,
    factory: AwcFactory,
}

impl Transport for AwcTransport {
    fn send(&self, outbound: Outbound) -> LocalBoxFuture<'static, Reply> {
        let (current, factory) = (Rc::clone(&self.client), self.factory.clone());
        Box::pin(async move {
            let timeout = outbound.timeout;
            // What is known so far lives outside the future that the time-out drops.
            let mut reply = Progress::starting(&outbound);
            // Taken when it is used: one that was replaced meanwhile must not be.
            let client = current.borrow().clone();
            let ended = tokio::time::timeout(timeout, attempt(&client, outbound, &mut reply)).await;
            if reply.status.is_some_and(is_interim) {
                // awc has put the connection back into its pool, and the final answer is still to come on it: it would
                // pass for the answer to the next request.
                current.replace(factory.client());
            }
            let failure = match ended {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure),
                Err(_) => Some(Failure::new(
                    ErrorCode::Timeout,
                    format!("no complete answer within {} ms", timeout.as_millis()),
                )),
            };
            reply.finish(failure)
        })
    }
}

/// Whether a status announces another answer to the same request; awc takes it for the answer.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status)
}

/// What has come of an attempt so far.
struct Progress {
    status: Option<u16>,
    record: AttemptRecord,
    body: BytesMut,
}

impl Progress {
    fn starting(outbound: &Outbound) -> Self {
        let record =
            AttemptRecord { url: outbound.url.clone(), method: outbound.method.clone(), ..AttemptRecord::default() };
        Self { status: None, record, body: BytesMut::new() }
    }

    fn finish(mut self, failure: Option<Failure>) -> Reply {
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

/// One exchange: sends, then reads the answer into `progress`.
async fn attempt(client: &awc::Client, outbound: Outbound, progress: &mut Progress) -> Result<(), Failure> {
    let method = Method::from_bytes(outbound.method.as_bytes()).map_err(|_| {
        Failure::new(ErrorCode::ProtocolError, format!("`{}` is not an HTTP method", outbound.method.escape_debug()))
    })?;
    let request = prepare(client, method.clone(), &outbound)?;
    let mut response = request.send_body(outbound.body).await.map_err(Failure::of_request)?;
    let status = response.status().as_u16();
    progress.status = Some(status);
    progress.record.response_headers = kept_headers(response.headers());
    if is_interim(status) {
        let message = format!("an interim answer ({status}) came before the final one, which was not waited for");
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
fn prepare(client: &awc::Client, method: Method, outbound: &Outbound) -> Result<awc::ClientRequest, Failure> {
    let uri: Uri = outbound
        .url
        .parse()
        .map_err(|error| Failure::new(ErrorCode::InvalidUrl, format!("the URL cannot be requested: {error}")))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(Failure::new(ErrorCode::InvalidUrl, "the URL cannot be requested: it names no host"));
    }
    let mut request = client.request(method, uri).no_decompress();
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
fn kept_headers(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    let mut bytes = 0;
    let mut kept: Vec<(String, Bytes)> = headers
        .iter()
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
