//! Requests that somebody makes up to try a source: judged, recorded and sent on by the code that those that arrive go through.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use super::{ApiError, Arrival, Data, IngestState, Rejection, kept_headers, overloaded};
use crate::{
    domain::{RejectionCause, RequestId, Source},
    ingress::Receipt,
};

/// What a made-up request says of itself under our prefix.
const MARK: &str = "test";

/// Sends them.
pub struct TestSender {
    state: Data<IngestState>,
    /// `delivery.header_prefix`.
    prefix: String,
}

/// A request that was made up.
#[derive(Debug)]
pub struct Made {
    /// Its method.
    pub method: String,
    /// What would follow the source's URL.
    pub path: String,
    /// What would follow `?`.
    pub query: Option<String>,
    /// Without ours.
    pub headers: HeaderMap,
    /// What it brings.
    pub body: Bytes,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// It was accepted; `None` when the source has no connection and more of that than is recorded.
    Accepted(Option<Receipt>),
    /// It was refused.
    Rejected {
        /// Why.
        cause: RejectionCause,
        /// The same, as its sender would be told.
        message: String,
        /// As what it can be found, if it was recorded.
        request_id: Option<RequestId>,
    },
}

impl TestSender {
    /// Sends through an ingress; `prefix` is what the names of our headers begin with.
    #[must_use]
    pub fn new(state: Data<IngestState>, prefix: &str) -> Self {
        Self { state, prefix: prefix.to_owned() }
    }

    /// Whether a header may be made up: ours may not.
    #[must_use]
    pub fn allows(&self, name: &HeaderName) -> bool {
        !name.as_str().starts_with(&self.prefix)
    }

    /// Sends one to a source, marked as what it is.
    ///
    /// # Errors
    ///
    /// 503 when the store or memory cannot take it.
    pub async fn send(&self, source: &Source, mut made: Made) -> Result<Outcome, ApiError> {
        let name = HeaderName::try_from([&self.prefix, MARK].concat()).map_err(ApiError::internal)?;
        made.headers.insert(name, HeaderValue::from_static("true"));
        let (state, ingress) = (&self.state, &self.state.ingress);
        let mut permit = ingress.budget().permit();
        let head = made.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        if !permit.grow(made.path.len() + head + made.body.len()) {
            return Err(overloaded());
        }
        let rejection = match Rejection::by_head(source, &made.method) {
            Some(rejection) => Some(rejection),
            None if made.body.len() > state.body_bytes_max => Some(Rejection::too_large(state.body_bytes_max)),
            None => Rejection::by_body(&made.headers, &made.body).await,
        };
        let arrival = Arrival {
            received_at: ingress.now(),
            method: made.method,
            path: made.path,
            query: made.query,
            headers: kept_headers(&made.headers),
            body: made.body,
            body_truncated: false,
            client_ip: None,
            permit,
        };
        match rejection {
            None => Ok(Outcome::Accepted(ingress.accept(&ingress.configuration(), source, arrival).await?)),
            Some(rejection) => Ok(Outcome::Rejected {
                cause: rejection.cause,
                message: rejection.message(),
                request_id: ingress.reject(source, rejection.cause, arrival).await,
            }),
        }
    }
}
