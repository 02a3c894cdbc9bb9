//! The headers of a delivery: the request's own, without what spoke about its connection, and ours behind them.
//!
//! Ours begin with the configured prefix. Whatever a sender put under that prefix is left out: it would speak in our
//! name. Under any other name the sender's word stands, and ours is added only where it said nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{Attempt, Sender};
use crate::domain::{
    DestinationAuth, Request,
    signature::{signature, webhook_signature},
};

/// Headers that speak about one connection, not about the request (RFC 9110 §7.6.1), and those the client writes itself.
const HOP_BY_HOP: [&str; 9] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
/// What else speaks about one connection.
const PROXY_PREFIX: &str = "proxy-";
/// Standard Webhooks: the event, the time of the attempt in seconds, and the signature over both and the body. They belong
/// together, so a request that has one of them keeps what it has.
const WEBHOOK: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// What receivers use that drop repeated requests.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Room for what is added.
const ADDED_MAX: usize = 19;

pub(super) fn headers(
    request: &Request,
    auth: &DestinationAuth,
    attempt: &Attempt<'_>,
    sender: &Sender<'_>,
) -> Vec<(String, Bytes)> {
    let mut headers = Vec::with_capacity(request.headers.len() + ADDED_MAX);
    keep(request, auth, sender.header_prefix, &mut headers);
    let given = |name: &str| request.headers.iter().any(|(given, _)| given == name);
    let (lacks_key, lacks_trio) = (!given(IDEMPOTENCY_KEY), !WEBHOOK.into_iter().any(given));
    let event = attempt.event.to_string();
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value.into()));
    if lacks_key {
        add(IDEMPOTENCY_KEY, event.clone());
    }
    if lacks_trio {
        let seconds = (attempt.at.ms() / 1000).to_string();
        // The standard's way to change a secret: a signature for each, with a space between them.
        let secrets = [sender.signing_secret, sender.previous_secret].into_iter().flatten();
        let signed = secrets.map(|secret| webhook_signature(secret, &event, &seconds, &request.body));
        let signed: Vec<String> = signed.collect();
        add(WEBHOOK[0], event.clone());
        add(WEBHOOK[1], seconds);
        if !signed.is_empty() {
            add(WEBHOOK[2], signed.join(" "));
        }
    }
    ours(request, event, attempt, sender, &mut headers);
    headers.extend(credentials(auth));
    headers
}

/// The request's own headers, repeated ones in their order.
fn keep(request: &Request, auth: &DestinationAuth, prefix: &str, headers: &mut Vec<(String, Bytes)>) {
    let named = named_by_connection(request);
    let replaced = replaced_by(auth);
    let kept = request.headers.iter().filter(|(name, _)| {
        !HOP_BY_HOP.contains(&name.as_str())
            && !name.starts_with(PROXY_PREFIX)
            && !name.starts_with(prefix)
            && !named.iter().any(|other| other.eq_ignore_ascii_case(name))
            && !replaced.is_some_and(|other| other.eq_ignore_ascii_case(name))
    });
    headers.extend(kept.cloned());
}

/// What is said under our prefix.
fn ours(
    request: &Request,
    event: String,
    attempt: &Attempt<'_>,
    sender: &Sender<'_>,
    headers: &mut Vec<(String, Bytes)>,
) {
    let mut add = |name: &str, value: String| headers.push(([sender.header_prefix, name].concat(), value.into()));
    add("event-url", [sender.api_url, "/events/", &event].concat());
    add("eventid", event);
    add("requestid", request.id.to_string());
    if let Some(name) = attempt.source_name {
        add("source-name", name.to_owned());
    }
    if let Some(name) = attempt.connection_name {
        add("connection-name", name.to_owned());
    }
    add("destination-name", attempt.destination_name.to_owned());
    add("attempt-count", attempt.plan.number.to_string());
    add("attempt-trigger", attempt.plan.trigger.as_str().to_owned());
    if let Some(ms) = attempt.retry_after_ms {
        add("will-retry-after", ms.div_ceil(1000).to_string());
    }
    // No source checks who sent a request yet.
    add("verified", "false".to_owned());
    if let Some(ip) = request.client_ip {
        add("original-ip", ip.to_string());
    }
    if let Some(secret) = sender.signing_secret {
        add("signature", signature(secret, &request.body));
    }
    if let Some(secret) = sender.previous_secret {
        add("signature-2", signature(secret, &request.body));
    }
}

/// The headers that the request's `connection` names: they belong to the sender's connection, too.
fn named_by_connection(request: &Request) -> Vec<String> {
    let values = request.headers.iter().filter(|(name, _)| name == "connection");
    values
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The header that carries the destination's credentials; what the sender put there is not for the destination.
fn replaced_by(auth: &DestinationAuth) -> Option<&str> {
    match auth {
        DestinationAuth::HookdeckSignature => None,
        DestinationAuth::BearerToken { .. } | DestinationAuth::BasicAuth { .. } => Some("authorization"),
        DestinationAuth::ApiKeyHeader { key, .. } => Some(key),
    }
}

/// How the destination recognises us beside the signature.
fn credentials(auth: &DestinationAuth) -> Option<(String, Bytes)> {
    let authorization = |value: String| ("authorization".to_owned(), value.into());
    match auth {
        DestinationAuth::HookdeckSignature => None,
        DestinationAuth::BearerToken { token } => Some(authorization(format!("Bearer {}", token.expose()))),
        DestinationAuth::BasicAuth { username, password } => {
            let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
            Some(authorization(format!("Basic {pair}")))
        }
        DestinationAuth::ApiKeyHeader { key, api_key } => {
            Some((key.to_ascii_lowercase(), api_key.expose().to_owned().into()))
        }
    }
}
