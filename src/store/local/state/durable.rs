//! Small values by name, and making everything written so far survive a power cut.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use rustix::io::Errno;

use super::{State, StateError, keys};

/// Under which name [`State::write_durably`] keeps the generation.
const GENERATION: &str = "generation";

impl State {
    /// A value by name.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when it cannot be read.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.get(&keys::meta(name), |body| Ok(body.to_vec()))
    }

    /// Sets a value by name; durable with the next [`write_durably`](Self::write_durably).
    ///
    /// # Errors
    ///
    /// `Io` when it cannot be written.
    pub fn set_meta(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let key = keys::meta(name);
        let value = keys::seal(&key, bytes);
        self.tree.insert(&key, value).map(drop).map_err(|error| self.sled("writing meta", error))
    }

    /// The generation of the last [`write_durably`](Self::write_durably).
    ///
    /// # Errors
    ///
    /// As [`meta`](Self::meta).
    pub fn generation(&self) -> Result<Option<u64>, StateError> {
        self.get(&keys::meta(GENERATION), |body| {
            body.try_into().map(u64::from_le_bytes).map_err(|_| super::error::Corrupt("it is not a number"))
        })
    }

    /// Notes the generation and makes everything written so far durable.
    ///
    /// # Errors
    ///
    /// `Io` when sled or the system refused: then nothing written since the last success may be relied on.
    /// `TooManyFiles` when it should be tried again.
    pub fn write_durably(&self, generation: u64) -> Result<(), StateError> {
        self.set_meta(GENERATION, &generation.to_le_bytes())?;
        self.tree.flush().map_err(|error| self.sled("flushing", error))?;
        // sled's flush leaves some of its files in the page cache.
        sync_files(&self.dir).map_err(|error| match Errno::from_io_error(&error) {
            // Only opening fails like this: no sync has failed, and the next call does all of them.
            Some(Errno::MFILE | Errno::NFILE) => StateError::TooManyFiles(self.dir.clone()),
            Some(_) | None => StateError::Io { dir: self.dir.clone(), why: error.to_string() },
        })
    }

    /// Bytes of sled's files on disk.
    ///
    /// # Errors
    ///
    /// `Io` when the system does not tell.
    pub fn disk_bytes(&self) -> Result<u64, StateError> {
        self.tree.size_on_disk().map_err(|error| self.sled("asking for its size", error))
    }
}

/// Syncs the files of a directory, those of its directories, and the directory.
fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_files(&entry.path())?;
        } else {
            match File::open(entry.path()) {
                Ok(file) => file.sync_data()?,
                // sled replaces its snapshots while we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    File::open(dir)?.sync_all()
}
