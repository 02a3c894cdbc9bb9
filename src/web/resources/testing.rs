//! `POST /sources/{id}/test`: a made-up request, sent to a source as if it had arrived.
//!
//! It carries `{prefix}test: true` in what is recorded of it. That is a note for whoever looks at requests and no proof: a
//! sender may write the same, and nothing under our prefix is passed on to destinations.

use actix_web::http::{
    Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Answer, Call, Route, alive, ok};
use crate::{
    domain::SourceId,
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        ingest::{Made, Outcome},
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[Route::new("POST", "/sources/{id}/test", |call| Box::pin(send(call)))
    .about(
        "Sends a made-up request to a source, through the code that real ones go through, and says what became of it.",
    )
    .takes("TestRequest")
    .answers("TestResult")
    .ours()];

/// Where a body names no method: what webhooks are sent with.
const METHOD_DEFAULT: &str = "POST";
/// Headers of a request at most, as for those that arrive.
const HEADERS_MAX: usize = 96;
/// What would speak of a body that was never framed.
const FRAMING: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];

async fn send(call: Call) -> Answer {
    let id: SourceId = call.id()?;
    let configuration = call.configuration();
    let source = alive(configuration.sources.get(&id), format!("source {id}"), |source| source.deleted_at)?;
    let made = read(call.fields()?, |name| call.state.tests.allows(name))?;
    let (request_id, cause, message) = match call.state.tests.send(&source, made).await? {
        Outcome::Accepted(receipt) => (receipt.map(|receipt| receipt.request_id), None, None),
        Outcome::Rejected { cause, message, request_id } => (request_id, Some(cause), Some(message)),
    };
    let events = match request_id {
        Some(id) if cause.is_none() => call.state.query.became_of(id).await?,
        Some(_) | None => Vec::new(),
    };
    let context = call.context(&configuration);
    Ok(ok(&json!({
        "request_id": request_id.map(|id| id.to_string()),
        "status": if cause.is_some() { "REJECTED" } else { "ACCEPTED" },
        "rejection_cause": cause.map(|cause| cause.as_str()),
        "message": message,
        "events": events.iter().map(|event| shapes::event(context, event)).collect::<Vec<Value>>(),
    })))
}

fn read(mut fields: Fields, allows: impl Fn(&HeaderName) -> bool) -> Result<Made, ApiError> {
    let method = fields.text("method")?.unwrap_or_else(|| METHOD_DEFAULT.to_owned());
    if actix_web::http::Method::from_bytes(method.as_bytes()).is_err() {
        return Err(fields.refusal("method", &format!("is {}, which is no method of HTTP", quoted(&method))));
    }
    let path = fields.text("path")?.unwrap_or_default();
    let (path, query) = read_path(&path).map_err(|why| fields.refusal("path", why))?;
    let mut headers = HeaderMap::new();
    if let Some(given) = fields.take("headers") {
        read_headers(&given, &mut headers, allows).map_err(|why| fields.refusal("headers", &why))?;
    }
    let body = match fields.take("body") {
        None => Bytes::new(),
        Some(Value::String(text)) => text.into(),
        Some(json) => {
            if !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            json.to_string().into()
        }
    };
    fields.finish()?;
    Ok(Made { method, path, query, headers, body })
}

/// What follows a source's URL: nothing, or a path, with or without a query.
fn read_path(text: &str) -> Result<(String, Option<String>), &'static str> {
    const WRONG: &str = "must begin with / and be encoded as in a URL, such as /orders%201?a=b";
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let is_uri = |text: &str| text.parse::<Uri>().is_ok_and(|uri| uri.host().is_none());
    if !(path.is_empty() || path.starts_with('/')) || text.contains('#') || !is_uri(&format!("/e{text}")) {
        return Err(WRONG);
    }
    Ok((path.to_owned(), query.map(str::to_owned)))
}

fn read_headers(given: &Value, headers: &mut HeaderMap, allows: impl Fn(&HeaderName) -> bool) -> Result<(), String> {
    let Value::Object(given) = given else { return Err("must be an object of names and texts".to_owned()) };
    if given.len() > HEADERS_MAX {
        return Err(format!("has {} names, {HEADERS_MAX} at most are taken", given.len()));
    }
    for (name, value) in given {
        let shown = quoted(name);
        let name = HeaderName::try_from(name).map_err(|_| format!("has {shown}, which is no name of a header"))?;
        if FRAMING.contains(&name) || !allows(&name) {
            return Err(format!("has {shown}, which is not for you to say here"));
        }
        let text = value.as_str().ok_or_else(|| format!("has no text for {shown}"))?;
        let value = HeaderValue::from_str(text).map_err(|_| format!("has line breaks or the like in {shown}"))?;
        headers.append(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &Value) -> Result<Made, String> {
        let fields = Fields::of_body(body.to_string().as_bytes()).unwrap();
        read(fields, |name| !name.as_str().starts_with("x-hookgate-")).map_err(|error| error.to_string())
    }

    fn header<'a>(made: &'a Made, name: &str) -> &'a str {
        made.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[test]
    fn a_request_is_made_up_of_what_is_said_and_of_defaults() {
        let plain = made(&json!({})).unwrap();
        assert_eq!((plain.method.as_str(), plain.path.as_str(), plain.query), ("POST", "", None));
        assert!(plain.body.is_empty() && plain.headers.is_empty());
        let full = made(&json!({
            "method": "PUT",
            "path": "/a//b%20?q=1?2",
            "headers": { "X-Topic": "order", "Content-Type": "text/plain" },
            "body": { "a": 1 },
        }))
        .unwrap();
        assert_eq!((full.path.as_str(), full.query.as_deref()), ("/a//b%20", Some("q=1?2")));
        assert_eq!([header(&full, "x-topic"), header(&full, "content-type")], ["order", "text/plain"]);
        assert_eq!(full.body, r#"{"a":1}"#);
        let json = made(&json!({ "body": [1] })).unwrap();
        assert_eq!(header(&json, "content-type"), "application/json");
        let text = made(&json!({ "body": "[1" })).unwrap();
        assert_eq!((text.body, text.headers.len()), (Bytes::from_static(b"[1"), 0));
    }

    #[test]
    fn what_could_not_have_arrived_is_refused_by_its_field() {
        for (body, field) in [
            (json!({ "method": "NO WAY" }), "`method`"),
            (json!({ "method": 1 }), "`method`"),
            (json!({ "path": "orders" }), "`path`"),
            (json!({ "path": "/a b" }), "`path`"),
            (json!({ "path": "/a#b" }), "`path`"),
            (json!({ "path": "@evil.example/" }), "`path`"),
            (json!({ "headers": ["a"] }), "`headers`"),
            (json!({ "headers": { "a b": "1" } }), "`headers`"),
            (json!({ "headers": { "a": "1\r\nb: 2" } }), "`headers`"),
            (json!({ "headers": { "a": 1 } }), "`headers`"),
            (json!({ "headers": { "Content-Length": "7" } }), "`headers`"),
            (json!({ "headers": { "X-Hookgate-Test": "false" } }), "`headers`"),
            (json!({ "colour": "red" }), "`colour`"),
        ] {
            let said = made(&body).unwrap_err();
            assert!(said.contains(field), "{body}: {said}");
        }
    }
}
