//! Making a data directory from a backup.
//!
//! Nothing is written before every sum was checked. While files are copied `RESTORING` lies in the data directory: a start refuses
//! it then, and another restore begins anew.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::{
    BackupError, files,
    make::{CHECKPOINT, KEY, LOCK, names},
    manifest::{Entry, Manifest},
};
use crate::store::local::open::{JOURNAL, RESTORING, STATE, lock};

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
    let _lock = lock(data)?;
    make_empty(data)?;
    let marker = data.join(RESTORING);
    File::create(&marker).and_then(|file| file.sync_all()).map_err(BackupError::io("create", &marker))?;
    files::sync(data)?;
    let journal = data.join(JOURNAL);
    fs::create_dir(&journal).map_err(BackupError::io("create", &journal))?;
    for entry in &manifest.files {
        let copied = files::copy(&backup.join(entry.file()), &data.join(&entry.name))?;
        if copied != entry.sha256 {
            return Err(BackupError::Damaged(vec![not_as_written(backup, entry)]));
        }
    }
    files::sync(&journal)?;
    files::sync(data)?;
    fs::remove_file(&marker).map_err(BackupError::io("remove", &marker))?;
    files::sync(data)?;
    Ok(Restored {
        segments: manifest.files.iter().filter(|entry| entry.name.starts_with(JOURNAL)).count(),
        bytes: manifest.files.iter().map(|entry| entry.bytes).sum(),
        has_key: manifest.files.iter().any(|entry| entry.name == KEY),
        made_at: manifest.made_at,
    })
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

/// Refuses a directory with anything in it, but for what a restore that did not end left behind: that goes.
fn make_empty(data: &Path) -> Result<(), BackupError> {
    let is_unfinished = data.join(RESTORING).exists();
    for name in names(data)? {
        let path = data.join(&name);
        let removed = match name.as_str() {
            LOCK => continue,
            JOURNAL | STATE if is_unfinished => fs::remove_dir_all(&path),
            CHECKPOINT | KEY if is_unfinished => fs::remove_file(&path),
            RESTORING => continue,
            _ => return Err(BackupError::NotEmpty { directory: data.to_owned(), found: name }),
        };
        removed.map_err(BackupError::io("remove", &path))?;
    }
    Ok(())
}
