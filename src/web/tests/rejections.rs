//! What is refused of known sources: what senders see of it, and what is recorded.

use std::{sync::Arc, time::Duration};

use actix_web::rt::time::timeout;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::kit::{AT, Answered, KEY, Server, api_with, connection, ingress_with, put, raw, send, source, store};
use crate::{
    actors::Milestones,
    domain::{ConfigItem, RejectionCause, Request, SourceId, SourceToken, Timestamp},
    ingress::{BODY_KEPT_BYTES_MAX, BodyBudget, Rejections},
    store::{
        NewRequest, StoreError,
        faulty::{FaultyStore, Write},
    },
    web::{
        body::Pace,
        ingest::{IngestState, RejectionAnswers},
    },
};

const LIMIT: usize = 200_000;
const JSON: &str = "content-type: application/json; charset=utf-8\r\n";
/// Far more than anything here takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sources `tok` with a connection, `off` that is disabled, `alone` that nothing listens to.
fn listening(change: impl FnOnce(&mut IngestState)) -> (Server, Arc<FaultyStore>) {
    let memory = store();
    let (mut off, mut alone) = (source(), source());
    (off.id, off.name, off.token) = (SourceId::from_bits(8), "off".to_owned(), SourceToken::new("off"));
    off.disabled_at = Some(AT);
    (alone.id, alone.name, alone.token) = (SourceId::from_bits(9), "alone".to_owned(), SourceToken::new("alone"));
    let sources = [source(), off, alone].map(ConfigItem::Source);
    put(memory.as_ref(), [sources.to_vec(), vec![ConfigItem::Connection(connection(1))]].concat());
    let store = Arc::new(FaultyStore::over(memory));
    let budget = BodyBudget::new(BodyBudget::DEFAULT_BYTES);
    let server = ingress_with(store.clone(), budget, |state| {
        state.body_bytes_max = LIMIT;
        change(state);
    });
    (server, store)
}

/// The last record, which must be of a rejection for this cause and stand under the id of the answer.
fn recorded(store: &FaultyStore, cause: RejectionCause, answer: &Answered) -> Arc<Request> {
    let asked = store.asked();
    let NewRequest { request, routes, ignored, rejection, .. } = asked.last().unwrap();
    assert_eq!((routes.len(), ignored.len(), *rejection), (0, 0, Some(cause)));
    assert_eq!(answer.json()["request_id"], request.id.to_string(), "{answer:?}");
    Arc::clone(request)
}

fn chunked(body_bytes: usize) -> Vec<u8> {
    let mut request = b"POST /e/tok HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..body_bytes / 1000 {
        request.extend_from_slice(format!("3e8\r\n{}\r\n", "x".repeat(1000)).as_bytes());
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[actix::test]
async fn a_disabled_source_is_403_and_what_was_sent_to_it_is_recorded() {
    let (server, store) = listening(|_| {});
    let answer = send(&server, "POST /e/off/path?q=1", "x-a: 1\r\n", b"{not json").await;
    let message = answer.refusal(403, "SOURCE_DISABLED");
    assert!(message.contains("enable it"), "{message}");
    let request = recorded(&store, RejectionCause::SourceDisabled, &answer);
    assert_eq!(
        (request.path.as_str(), request.query.as_deref(), &request.body[..]),
        ("/path", Some("q=1"), &b"{not json"[..])
    );
    assert!(request.headers.iter().any(|(name, value)| name == "x-a" && value == "1"));
    assert!(!request.body_truncated);
}

#[actix::test]
async fn a_method_that_is_not_taken_is_405_with_those_that_are() {
    let (server, store) = listening(|_| {});
    for method in ["GET", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = send(&server, &format!("{method} /e/tok"), "", b"body").await;
        let message = answer.refusal(405, "UNSUPPORTED_HTTP_METHOD");
        assert!(message.contains("POST, PUT") && answer.head.contains("allow: post, put"), "{answer:?}");
        assert_eq!(recorded(&store, RejectionCause::UnsupportedHttpMethod, &answer).method, method);
    }
}

#[actix::test]
async fn of_a_refused_body_64_kib_are_read_and_kept_and_a_short_one_leaves_the_connection_usable() {
    let (server, store) = listening(|_| {});
    for (length, kept) in [(BODY_KEPT_BYTES_MAX, 2), (LIMIT + 1, 1)] {
        let head = format!("POST /e/off HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        let next = b"POST /e/off HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let both = [head.as_bytes(), &vec![b'x'; length], next].concat();
        let before = store.asked().len();
        let answer = raw(&server, &both).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        let asked = store.asked();
        assert_eq!(asked.len() - before, kept, "{length}: the next one is read, or cut off");
        let request = &asked[before].request;
        assert_eq!((request.body.len(), request.body_truncated), (BODY_KEPT_BYTES_MAX, kept == 1), "{length}");
    }
}

#[actix::test]
async fn a_body_over_the_limit_is_413_before_it_is_sent_when_it_is_announced() {
    let (server, store) = listening(|_| {});
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /e/tok HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", LIMIT + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = until_closed(&mut stream).await;
    answer.refusal(413, "PAYLOAD_TOO_LARGE");
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    let request = recorded(&store, RejectionCause::PayloadTooLarge, &answer);
    assert_eq!((request.body.len(), request.body_truncated), (0, true));
}

#[actix::test]
async fn a_body_over_the_limit_is_413_when_it_comes_in_chunks_and_its_beginning_is_kept() {
    let (server, store) = listening(|_| {});
    let answer = raw(&server, &chunked(LIMIT + 1000)).await;
    let message = answer.refusal(413, "PAYLOAD_TOO_LARGE");
    assert!(message.contains("200000 bytes"), "{message}");
    let request = recorded(&store, RejectionCause::PayloadTooLarge, &answer);
    assert_eq!((request.body.len(), request.body_truncated), (BODY_KEPT_BYTES_MAX, true));
}

#[actix::test]
async fn json_that_does_not_parse_is_400_with_the_place() {
    let (server, store) = listening(|_| {});
    let large = format!("[{}\"\\x\"]", "1,".repeat(150_000));
    for (body, place) in [
        (&b"{\n \"a\": }"[..], "line 2 column 7"),
        (b"a=1", "line 1 column 1"),
        (b"\"\xff\"", "not UTF-8 at line 1 column 2"),
        (&large.as_bytes()[..LIMIT - 1], "line 1 column"),
    ] {
        let answer = send(&server, "POST /e/tok", JSON, body).await;
        let message = answer.refusal(400, "UNPARSABLE_JSON");
        assert!(message.contains(place), "{message}");
        let request = recorded(&store, RejectionCause::UnparsableJson, &answer);
        assert_eq!(request.body_truncated, body.len() > BODY_KEPT_BYTES_MAX);
        assert!(body.starts_with(&request.body));
    }
}

#[actix::test]
async fn what_parses_or_does_not_say_that_it_is_json_is_taken() {
    let (server, store) = listening(|_| {});
    let deep = [vec![b'['; 90_000], vec![b']'; 90_000]].concat();
    for (headers, body) in [
        (JSON, &b"{\"a\":[1,2]}"[..]),
        (JSON, b""),
        (JSON, &deep),
        ("", b"{"),
        ("content-type: text/plain\r\n", b"{"),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", b"\x1f\x8b\x08"),
    ] {
        let answer = send(&server, "POST /e/tok", headers, body).await;
        assert_eq!(answer.status, 200, "{headers}: {answer:?}");
        assert_eq!(store.asked().last().unwrap().rejection, None);
        assert_eq!(store.asked().last().unwrap().request.body, body);
    }
}

#[actix::test]
async fn nothing_listening_is_a_success_for_the_sender_and_recorded_with_its_cause() {
    let (server, store) = listening(|_| {});
    let answer = send(&server, "POST /e/alone", "", &vec![b'x'; BODY_KEPT_BYTES_MAX + 1]).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("SUCCESS")), "{answer:?}");
    let request = recorded(&store, RejectionCause::NoConnection, &answer);
    assert_eq!((request.body.len(), request.body_truncated), (BODY_KEPT_BYTES_MAX, true));
    store.fail(Write::Accept, 1, StoreError::DiskFull { low_bytes: 7 });
    send(&server, "POST /e/alone", "", b"").await.refusal(503, "DISK_FULL");
}

#[actix::test]
async fn a_full_store_leaves_a_refusal_what_it_is() {
    let mut rejections = Arc::default();
    let (server, store) = listening(|state| rejections = Arc::clone(state.ingress.rejections()));
    for (line, status, code) in
        [("POST /e/off", 403, "SOURCE_DISABLED"), ("GET /e/tok", 405, "UNSUPPORTED_HTTP_METHOD")]
    {
        store.fail(Write::Accept, 1, StoreError::DiskFull { low_bytes: 7 });
        let answer = send(&server, line, "", b"").await;
        answer.refusal(status, code);
        assert_eq!(answer.json().get("request_id"), None, "it is not recorded");
    }
    assert_eq!(rejections.unrecorded(source().id), [(RejectionCause::UnsupportedHttpMethod, 1)]);
    assert_eq!(rejections.unrecorded(SourceId::from_bits(8)), [(RejectionCause::SourceDisabled, 1)]);
}

#[actix::test]
async fn beyond_its_share_of_records_a_source_refuses_as_before_and_counts() {
    let mut rejections = Arc::default();
    let (server, store) = listening(|state| rejections = Arc::clone(state.ingress.rejections()));
    // By the wall clock the share grows while this runs: so it runs until the share is spent.
    let share = Arc::clone(&rejections);
    let at = Timestamp::MAX;
    while share.may_record(SourceId::from_bits(8), at) {}
    let before = store.asked().len();
    let answer = send(&server, "POST /e/off", "", b"").await;
    answer.refusal(403, "SOURCE_DISABLED");
    assert_eq!(answer.json().get("request_id"), None);
    assert_eq!(store.asked().len(), before);
    assert_eq!(rejections.unrecorded(SourceId::from_bits(8)), [(RejectionCause::SourceDisabled, 1)]);
}

#[actix::test]
async fn the_counts_are_shown_with_the_source_where_no_version_is_asked_for() {
    let memory = store();
    put(memory.as_ref(), vec![ConfigItem::Source(source())]);
    let rejections = Arc::new(Rejections::default());
    for _ in 0..3 {
        rejections.count(&source(), RejectionCause::PayloadTooLarge, AT);
    }
    let server = api_with(memory, Milestones::none(), rejections);
    let bearer = format!("authorization: Bearer {KEY}\r\n");
    for (version, counts) in [("", json!({ "PAYLOAD_TOO_LARGE": 3 })), ("/2025-07-01", json!(null))] {
        let answer = send(&server, &format!("GET {version}/sources/{}", source().id), &bearer, b"").await;
        assert_eq!(answer.json()["rejections_not_recorded"], counts, "{version}");
    }
}

#[actix::test]
async fn the_vendors_habit_answers_200_and_records_the_same() {
    let (server, store) = listening(|state| state.rejections = RejectionAnswers::Always200);
    for (line, headers, body, cause) in [
        ("POST /e/off", "", &b""[..], RejectionCause::SourceDisabled),
        ("GET /e/tok", "", b"", RejectionCause::UnsupportedHttpMethod),
        ("POST /e/tok", JSON, b"{", RejectionCause::UnparsableJson),
        ("POST /e/tok", "", &[b'x'; LIMIT + 1], RejectionCause::PayloadTooLarge),
    ] {
        let answer = send(&server, line, headers, body).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("SUCCESS")), "{answer:?}");
        recorded(&store, cause, &answer);
    }
    send(&server, "POST /e/nowhere", "", b"").await.refusal(404, "NOT_FOUND");
}

/// Reads until the server closes, which must come without any doing of the client's.
async fn until_closed(stream: &mut TcpStream) -> Answered {
    let mut answer = Vec::new();
    // A reset is a close too.
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection").ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answered { status, head: head.to_lowercase(), body: body.to_owned() }
}

#[actix::test]
async fn a_client_whose_body_does_not_come_is_answered_and_disconnected() {
    let soon = Pace { timeout: Duration::from_millis(100), bytes_per_s_min: 0 };
    let (server, store) = listening(|state| state.pace = soon);
    for (token, framing, status) in [
        ("tok", "transfer-encoding: chunked\r\n\r\n5\r\nab", 408),
        ("tok", "content-length: 5\r\n\r\nab", 408),
        ("tok", "transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n", 100),
        ("off", "transfer-encoding: chunked\r\n\r\n5\r\nab", 403),
        ("off", "content-length: 5\r\n\r\nab", 403),
        ("nowhere", "transfer-encoding: chunked\r\n\r\n5\r\nab", 404),
        ("nowhere", "content-length: 5\r\n\r\nab", 404),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST /e/{token} HTTP/1.1\r\nhost: x\r\n{framing}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert_eq!(answer.status, status, "{head:?}: {answer:?}");
    }
    let of_disabled = store.asked();
    assert_eq!(of_disabled.len(), 2, "what did not come whole is recorded of the disabled source only");
    assert!(of_disabled.iter().all(|new| new.request.body_truncated && new.request.body == "ab"));
}

#[actix::test]
async fn a_client_that_goes_on_sending_after_a_refusal_is_disconnected() {
    let (server, _store) = listening(|_| {});
    for token in ["off", "nowhere"] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let head = format!("POST /e/{token} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        let sending = actix_web::rt::spawn(async move {
            writing.write_all(head.as_bytes()).await?;
            let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
            loop {
                writing.write_all(chunk.as_bytes()).await?;
                actix_web::rt::time::sleep(Duration::from_millis(1)).await;
            }
            #[expect(unreachable_code, reason = "tells the type")]
            Ok::<(), std::io::Error>(())
        });
        let broken = timeout(PATIENCE, sending).await.expect("the server closes the connection").unwrap();
        assert!(broken.is_err());
        // The answer may be lost to the reset that sending on causes.
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.ok();
    }
}
