//! A small client of the gateway's API and ingress: blocking, one connection per call, JSON in and out.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Request, Response};
use super::poll;

/// Speaks to one gateway with one key.
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// Where the API listens.
    pub address: SocketAddr,
    /// Where sources listen.
    pub ingress: SocketAddr,
    /// Sent as a bearer key; none is sent when empty.
    pub key: String,
}

/// A connection with its source: what a test needs to send requests through it.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The connection's id.
    pub connection_id: String,
    /// Its source's.
    pub source_id: String,
    /// Its destination's.
    pub destination_id: String,
    /// Path of the source's URL: `/e/` and the token.
    pub path: String,
}

impl ApiClient {
    /// Calls any route.
    ///
    /// # Panics
    ///
    /// When there is no answer: gateways under test always answer.
    #[must_use]
    pub fn call(&self, method: &str, target: &str, body: Option<&Value>) -> Response {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("content-type", "application/json")];
        if !self.key.is_empty() {
            headers.push(("authorization", &bearer));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request { method, target, headers: &headers, body: body.as_bytes() };
        request.send(self.address).unwrap_or_else(|error| panic!("{method} {target} got no answer: {error}"))
    }

    /// Calls a route that must answer 200, and gives its JSON.
    ///
    /// # Panics
    ///
    /// When it answers anything else.
    #[must_use]
    pub fn ok(&self, method: &str, target: &str, body: Option<&Value>) -> Value {
        let response = self.call(method, target, body);
        let text = String::from_utf8_lossy(&response.message.body).into_owned();
        assert_eq!(response.status, 200, "{method} {target} answered {text}");
        response.json()
    }

    /// `GET` of a route that must answer 200.
    #[must_use]
    pub fn get(&self, target: &str) -> Value {
        self.ok("GET", target, None)
    }

    /// Creates a connection with a source and an HTTP destination of its own, named after it.
    #[must_use]
    pub fn connect(&self, name: &str, destination_url: &str, rules: &Value) -> Flow {
        let body = json!({
            "name": name,
            "source": { "name": format!("{name}-source") },
            "destination": destination(&format!("{name}-destination"), destination_url),
            "rules": rules,
        });
        Flow::read(&self.ok("POST", "/connections", Some(&body)))
    }

    /// Creates a further connection from a source that exists to a destination of its own.
    #[must_use]
    pub fn connect_from(&self, source_id: &str, name: &str, destination_url: &str, rules: &Value) -> Flow {
        let body = json!({
            "name": name,
            "source_id": source_id,
            "destination": destination(&format!("{name}-destination"), destination_url),
            "rules": rules,
        });
        Flow::read(&self.ok("POST", "/connections", Some(&body)))
    }

    /// Posts a body to a source, as JSON if it is that, and gives the request's id; it must be accepted.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[must_use]
    pub fn ingest(&self, flow: &Flow, body: &[u8]) -> String {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        let headers = [("content-type", if is_json { "application/json" } else { "application/octet-stream" })];
        let request = Request { method: "POST", target: &flow.path, headers: &headers, body };
        let response = self.send(&request);
        let answer = response.json();
        assert_eq!(response.status, 200, "{} answered {answer}", flow.path);
        answer["request_id"].as_str().expect("an accepted request has an id").to_owned()
    }

    /// Sends any request to the ingress.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    #[must_use]
    pub fn send(&self, request: &Request<'_>) -> Response {
        request.send(self.ingress).unwrap_or_else(|error| panic!("{} got no answer: {error}", request.target))
    }

    /// One page of events.
    #[must_use]
    pub fn events(&self, query: &str) -> Vec<Value> {
        models(&self.get(&format!("/events?{query}")))
    }

    /// The attempts of an event, oldest first.
    #[must_use]
    pub fn attempts(&self, event_id: &str) -> Vec<Value> {
        models(&self.get(&format!("/attempts?event_id={event_id}&order_by=created_at&dir=asc")))
    }

    /// Waits until the connection has an event for which `fact` holds, and gives it.
    ///
    /// # Panics
    ///
    /// When that takes longer than `bound`.
    #[must_use]
    pub fn wait_for_event(&self, flow: &Flow, bound: Duration, fact: impl Fn(&Value) -> bool) -> Value {
        let query = format!("webhook_id={}", flow.connection_id);
        let found = poll(bound, || self.events(&query).into_iter().find(|event| fact(event)));
        found.unwrap_or_else(|| panic!("no event became what was expected: {:?}", self.events(&query)))
    }

    /// Waits until the connection has an event of this status.
    #[must_use]
    pub fn wait_for_status(&self, flow: &Flow, bound: Duration, status: &str) -> Value {
        self.wait_for_event(flow, bound, |event| event["status"] == status)
    }
}

impl Flow {
    /// Reads it from a connection as the API shows it.
    ///
    /// # Panics
    ///
    /// When an id or the source's URL is missing.
    #[must_use]
    pub fn read(connection: &Value) -> Self {
        let text = |pointer: &str| {
            let value = connection.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_else(|| panic!("the connection has no {pointer}: {connection}")).to_owned()
        };
        let url = text("/source/url");
        let path_at = url.find("/e/").unwrap_or_else(|| panic!("the source's URL has no /e/: {url}"));
        Self {
            connection_id: text("/id"),
            source_id: text("/source/id"),
            destination_id: text("/destination/id"),
            path: url[path_at..].to_owned(),
        }
    }
}

fn destination(name: &str, url: &str) -> Value {
    json!({ "name": name, "type": "HTTP", "config": { "url": url } })
}

fn models(page: &Value) -> Vec<Value> {
    page["models"].as_array().cloned().unwrap_or_else(|| panic!("not a page: {page}"))
}
