//! Every answer that is not a success, in one shape: `{handled, code, status, message, data}`.
//!
//! Messages say what happened, which field, what to do. Details of our own failures go to the log, not to the client.

use std::borrow::Cow;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde_json::{Value, json};

use crate::{
    domain::{RejectionCause, RequestId},
    query::StoreError,
};

/// Seconds after which a client should come again when something passes by itself.
const RETRY_AFTER_S: u32 = 1;
/// Characters of what a client sent that are repeated in a message.
const QUOTE_CHARS_MAX: usize = 64;

/// An answer that is not a success.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    data: Option<Box<Value>>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    request_id: Option<RequestId>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), data: None, header: None, request_id: None }
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// 400: what was sent cannot be read at all.
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// 401: no key, or none of ours.
    #[must_use]
    pub fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hookgate\""))
    }

    /// 403: it is there, and it is switched off or not for this key.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 404: there is nothing of that name.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 405, with the methods that are allowed.
    #[must_use]
    pub fn method_not_allowed(method: &str, allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let message = format!("{} is not allowed here: use {allowed}", quoted(method));
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
        match HeaderValue::from_str(&allowed) {
            Ok(value) => error.with_header(ALLOW, value),
            Err(_) => error,
        }
    }

    /// 408: the body did not come in time.
    pub fn body_timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message)
    }

    /// 410: it was there, and was deleted.
    pub fn gone(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::GONE, "GONE", message)
    }

    /// 413, with the limit.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is larger than the limit of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
    }

    /// 415: a body that is not JSON.
    pub fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    }

    /// 422: readable, but not acceptable.
    pub fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", message)
    }

    /// 429: come again in so many seconds.
    pub fn too_many_requests(message: impl Into<Cow<'static, str>>, seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message)
            .with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 501: part of the API, and not built yet.
    pub fn not_implemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
    }

    /// 503: it passes by itself.
    pub fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with_header(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))
    }

    /// 500: our fault; `detail` goes to the log.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        tracing::error!(error = %detail, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "something went wrong here: the log has details")
    }

    /// The same, as what became of a request: its code is the cause.
    #[must_use]
    pub const fn because(mut self, cause: RejectionCause) -> Self {
        self.code = cause.as_str();
        self
    }

    /// The same, with the id under which the request can be found; without one it was not recorded.
    #[must_use]
    pub const fn recorded_as(mut self, id: Option<RequestId>) -> Self {
        self.request_id = id;
        self
    }

    /// The code in the body.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

/// What a client sent, as it may stand in a message: short, printable, marked.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("`");
    quoted.extend(text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug));
    quoted.push_str(if text.chars().nth(QUOTE_CHARS_MAX).is_some() { "…`" } else { "`" });
    quoted
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = &self.header {
            response.insert_header(header.as_ref().clone());
        }
        let mut body = json!({
            "handled": true,
            "code": self.code,
            "status": self.status.as_u16(),
            "message": self.message,
            "data": self.data,
        });
        if let Some(id) = self.request_id {
            body["request_id"] = id.to_string().into();
        }
        response.json(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded(_) => Self::unavailable("OVERLOADED", error.to_string()),
            StoreError::DiskFull { .. } | StoreError::OverQuota { .. } => {
                Self::unavailable("DISK_FULL", error.to_string())
            }
            StoreError::Rebuilding { percent } => {
                let mut answer = Self::unavailable("REBUILDING", error.to_string());
                answer.data = Some(Box::new(json!({ "percent": percent })));
                answer
            }
            StoreError::Closed => Self::unavailable("CLOSING", "the gateway is stopping: try again"),
            StoreError::Conflict | StoreError::Stale { .. } => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", error.to_string())
            }
            StoreError::NotFound => Self::not_found("not found, or no longer kept"),
            StoreError::Erased { .. } => Self::new(StatusCode::GONE, "GONE", error.to_string()),
            StoreError::Damaged(_) | StoreError::Io(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    async fn answered(error: ApiError) -> (HttpResponse<()>, Value) {
        let (head, body) = error.error_response().into_parts();
        let body = to_bytes(body).await.unwrap_or_default();
        (head, serde_json::from_slice(&body).unwrap())
    }

    #[actix::test]
    async fn a_rebuild_is_answered_with_its_progress_and_when_to_come_again() {
        let (head, body) = answered(StoreError::Rebuilding { percent: 40 }.into()).await;
        assert_eq!(head.status(), 503);
        assert!(head.headers().contains_key(RETRY_AFTER));
        assert_eq!((&body["code"], &body["data"]["percent"]), (&json!("REBUILDING"), &json!(40)));
    }

    #[actix::test]
    async fn our_own_failures_tell_clients_nothing() {
        let (head, body) = answered(StoreError::Io("/secret/path".to_owned()).into()).await;
        assert_eq!(head.status(), 500);
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[test]
    fn what_a_client_sent_is_repeated_short_and_printable() {
        assert_eq!(quoted("a\n\0"), "`a\\n\\0`");
        assert_eq!(quoted(&"ü".repeat(1000)), format!("`{}…`", "ü".repeat(QUOTE_CHARS_MAX)));
    }
}
