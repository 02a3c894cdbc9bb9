//! Files of backups: durable before they have their names, summed as they are read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use sha2::{Digest, Sha256};

use super::BackupError;

/// What a file is called until it is whole.
pub(super) const PART: &str = "incoming.part";
/// Read at once while summing.
const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn sum_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes a file whole and durably; its directory is synced as well.
pub(super) fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
    let (part, path) = (directory.join(PART), directory.join(name));
    let mut file = create(&part).map_err(BackupError::io("create", &part))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(BackupError::io("write", &part))?;
    fs::rename(&part, &path).map_err(BackupError::io("rename to", &path))?;
    sync(directory)
}

/// Copies a file durably and gives the sum of what was copied.
pub(super) fn copy(from: &Path, to: &Path) -> Result<String, BackupError> {
    let mut file = create(to).map_err(BackupError::io("create", to))?;
    let sum = each_chunk(from, |chunk| file.write_all(chunk).map_err(BackupError::io("write", to)))?;
    file.sync_all().map_err(BackupError::io("write", to))?;
    Ok(sum)
}

/// A file's sum.
pub(super) fn sum(path: &Path) -> Result<String, BackupError> {
    each_chunk(path, |_| Ok(()))
}

/// Makes created, renamed and removed names durable.
pub(super) fn sync(directory: &Path) -> Result<(), BackupError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(BackupError::io("sync", directory))
}

/// For its owner alone: bodies are in it.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn each_chunk(path: &Path, mut each: impl FnMut(&[u8]) -> Result<(), BackupError>) -> Result<String, BackupError> {
    let mut file = File::open(path).map_err(BackupError::io("open", path))?;
    let (mut chunk, mut hash) = (vec![0; CHUNK_BYTES], Sha256::new());
    loop {
        let read = file.read(&mut chunk).map_err(BackupError::io("read", path))?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&chunk[..read]);
        each(&chunk[..read])?;
    }
}
