//! What senders see, and what is kept of what they sent.

use std::sync::Arc;

use super::kit::{AT, Answered, Server, connection, ingress, ingress_with, put, raw, send, source, store};
use crate::{
    domain::{ConfigItem, RequestId, Timestamp},
    ingress::BodyBudget,
    store::{
        EventFilter, EventOrder, PageRequest, Store, StoreError,
        faulty::{FaultyStore, Write},
        memory::MemoryStore,
    },
    web::client_ip::TrustedProxies,
};

const LIMIT: usize = 1000;

/// A source with two connections and a disabled one.
fn configured() -> Arc<MemoryStore> {
    let store = store();
    let mut disabled = connection(3);
    disabled.disabled_at = Some(AT);
    let connections = [connection(2), connection(1), disabled].map(ConfigItem::Connection);
    put(store.as_ref(), [vec![ConfigItem::Source(source())], connections.to_vec()].concat());
    store
}

fn listening(store: Arc<dyn Store>) -> Server {
    ingress(store, BodyBudget::new(BodyBudget::DEFAULT_BYTES), LIMIT)
}

fn request_id(answer: &Answered) -> RequestId {
    let body = answer.json();
    assert_eq!((answer.status, &body["status"]), (200, &"SUCCESS".into()), "{answer:?}");
    assert_eq!(body["message"], "Request successfully handled by hookgate");
    body["request_id"].as_str().unwrap().parse().unwrap()
}

fn events(store: &dyn Store) -> Vec<crate::domain::Event> {
    let page = PageRequest { order: EventOrder::Created, descending: false, after: None, limit: 100 };
    let page = store.events(&EventFilter::default(), &page, Timestamp::MAX).unwrap();
    page.events.into_iter().map(|kept| kept.event).collect()
}

#[actix::test]
async fn what_arrives_is_kept_byte_for_byte_with_an_event_per_enabled_connection() {
    let store = configured();
    let server = listening(store.clone());
    let request =
        b"POST /e/tok//a%2Fb/?q=%20&q=+ HTTP/1.1\r\nHost: in.example\r\nConnection: close\r\nX-B: 2\r\nx-a: first\r\n\
        X-A: caf\xe9\r\nContent-Length: 5\r\n\r\n\x00\xff{}\n";
    let id = request_id(&raw(&server, request).await);
    let kept = events(store.as_ref());
    assert_eq!(kept.iter().map(|event| event.connection_id).collect::<Vec<_>>(), [connection(1).id, connection(2).id]);
    assert!(kept.iter().all(|event| event.request_id == id));
    let at = store.event(kept[0].id()).unwrap().payload_ref;
    let request = store.request(at).unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "//a%2Fb/"));
    assert_eq!(request.query.as_deref(), Some("q=%20&q=+"));
    assert_eq!(&request.body[..], b"\x00\xff{}\n");
    assert_eq!(request.client_ip, Some("127.0.0.1".parse().unwrap()));
    let headers: Vec<(&str, &[u8])> = request.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    let expected: [(&str, &[u8]); 6] = [
        ("connection", b"close"),
        ("content-length", b"5"),
        ("host", b"in.example"),
        ("x-a", b"first"),
        ("x-a", b"caf\xe9"),
        ("x-b", b"2"),
    ];
    assert_eq!(headers, expected);
}

#[actix::test]
async fn whose_request_it_is_comes_from_a_trusted_proxy_and_nobody_else() {
    for (trusted, address) in [("127.0.0.0/8", "192.0.2.1"), ("10.0.0.0/8", "127.0.0.1")] {
        let store = configured();
        let proxies = TrustedProxies::new(vec![trusted.parse().unwrap()]);
        let budget = BodyBudget::new(BodyBudget::DEFAULT_BYTES);
        let server = ingress_with(store.clone(), budget, |state| state.trusted_proxies = proxies);
        let headers = "x-forwarded-for: 198.51.100.1, 192.0.2.1\r\n";
        let id = request_id(&send(&server, "POST /e/tok", headers, b"").await);
        let kept = events(store.as_ref());
        assert_eq!(kept[0].request_id, id);
        let at = store.event(kept[0].id()).unwrap().payload_ref;
        assert_eq!(store.request(at).unwrap().client_ip, Some(address.parse().unwrap()), "{trusted}");
    }
}

#[actix::test]
async fn a_request_without_a_path_or_body_is_one_too() {
    let store = configured();
    let server = listening(store.clone());
    request_id(&send(&server, "PUT /e/tok", "", b"").await);
    request_id(&send(&server, "POST /e/tok?", "", b"").await);
    request_id(&send(&server, "POST http://in.example/e/tok/x", "", b"").await);
    let kept: Vec<_> = events(store.as_ref())
        .iter()
        .filter(|event| event.index == 0)
        .map(|event| store.request(store.event(event.id()).unwrap().payload_ref).unwrap())
        .map(|request| (request.path, request.query))
        .collect();
    assert_eq!(kept, [(String::new(), None), (String::new(), Some(String::new())), ("/x".to_owned(), None)]);
}

#[actix::test]
async fn a_body_in_chunks_is_joined() {
    let store = configured();
    let server = listening(store.clone());
    let request = b"POST /e/tok HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    request_id(&raw(&server, request).await);
    let at = store.event(events(store.as_ref())[0].id()).unwrap().payload_ref;
    assert_eq!(store.request(at).unwrap().body, "abcde");
}

#[actix::test]
async fn what_is_nowhere_is_404_and_not_recorded() {
    let store = Arc::new(FaultyStore::over(configured()));
    let server = listening(store.clone());
    for line in ["POST /", "POST /e", "POST /e/", "POST /e//tok", "POST /x/tok", "POST //e/tok", "OPTIONS *"] {
        send(&server, line, "", b"").await.refusal(404, "NOT_FOUND");
    }
    for line in ["POST /e/TOK", "POST /e/tok%20", "POST /e/%74ok", "POST /e/tok;x", "GET /e/%00", "POST /e/%ff"] {
        let message = send(&server, line, "", b"").await.refusal(404, "NOT_FOUND");
        assert!(message.contains("no source has the token"), "{message}");
    }
    assert_eq!(store.asked().len(), 0);
}

#[actix::test]
async fn what_is_not_http_gets_a_clear_4xx_and_nothing_is_kept() {
    let store = configured();
    let server = listening(store.clone());
    for request in [
        &b"POST /e/tok\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..],
        b"POST /e/tok\0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"POST /e/tok HTTP/1.1\r\nhost: x\r\nx: \0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"POST /e/tok HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"POST /e/tok HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /e/tok HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01 hello\r\n\r\n",
    ] {
        let answer = raw(&server, request).await;
        assert!((400..500).contains(&answer.status), "{:?}: {answer:?}", String::from_utf8_lossy(request));
    }
    assert!(events(store.as_ref()).is_empty());
    request_id(&send(&server, "POST /e/tok", "", b"").await);
}

#[actix::test]
async fn a_store_that_refuses_is_503_and_come_again() {
    let faulty = Arc::new(FaultyStore::over(configured()));
    let server = listening(faulty.clone());
    for (error, code) in [
        (StoreError::Overloaded("the journal's queue"), "OVERLOADED"),
        (StoreError::DiskFull { low_bytes: 7 }, "DISK_FULL"),
        (StoreError::Closed, "CLOSING"),
    ] {
        faulty.fail(Write::Accept, 1, error);
        let answer = send(&server, "POST /e/tok", "", b"{}").await;
        answer.refusal(503, code);
        assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    }
    request_id(&send(&server, "POST /e/tok", "", b"{}").await);
}

#[actix::test]
async fn success_is_answered_after_the_commit_only_and_503_when_it_does_not_come() {
    let faulty = Arc::new(FaultyStore::over(configured()));
    let server = listening(faulty.clone());
    faulty.hold();
    send(&server, "POST /e/tok", "", b"{}").await.refusal(503, "UNCONFIRMED");
    faulty.release_all();
    request_id(&send(&server, "POST /e/tok", "", b"{}").await);
}

#[actix::test]
async fn memory_for_bodies_is_bounded_and_given_back() {
    let store = configured();
    let budget = BodyBudget::new(600);
    let server = ingress(store, budget.clone(), LIMIT);
    let answer = send(&server, "POST /e/tok", "", &[b'x'; 599]).await;
    answer.refusal(503, "OVERLOADED");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    for _ in 0..5 {
        request_id(&send(&server, "POST /e/tok", "", &[b'x'; 400]).await);
    }
    // Nobody listens to offers here, so nothing holds on to what was accepted.
    assert_eq!(budget.used(), 0);
}
