//! `GET /stats`: how every connection is doing, and the gateway itself, in one answer for a dashboard; `/stats/series`: the
//! same over time.

use actix_web::{HttpResponse, http::header::ContentType};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Answer, Call, Param, Route, Takes,
    events::{read_granularity, too_fine},
    ok,
};
use crate::{
    actors::GatewayHandle,
    domain::{Configuration, Connection, Span, Timestamp},
    query::stats::{Bucket, Health, RECENT_MS, Recent, Stats, StoreStats, Switches, Tally},
    web::{error::ApiError, routes::ApiState},
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("GET", "/stats", |call| Box::pin(all(call)))
        .about("How every connection is doing: what waits, what came and what became of it lately; totals, storage, settings.")
        .answers("Stats")
        .ours(),
    Route::new("GET", "/stats/series", |call| Box::pin(series(call)))
        .about("What came and what became of it over time.")
        .query(SERIES)
        .answers("StatsSeries")
        .ours(),
];

const SERIES: &[Param] = &[
    Param::new("date_range", Takes::Object, "`start` and `end`, each a moment or a day; the last day without it"),
    Param::new("granularity", Takes::Text, "width of a bucket, such as 5m, 1h or 1d; chosen by itself without one"),
];
/// What stands in a range.
const RANGE: &[Param] = &[
    Param::new("start", Takes::Time, "its first moment"),
    Param::new("end", Takes::Time, "its last moment; now without it"),
];
/// A series that says not of when is of the last day.
const SERIES_MS: u64 = 86_400_000;

/// What the process is and how it is set up.
#[derive(Debug, Clone)]
pub struct About {
    /// When it started.
    pub started_at: Timestamp,
    /// `store.retention_days`, in milliseconds.
    pub retention_ms: u64,
    /// `store.quota_bytes`, if there is one.
    pub quota_bytes: Option<u64>,
    /// The settings in effect, by section and key, without secrets.
    pub settings: Value,
}

#[derive(Serialize)]
struct Shape<'a> {
    at: String,
    connections: Vec<OfConnection<'a>>,
    totals: Totals,
    storage: Storage,
    version: &'static str,
    started_at: String,
    uptime_ms: u64,
    settings: &'a Value,
}

#[derive(Serialize)]
struct OfConnection<'a> {
    id: String,
    name: Option<&'a str>,
    source: Named<'a>,
    destination: Named<'a>,
    status: &'static str,
    paused_at: Option<String>,
    disabled_at: Option<String>,
    depth: u64,
    held: u64,
    in_flight: usize,
    oldest_due_at: Option<String>,
    oldest_due_age_ms: u64,
    last_hour: Lately,
    last_minute: Lately,
    health: &'static str,
    health_reason: String,
}

#[derive(Serialize)]
struct Named<'a> {
    id: String,
    name: &'a str,
}

#[derive(Serialize)]
struct Lately {
    accepted: u64,
    successful: u64,
    failed: u64,
    events_per_s: f64,
    success_ratio: Option<f64>,
}

#[derive(Serialize)]
struct Totals {
    connections: usize,
    depth: u64,
    held: u64,
    in_flight: usize,
    oldest_due_at: Option<String>,
    oldest_due_age_ms: u64,
    last_hour: Lately,
    last_minute: Lately,
}

#[derive(Serialize)]
struct Storage {
    events: u64,
    journal_bytes: u64,
    segments: u64,
    state_bytes: u64,
    overlay_bytes: u64,
    disk_free_bytes: Option<u64>,
    retention_ms: u64,
    quota_bytes: Option<u64>,
}

async fn all(call: Call) -> Answer {
    let stats = call.state.query.stats().await?;
    let state = call.state;
    // Ten thousand connections are megabytes of text: others are not to wait for that.
    let text = actix_web::web::block(move || serde_json::to_vec(&shape(&stats, &state))).await;
    let text = text.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(text))
}

async fn series(call: Call) -> Answer {
    let range = call.parameters.inside("date_range", RANGE, "date_range.")?;
    let now = call.state.query.now();
    let before = range.span("end")?.before.unwrap_or_else(|| now.plus_ms(1));
    let from = range.span("start")?.from.unwrap_or_else(|| before.minus_ms(SERIES_MS));
    if from >= before {
        return Err(call.parameters.refusal("date_range", "ends before it starts: swap `start` and `end`"));
    }
    let granularity = read_granularity(&call.parameters)?;
    let found = call.state.query.series(Span::between(from, before), granularity).await;
    let found = found.map_err(|error| too_fine(error, &call.parameters, "date_range"))?;
    let buckets: Vec<Value> = found
        .buckets
        .iter()
        .map(|Bucket { begin, came, delivered, failed }| {
            json!({ "time_bucket": begin.to_string(), "in": came, "delivered": delivered, "failed": failed })
        })
        .collect();
    Ok(ok(&json!({ "granularity": found.granularity.to_string(), "buckets": buckets })))
}

fn shape<'a>(stats: &'a Stats, state: &'a ApiState) -> Shape<'a> {
    let About { started_at, settings, .. } = &state.about;
    let (mut sum, mut in_flight) = (Tally::default(), 0);
    let connections = alive(&stats.configuration).map(|connection| {
        let tally = stats.tallies.get(&connection.id).copied().unwrap_or_default();
        let shown = of_connection(stats, connection, &tally, &state.gateway);
        add(&mut sum, &tally);
        in_flight += shown.in_flight;
        shown
    });
    let connections: Vec<_> = connections.collect();
    let [last_hour, last_minute] = lately(&sum);
    Shape {
        at: stats.at.to_string(),
        totals: Totals {
            connections: connections.len(),
            depth: sum.pending,
            held: sum.held,
            in_flight,
            oldest_due_at: sum.oldest_due.map(|at| at.to_string()),
            oldest_due_age_ms: age(&sum, stats.at),
            last_hour,
            last_minute,
        },
        connections,
        storage: storage(&stats.store, &state.about),
        version: env!("CARGO_PKG_VERSION"),
        started_at: started_at.to_string(),
        uptime_ms: stats.at.ms_since(*started_at),
        settings,
    }
}

fn alive(configuration: &Configuration) -> impl Iterator<Item = &Connection> {
    configuration.connections.values().map(AsRef::as_ref).filter(|connection| connection.deleted_at.is_none())
}

fn of_connection<'a>(
    stats: &'a Stats,
    connection: &'a Connection,
    tally: &Tally,
    gateway: &GatewayHandle,
) -> OfConnection<'a> {
    let configuration = &stats.configuration;
    let seen = gateway.snapshot(connection.id).unwrap_or_default();
    let switches = Switches {
        disabled: configuration.switched_off(connection.id).is_some(),
        paused: configuration.is_paused(connection.id),
        quarantined: seen.quarantined,
    };
    let (health, health_reason) = Health::of(tally, switches, stats.at);
    let source = configuration.sources.get(&connection.source_id);
    let destination = configuration.destinations.get(&connection.destination_id);
    let [last_hour, last_minute] = lately(tally);
    OfConnection {
        id: connection.id.to_string(),
        name: connection.name.as_deref(),
        source: Named { id: connection.source_id.to_string(), name: source.map_or("", |source| &source.name) },
        destination: Named { id: connection.destination_id.to_string(), name: destination.map_or("", |to| &to.name) },
        status: match switches {
            Switches { disabled: true, .. } => "disabled",
            Switches { paused: true, .. } => "paused",
            Switches { .. } => "active",
        },
        paused_at: connection.paused_at.map(|at| at.to_string()),
        disabled_at: connection.disabled_at.map(|at| at.to_string()),
        depth: tally.pending,
        held: tally.held,
        in_flight: seen.in_flight,
        oldest_due_at: tally.oldest_due.map(|at| at.to_string()),
        oldest_due_age_ms: age(tally, stats.at),
        last_hour,
        last_minute,
        health: health.as_str(),
        health_reason,
    }
}

fn age(tally: &Tally, now: Timestamp) -> u64 {
    tally.oldest_due.map_or(0, |due| now.ms_since(due))
}

fn add(sum: &mut Tally, tally: &Tally) {
    sum.pending += tally.pending;
    sum.held += tally.held;
    sum.oldest_due = [sum.oldest_due, tally.oldest_due].into_iter().flatten().min();
    for (sum, recent) in sum.recent.iter_mut().zip(tally.recent) {
        sum.accepted += recent.accepted;
        sum.successful += recent.successful;
        sum.failed += recent.failed;
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates and ratios of counts far below 2^52")]
fn lately(tally: &Tally) -> [Lately; 2] {
    let of = |Recent { accepted, successful, failed }: Recent, ms: u64| {
        let tried = successful + failed;
        Lately {
            accepted,
            successful,
            failed,
            events_per_s: rounded(accepted as f64 * 1000.0 / ms as f64),
            success_ratio: (tried > 0).then(|| rounded(successful as f64 / tried as f64)),
        }
    };
    let [hour, minute] = tally.recent;
    [of(hour, RECENT_MS[0]), of(minute, RECENT_MS[1])]
}

/// To four places: more would say more than is known.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn storage(store: &StoreStats, about: &About) -> Storage {
    Storage {
        events: store.events,
        journal_bytes: store.journal_bytes,
        segments: store.segments,
        state_bytes: store.state_bytes,
        overlay_bytes: store.overlay_bytes,
        disk_free_bytes: store.disk_free_bytes,
        retention_ms: about.retention_ms,
        quota_bytes: about.quota_bytes,
    }
}
