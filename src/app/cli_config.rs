//! `cli-config`: the file with which Hookdeck's CLI talks to this gateway.
//!
//! The project is read from the data directory's checkpoint, so a gateway may run meanwhile. A key is taken as given;
//! only where none is, a new one is made, for which the gateway must be stopped.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use url::Url;

use super::offline;
use crate::{
    config::Settings,
    domain::{ProjectId, Scope, Secret},
    store::local::{self, OpenError, checkpoint::Checkpoint},
};

/// Shorter keys are refused by the CLI itself.
const KEY_CHARS_MIN: usize = 12;
/// What a key that is made here says it is for.
const LABEL: &str = "hookdeck CLI";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum CliConfigError {
    /// Nobody could connect there.
    #[error("api.listen has no port of its own: give the port, or set api.public_url")]
    NoPort,
    /// The CLI drops the path of its base.
    #[error("api.public_url has the path `{0}`: the CLI leaves it out, so the API must be at the root of a host")]
    Path(String),
    /// What is set is no URL.
    #[error("api.public_url is `{0}`, which is no URL")]
    NoUrl(String),
    /// The CLI would refuse it.
    #[error("the API key must be at least {KEY_CHARS_MIN} printable ASCII characters: the CLI refuses others")]
    Key,
    /// It might hold somebody's only key.
    #[error("`{0}` is there already: remove it, or name another file")]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("`{path}` cannot be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The file's content. Whoever has it has the key.
pub struct CliConfig {
    api: Url,
    project: ProjectId,
    key: Secret,
}

/// Puts the configuration together, with the key given, or that of the environment, or a new one.
///
/// # Errors
///
/// When the API's URL is none the CLI can use, there is no data, or a key must be made while the gateway runs.
pub fn cli_config(settings: &Settings, given: Option<String>) -> anyhow::Result<CliConfig> {
    let api = api_url(settings)?;
    local::expect_data(&settings.data.dir)?;
    let checkpoint = Checkpoint::read(&settings.data.dir)?;
    let project = checkpoint.and_then(|checkpoint| checkpoint.project());
    let project = project.ok_or_else(|| OpenError::NoData(settings.data.dir.clone()))?;
    let key = match given.map(Secret::new).or_else(|| settings.api_key.clone()) {
        Some(key) => key,
        None => new_key(settings)?,
    };
    if key.expose().len() < KEY_CHARS_MIN || !key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CliConfigError::Key.into());
    }
    Ok(CliConfig { api, project, key })
}

fn new_key(settings: &Settings) -> anyhow::Result<Secret> {
    let made = offline::new_key(settings, LABEL, Scope::Admin);
    let is_running =
        |error: &anyhow::Error| error.chain().any(|cause| matches!(cause.downcast_ref(), Some(OpenError::Locked(_))));
    match made {
        Err(error) if is_running(&error) => Err(error.context(
            "no key was given, and one is made here only while the gateway is stopped: \
             give one with HOOKGATE_API_KEY or --api-key",
        )),
        made => made.map(Secret::new).context("no key was given, and none could be made"),
    }
}

/// Where the CLI finds the API: at the root of a host.
fn api_url(settings: &Settings) -> Result<Url, CliConfigError> {
    let text = settings.api.public_url(settings.api.listen);
    let url = Url::parse(&text).map_err(|_| CliConfigError::NoUrl(text.clone()))?;
    if url.port() == Some(0) {
        return Err(CliConfigError::NoPort);
    }
    if url.path() != "/" {
        return Err(CliConfigError::Path(url.path().to_owned()));
    }
    Ok(url)
}

impl CliConfig {
    /// Writes it where only its owner can read it.
    ///
    /// # Errors
    ///
    /// When there is such a file, or it cannot be written.
    pub fn write_to(&self, path: &Path) -> Result<(), CliConfigError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => CliConfigError::Exists(path.to_owned()),
            _ => CliConfigError::Write { path: path.to_owned(), source },
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        write!(file, "{self}").and_then(|()| file.sync_all()).map_err(failed)
    }
}

impl fmt::Display for CliConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What needs escaping in JSON needs the same in TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let api = self.api.as_str().trim_end_matches('/');
        let sockets = api.replacen("http", "ws", 1);
        writeln!(f, "# Hookdeck's CLI for the hookgate at {api}: name this file in HOOKDECK_CONFIG_FILE.")?;
        writeln!(f, "profile = \"default\"")?;
        for name in ["api_base", "dashboard_base", "console_base"] {
            writeln!(f, "{name} = {}", quoted(api))?;
        }
        writeln!(f, "ws_base = {}", quoted(&format!("{sockets}/ws")))?;
        writeln!(f, "telemetry_disabled = true")?;
        writeln!(f)?;
        writeln!(f, "[default]")?;
        writeln!(f, "api_key = {}", quoted(self.key.expose()))?;
        writeln!(f, "project_id = {}", quoted(&self.project.to_string()))?;
        writeln!(f, "project_mode = \"inbound\"")?;
        writeln!(f, "project_type = \"Gateway\"")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{Environment, Loaded};

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Loaded::read(None, &Environment::from_pairs(pairs.iter().copied())).unwrap().settings
    }

    #[test]
    fn the_api_must_be_at_the_root_of_a_host() {
        let url = |pairs: &[(&str, &str)]| {
            api_url(&settings(pairs)).map(|url| url.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(url(&[]).unwrap(), "http://127.0.0.1:8081/");
        assert_eq!(url(&[("HOOKGATE__API__LISTEN", "[::]:7000")]).unwrap(), "http://[::1]:7000/");
        assert!(url(&[("HOOKGATE__API__LISTEN", "127.0.0.1:0")]).unwrap_err().starts_with("api.listen"));
        let with_path = url(&[("HOOKGATE__API__PUBLIC_URL", "https://example.com/api")]).unwrap_err();
        assert!(with_path.contains("`/api`"), "{with_path}");
    }

    #[test]
    fn the_file_is_the_owners_and_takes_no_others_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hookdeck.toml");
        let config = CliConfig {
            api: Url::parse("https://hooks.example.com").unwrap(),
            project: ProjectId::from_bits(7),
            key: Secret::new("with\"quote-and-more"),
        };
        config.write_to(&path).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        for line in [
            "api_base = \"https://hooks.example.com\"",
            "ws_base = \"wss://hooks.example.com/ws\"",
            "api_key = \"with\\\"quote-and-more\"",
            "project_type = \"Gateway\"",
        ] {
            assert!(written.lines().any(|written| written == line), "{line} is not in {written}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(config.write_to(&path), Err(CliConfigError::Exists(_))));
    }
}
