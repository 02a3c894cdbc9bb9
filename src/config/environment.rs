//! The environment: the one place that reads it.
//!
//! A snapshot is taken once; tests make one from pairs.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use super::{ConfigError, Origin, error::nearest};
use crate::domain::Secret;

/// What every variable of ours begins with.
const PREFIX: &str = "HOOKGATE_";
/// Between prefix, section and key of a setting.
pub(super) const SEPARATOR: &str = "__";

/// The configuration file, when `--config` does not name one.
pub(super) const CONFIG: &str = "HOOKGATE_CONFIG";
/// An API key that is valid as long as the process has it.
pub(super) const API_KEY: &str = "HOOKGATE_API_KEY";
/// 64 hex digits that seal stored secrets, instead of the `key` file in the data directory.
pub(super) const MASTER_KEY: &str = "HOOKGATE_MASTER_KEY";

const SINGLE: [&str; 3] = [CONFIG, API_KEY, MASTER_KEY];

/// Where the service manager (systemd) listens, how often it wants to hear from us, and who is meant by that.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// Shortest API key taken from the environment: Hookdeck's clients refuse shorter ones themselves.
const API_KEY_CHARS_MIN: usize = 12;
/// Hex digits of a master key: 32 bytes.
const MASTER_KEY_DIGITS: usize = 64;

/// Our variables, as they were when the process started.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Values are secrets until known otherwise, so that this may be printed.
    variables: BTreeMap<String, Secret>,
    service_manager: ServiceManager,
}

/// Who started the process and wants to hear from it: what systemd tells a service of `Type=notify`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceManager {
    /// A path, or `@` and an abstract name.
    pub socket: Option<OsString>,
    /// The longest time between two signs of life.
    pub watchdog: Option<Duration>,
}

impl ServiceManager {
    fn of(read: impl Fn(&str) -> Option<OsString>, own_pid: u32) -> Result<Self, ConfigError> {
        let socket = read(NOTIFY_SOCKET).filter(|socket| !socket.is_empty());
        // One that was meant for another process, our parent most likely, was only inherited.
        let meant = read(WATCHDOG_PID).is_none_or(|pid| pid.to_str() == Some(&own_pid.to_string()));
        let Some(usec) = read(WATCHDOG_USEC).filter(|_| meant) else { return Ok(Self { socket, watchdog: None }) };
        match usec.to_str().and_then(|usec| usec.parse().ok()) {
            Some(usec) if usec > 0 => Ok(Self { socket, watchdog: Some(Duration::from_micros(usec)) }),
            Some(_) | None => Err(ConfigError::Invalid {
                key: WATCHDOG_USEC.to_owned(),
                problem: "must be a number of microseconds above 0: unset it unless a service manager sets it"
                    .to_owned(),
                origin: Origin::Variable(WATCHDOG_USEC.to_owned()),
            }),
        }
    }
}

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// A variable of ours that is not Unicode. Others may hold what they like.
    pub fn of_process() -> Result<Self, ConfigError> {
        let service_manager = ServiceManager::of(|name| std::env::var_os(name), std::process::id())?;
        Ok(Self { service_manager, ..Self::from_os(std::env::vars_os())? })
    }

    fn from_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut pairs = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.into_string().ok().filter(|name| name.starts_with(PREFIX)) else { continue };
            let origin = Origin::Variable(name.clone());
            let Ok(value) = value.into_string() else {
                return Err(ConfigError::Invalid { key: name, problem: "is not Unicode".to_owned(), origin });
            };
            pairs.push((name, value));
        }
        Ok(Self::from_pairs(pairs))
    }

    /// Takes variables as given.
    #[must_use]
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), Secret::new(value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Self { variables, service_manager: ServiceManager::default() }
    }

    /// Who started the process; nobody in particular when it was made from pairs.
    pub(super) const fn service_manager(&self) -> &ServiceManager {
        &self.service_manager
    }

    /// The configuration file it names.
    pub(super) fn config_file(&self) -> Result<Option<&str>, ConfigError> {
        self.single(CONFIG, |_| None).map(|value| value.map(Secret::expose))
    }

    /// The API key it brings.
    pub(super) fn api_key(&self) -> Result<Option<Secret>, ConfigError> {
        let check = |value: &str| {
            (value.len() < API_KEY_CHARS_MIN || !value.bytes().all(|byte| byte.is_ascii_graphic()))
                .then(|| format!("must be at least {API_KEY_CHARS_MIN} printable ASCII characters"))
        };
        self.single(API_KEY, check).map(Option::<&Secret>::cloned)
    }

    /// The master key it brings.
    pub(super) fn master_key(&self) -> Result<Option<Secret>, ConfigError> {
        let check = |value: &str| {
            (value.len() != MASTER_KEY_DIGITS || !value.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| format!("must be {MASTER_KEY_DIGITS} hex digits (32 random bytes)"))
        };
        self.single(MASTER_KEY, check).map(Option::<&Secret>::cloned)
    }

    /// The variables that override settings: name, section, key, value. `known` are the variables there could be.
    pub(super) fn settings(&self, known: &[String]) -> Result<Vec<(&str, String, String, &str)>, ConfigError> {
        let mut settings = Vec::new();
        for (name, value) in &self.variables {
            let parts: Vec<&str> = name.split(SEPARATOR).collect();
            match parts.as_slice() {
                [_, section, key] => {
                    settings.push((name.as_str(), section.to_lowercase(), key.to_lowercase(), value.expose()));
                }
                [_] => check_single(name, known)?,
                _ => return Err(unknown(name, None)),
            }
        }
        Ok(settings)
    }

    fn single(&self, name: &str, check: impl Fn(&str) -> Option<String>) -> Result<Option<&Secret>, ConfigError> {
        let Some(value) = self.variables.get(name) else { return Ok(None) };
        // Empty is what a forgotten `${KEY}` in a compose file looks like: falling back silently would hide it.
        let problem = if value.expose().is_empty() {
            Some("is empty: give it a value or unset it".to_owned())
        } else {
            check(value.expose())
        };
        match problem {
            None => Ok(Some(value)),
            Some(problem) => {
                Err(ConfigError::Invalid { key: name.to_owned(), problem, origin: Origin::Variable(name.to_owned()) })
            }
        }
    }
}

/// Refuses slips: a single name misspelt, or a setting's variable with single underscores. Strangers pass: Kubernetes
/// sets `HOOKGATE_PORT` and `HOOKGATE_SERVICE_HOST` in every pod beside a service called hookgate.
fn check_single(name: &str, known: &[String]) -> Result<(), ConfigError> {
    if SINGLE.contains(&name) {
        return Ok(());
    }
    let setting = known.iter().find(|variable| variable.replace(SEPARATOR, "_") == name).cloned();
    let stem = &name[PREFIX.len()..];
    let single = || nearest(stem, SINGLE.iter().map(|known| &known[PREFIX.len()..]));
    match setting.or_else(|| single().map(|known| format!("{PREFIX}{known}"))) {
        Some(meant) => Err(unknown(name, Some(meant))),
        None => Ok(()),
    }
}

fn unknown(name: &str, nearest: Option<String>) -> ConfigError {
    ConfigError::Unknown { name: name.to_owned(), origin: Origin::Variable(name.to_owned()), nearest }
}

/// The variable that overrides a setting.
pub(super) fn variable_of(section: &str, key: &str) -> String {
    format!("HOOKGATE{SEPARATOR}{section}{SEPARATOR}{key}").to_uppercase()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_service_manager_is_heard_when_it_means_this_process() {
        let read = |pairs: &'static [(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            ServiceManager::of(find, 7)
        };
        assert_eq!(read(&[]).unwrap(), ServiceManager::default());
        let both = read(&[(NOTIFY_SOCKET, "@here"), (WATCHDOG_USEC, "1500000"), (WATCHDOG_PID, "7")]).unwrap();
        assert_eq!(both, ServiceManager { socket: Some("@here".into()), watchdog: Some(Duration::from_millis(1500)) });
        assert_eq!(read(&[(WATCHDOG_USEC, "1500000"), (WATCHDOG_PID, "8")]).unwrap().watchdog, None);
        for wrong in ["0", "soon", ""] {
            let pairs: &'static [(&str, &str)] = Box::leak(Box::new([(WATCHDOG_USEC, wrong)]));
            assert!(read(pairs).unwrap_err().to_string().starts_with("WATCHDOG_USEC must be"), "{wrong}");
        }
    }

    #[test]
    fn a_variable_of_ours_that_is_not_unicode_is_refused_and_others_are_left_alone() {
        let pair = |name: &str| (OsString::from(name), OsString::from_vec(vec![b'.', 0xff]));
        assert!(Environment::from_os([pair("PATH")].into_iter()).is_ok());
        let refused = Environment::from_os([pair("HOOKGATE__DATA__DIR")].into_iter()).unwrap_err();
        assert!(refused.to_string().starts_with("HOOKGATE__DATA__DIR is not Unicode"), "{refused}");
    }
}
