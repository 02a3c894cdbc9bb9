//! `backup.lock`: whoever copies the journal from outside holds it together with others, whoever takes segments away or mends
//! them in place holds it alone. The lock goes with the file, so a backup that is killed holds up nobody.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

/// The lock's file.
pub(super) const NAME: &str = "backup.lock";

/// The lock, not held.
#[derive(Debug)]
pub(super) struct Pin(File);

/// The lock, held; given back when dropped.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a File);

impl Pin {
    /// The one of a data directory.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(Self),
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        // A backup may be made by root; the gateway must still be able to open it.
        let owner = fs::metadata(directory)?;
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        Ok(Self(file))
    }

    /// Holds segments as they are: waits for whoever is taking one away.
    pub(super) fn hold(&self) -> io::Result<Held<'_>> {
        self.0.lock_shared()?;
        Ok(Held(&self.0))
    }

    /// For taking segments away; `None` while somebody copies them.
    pub(super) fn try_alone(&self) -> io::Result<Option<Held<'_>>> {
        match self.0.try_lock() {
            Ok(()) => Ok(Some(Held(&self.0))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "backup.lock is given back with the process only");
        }
    }
}
