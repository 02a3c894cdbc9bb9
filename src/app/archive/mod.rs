//! `export` and `import`: a data directory as JSON lines, for reading, moving and keeping apart from any format on disk.
//!
//! ```text
//! {"type":"hookgate","format":2,…}   project, key, source, destination, connection, view, bookmark   event …   {"type":"end"}
//! ```
//!
//! One object a line; what is referred to comes before. The head says how the lines are to be read, the end that none is
//! missing. The shapes are a family of their own (`configuration`, `documents`, `history`), neither the API's nor the stored ones.

mod configuration;
mod documents;
mod export;
mod history;
mod import;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};

pub use export::{ExportOptions, Exported, export};
pub use import::import;

/// The shape of the lines. Those of format 1 are read as well: they lack fields, and views and bookmarks.
const FORMAT: u32 = 2;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    /// The first.
    Hookgate(Head),
    Project(configuration::Project),
    Key(configuration::Key),
    Source(configuration::Source),
    Destination(configuration::Destination),
    Connection(configuration::Connection),
    View(documents::View),
    Bookmark(Box<documents::Bookmark>),
    Event(Box<history::Event>),
    /// The last.
    End(End),
}

/// What the lines behind it are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    /// Whether secrets are in them; otherwise they must be set again.
    secrets: bool,
}

/// Nothing is missing before it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {}

/// Why a file cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// One line of it.
    #[error("line {number}: {problem}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Its end is missing.
    #[error("the last line is not {{\"type\":\"end\"}}: the export was cut off, make it again")]
    CutOff,
    /// The input cannot be read.
    #[error("the input cannot be read: {0}")]
    Input(#[from] std::io::Error),
}
