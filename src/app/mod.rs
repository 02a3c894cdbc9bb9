//! The composition root: the only place that names concrete types and puts them together.
//!
//! ```text
//! serve: open the store ─► first start? provision ─► actors ─► both listeners ─► say where ─► signal ─► stop, in that order:
//!        ingress (finish what is being acknowledged) ─► deliveries (grace) ─► API ─► store
//! ```

mod banner;
mod files;
mod keys;
mod offline;
mod provision;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::files::Connections;
pub use self::offline::{CheckReport, check, new_key, rebuild};
use crate::{
    actors::{DeliverySettings, Dice, Engine, GatewayHandle, Milestones},
    clock::{Clock, SystemClock},
    config::{ConfigError, Egress, Settings},
    ingress::{BodyBudget, Ingress, RequestIds},
    query::Query,
    store::{
        Store,
        local::{LocalOptions, LocalStore},
    },
    transport::awc::{AwcFactory, AwcOptions},
    transport::egress::EgressPolicy,
    transport::resolver::{Resolver, ResolverOptions},
    web::{ingest, ingest::IngestState, routes, routes::ApiState},
};

/// Idle connections of senders are kept this long: longer than common balancers in front keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request's head must be complete within this time.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// What is being acknowledged when the stop comes gets this long, in seconds.
const ACKNOWLEDGE_GRACE_SECS: u64 = 5;
/// Time between two retention passes: what is past its time may stay so much longer.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// Runs the gateway until it is told to stop.
///
/// # Errors
///
/// When the data directory, an address or the configuration cannot be used.
pub fn serve(settings: Settings) -> anyhow::Result<()> {
    actix::System::new().block_on(async move {
        let application = Application::start(&settings)?;
        application.run_until_stopped(settings.delivery.drain_grace()).await
    })
}

/// Everything that runs.
struct Application {
    store: Arc<LocalStore>,
    gateway: GatewayHandle,
    ingress: ServerHandle,
    api: ServerHandle,
    stopping: Arc<AtomicBool>,
    signals: Signals,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Application {
    fn start(settings: &Settings) -> anyhow::Result<Self> {
        // Before anything that a signal should undo.
        let signals =
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        let connections = Connections::share_out();
        // Addresses first: a second start must fail before it touches data.
        let ingress_socket = bind("ingress.listen", settings.ingress.listen)?;
        let api_socket = bind("api.listen", settings.api.listen)?;
        let addresses = (ingress_socket.local_addr()?, api_socket.local_addr()?);

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(LocalStore::open(store_options(settings), Arc::clone(&clock))?);
        let provisioned = provision::provision(store.as_ref(), settings, clock.now())?;

        let transport = AwcFactory::new(AwcOptions {
            egress: egress_policy(&settings.egress, addresses),
            resolver: Resolver::start(&ResolverOptions {
                timeout: settings.egress.dns_timeout(),
                nameservers: settings.egress.nameservers(),
            })
            .context("names cannot be looked up")?,
        })
        .context("TLS cannot be set up")?;
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let engine = Engine {
            store: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            transport: Arc::new(transport),
            settings: DeliverySettings {
                timeout: settings.delivery.timeout(),
                concurrency: settings.delivery.concurrency,
                header_prefix: settings.delivery.header_prefix.clone(),
                api_url: settings.api.public_url(addresses.1).trim_end_matches('/').to_owned(),
            },
            arbiters: settings.delivery.arbiters(),
            milestones: Milestones::none(),
            dice: dice(),
        };
        let gateway = engine.start();
        let ingress_url = settings.ingress.public_url(addresses.0);
        let ingress = serve_ingress(settings, (ingress_socket, connections), &shared, &clock)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let state = ApiState {
            query: Query::new(Arc::clone(&shared), Arc::clone(&clock)),
            gateway: gateway.clone(),
            ingress_url: ingress_url.clone(),
            stopping: Arc::clone(&stopping),
        };
        let api = serve_api(settings, (api_socket, connections), state)?;
        banner::show(&banner::Banner {
            configuration: &store.configuration(),
            provisioned,
            ingress_url,
            api_url: settings.api.public_url(addresses.1),
            data: settings.data.dir.clone(),
        })?;
        Ok(Self { store, gateway, ingress, api, stopping, signals })
    }

    /// Waits for a signal, then stops everything in the order in which it depends on each other.
    async fn run_until_stopped(mut self, grace: Duration) -> anyhow::Result<()> {
        self.signals.next().await;
        self.stopping.store(true, Ordering::Relaxed);
        tracing::info!(grace_ms = grace.as_millis(), "stopping: what is in flight may finish, the rest stays queued");
        let (gateway, ingress, api) = (self.gateway, self.ingress, self.api);
        let stopping = async move {
            ingress.stop(true).await;
            let drained = gateway.drain(grace).await;
            api.stop(true).await;
            drained
        };
        let drained = tokio::select! {
            drained = stopping => drained,
            () = self.signals.next() => {
                tracing::warn!("a second signal: stopping at once; everything acknowledged is on disk");
                crate::actors::Drained { unfinished: 0 }
            }
        };
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await?;
        tracing::info!(unfinished = drained.unfinished, "stopped");
        Ok(())
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, ConfigError> {
    TcpListener::bind(address).map_err(|source| ConfigError::Unusable { key, value: address.to_string(), source })
}

fn serve_ingress(
    settings: &Settings,
    (socket, connections): (TcpListener, Connections),
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> io::Result<ServerHandle> {
    let budget = BodyBudget::new(settings.ingress.body_memory_bytes as u64);
    let state = Data::new(IngestState {
        ingress: Ingress::new(Arc::clone(store), Arc::clone(clock), RequestIds, budget),
        body_bytes_max: settings.ingress.body_bytes_max,
    });
    let server = HttpServer::new(move || {
        let state = state.clone();
        App::new().configure(move |app| ingest::configure(app, state))
    });
    let workers = settings.ingress.workers();
    let server = server.workers(workers).max_connections(connections.of_ingress_worker(workers));
    let server = server.keep_alive(KEEP_ALIVE).client_request_timeout(HEAD_DEADLINE);
    let server = server.shutdown_timeout(ACKNOWLEDGE_GRACE_SECS).disable_signals().listen(socket)?.run();
    let handle = server.handle();
    actix::Arbiter::current().spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the ingress listener ended");
        }
    });
    Ok(handle)
}

fn serve_api(
    settings: &Settings,
    (socket, connections): (TcpListener, Connections),
    state: ApiState,
) -> io::Result<ServerHandle> {
    let state = Data::new(state);
    let server = HttpServer::new(move || {
        let state = state.clone();
        App::new().configure(move |app| routes::configure(app, state))
    });
    let workers = settings.api.workers;
    let server = server.workers(workers).max_connections(connections.of_api_worker(workers));
    let server = server.keep_alive(KEEP_ALIVE).client_request_timeout(HEAD_DEADLINE);
    let server = server.shutdown_timeout(ACKNOWLEDGE_GRACE_SECS).disable_signals().listen(socket)?.run();
    let handle = server.handle();
    actix::Arbiter::current().spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the API listener ended");
        }
    });
    Ok(handle)
}

/// What may be delivered to, by where ingress and API really listen: whoever reaches us from elsewhere must not reach
/// through us what only this machine can.
fn egress_policy(egress: &Egress, (ingress, api): (SocketAddr, SocketAddr)) -> EgressPolicy {
    let listed = EgressPolicy::listed(egress.networks(), egress.hosts());
    listed.loopback(ingress.ip().to_canonical().is_loopback()).own_listeners([ingress, api])
}

/// The store as the settings have it.
fn store_options(settings: &Settings) -> LocalOptions {
    let store = &settings.store;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    LocalOptions {
        directory: settings.data.dir.clone(),
        segment_bytes: store.segment_bytes,
        sled_cache_bytes: store.sled_cache_bytes,
        overlay_bytes_max: size(store.overlay_bytes_max),
        journal_queue_bytes_max: size(store.journal_queue_bytes_max),
        disk_low_bytes: store.disk_low_bytes,
        checkpoint_interval: store.checkpoint_interval(),
        retention: store.retention(),
        quota_bytes: store.quota_bytes(),
        retention_interval: RETENTION_INTERVAL,
        master_key: settings.master_key(),
        salvage: false,
    }
}

/// The operating system's randomness: asked for rarely, for ids and jitter.
fn dice() -> Dice {
    Arc::new(|| {
        getrandom::u64().unwrap_or_else(|error| {
            // Without randomness ids would collide: nothing can be promised any more.
            tracing::error!(%error, "the operating system gives no random numbers");
            std::process::exit(70)
        })
    })
}
