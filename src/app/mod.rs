//! The composition root: the only place that names concrete types and puts them together.
//!
//! ```text
//! serve: bind ─► open the store ─► first start? provision ─► actors ─► both listeners ─► say where ─► signal ─► `stop`
//! ```

mod archive;
mod backups;
mod banner;
mod certificates;
mod cli_config;
mod files;
mod keys;
mod listeners;
mod notifier;
mod offline;
mod paced;
mod provision;
mod pulse;
mod stop;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix_web::web::Data;
use anyhow::Context;

pub use self::archive::{ArchiveError, ExportOptions, Exported, export, import};
pub use self::backups::{BackupReport, backup, restore};
pub use self::cli_config::{CliConfig, CliConfigError, cli_config};
pub use self::offline::{CheckReport, check, new_key, rebuild};
use self::{
    files::Connections,
    listeners::{Capacity, Listener, Serving},
    notifier::Notifier,
    provision::Provisioned,
    stop::{Patience, Signals},
};
use crate::{
    actors::{BulkSettings, DeliverySettings, Dice, Engine, GatewayHandle, Milestones},
    clock::{Clock, SystemClock},
    config::{ConfigError, Egress, Settings},
    domain::Timestamp,
    ingress::{BodyBudget, Ingress, RequestIds},
    query::Query,
    store::{
        Store,
        local::{LocalOptions, LocalStore},
    },
    transport::awc::{AwcFactory, AwcOptions},
    transport::egress::EgressPolicy,
    transport::resolver::{Resolver, ResolverOptions},
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

/// Time between two retention passes: what is past its time may stay so much longer.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// Runs the gateway until it is told to stop.
///
/// # Errors
///
/// When the data directory, an address, a certificate or the configuration cannot be used, or a listener ends by itself.
pub fn serve(settings: Settings) -> anyhow::Result<()> {
    let patience = Patience { delay: settings.stop.delay(), grace: settings.delivery.drain_grace() };
    actix::System::new().block_on(async move { Application::start(&settings)?.run_until_stopped(patience).await })
}

/// Everything that runs.
struct Application {
    store: Arc<LocalStore>,
    gateway: GatewayHandle,
    ingress: Serving,
    api: Serving,
    live: Arc<Live>,
    stopping: Arc<AtomicBool>,
    notifier: Arc<Notifier>,
    signals: Signals,
}

impl Application {
    fn start(settings: &Settings) -> anyhow::Result<Self> {
        // Before anything that a signal should undo.
        let signals = Signals::catch()?;
        let connections = Connections::share_out();
        // Addresses first: a second start must fail before it touches data.
        let (ingress, api) = (&settings.ingress, &settings.api);
        let ingress_listener = Listener::bind("ingress", ("ingress.listen", ingress.listen), ingress.tls())?;
        let api_listener = Listener::bind("API", ("api.listen", api.listen), api.tls())?;
        let addresses = (ingress_listener.address()?, api_listener.address()?);
        let (ingress_url, api_url) = (ingress.public_url(addresses.0), api.public_url(addresses.1));
        let transport = transport(settings, connections, addresses)?;

        let notifier = Arc::new(Notifier::new(&settings.service_manager));
        let (pulse, interval) = notifier::rhythm(settings.service_manager.watchdog);
        notifier.tell("STATUS=the journal is being read");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(LocalStore::open(store_options(settings), Arc::clone(&clock))?);
        let provisioned = provision::provision(store.as_ref(), settings, clock.now())?;
        if !matches!(provisioned, Provisioned::Before) {
            // Commands that look into the directory of a running gateway see the project from the beginning.
            store.make_checkpoint();
        }
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let engine = Engine {
            store: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            transport: Arc::new(transport),
            settings: delivery_settings(settings, &api_url),
            bulk: BulkSettings { rate_per_s: settings.bulk.rate_per_s, reader: bulk::reader() },
            arbiters: settings.delivery.arbiters(),
            milestones: Milestones::none(),
            dice: dice(),
        };
        let gateway = engine.start();

        let state = ingest_state(settings, &shared, &clock);
        let rejections = Arc::clone(state.ingress.rejections());
        let tests = TestSender::new(state.clone(), &settings.delivery.header_prefix);
        let capacity = connections.of_ingress(ingress.workers());
        let ingress =
            ingress_listener.serve(capacity, pulse.clone(), move |app| ingest::configure(app, state.clone()))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let query = Query::new(Arc::clone(&shared), Arc::clone(&clock));
        let capacity = connections.of_api(api.workers);
        let live = Arc::new(Live::new(query.clone(), &ingress_url, live_limits(settings, capacity)));
        let state = Data::new(ApiState {
            query,
            gateway: gateway.clone(),
            ingress_url: ingress_url.clone(),
            stopping: Arc::clone(&stopping),
            rejections,
            gate: Gate::new(
                TrustedProxies::new(settings.ingress.trusted_proxies.clone()),
                &api_url,
                api.tls().is_some(),
            ),
            live: Arc::clone(&live),
            tests,
            about: about(settings, clock.now()),
            desk: tokio::sync::Mutex::default(),
        });
        let api = api_listener.serve(capacity, pulse.clone(), move |app| routes::configure(app, state.clone()))?;

        let (ingress_started, api_started) = (ingress.started(), api.started());
        let started = async move {
            ingress_started.await;
            api_started.await;
        };
        actix_web::rt::spawn(Arc::clone(&notifier).report(shared, pulse, interval, started));
        banner::show(&banner::Banner {
            configuration: &store.configuration(),
            provisioned,
            ingress_url,
            api_url,
            data: settings.data.dir.clone(),
        })?;
        Ok(Self { store, gateway, ingress, api, live, stopping, notifier, signals })
    }
}

/// Deliveries as the settings have them.
fn delivery_settings(settings: &Settings, api_url: &str) -> DeliverySettings {
    DeliverySettings {
        timeout: settings.delivery.timeout(),
        concurrency: settings.delivery.concurrency,
        header_prefix: settings.delivery.header_prefix.clone(),
        api_url: api_url.trim_end_matches('/').to_owned(),
    }
}

/// Who may follow what happens: at most half of the API's connections, so that everybody else gets in as well.
fn live_limits(settings: &Settings, api: Capacity) -> live::Limits {
    let half = (api.workers * api.connections / 2).max(1);
    live::Limits { readers_max: settings.api.live_streams_max.min(half), heartbeat: settings.api.live_heartbeat() }
}

/// What people are told of this process.
fn about(settings: &Settings, now: Timestamp) -> About {
    let retention_ms = u64::try_from(settings.store.retention().as_millis()).unwrap_or(u64::MAX);
    let quota_bytes = settings.store.quota_bytes();
    About { started_at: now, retention_ms, quota_bytes, settings: settings.in_effect.clone() }
}

/// What the ingress listener's workers share.
fn ingest_state(settings: &Settings, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Data<IngestState> {
    let budget = BodyBudget::new(settings.ingress.body_memory_bytes as u64);
    Data::new(IngestState {
        ingress: Ingress::new(Arc::clone(store), Arc::clone(clock), RequestIds, budget),
        body_bytes_max: settings.ingress.body_bytes_max,
        pace: Pace {
            timeout: settings.ingress.body_timeout(),
            bytes_per_s_min: settings.ingress.body_rate_min_bytes_per_s,
        },
        rejections: if settings.ingress.rejections_are_200() {
            RejectionAnswers::Always200
        } else {
            RejectionAnswers::Status
        },
        trusted_proxies: TrustedProxies::new(settings.ingress.trusted_proxies.clone()),
    })
}

/// The way out as the settings have it, and as `addresses` of our own allow it.
fn transport(
    settings: &Settings,
    connections: Connections,
    addresses: (SocketAddr, SocketAddr),
) -> anyhow::Result<AwcFactory> {
    let ca_file = settings.delivery.ca_file();
    let resolver =
        ResolverOptions { timeout: settings.egress.dns_timeout(), nameservers: settings.egress.nameservers() };
    let made = AwcFactory::new(AwcOptions {
        egress: egress_policy(&settings.egress, addresses),
        resolver: Resolver::start(&resolver).context("names cannot be looked up")?,
        ca_file: ca_file.map(Path::to_owned),
        hosts_max: connections.idle_hosts_of_arbiter(settings.delivery.arbiters()),
    });
    match ca_file {
        None => made.context("TLS cannot be set up"),
        Some(file) => made.map_err(|source| {
            ConfigError::Unusable { key: "delivery.ca_file", value: file.display().to_string(), source }.into()
        }),
    }
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
