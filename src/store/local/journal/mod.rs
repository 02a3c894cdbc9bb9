//! The journal's file layer: segments of frames of records, written by one, read by many.
//!
//! A commit is one [`Frame`]: one write, one `fdatasync`, then its records are there for good. [`open`] recovers what
//! a crash left and tells a torn tail from damage; [`Reader`] serves records by their [`RecordRef`] and never a byte
//! that fails its sum; [`verify()`] reads everything and changes nothing. What metas and blobs mean is not known here,
//! nor is who waits for a commit: the caller owns the writer thread.
//!
//! * `format`: the bytes of headers, the only place that knows offsets of fields.
//! * `frame`, `footer`: building the two things that are written.
//! * `walk`: reading a segment frame by frame, and finding frames behind a bad one.
//! * `segment`: files: names, creation ahead of use, directory syncs.
//! * `writer`, `reader`: the two handles. `recover`, `salvage`: opening. `verify`: the check. `capture`: for backups.

mod capture;
mod footer;
mod format;
mod frame;
mod reader;
mod recover;
mod salvage;
mod segment;
mod verify;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use capture::{Capture, Captured, capture, capture_sealed, is_copy};
pub use format::{RecordHead, blob_crc};
pub use frame::{Committed, Frame};
pub use reader::{Entry, Reader, Record, SegmentInfo};
pub use recover::{DamagedBlob, Recovered, TornTail, open};
pub use verify::{Report, verify};
pub use writer::Writer;

use super::RecordRef;

/// Bytes of a segment: small enough to be given back one by one, big enough that sealing is rare.
pub const DEFAULT_SEGMENT_BYTES: u64 = 64 << 20;

/// How the journal lays out its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// Frames of a segment end before this many bytes; a bigger frame gets a segment of its own.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: DEFAULT_SEGMENT_BYTES }
    }
}

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from the start of its file.
    pub offset: u64,
}

/// A place in a file where something is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {what}", file.display())]
pub struct Damage {
    /// The segment's file.
    pub file: PathBuf,
    /// The first byte of what is bad: a frame, a record, a header.
    pub offset: u64,
    /// What does not hold.
    pub what: &'static str,
}

/// Why the journal could not be opened or a record not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The segment was removed: nothing in it was alive.
    #[error("journal segment {segment:016x} is gone")]
    NotFound {
        /// Its number.
        segment: u64,
    },
    /// What was written is not there any more.
    #[error("{0}; `hookgate rebuild --salvage` keeps what is whole")]
    Damaged(Damage),
    /// A newer hookgate wrote this.
    #[error("{} has format {found}, this program knows up to {known}: run the version that wrote it", file.display())]
    NewerFormat {
        /// The segment's file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// The system said no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl JournalError {
    /// Makes a closure for `map_err` that says what was tried with which file.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }

    fn damaged(file: &Path, offset: u64, what: &'static str) -> Self {
        Self::Damaged(Damage { file: file.to_path_buf(), offset, what })
    }
}
