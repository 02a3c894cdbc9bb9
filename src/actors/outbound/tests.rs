//! URLs and headers of deliveries, by example.

use bytes::Bytes;

use super::*;
use crate::domain::{
    AttemptTrigger, DestinationAuth, HttpMethod, RequestId, SourceId,
    delivery::FollowUp,
    signature::{signature, webhook_signature},
};

fn request(path: &str, query: Option<&str>, headers: &[(&str, &str)]) -> Request {
    Request {
        id: RequestId::from_bits(7),
        source_id: SourceId::from_bits(8),
        received_at: Timestamp::EPOCH,
        method: "PUT".to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Bytes::from((*value).to_owned()))).collect(),
        body: Bytes::from_static(b"{}"),
        body_truncated: false,
        client_ip: Some("192.0.2.7".parse().unwrap()),
    }
}

fn destination(url: &str) -> HttpDestination {
    let auth = DestinationAuth::HookdeckSignature;
    HttpDestination { url: Some(url.to_owned()), http_method: None, path_forwarding_disabled: false, auth }
}

const SENDER: Sender<'static> = Sender {
    signing_secret: None,
    previous_secret: None,
    header_prefix: "x-hookgate-",
    api_url: "http://api.example",
    timeout: Duration::from_secs(1),
};

fn attempt(request: &Request) -> Attempt<'static> {
    Attempt {
        event: request.id.event(0),
        plan: Try { number: 3, trigger: AttemptTrigger::Automatic, resumed: false, follow_up: FollowUp::Nothing },
        at: Timestamp::from_ms(1_700_000_000_999),
        retry_after_ms: Some(1_500),
        source_name: Some("shop"),
        connection_name: Some("shop-to-api"),
        destination_name: "api",
    }
}

fn build(request: &Request, destination: &HttpDestination) -> Outbound {
    let secret = Secret::new("s");
    let sender = Sender { signing_secret: Some(&secret), ..SENDER };
    outbound(request, (destination.url.as_deref().unwrap(), destination), &attempt(request), &sender).unwrap()
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
        assert!(url::forwarded(&request(path, None, &[]), "https://a.example/in").is_err(), "{path}");
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
    let (event, signed) = (RequestId::from_bits(7).event(0).to_string(), signature(&Secret::new("s"), b"{}"));
    let webhook_signature = webhook_signature(&Secret::new("s"), &event, "1700000000", b"{}");
    let url = format!("http://api.example/events/{event}");
    let expected = [
        ("x-shop", "a"),
        ("x-shop", "b"),
        ("idempotency-key", &event),
        ("webhook-id", &event),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", &webhook_signature),
        ("x-hookgate-event-url", &url),
        ("x-hookgate-eventid", &event),
        ("x-hookgate-requestid", &RequestId::from_bits(7).to_string()),
        ("x-hookgate-source-name", "shop"),
        ("x-hookgate-connection-name", "shop-to-api"),
        ("x-hookgate-destination-name", "api"),
        ("x-hookgate-attempt-count", "3"),
        ("x-hookgate-attempt-trigger", "AUTOMATIC"),
        ("x-hookgate-will-retry-after", "2"),
        ("x-hookgate-verified", "false"),
        ("x-hookgate-original-ip", "192.0.2.7"),
        ("x-hookgate-signature", &signed),
    ];
    assert_eq!(names, expected.map(|(name, _)| name));
    for (name, value) in expected.into_iter().skip(2) {
        assert_eq!(header(&sent, name), [value]);
    }
}

#[test]
fn while_a_secret_is_rolled_both_sign() {
    let (request, to) = (request("", None, &[]), destination("https://a.example/"));
    let (new, old) = (Secret::new("new"), Secret::new("old"));
    let sender = Sender { signing_secret: Some(&new), previous_secret: Some(&old), ..SENDER };
    let sent = outbound(&request, ("https://a.example/", &to), &attempt(&request), &sender).unwrap();
    assert_eq!(header(&sent, "x-hookgate-signature"), [signature(&new, b"{}")]);
    assert_eq!(header(&sent, "x-hookgate-signature-2"), [signature(&old, b"{}")]);
    let event = request.id.event(0).to_string();
    let both = [&new, &old].map(|secret| webhook_signature(secret, &event, "1700000000", b"{}")).join(" ");
    assert_eq!(header(&sent, "webhook-signature"), [both]);
}

#[test]
fn the_last_try_and_a_connection_without_a_name_say_nothing_of_them() {
    let request = request("", None, &[]);
    let to = destination("https://a.example/");
    let attempt = Attempt { retry_after_ms: None, connection_name: None, ..attempt(&request) };
    let sent = outbound(&request, ("https://a.example/", &to), &attempt, &SENDER).unwrap();
    for name in ["will-retry-after", "connection-name", "signature"] {
        assert!(header(&sent, &format!("x-hookgate-{name}")).is_empty(), "{name}");
    }
    assert!(header(&sent, "webhook-signature").is_empty());
}

#[test]
fn a_sender_that_gave_one_of_the_three_keeps_what_it_gave_and_gets_no_other() {
    for given in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let sent = build(&request("", None, &[(given, "theirs")]), &destination("https://a.example/"));
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let expected: &[&str] = if name == given { &["theirs"] } else { &[] };
            assert_eq!(header(&sent, name), expected, "{given} given");
        }
    }
    let sent = build(&request("", None, &[("idempotency-key", "theirs")]), &destination("https://a.example/"));
    assert_eq!(header(&sent, "idempotency-key"), ["theirs"]);
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
