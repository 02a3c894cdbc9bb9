//! Servers on free ports, raw requests, and what came back.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    web::{Data, ServiceConfig},
};
use futures_util::FutureExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    actors::{BulkSettings, DeliverySettings, Engine, Milestones},
    clock::SystemClock,
    domain::{
        ApiKey, ApiKeyId, ConfigItem, Connection, ConnectionId, DestinationId, HttpMethod, Project, ProjectId, Secret,
        Source, SourceId, SourceToken, Timestamp,
    },
    ingress::{BodyBudget, Ingress, Rejections, RequestIds},
    query::Query,
    store::{Store, memory::MemoryStore},
    transport::awc::{AwcFactory, AwcOptions},
    web::{
        auth::Gate,
        body::Pace,
        bulk,
        client_ip::TrustedProxies,
        ingest::{self, IngestState, RejectionAnswers, TestSender},
        live::{self, Live},
        resources::stats::About,
        routes::{self, ApiState},
    },
};

pub(super) const KEY: &str = "hgk_test";
pub(super) const AT: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// A server that ends with its test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    handle: ServerHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn serve(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Server {
    let server = HttpServer::new(move || App::new().configure(configure.clone()))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix::spawn(server);
    Server { address, handle }
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answered {
    /// The body, which must be JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a refusal in the API's shape, and answers its message.
    pub(super) fn refusal(&self, status: u16, code: &str) -> String {
        let body = self.json();
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{self:?}");
        assert_eq!(body["handled"], true);
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        body["message"].as_str().unwrap().to_owned()
    }
}

/// Sends bytes as they are and reads until the server closes.
pub(super) async fn raw(server: &Server, request: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // A refused body is not read to its end, so both directions may be cut.
    stream.write_all(request).await.ok();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        answer.extend_from_slice(&chunk[..length]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answered { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// A request with a length and the end of the connection.
pub(super) async fn send(server: &Server, line: &str, headers: &str, body: &[u8]) -> Answered {
    let mut request =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    request.extend_from_slice(body);
    raw(server, &request).await
}

/// The store both listeners work on.
pub(super) fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    put(
        store.as_ref(),
        vec![
            ConfigItem::Project(Project {
                id: ProjectId::from_bits(1),
                name: "test".to_owned(),
                signing_secret: Secret::new("s"),
                previous_secret: None,
                created_at: AT,
                version: 1,
            }),
            ConfigItem::ApiKey(ApiKey {
                id: ApiKeyId::from_bits(2),
                label: "test".to_owned(),
                hash: Sha256::digest(KEY).into(),
                scope: crate::domain::Scope::Admin,
                previous: None,
                revoked_at: None,
                created_at: AT,
                version: 1,
            }),
        ],
    );
    store
}

pub(super) fn put(store: &dyn Store, items: Vec<ConfigItem>) {
    store.put_config(items).now_or_never().unwrap().unwrap();
}

pub(super) fn source() -> Source {
    Source {
        id: SourceId::from_bits(7),
        name: "shop".to_owned(),
        description: None,
        token: SourceToken::new("tok"),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: vec![HttpMethod::Post, HttpMethod::Put],
        custom_response: None,
        disabled_at: None,
        deleted_at: None,
        created_at: AT,
        updated_at: AT,
        version: 1,
    }
}

pub(super) fn connection(number: u128) -> Connection {
    Connection {
        id: ConnectionId::from_bits(number),
        name: None,
        description: None,
        source_id: source().id,
        destination_id: DestinationId::from_bits(9),
        rules: vec![],
        paused_at: None,
        unpaused_at: None,
        generation: 0,
        disabled_at: None,
        deleted_at: None,
        created_at: AT,
        updated_at: AT,
        version: 1,
    }
}

/// The ingress listener over a store.
pub(super) fn ingress(store: Arc<dyn Store>, budget: BodyBudget, body_bytes_max: usize) -> Server {
    ingress_with(store, budget, |state| state.body_bytes_max = body_bytes_max)
}

/// The ingress listener over a store, with other settings.
pub(super) fn ingress_with(store: Arc<dyn Store>, budget: BodyBudget, change: impl FnOnce(&mut IngestState)) -> Server {
    let state = ingest_state(store, budget, change);
    serve(move |app| ingest::configure(app, Data::clone(&state)))
}

fn ingest_state(store: Arc<dyn Store>, budget: BodyBudget, change: impl FnOnce(&mut IngestState)) -> Data<IngestState> {
    let mut state = IngestState {
        ingress: Ingress::new(store, Arc::new(SystemClock), RequestIds, budget),
        body_bytes_max: IngestState::BODY_BYTES_MAX_DEFAULT,
        trusted_proxies: TrustedProxies::default(),
        pace: Pace::default(),
        rejections: RejectionAnswers::Status,
    };
    change(&mut state);
    Data::new(state)
}

/// The API's listener over a store.
pub(super) fn api(store: Arc<dyn Store>) -> Server {
    api_with(store, Milestones::none(), Arc::default())
}

/// The API's listener over a store, with a gateway that tells what it reaches, and what an ingress did not record.
pub(super) fn api_with(store: Arc<dyn Store>, milestones: Milestones, rejections: Arc<Rejections>) -> Server {
    let engine = Engine {
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        transport: Arc::new(AwcFactory::new(AwcOptions::on_this_machine()).unwrap()),
        settings: DeliverySettings::default(),
        bulk: BulkSettings { rate_per_s: 1_000, reader: bulk::reader() },
        arbiters: 0,
        milestones,
        dice: Arc::new(|| getrandom::u64().unwrap()),
    };
    let query = Query::new(Arc::clone(&store), Arc::new(SystemClock));
    let limits = live::Limits { readers_max: 8, heartbeat: std::time::Duration::from_secs(15) };
    let live = Arc::new(Live::new(query.clone(), "https://in.example/", limits));
    let ingest = ingest_state(store, BodyBudget::new(BodyBudget::DEFAULT_BYTES), |_| ());
    let state = Data::new(ApiState {
        query,
        gateway: engine.start(),
        ingress_url: "https://in.example/".to_owned(),
        stopping: Arc::default(),
        rejections,
        gate: Gate::default(),
        live,
        tests: TestSender::new(ingest, "x-hookgate-"),
        about: About { started_at: AT, retention_ms: 1, quota_bytes: None, settings: serde_json::json!({}) },
        desk: tokio::sync::Mutex::default(),
    });
    serve(move |app| routes::configure(app, Data::clone(&state)))
}

/// Calls the API with the key.
pub(super) async fn call(server: &Server, line: &str, body: &str) -> Answered {
    let headers = format!("authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
    send(server, line, &headers, body.as_bytes()).await
}
