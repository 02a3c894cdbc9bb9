//! The composition root: the only place that names concrete types and puts them together.
//!
//! Not put together yet: every entry point says so.

use std::fmt;

use crate::config::Settings;

/// What `check` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    findings: Vec<String>,
}

impl CheckReport {
    /// Whether there is no damage.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        write!(f, "{} findings", self.findings.len())
    }
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
///
/// Always, until it is built.
pub fn serve(settings: Settings) -> anyhow::Result<()> {
    drop(settings);
    Err(anyhow::anyhow!("serve is not built yet"))
}

/// Looks through the data directory for damage.
///
/// # Errors
///
/// Always, until it is built.
pub fn check(_settings: &Settings) -> anyhow::Result<CheckReport> {
    Err(anyhow::anyhow!("check is not built yet"))
}

/// Makes the state anew from the journal.
///
/// # Errors
///
/// Always, until it is built.
pub fn rebuild(_settings: &Settings, _salvage: bool) -> anyhow::Result<String> {
    Err(anyhow::anyhow!("rebuild is not built yet"))
}

/// Makes an API key and returns it.
///
/// # Errors
///
/// Always, until it is built.
pub fn new_key(_settings: &Settings, _label: &str) -> anyhow::Result<String> {
    Err(anyhow::anyhow!("key new is not built yet"))
}
