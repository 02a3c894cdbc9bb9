//! Making a data directory from a backup.
//!
//! Nothing is written before every sum was checked, and what is written counts only when all of it is there (see `fresh`).

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::{
    BackupError, files,
    manifest::{Entry, Manifest},
};
use crate::store::local::{
    fresh::Fresh,
    open::{JOURNAL, KEY, LOCK},
};

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// When the backup began: everything acknowledged before is there.
    pub made_at: String,
    /// Journal segments.
    pub segments: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether the key was in it.
    pub has_key: bool,
}

/// Makes `data`, which must be empty or not exist, from a backup.
///
/// # Errors
///
/// When the backup is not whole or the directory cannot be used; then nothing was written, unless the system refused half-way.
pub fn restore(backup: &Path, data: &Path) -> Result<Restored, BackupError> {
    let _reading = share(backup)?;
    let manifest = Manifest::read(backup)?.ok_or_else(|| BackupError::NoBackup(backup.to_owned()))?;
    expect_whole(backup, &manifest)?;
    let fresh = Fresh::begin(data)?;
    match copy_all(backup, data, &manifest) {
        Ok(()) => fresh.finish()?,
        Err(error) => {
            fresh.abandon()?;
            return Err(error);
        }
    }
    Ok(Restored {
        segments: manifest.files.iter().filter(|entry| entry.name.starts_with(JOURNAL)).count(),
        bytes: manifest.files.iter().map(|entry| entry.bytes).sum(),
        has_key: manifest.files.iter().any(|entry| entry.name == KEY),
        made_at: manifest.made_at,
    })
}

fn copy_all(backup: &Path, data: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let journal = data.join(JOURNAL);
    fs::create_dir(&journal).map_err(BackupError::io("create", &journal))?;
    for entry in &manifest.files {
        let copied = files::copy(&backup.join(entry.file()), &data.join(&entry.name))?;
        if copied != entry.sha256 {
            return Err(BackupError::Damaged(vec![not_as_written(backup, entry)]));
        }
    }
    Ok(())
}

/// Keeps a backup from being replaced while it is read. A medium that cannot be locked is not being written to either.
fn share(backup: &Path) -> Result<Option<File>, BackupError> {
    let Ok(file) = File::open(backup.join(LOCK)) else { return Ok(None) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(backup.to_owned())),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// Names every file that is missing or not as it was written.
fn expect_whole(backup: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let mut damaged = Vec::new();
    for entry in &manifest.files {
        match files::sum(&backup.join(entry.file())) {
            Ok(sum) if sum == entry.sha256 => {}
            Ok(_) => damaged.push(not_as_written(backup, entry)),
            Err(BackupError::Io { path, source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                damaged.push(format!("`{}` is missing", path.display()));
            }
            Err(error) => return Err(error),
        }
    }
    if damaged.is_empty() { Ok(()) } else { Err(BackupError::Damaged(damaged)) }
}

fn not_as_written(backup: &Path, entry: &Entry) -> String {
    format!("`{}` is not as it was written", backup.join(entry.file()).display())
}
