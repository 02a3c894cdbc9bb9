//! The environment: the one place that reads it.
//!
//! A snapshot is taken once; tests make one from pairs.

use std::{collections::BTreeMap, ffi::OsString};

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

/// Shortest API key taken from the environment: Hookdeck's clients refuse shorter ones themselves.
const API_KEY_CHARS_MIN: usize = 12;
/// Hex digits of a master key: 32 bytes.
const MASTER_KEY_DIGITS: usize = 64;

/// Our variables, as they were when the process started.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Values are secrets until known otherwise, so that this may be printed.
    variables: BTreeMap<String, Secret>,
}

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// A variable of ours that is not Unicode. Others may hold what they like.
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::from_os(std::env::vars_os())
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
        Self { variables }
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
    fn a_variable_of_ours_that_is_not_unicode_is_refused_and_others_are_left_alone() {
        let pair = |name: &str| (OsString::from(name), OsString::from_vec(vec![b'.', 0xff]));
        assert!(Environment::from_os([pair("PATH")].into_iter()).is_ok());
        let refused = Environment::from_os([pair("HOOKGATE__DATA__DIR")].into_iter()).unwrap_err();
        assert!(refused.to_string().starts_with("HOOKGATE__DATA__DIR is not Unicode"), "{refused}");
    }
}
