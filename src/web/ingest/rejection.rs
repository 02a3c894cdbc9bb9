//! Why a request of a known source is refused, and how that is answered. `UNSUPPORTED_CONTENT_TYPE` (415) is not among
//! these: every content type is taken, and no setting of a source names any yet.

use actix_web::{
    HttpResponse, ResponseError,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap},
};
use bytes::Bytes;

use super::success;
use crate::{
    domain::{HttpMethod, RejectionCause, RequestId, Source},
    ingress::json,
    web::error::ApiError,
};

/// Bodies up to this length are checked where they arrive; the time for larger ones would be missed by other senders.
const CHECKED_HERE_BYTES_MAX: usize = 256 * 1024;

/// What a refused request of a known source is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionAnswers {
    /// The status that says what is wrong.
    Status,
    /// 200 and the usual body, whatever is wrong: the vendor's habit.
    Always200,
}

impl RejectionAnswers {
    pub(super) fn answer(self, rejection: Rejection, id: Option<RequestId>) -> HttpResponse {
        match self {
            Self::Status => rejection.error.because(rejection.cause).recorded_as(id).error_response(),
            Self::Always200 => success(id),
        }
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Rejection {
    /// In the contract's words.
    pub(super) cause: RejectionCause,
    error: ApiError,
}

impl Rejection {
    /// By what a request's head says; `None` when its source takes it.
    pub(super) fn by_head(source: &Source, method: &str) -> Option<Self> {
        if source.disabled_at.is_some() {
            let error = ApiError::forbidden("this source is disabled: enable it to send to it");
            return Some(Self { cause: RejectionCause::SourceDisabled, error });
        }
        if HttpMethod::parse(method).is_some_and(|method| source.allowed_http_methods.contains(&method)) {
            return None;
        }
        let allowed: Vec<&str> = source.allowed_http_methods.iter().map(|method| method.as_str()).collect();
        let error = ApiError::method_not_allowed(method, &allowed);
        Some(Self { cause: RejectionCause::UnsupportedHttpMethod, error })
    }

    /// As its sender would be told.
    pub(super) fn message(&self) -> String {
        self.error.to_string()
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self { cause: RejectionCause::PayloadTooLarge, error: ApiError::body_too_large(bytes_max) }
    }

    /// By the whole body: what says that it is JSON must be that.
    pub(super) async fn by_body(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        // Nothing is sent with that type by many: there is nothing in it to be wrong.
        if body.is_empty() || !announces_json(headers) {
            return None;
        }
        let checked = if body.len() <= CHECKED_HERE_BYTES_MAX {
            json::check(body)
        } else {
            let shared = body.clone();
            let elsewhere = tokio::task::spawn_blocking(move || json::check(&shared)).await;
            // Nobody works there any more when the process stops.
            elsewhere.unwrap_or_else(|_| json::check(body))
        };
        let error = checked.err()?;
        let message = format!("the body is not the JSON its content type says: {error}: mend it, or name its type");
        Some(Self { cause: RejectionCause::UnparsableJson, error: ApiError::malformed(message) })
    }
}

/// Whether a body is to be JSON: by its type, with any parameters, unless it is packed.
fn announces_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE) else { return false };
    let essence = media_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let suffix = essence.len().checked_sub(b"+json".len()).map(|at| &essence[at..]);
    let is_json = essence.eq_ignore_ascii_case(b"application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json") && essence.contains(&b'/'));
    is_json && headers.get_all(CONTENT_ENCODING).all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn is_json(media_type: &'static str, coding: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        announces_json(&headers)
    }

    #[test]
    fn json_is_known_by_its_type_whatever_its_parameters() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json ;charset=iso-8859-1",
            "application/cloudevents+json",
            "application/vnd.api+JSON; profile=x",
            "model/gltf+json",
        ] {
            assert!(is_json(json, None), "{json}");
            assert!(is_json(json, Some("identity")) && !is_json(json, Some("gzip")), "{json}");
        }
        for other in
            ["", "text/plain", "application/x-ndjson", "application/json-seq", "+json", "json", "text/html; a=+json"]
        {
            assert!(!is_json(other, None), "{other}");
        }
        assert!(!announces_json(&HeaderMap::new()));
    }
}
