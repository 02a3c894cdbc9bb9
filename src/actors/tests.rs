//! The actors on virtual time: a memory store, a scripted transport, one thread, days in milliseconds.

mod asks;
mod bulk;
mod deliveries;
mod faults;
mod pauses;
mod resending;
mod resuming;
mod switching;
mod threads;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Applied, DeliverySettings, Engine, GatewayHandle, Milestone, Milestones};
use crate::{
    clock::{Clock, VirtualClock},
    domain::{
        ConfigItem, ConnectionId, DestinationId, Event, EventId, EventStatus, HttpMethod, Phase, Project, ProjectId,
        Request, RequestId, RetryRule, RetryStrategy, Route, Rule, Secret, SourceId, Timestamp,
        delivery::Asked,
        directory::{Command, ConnectionDraft, DestinationDraft, DestinationType, Reference, SourceDraft},
        document::Author,
    },
    store::{NewRequest, Store, faulty::FaultyStore, memory::MemoryStore},
    transport::{Outbound, scripted::ScriptedTransport},
};

const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const URL: &str = "https://shop.example/hooks";
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A clock and dice that can be told to panic once: a bug in whoever asks next.
struct Trap {
    clock: VirtualClock,
    clock_set: AtomicBool,
    dice_set: AtomicBool,
    drawn: AtomicU64,
}

impl Clock for Trap {
    fn now(&self) -> Timestamp {
        assert!(!self.clock_set.swap(false, Ordering::Relaxed), "the clock's trap");
        self.clock.now()
    }
}

impl Trap {
    fn draw(&self) -> u64 {
        assert!(!self.dice_set.swap(false, Ordering::Relaxed), "the dice's trap");
        // Small numbers: distinct ids, and no jitter worth a millisecond.
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }
}

/// A gateway with one connection, and everything around it.
struct World {
    handle: GatewayHandle,
    memory: Arc<MemoryStore>,
    faulty: Arc<FaultyStore>,
    transport: ScriptedTransport,
    trap: Arc<Trap>,
    milestones: UnboundedReceiver<Milestone>,
    connection: ConnectionId,
    destination: DestinationId,
    source: SourceId,
    requests: u128,
}

fn retry(strategy: RetryStrategy, interval_ms: u64, count: u32) -> Vec<Rule> {
    vec![Rule::Retry(RetryRule {
        strategy,
        interval_ms: Some(interval_ms),
        count: Some(count),
        response_status_codes: Vec::new(),
    })]
}

fn new_connection(name: &str, url: &str, rules: Vec<Rule>) -> ConnectionDraft {
    ConnectionDraft {
        name: Some(Some(name.to_owned())),
        description: None,
        source: Some(Reference::Inline(SourceDraft {
            name: Some("shop".to_owned()),
            allowed_http_methods: Some(vec![HttpMethod::Post]),
            ..SourceDraft::default()
        })),
        destination: Some(Reference::Inline(DestinationDraft {
            name: Some(name.to_owned()),
            url: Some(Some(url.to_owned())),
            ..DestinationDraft::default()
        })),
        rules: Some(rules),
    }
}

impl World {
    async fn new(rules: Vec<Rule>) -> Self {
        Self::with_concurrency(rules, 4).await
    }

    async fn with_concurrency(rules: Vec<Rule>, concurrency: usize) -> Self {
        tokio::time::pause();
        let trap = Arc::new(Trap {
            clock: VirtualClock::starting_at(T0),
            clock_set: AtomicBool::new(false),
            dice_set: AtomicBool::new(false),
            drawn: AtomicU64::new(1),
        });
        let memory = MemoryStore::new(Arc::new(trap.clock));
        let project = Project {
            id: ProjectId::from_bits(1),
            name: "test".to_owned(),
            signing_secret: Secret::new("secret"),
            previous_secret: None,
            created_at: T0,
            version: 1,
        };
        memory.put_config(vec![ConfigItem::Project(project)]).await.unwrap();
        let mut world = Self::on(memory, trap, concurrency).await;
        (world.connection, world.destination) = world.connect("one", URL, rules).await;
        world.reached(Milestone::Refilled(world.connection)).await;
        world
    }

    /// Starts a gateway on a store.
    async fn on(memory: MemoryStore, trap: Arc<Trap>, concurrency: usize) -> Self {
        Self::prepared(memory, trap, concurrency, |_| {}).await
    }

    /// As [`on`](Self::on), with something done to the store before.
    async fn prepared(
        memory: MemoryStore,
        trap: Arc<Trap>,
        concurrency: usize,
        prepare: impl FnOnce(&FaultyStore),
    ) -> Self {
        let memory = Arc::new(memory);
        let faulty = Arc::new(FaultyStore::over(Arc::clone(&memory) as Arc<dyn Store>));
        prepare(&faulty);
        let transport = ScriptedTransport::new();
        let (tell, milestones) = Milestones::channel();
        let dice = Arc::clone(&trap);
        let engine = Engine {
            store: Arc::clone(&faulty) as Arc<dyn Store>,
            clock: Arc::clone(&trap) as Arc<dyn Clock>,
            transport: Arc::new(transport.clone()),
            settings: DeliverySettings { concurrency, ..DeliverySettings::default() },
            bulk: bulk::settings(),
            arbiters: 0,
            milestones: tell,
            dice: Arc::new(move || dice.draw()),
        };
        let handle = engine.start();
        tokio::task::yield_now().await;
        Self {
            handle,
            memory,
            faulty,
            transport,
            trap,
            milestones,
            connection: ConnectionId::from_bits(0),
            destination: DestinationId::from_bits(0),
            source: SourceId::from_bits(0),
            requests: 0,
        }
    }

    /// What the next process finds, with everything of this one gone: as by kill -9, or closed before as by an orderly end.
    async fn reborn(self, concurrency: usize) -> Self {
        let memory = self.memory.restart();
        let mut next = Self::on(memory, self.trap, concurrency).await;
        (next.connection, next.destination) = (self.connection, self.destination);
        (next.source, next.requests) = (self.source, self.requests);
        next
    }

    /// Adds a connection.
    async fn connect(&mut self, name: &str, url: &str, rules: Vec<Rule>) -> (ConnectionId, DestinationId) {
        let command = Command::CreateConnection(new_connection(name, url, rules));
        let applied = self.handle.apply(command, Author::Gateway).await.unwrap();
        let connection = applied.changed.iter().find_map(|item| match item {
            ConfigItem::Connection(connection) => Some(connection.clone()),
            _ => None,
        });
        let connection = connection.unwrap();
        self.source = connection.source_id;
        (connection.id, connection.destination_id)
    }

    fn now(&self) -> Timestamp {
        self.trap.clock.now()
    }

    /// Accepts a request for the world's own connection.
    async fn ingest(&mut self) -> EventId {
        self.ingest_for(self.connection, self.destination).await
    }

    async fn ingest_for(&mut self, connection_id: ConnectionId, destination_id: DestinationId) -> EventId {
        let generation = self.memory.configuration().standing(connection_id).generation;
        let new = self.request_for(Route { connection_id, destination_id, generation });
        let id = new.request.id.event(0);
        self.faulty.accept(new).await.unwrap();
        id
    }

    /// The next request, on one route; its body is its number.
    fn request_for(&mut self, route: Route) -> NewRequest {
        self.requests += 1;
        let request = Request {
            id: RequestId::from_parts(self.now(), self.requests << 40),
            source_id: self.source,
            received_at: self.now(),
            method: "POST".to_owned(),
            path: String::new(),
            query: None,
            headers: Vec::new(),
            body: Bytes::from(self.requests.to_string()),
            body_truncated: false,
            client_ip: None,
        };
        NewRequest {
            request: Arc::new(request),
            routes: vec![route],
            first_index: 0,
            documents: Vec::new(),
            ignored: Vec::new(),
            rejection: None,
            body_permit: Some(Arc::new(())),
        }
    }

    /// Waits for a fact; virtual time passes as far as it must.
    async fn reached(&mut self, wanted: Milestone) {
        let waiting = async { while self.milestones.recv().await.expect("the gateway lives") != wanted {} };
        let limit = Duration::from_secs(30 * 24 * 3600);
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| panic!("{wanted:?} was never reached"));
    }

    /// Waits until something holds, a millisecond of virtual time after the other.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1_000_000 {
            if holds(self) {
                return;
            }
            // Not `advance`: the clock must stand still while a reading is on its way on another thread.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{what} was never so: {:?}", self.handle.snapshot(self.connection));
    }

    fn event(&self, id: EventId) -> Event {
        self.memory.event(id).unwrap().event
    }

    fn phase(&self, id: EventId) -> Phase {
        self.event(id).phase
    }

    /// When each attempt started, in milliseconds after the first, cut to ten: tokio's timers are up to one late each.
    fn starts_ms(&self, id: EventId) -> Vec<u64> {
        let attempts = self.event(id).attempts;
        attempts.iter().map(|attempt| attempt.started_at.ms_since(attempts[0].started_at) / 10 * 10).collect()
    }

    fn sent(&self) -> Vec<Outbound> {
        self.transport.sent()
    }

    /// The bodies that were sent, which are the numbers of the requests.
    fn bodies(&self) -> Vec<u32> {
        let text = |outbound: Outbound| String::from_utf8(outbound.body.to_vec()).unwrap();
        self.sent().into_iter().map(|outbound| text(outbound).parse().unwrap()).collect()
    }

    fn snapshot(&self) -> super::ConnectionSnapshot {
        self.handle.snapshot(self.connection).unwrap()
    }

    async fn pause(&self) {
        self.apply(Command::Pause(self.connection)).await;
    }

    async fn unpause(&self) {
        self.apply(Command::Unpause(self.connection)).await;
    }

    async fn apply(&self, command: Command) -> Applied {
        self.handle.apply(command, Author::Gateway).await.unwrap()
    }

    /// The public status.
    fn status(&self, id: EventId) -> EventStatus {
        let event = self.event(id);
        event.status(self.memory.configuration().standing(event.connection_id), self.now())
    }
}
