//! Commands that work on a data directory while nothing is served from it; they say so when something is.

use std::{fmt, sync::Arc};

use anyhow::Context;

use super::{keys, store_options};
use crate::{
    clock::{Clock, SystemClock},
    config::Settings,
    domain::{ConfigItem, Scope},
    store::{
        Store,
        local::{self, LocalOptions, LocalStore, journal},
    },
    web::auth::{KEY_PREFIX, secret_text},
};

/// What `check` found.
#[derive(Debug, Clone)]
pub struct CheckReport {
    journal: journal::Report,
}

impl CheckReport {
    /// Whether there is no damage.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.journal.is_whole()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.journal.damage {
            writeln!(f, "damaged: {damage}")?;
        }
        if let Some(torn) = &self.journal.torn {
            writeln!(f, "a frame that was never acknowledged will be cut at the next start: {torn}")?;
        }
        let journal::Report { segments, frames, records, bytes, damage, .. } = &self.journal;
        write!(f, "{records} records in {frames} frames, {segments} segments, {bytes} bytes: ")?;
        match damage.len() {
            0 => write!(f, "everything is whole"),
            count => write!(
                f,
                "{count} damaged: nothing damaged is ever served; if a start is refused, `hookgate rebuild --salvage` keeps what is whole"
            ),
        }
    }
}

/// Looks through every byte of the journal, on which everything else rests; the state is checked when it is opened.
///
/// # Errors
///
/// When the directory is in use or cannot be read.
pub fn check(settings: &Settings) -> anyhow::Result<CheckReport> {
    Ok(CheckReport { journal: local::check(&settings.data.dir)? })
}

/// Makes the state anew from the journal; with `salvage`, leaves out what is damaged there.
///
/// # Errors
///
/// When the directory is in use, or something is damaged and `salvage` was not asked for.
pub fn rebuild(settings: &Settings, salvage: bool) -> anyhow::Result<String> {
    let options = LocalOptions { salvage, ..store_options(settings) };
    let events = local::rebuild_offline(options, Arc::new(SystemClock))?;
    let report = check(settings)?;
    let damage = if report.is_clean() { String::new() } else { format!("\n{report}") };
    Ok(format!("the state was rebuilt from the journal: {events} events{damage}"))
}

/// Makes an API key and returns it.
///
/// # Errors
///
/// When the directory is in use or the key cannot be stored.
pub fn new_key(settings: &Settings, label: &str, scope: Scope) -> anyhow::Result<String> {
    local::expect_data(&settings.data.dir)?;
    let store = LocalStore::open(store_options(settings), Arc::new(SystemClock))?;
    let (key, now) = (secret_text(KEY_PREFIX)?, SystemClock.now());
    let items = vec![ConfigItem::ApiKey(keys::api_key(&key, label, scope, now)?)];
    let audit = keys::audit(&store.configuration(), &items, "key.create", now)?;
    store.put_config_with(items, vec![audit]).wait().context("the key cannot be stored")?;
    store.close();
    Ok(key.expose().to_owned())
}
