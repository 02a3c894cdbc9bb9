//! The first start: what an empty data directory gets, so that a webhook can be sent at once.

use std::{fs::OpenOptions, io::IsTerminal, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use anyhow::Context;

use super::keys;
use crate::{
    config::Settings,
    domain::{
        ApiKey, ConfigItem, Configuration, Connection, ConnectionId, Destination, DestinationId, DestinationKind,
        HttpMethod, Project, ProjectId, RetryRule, RetryStrategy, Rule, Scope, Secret, Source, SourceId, SourceToken,
        Timestamp,
    },
    store::Store,
    web::auth::{KEY_PREFIX, secret_text},
};

/// How the owner learns of the API key that was made.
#[derive(Debug, Clone)]
pub(super) enum Provisioned {
    /// Nothing was made: the directory was in use before.
    Before,
    /// `HOOKGATE_API_KEY` gave one.
    GivenKey,
    /// It was made and is shown on the terminal, this once.
    ShownKey(Secret),
    /// It was made and written to this file.
    WrittenKey(PathBuf),
}

/// The automatic retries of the first connection: after 30 s, then doubling, five times.
const FIRST_RETRY: RetryRule = RetryRule {
    strategy: RetryStrategy::Exponential,
    interval_ms: Some(30_000),
    count: Some(5),
    response_status_codes: Vec::new(),
};

/// Fills an empty directory; in any case makes the key that the environment gives a valid one.
///
/// # Errors
///
/// When it cannot be stored.
pub(super) fn provision(store: &dyn Store, settings: &Settings, now: Timestamp) -> anyhow::Result<Provisioned> {
    let configuration = store.configuration();
    let mut items = Vec::new();
    let mut provisioned = Provisioned::Before;
    if configuration.project.is_none() {
        items = first_items(now)?;
        provisioned = Provisioned::GivenKey;
    }
    items.extend(given_key(&configuration, settings.api_key.as_ref(), now).map(ConfigItem::ApiKey));
    if settings.api_key.is_none() && configuration.project.is_none() {
        let key = secret_text(KEY_PREFIX)?;
        items.push(ConfigItem::ApiKey(keys::api_key(&key, "first start", Scope::Admin, now)?));
        provisioned = hand_over(key, settings)?;
    }
    if !items.is_empty() {
        let audit = keys::audit(&configuration, &items, "start", now)?;
        store.put_config_with(items, vec![audit]).wait().context("the first configuration cannot be stored")?;
    }
    Ok(provisioned)
}

/// The key of the environment has a place of its own, which always holds what the variable says now: another value replaces
/// it, and without the variable it opens nothing.
fn given_key(configuration: &Configuration, given: Option<&Secret>, now: Timestamp) -> Option<ApiKey> {
    /// No text has this hash that anybody could find.
    const NOTHING: [u8; 32] = [0; 32];
    let id = ApiKey::OF_ENVIRONMENT;
    let known = configuration.api_keys.get(&id);
    let hash = given.map_or(NOTHING, |given| ApiKey::hash_of(given.expose().as_bytes()));
    let (same, open) = known.map_or((hash == NOTHING, false), |known| (known.hash == hash, known.revoked_at.is_none()));
    if same && open == given.is_some() {
        return None;
    }
    Some(ApiKey {
        id,
        label: "HOOKGATE_API_KEY".to_owned(),
        hash,
        scope: Scope::Admin,
        previous: None,
        revoked_at: if given.is_some() { None } else { Some(now) },
        created_at: now,
        version: known.map_or(1, |known| known.version + 1),
    })
}

/// On a terminal the key is shown; elsewhere it would end in a log, so a file for its owner alone takes it.
fn hand_over(key: Secret, settings: &Settings) -> anyhow::Result<Provisioned> {
    if std::io::stdout().is_terminal() {
        return Ok(Provisioned::ShownKey(key));
    }
    let path = settings.data.dir.join("initial-api-key");
    let failed = || format!("the file `{}` cannot be written", path.display());
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).with_context(failed)?;
    writeln!(file, "{}", key.expose()).and_then(|()| file.sync_all()).with_context(failed)?;
    Ok(Provisioned::WrittenKey(path))
}

fn first_items(now: Timestamp) -> anyhow::Result<Vec<ConfigItem>> {
    let project = Project {
        id: ProjectId::from_parts(now, keys::random_bits()?),
        name: "hookgate".to_owned(),
        signing_secret: secret_text("")?,
        previous_secret: None,
        created_at: now,
        version: 1,
    };
    let source = Source {
        id: SourceId::from_parts(now, keys::random_bits()?),
        name: "first-source".to_owned(),
        description: Some("made at the first start".to_owned()),
        token: SourceToken::from_random(keys::random_bits()?),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: vec![HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete],
        custom_response: None,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let destination = Destination {
        id: DestinationId::from_parts(now, keys::random_bits()?),
        name: "mock".to_owned(),
        description: Some("answers 200 to everything, inside the gateway".to_owned()),
        kind: DestinationKind::MockApi,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let connection = Connection {
        id: ConnectionId::from_parts(now, keys::random_bits()?),
        name: Some("first-connection".to_owned()),
        description: None,
        source_id: source.id,
        destination_id: destination.id,
        rules: vec![Rule::Retry(FIRST_RETRY)],
        paused_at: None,
        unpaused_at: None,
        generation: 0,
        disabled_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    Ok(vec![
        ConfigItem::Project(project),
        ConfigItem::Source(source),
        ConfigItem::Destination(destination),
        ConfigItem::Connection(connection),
    ])
}
