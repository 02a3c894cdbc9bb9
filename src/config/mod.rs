//! Settings: `config/default.toml`, then a file, then `HOOKGATE__SECTION__KEY` variables.
//!
//! The only place that reads the environment. A setting that is unknown, of the wrong kind or out of bounds is an
//! error that names it, who set it and what would be right: nothing is accepted and ignored. Every setting that is
//! 0 or empty for "work it out" has a method that does so; use those instead of the fields.

mod egress;
mod environment;
mod error;
mod layers;
mod listeners;
mod sections;
mod validate;

#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use self::layers::{Layers, Scalar};
pub use self::{
    egress::Egress,
    environment::{Environment, ServiceManager},
    error::{ConfigError, Origin},
    listeners::{NamedFile, TlsFiles},
    sections::{Api, Bulk, Data, Delivery, Ingress, Log, LogFormat, Stop, Store},
};
use crate::domain::Secret;

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where things are kept.
    pub data: Data,
    /// Accepting requests.
    pub ingress: Ingress,
    /// The API.
    pub api: Api,
    /// Sending.
    pub delivery: Delivery,
    /// Bulk operations.
    pub bulk: Bulk,
    /// What may be sent to.
    pub egress: Egress,
    /// Keeping.
    pub store: Store,
    /// Ending.
    pub stop: Stop,
    /// Telling.
    pub log: Log,
    /// `HOOKGATE_API_KEY`: valid as long as the process has it; never stored.
    #[serde(skip)]
    pub api_key: Option<Secret>,
    /// `HOOKGATE_MASTER_KEY`: 64 hex digits; see [`master_key`](Self::master_key).
    #[serde(skip)]
    master_key: Option<Secret>,
    /// `NOTIFY_SOCKET`, `WATCHDOG_USEC`: who started the process and wants to hear from it.
    #[serde(skip)]
    pub service_manager: ServiceManager,
    /// All of the above by section and key, as people may see it: no section has a secret.
    #[serde(skip)]
    pub in_effect: serde_json::Value,
}

impl Settings {
    /// The 32 bytes that seal stored secrets, when the environment brings them.
    #[must_use]
    pub fn master_key(&self) -> Option<[u8; 32]> {
        let digits = self.master_key.as_ref()?.expose();
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(key)
    }
}

/// Settings with where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    layers: Layers,
}

impl Loaded {
    /// Reads the settings: the file is `--config`, or else what `HOOKGATE_CONFIG` names, or else none.
    ///
    /// # Errors
    ///
    /// The first thing found wrong, with the name of the setting and who set it.
    pub fn read(config_flag: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let named = environment.config_file()?.map(PathBuf::from);
        let file = config_flag.map(Path::to_owned).or(named);
        let layers = Layers::read(file.as_deref(), environment)?;
        validate::check_bounds(&layers)?;
        sections::check_words(&layers, ["ingress.listen", "api.listen"], "log.format")?;
        listeners::check_networks(&layers, "ingress.trusted_proxies")?;
        let mut settings: Settings = layers.to_config()?.try_deserialize()?;
        validate::check(&settings, &layers)?;
        settings.api_key = environment.api_key()?;
        settings.master_key = environment.master_key()?;
        settings.service_manager = environment.service_manager().clone();
        settings.in_effect = layers.to_json();
        Ok(Self { settings, file, layers })
    }

    /// What is in effect, as TOML, each line with the origin of its value; of secrets only whether they are set.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::from("# Settings in effect and where each comes from.\n");
        let mut last = "";
        for (section, key, entry) in self.layers.iter() {
            if section != last {
                push_line(&mut text, format_args!("\n[{section}]"));
                last = section;
            }
            let line = match &entry.value {
                Scalar::Number(number) => format!("{key} = {number}"),
                Scalar::Text(value) => format!("{key} = {}", serde_json::Value::from(value.as_str())),
                Scalar::List(values) => format!("{key} = {}", serde_json::Value::from(values.as_slice())),
            };
            push_line(&mut text, format_args!("{line:<44} # {}", entry.origin));
        }
        text.push('\n');
        for (name, set) in [
            (environment::API_KEY, self.settings.api_key.is_some()),
            (environment::MASTER_KEY, self.settings.master_key.is_some()),
        ] {
            push_line(&mut text, format_args!("# {name}: {}", if set { "set" } else { "not set" }));
        }
        text
    }
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}
