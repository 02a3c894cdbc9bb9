//! The shapes of 2025-07-01: what sources, destinations, connections, events and attempts look like in answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    domain::{
        AttemptRecord, AttemptStatus, AttemptSummary, CliDestination, Configuration, Connection, Destination,
        DestinationAuth, DestinationKind, Event, HttpDestination, Request, RetryStrategy, Rule, Source, Timestamp,
    },
    query::StoreError,
};

/// What answers need beside the thing itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Names, pauses and the project.
    pub configuration: &'a Configuration,
    /// `ingress.public_url`, without a slash at its end.
    pub ingress_url: &'a str,
    /// The time that statuses are derived at.
    pub now: Timestamp,
    /// Whether credentials are shown (`include=config.auth`).
    pub with_auth: bool,
}

impl Context<'_> {
    fn team_id(&self) -> Option<String> {
        self.configuration.project.as_ref().map(|project| project.id.to_string())
    }
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

/// A source.
#[must_use]
pub fn source(context: Context<'_>, source: &Source) -> Value {
    let methods: Vec<&str> = source.allowed_http_methods.iter().map(|method| method.as_str()).collect();
    json!({
        "id": source.id.to_string(),
        "team_id": context.team_id(),
        "name": source.name,
        "description": source.description,
        "type": source.kind,
        "url": format!("{}/e/{}", context.ingress_url, source.token.as_str()),
        "authenticated": false,
        "config": {
            "allowed_http_methods": methods,
            "custom_response": null,
            "auth_type": null,
            "auth": null,
        },
        "disabled_at": source.disabled_at.map(time),
        "updated_at": time(source.updated_at),
        "created_at": time(source.created_at),
    })
}

/// A destination; its credentials are masked unless they are asked for.
#[must_use]
pub fn destination(context: Context<'_>, destination: &Destination) -> Value {
    let (kind, config) = match &destination.kind {
        DestinationKind::Http(http) => ("HTTP", http_config(http, context.with_auth)),
        DestinationKind::Cli(cli) => ("CLI", cli_config(cli, context.with_auth)),
        DestinationKind::MockApi => ("MOCK_API", json!({})),
    };
    json!({
        "id": destination.id.to_string(),
        "team_id": context.team_id(),
        "name": destination.name,
        "description": destination.description,
        "type": kind,
        "config": config,
        "disabled_at": destination.disabled_at.map(time),
        "updated_at": time(destination.updated_at),
        "created_at": time(destination.created_at),
    })
}

fn http_config(http: &HttpDestination, with_auth: bool) -> Value {
    let (auth_type, auth) = destination_auth(&http.auth, with_auth);
    json!({
        "url": http.url,
        "rate_limit": null,
        "rate_limit_period": null,
        "http_method": http.http_method.map(|method| method.as_str()),
        "path_forwarding_disabled": http.path_forwarding_disabled,
        "auth_type": auth_type,
        "auth": auth,
    })
}

fn cli_config(cli: &CliDestination, with_auth: bool) -> Value {
    let (auth_type, auth) = destination_auth(&cli.auth, with_auth);
    json!({
        "path": cli.path,
        "http_method": cli.http_method.map(|method| method.as_str()),
        "path_forwarding_disabled": cli.path_forwarding_disabled,
        "auth_type": auth_type,
        "auth": auth,
    })
}

/// The kind of credentials, and they themselves where they may be shown.
fn destination_auth(auth: &DestinationAuth, shown: bool) -> (&'static str, Value) {
    let (auth_type, auth) = match auth {
        DestinationAuth::HookdeckSignature => ("HOOKDECK_SIGNATURE", json!({})),
        DestinationAuth::BearerToken { token } => ("BEARER_TOKEN", json!({ "token": token.expose() })),
        DestinationAuth::BasicAuth { username, password } => {
            ("BASIC_AUTH", json!({ "username": username, "password": password.expose() }))
        }
        DestinationAuth::ApiKeyHeader { key, api_key } => {
            ("API_KEY", json!({ "key": key, "api_key": api_key.expose(), "to": "header" }))
        }
    };
    (auth_type, if shown { auth } else { json!({}) })
}

/// A connection with its source and destination.
#[must_use]
pub fn connection(context: Context<'_>, connection: &Connection) -> Value {
    let from = context.configuration.sources.get(&connection.source_id);
    let to = context.configuration.destinations.get(&connection.destination_id);
    let full_name = from.zip(connection.name.as_ref()).map(|(source, name)| format!("{} -> {name}", source.name));
    json!({
        "id": connection.id.to_string(),
        "team_id": context.team_id(),
        "name": connection.name,
        "full_name": full_name,
        "description": connection.description,
        "source": from.map(|it| source(context, it)),
        "destination": to.map(|it| destination(context, it)),
        "rules": connection.rules.iter().map(rule).collect::<Vec<_>>(),
        "disabled_at": connection.disabled_at.map(time),
        "paused_at": connection.paused_at.map(time),
        "updated_at": time(connection.updated_at),
        "created_at": time(connection.created_at),
    })
}

/// A rule as it was given: no key is added.
fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::Retry(retry) => {
            let strategy = match retry.strategy {
                RetryStrategy::Linear => "linear",
                RetryStrategy::Exponential => "exponential",
            };
            let mut shape = Map::new();
            shape.insert("type".to_owned(), json!("retry"));
            shape.insert("strategy".to_owned(), json!(strategy));
            if let Some(interval) = retry.interval_ms {
                shape.insert("interval".to_owned(), json!(interval));
            }
            if let Some(count) = retry.count {
                shape.insert("count".to_owned(), json!(count));
            }
            if !retry.response_status_codes.is_empty() {
                let codes: Vec<String> = retry.response_status_codes.iter().map(ToString::to_string).collect();
                shape.insert("response_status_codes".to_owned(), json!(codes));
            }
            Value::Object(shape)
        }
    }
}

/// An event.
#[must_use]
pub fn event(context: Context<'_>, event: &Event) -> Value {
    let last = event.attempts.last();
    let standing = context.configuration.standing(event.connection_id);
    let status = event.status(standing, context.now);
    let successful_at = last.filter(|last| last.status == AttemptStatus::Successful).map(AttemptSummary::ended_at);
    json!({
        "id": event.id().to_string(),
        "team_id": context.team_id(),
        "webhook_id": event.connection_id.to_string(),
        "source_id": event.source_id.to_string(),
        "destination_id": event.destination_id.to_string(),
        "event_data_id": event.id().data().to_string(),
        "request_id": event.request_id.to_string(),
        "attempts": event.attempts.len(),
        "last_attempt_at": last.map(|last| time(last.started_at)),
        "next_attempt_at": event.next_attempt_at(standing).map(time),
        "response_status": last.and_then(|last| last.result.status()),
        "error_code": last.and_then(|last| last.result.error()).map(|code| code.as_str()),
        "status": status.as_str(),
        "successful_at": successful_at.map(time),
        "cli_id": null,
        "updated_at": time(event.last_activity_at()),
        "created_at": time(event.created_at),
    })
}

/// An event with the data of its request; null where its bytes are damaged.
#[must_use]
pub fn event_with_data(context: Context<'_>, of: &Event, request: Option<&Request>) -> Value {
    let mut shape = event(context, of);
    shape["data"] = request.map_or(Value::Null, |request| event_data(context, of, request));
    shape
}

fn event_data(context: Context<'_>, event: &Event, request: &Request) -> Value {
    let destination = context.configuration.destinations.get(&event.destination_id);
    let url = match destination.map(|destination| &destination.kind) {
        Some(DestinationKind::Http(http)) => http.url.as_deref().unwrap_or_default(),
        Some(DestinationKind::Cli(_) | DestinationKind::MockApi) | None => "",
    };
    json!({
        "url": url,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "parsed_query": parsed_query(request.query.as_deref().unwrap_or_default()),
        "headers": headers(&request.headers),
        "appended_headers": [],
        "body": body(&request.body),
        "is_large_payload": false,
    })
}

/// An attempt, as lists show it.
#[must_use]
pub fn attempt(context: Context<'_>, event: &Event, number: u32, summary: &AttemptSummary) -> Value {
    let status = summary.result.status();
    let succeeded = summary.status == AttemptStatus::Successful;
    json!({
        "id": event.id().attempt(number).to_string(),
        "team_id": context.team_id(),
        "event_id": event.id().to_string(),
        "destination_id": event.destination_id.to_string(),
        "response_status": status,
        "attempt_number": number,
        "trigger": summary.trigger.as_str(),
        "error_code": summary.result.error().map(|code| code.as_str()),
        "body": null,
        "requested_url": null,
        "http_method": null,
        "bulk_retry_id": null,
        "status": summary.status.as_str(),
        "successful_at": succeeded.then(|| time(summary.ended_at())),
        "delivered_at": time(summary.started_at),
        "responded_at": status.map(|_| time(summary.ended_at())),
        "delivery_latency": null,
        "response_latency": status.map(|_| summary.latency_ms),
        "updated_at": time(summary.ended_at()),
        "created_at": time(summary.started_at),
    })
}

/// An attempt with what is kept of it; `error_message`, `response_headers` and `response_truncated` are our additions.
#[must_use]
pub fn attempt_with_record(mut shape: Value, record: &Result<AttemptRecord, StoreError>) -> Value {
    match record {
        Ok(record) => {
            shape["body"] = body(&record.response_body);
            shape["requested_url"] = json!(record.url);
            shape["http_method"] = json!(record.method);
            shape["error_message"] = json!(record.error_message);
            shape["response_headers"] = headers(&record.response_headers);
            shape["response_truncated"] = json!(record.response_truncated);
        }
        Err(error) => shape["error_message"] = json!(format!("the details of this attempt are not there: {error}")),
    }
    shape
}

/// Parsed where it is JSON, otherwise text; bytes that are not UTF-8 show as replacement characters.
fn body(bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// Repeated names become one, with their values joined as HTTP allows.
fn headers(headers: &[(String, Bytes)]) -> Value {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        joined.entry(name).and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.into_owned());
    }
    json!(joined)
}

/// Repeated names become an array.
fn parsed_query(query: &str) -> Value {
    let mut parsed = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        match parsed.get_mut(name.as_ref()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                parsed.insert(name.into_owned(), value);
            }
        }
    }
    Value::Object(parsed)
}
