//! What a delivery sends: URL, method and headers made of a request, its event and its destination.
//!
//! Pure. Headers that belong to the sender's connection stay behind, so do those with our prefix, which would let a
//! sender speak in our name.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use url::{Position, Url};

use crate::{
    domain::{AttemptTrigger, DestinationAuth, EventId, HttpDestination, Request, Secret, signature::signature},
    transport::Outbound,
};

/// Headers that speak about one connection, not about the request (RFC 9110 §7.6.1), and those the client writes itself.
const HOP_BY_HOP: [&str; 9] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
/// What else speaks about one connection.
const PROXY_PREFIX: &str = "proxy-";
/// The name of the event for receivers that follow Standard Webhooks.
const WEBHOOK_ID: &str = "webhook-id";

/// Which try of which event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) event: EventId,
    pub(crate) number: u32,
    pub(crate) trigger: AttemptTrigger,
}

/// What is the same for all deliveries of a project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) signing_secret: Option<&'a Secret>,
    pub(crate) header_prefix: &'a str,
    pub(crate) timeout: Duration,
}

/// Builds what is sent.
///
/// # Errors
///
/// The URL's own words when it cannot be used; it was checked when it was set.
pub(crate) fn outbound(
    request: &Request,
    (base, destination): (&str, &HttpDestination),
    attempt: Attempt,
    sender: &Sender<'_>,
) -> Result<Outbound, String> {
    let method = destination.http_method.map_or_else(|| request.method.clone(), |method| method.as_str().to_owned());
    Ok(Outbound {
        method,
        url: url(request, base, destination)?,
        headers: headers(request, &destination.auth, attempt, sender),
        body: request.body.clone(),
        timeout: sender.timeout,
    })
}

/// The destination's URL with the request's path and query behind its own, byte for byte: nothing is normalised, because
/// what the sender signed must arrive.
fn url(request: &Request, base: &str, destination: &HttpDestination) -> Result<String, String> {
    let alone = destination.path_forwarding_disabled || (request.path.is_empty() && request.query.is_none());
    if alone {
        return Ok(base.to_owned());
    }
    if climbs(&request.path) {
        return Err(
            "the request's path has a `..` segment, which could lead out of the destination's own path".to_owned()
        );
    }
    let own = Url::parse(base).map_err(|error| format!("the destination's url: {error}"))?;
    let path = if request.path.is_empty() { own.path() } else { own.path().trim_end_matches('/') };
    let mut url = [&own[..Position::BeforePath], path, &request.path].concat();
    let queries = [own.query().filter(|own| !own.is_empty()), request.query.as_deref()];
    for (mark, query) in ['?', '&'].into_iter().zip(queries.into_iter().flatten()) {
        url.push(mark);
        url.push_str(query);
    }
    Ok(url)
}

/// Whether some server could read a `..` segment in a path, whatever it decodes before it splits.
fn climbs(path: &str) -> bool {
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    decoded.split(['/', '\\']).any(|segment| segment == "..")
}

fn headers(request: &Request, auth: &DestinationAuth, attempt: Attempt, sender: &Sender<'_>) -> Vec<(String, Bytes)> {
    /// Room for ours.
    const OURS: usize = 8;
    let named = named_by_connection(request);
    let replaced = replaced_by(auth);
    let mut headers = Vec::with_capacity(request.headers.len() + OURS);
    headers.extend(
        request
            .headers
            .iter()
            .filter(|(name, _)| {
                !HOP_BY_HOP.contains(&name.as_str())
                    && !name.starts_with(PROXY_PREFIX)
                    && !name.starts_with(sender.header_prefix)
                    && !named.iter().any(|other| other.eq_ignore_ascii_case(name))
                    && !replaced.is_some_and(|other| other.eq_ignore_ascii_case(name))
            })
            .cloned(),
    );
    if !headers.iter().any(|(name, _)| name == WEBHOOK_ID) {
        headers.push((WEBHOOK_ID.to_owned(), attempt.event.to_string().into()));
    }
    let mut ours = |name: &str, value: String| headers.push((format!("{}{name}", sender.header_prefix), value.into()));
    ours("eventid", attempt.event.to_string());
    ours("requestid", request.id.to_string());
    ours("attempt-count", attempt.number.to_string());
    ours("attempt-trigger", attempt.trigger.as_str().to_owned());
    if let Some(secret) = sender.signing_secret {
        ours("signature", signature(secret, &request.body));
    }
    match auth {
        DestinationAuth::HookdeckSignature => {}
        DestinationAuth::BearerToken { token } => {
            headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose()).into()));
        }
        DestinationAuth::BasicAuth { username, password } => {
            let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
            headers.push(("authorization".to_owned(), format!("Basic {pair}").into()));
        }
        DestinationAuth::ApiKeyHeader { key, api_key } => {
            headers.push((key.to_ascii_lowercase(), api_key.expose().to_owned().into()));
        }
    }
    headers
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HttpMethod, RequestId, SourceId, Timestamp};

    fn request(path: &str, query: Option<&str>, headers: &[(&str, &str)]) -> Request {
        Request {
            id: RequestId::from_bits(7),
            source_id: SourceId::from_bits(8),
            received_at: Timestamp::EPOCH,
            method: "PUT".to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Bytes::from((*value).to_owned())))
                .collect(),
            body: Bytes::from_static(b"{}"),
            body_truncated: false,
            client_ip: None,
        }
    }

    fn destination(url: &str) -> HttpDestination {
        let auth = DestinationAuth::HookdeckSignature;
        HttpDestination { url: Some(url.to_owned()), http_method: None, path_forwarding_disabled: false, auth }
    }

    fn build(request: &Request, destination: &HttpDestination) -> Outbound {
        let secret = Secret::new("s");
        let sender =
            Sender { signing_secret: Some(&secret), header_prefix: "x-hookgate-", timeout: Duration::from_secs(1) };
        let attempt = Attempt { event: request.id.event(0), number: 3, trigger: AttemptTrigger::Automatic };
        outbound(request, (destination.url.as_deref().unwrap(), destination), attempt, &sender).unwrap()
    }

    fn header<'a>(outbound: &'a Outbound, name: &str) -> Vec<&'a str> {
        let values = outbound.headers.iter().filter(|header| header.0 == name);
        values.map(|header| std::str::from_utf8(&header.1).unwrap()).collect()
    }

    #[test]
    fn path_and_query_are_forwarded_behind_the_destinations_own() {
        let cases = [
            ("https://a.example/in", "", None, "https://a.example/in"),
            ("https://a.example/in", "/x/y", Some("q=1"), "https://a.example/in/x/y?q=1"),
            ("https://a.example/in/?k=v", "/x", Some("q=1"), "https://a.example/in/x?k=v&q=1"),
            ("https://a.example", "/x%20y", None, "https://a.example/x%20y"),
            ("https://a.example/?k=v", "", Some("q"), "https://a.example/?k=v&q"),
            ("https://a.example/in", "/", None, "https://a.example/in/"),
            ("https://a.example/in/", "//a//./b", Some(""), "https://a.example/in//a//./b?"),
            ("https://a.example/in", "/a..b/..c", None, "https://a.example/in/a..b/..c"),
        ];
        for (url, path, query, expected) in cases {
            assert_eq!(build(&request(path, query, &[]), &destination(url)).url, expected);
        }
        let mut alone = destination("https://a.example/in");
        alone.path_forwarding_disabled = true;
        assert_eq!(build(&request("/x", Some("q=1"), &[]), &alone).url, "https://a.example/in");
    }

    #[test]
    fn a_path_that_leads_out_of_the_destinations_own_is_not_sent() {
        for path in ["/..", "/../x", "/a/../../x", "/%2e%2E/x", "/.%2e/x", "/..\\x", "/a%2f..%5Cx", "/%2e.%2fx"] {
            assert!(
                url(&request(path, None, &[]), "https://a.example/in", &destination("https://a.example/in")).is_err(),
                "{path}"
            );
        }
    }

    #[test]
    fn what_belongs_to_the_senders_connection_stays_behind() {
        let given = [
            ("host", "us"),
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("proxy-authorization", "secret"),
            ("content-length", "2"),
            ("x-hookgate-eventid", "forged"),
            ("x-shop", "a"),
            ("x-shop", "b"),
        ];
        let sent = build(&request("", None, &given), &destination("https://a.example/"));
        let names: Vec<_> = sent.headers.iter().map(|header| header.0.as_str()).collect();
        assert_eq!(names[..3], ["x-shop", "x-shop", "webhook-id"]);
        assert_eq!(header(&sent, "x-hookgate-eventid"), [RequestId::from_bits(7).event(0).to_string()]);
        assert_eq!(header(&sent, "x-hookgate-attempt-count"), ["3"]);
        assert_eq!(header(&sent, "x-hookgate-attempt-trigger"), ["AUTOMATIC"]);
        assert_eq!(header(&sent, "x-hookgate-signature"), [signature(&Secret::new("s"), b"{}")]);
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn a_name_for_the_event_that_the_sender_gave_is_kept() {
        let sent = build(&request("", None, &[("webhook-id", "theirs")]), &destination("https://a.example/"));
        assert_eq!(header(&sent, "webhook-id"), ["theirs"]);
    }

    #[test]
    fn credentials_of_the_destination_replace_the_senders() {
        let mut to = destination("https://a.example/");
        to.http_method = Some(HttpMethod::Post);
        to.auth = DestinationAuth::BasicAuth { username: "u".to_owned(), password: Secret::new("p") };
        let sent = build(&request("", None, &[("authorization", "Bearer theirs")]), &to);
        assert_eq!((sent.method.as_str(), header(&sent, "authorization")), ("POST", vec!["Basic dTpw"]));
        to.auth = DestinationAuth::ApiKeyHeader { key: "X-Key".to_owned(), api_key: Secret::new("k") };
        assert_eq!(header(&build(&request("", None, &[("x-key", "theirs")]), &to), "x-key"), ["k"]);
    }
}
