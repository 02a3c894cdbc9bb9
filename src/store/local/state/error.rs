//! What can go wrong between us and sled.

use std::path::PathBuf;

/// Why the state could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A value does not decode, or sled itself gave up: the state must be rebuilt from the journal.
    #[error("state in {dir} is damaged at {key}: {why}; it can be rebuilt from the journal", dir = dir.display())]
    Damaged {
        /// The state's directory.
        dir: PathBuf,
        /// The value's key as text, or what was being done.
        key: String,
        /// What does not fit.
        why: String,
    },
    /// A whole value of a format that is not written any more.
    #[error("state in {dir} was written by an older hookgate", dir = .0.display())]
    Older(PathBuf),
    /// The operating system refused.
    #[error("state in {dir} cannot be read or written: {why}", dir = dir.display())]
    Io {
        /// The state's directory.
        dir: PathBuf,
        /// What sled or the system said.
        why: String,
    },
    /// Nothing was done, because the process or the machine has too many files open: it passes.
    #[error("no file of the state in {dir} can be opened: too many are open", dir = .0.display())]
    TooManyFiles(PathBuf),
}

/// A value's bytes do not follow their format; whoever knows the key makes a [`StateError::Damaged`] of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Corrupt(pub(super) &'static str);
