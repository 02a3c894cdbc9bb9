//! Backups: copies of a data directory's journal, made while the gateway runs, and data directories made from them.
//!
//! ```text
//! backup:   lock ─► CHECKPOINT ─► list segments, take the one being written ─► copy what is not there ─► MANIFEST.json ─► prune
//! restore:  MANIFEST.json ─► every sum ─► RESTORING ─► copy ─► RESTORING goes
//! ```
//!
//! A file of a backup is named after what it is and the sum of what is in it, so none is ever written over: until the new
//! manifest has taken the place of the old one, the old backup is whole. CONTRIBUTING, decision 15.

mod files;
mod make;
mod manifest;
mod restore;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use make::{Made, MakeOptions, make};
pub use restore::{Restored, restore};

use super::{checkpoint::CheckpointError, journal::JournalError, open::OpenError};

/// Why there is no backup, or nothing is restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It was never started whole.
    #[error("there is no CHECKPOINT in `{0}`: start the gateway on it once")]
    NoCheckpoint(PathBuf),
    /// The directory named for the backup has other things in it.
    #[error("`{directory}` is no place for a backup, `{found}` is in it: name a new directory or one with a backup")]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// It has the backup of another gateway.
    #[error("`{0}` has the backup of another data directory: name another one")]
    OtherStore(PathBuf),
    /// Somebody is writing or reading the backup.
    #[error("the backup `{0}` is in use by another hookgate: wait for it")]
    Busy(PathBuf),
    /// There is none.
    #[error("there is no whole backup in `{0}`: MANIFEST.json is missing, which is written last")]
    NoBackup(PathBuf),
    /// Files are not as they were written.
    #[error("the backup is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// A newer hookgate made it.
    #[error(
        "the backup has format {0}, newer than this hookgate understands: restore it with the version that made it"
    )]
    Newer(u32),
    /// Nothing to put in.
    #[error("the key is not in the data directory: it is given as HOOKGATE_MASTER_KEY and must be kept with that")]
    KeyElsewhere,
    /// The operating system refused.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl BackupError {
    /// Makes a closure for `map_err` that says what was tried with which file.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }

    /// Whether whoever gave the command can mend it: another directory, another moment.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Directory(error) => error.is_usage(),
            Self::Foreign { .. }
            | Self::OtherStore(_)
            | Self::Busy(_)
            | Self::NoBackup(_)
            | Self::NoCheckpoint(_)
            | Self::KeyElsewhere
            | Self::Newer(_)
            | Self::Io { .. } => true,
            Self::Journal(_) | Self::Checkpoint(_) | Self::Damaged(_) => false,
        }
    }
}
