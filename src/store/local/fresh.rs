//! A data directory that is being made, by a restore or an import: it begins empty and counts only when it is finished.
//!
//! `RESTORING` lies in it until then. A start refuses it meanwhile; the next restore or import begins anew.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    checkpoint,
    open::{JOURNAL, KEY, LOCK, OpenError, RESTORING, STATE, lock},
    pin,
};

/// Locked and marked as unfinished.
#[derive(Debug)]
pub(super) struct Fresh {
    directory: PathBuf,
    had_key: bool,
    _lock: File,
}

impl Fresh {
    /// Takes a directory that is empty, does not exist or was never finished.
    ///
    /// # Errors
    ///
    /// When it is in use, has something in it, or the operating system refuses.
    pub(super) fn begin(directory: &Path) -> Result<Self, OpenError> {
        let lock = lock(directory)?;
        let fresh = Self { directory: directory.to_owned(), had_key: directory.join(KEY).exists(), _lock: lock };
        let is_unfinished = directory.join(RESTORING).exists();
        fresh.expect_empty(is_unfinished)?;
        if is_unfinished {
            fresh.clear()?;
        }
        let marker = directory.join(RESTORING);
        File::create(&marker).and_then(|file| file.sync_all()).map_err(|error| failed(&marker, error))?;
        fresh.sync(directory)?;
        Ok(fresh)
    }

    /// Says that it is whole; everything in it is durable before.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; then it is not.
    pub(super) fn finish(self) -> Result<(), OpenError> {
        let journal = self.directory.join(JOURNAL);
        self.sync(&journal)?;
        self.sync(&self.directory)?;
        self.unmark()
    }

    /// Takes away what was made.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; then what is left is still marked.
    pub(super) fn abandon(self) -> Result<(), OpenError> {
        self.clear()?;
        if !self.had_key {
            self.remove(KEY)?;
        }
        self.sync(&self.directory)?;
        self.unmark()
    }

    fn unmark(&self) -> Result<(), OpenError> {
        self.remove(RESTORING)?;
        self.sync(&self.directory)
    }

    fn expect_empty(&self, is_unfinished: bool) -> Result<(), OpenError> {
        for entry in fs::read_dir(&self.directory).map_err(|error| failed(&self.directory, error))? {
            let name = entry.map_err(|error| failed(&self.directory, error))?.file_name();
            let found = name.to_string_lossy().into_owned();
            let is_ours = [JOURNAL, STATE, checkpoint::NAME, KEY, pin::NAME, RESTORING].contains(&found.as_str());
            if found != LOCK && !(is_unfinished && is_ours) {
                return Err(OpenError::NotEmpty { directory: self.directory.clone(), found });
            }
        }
        Ok(())
    }

    /// Removes what a restore or an import makes. Never a key: it may have been put there on purpose.
    fn clear(&self) -> Result<(), OpenError> {
        [JOURNAL, STATE, checkpoint::NAME].into_iter().try_for_each(|name| self.remove(name))
    }

    fn remove(&self, name: &str) -> Result<(), OpenError> {
        let path = self.directory.join(name);
        match if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) } {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self, directory: &Path) -> Result<(), OpenError> {
        File::open(directory).and_then(|file| file.sync_all()).map_err(|error| failed(directory, error))
    }
}

fn failed(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), source }
}
