//! What a person sees when the gateway has started: where to send, where to ask, with which key, where data lies.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
};

use super::provision::Provisioned;
use crate::domain::Configuration;

/// The facts.
pub(super) struct Banner<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) provisioned: Provisioned,
    pub(super) ingress_url: String,
    pub(super) api_url: String,
    pub(super) data: PathBuf,
}

/// Prints it; the log names the key's file as well, because services keep their log and not their output.
///
/// # Errors
///
/// When standard output is closed.
pub(super) fn show(banner: &Banner<'_>) -> io::Result<()> {
    if let Provisioned::WrittenKey(path) = &banner.provisioned {
        tracing::info!(file = %path.display(), "the first API key was written: read it there, then remove the file");
    }
    tracing::info!(ingress = banner.ingress_url, api = banner.api_url, "hookgate is up");
    let mut out = io::stdout().lock();
    writeln!(out, "{banner}")?;
    out.flush()
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "hookgate {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f)?;
        if let Some(source) = self.configuration.sources.values().find(|source| source.deleted_at.is_none()) {
            let url = format!("{}/e/{}", self.ingress_url, source.token.as_str());
            writeln!(f, "Send a webhook to the source `{}`:", source.name)?;
            writeln!(f, "  curl -d '{{\"hello\":\"world\"}}' -H 'content-type: application/json' {url}")?;
            writeln!(f)?;
        }
        writeln!(f, "API      {}", self.api_url)?;
        match &self.provisioned {
            Provisioned::Before => {}
            Provisioned::GivenKey => writeln!(f, "API key  the one in HOOKGATE_API_KEY")?,
            Provisioned::ShownKey(key) => {
                writeln!(f, "API key  {}   (shown this once; only its hash is kept)", key.expose())?;
            }
            Provisioned::WrittenKey(path) => writeln!(f, "API key  in {} (mode 0600)", path.display())?,
        }
        write!(f, "Data     {}", self.data.display())
    }
}
