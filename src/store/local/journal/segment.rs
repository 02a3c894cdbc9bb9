//! Segments as files: their names, how one is made ready before it is needed, and directory syncs.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate};

use super::format::Identity;
use crate::clock::{Clock, SystemClock};

const EXTENSION: &str = "seg";
/// Digits of a segment's number in its file's name.
const DIGITS: usize = 16;

/// The file of a segment.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{EXTENSION}"))
}

/// The numbers of all segments in a directory, ascending. Other files are none of ours.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.split_once('.')).filter(|(_, rest)| *rest == EXTENSION);
        let number = digits.map(|(digits, _)| digits).filter(|digits| digits.len() == DIGITS);
        numbers.extend(number.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes created, renamed and removed names of a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Opens a segment's file for changing it.
pub(super) fn open_for_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Sees to it that the first `bytes` of a file need no space later. What was never written reads as zeros.
pub(super) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // A file system without preallocation: only the speed of commits and the early answer to a full disk are lost.
        Err(rustix::io::Errno::OPNOTSUPP) if file.metadata()?.len() < bytes => file.set_len(bytes),
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

/// A segment without frames, durable with its name and space.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) identity: Identity,
    pub(super) file: File,
    pub(super) capacity: u64,
}

impl Prepared {
    /// Creates a segment. When that fails nothing of it stays, so that it can be tried again.
    pub(super) fn create(dir: &Path, number: u64, capacity: u64) -> io::Result<Self> {
        let path = path_of(dir, number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        match Self::fill(dir, file, number, capacity) {
            Ok(prepared) => Ok(prepared),
            Err(error) => {
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }

    fn fill(dir: &Path, file: File, number: u64, capacity: u64) -> io::Result<Self> {
        let identity = Identity { salt: getrandom::u64().map_err(io::Error::other)?, number };
        allocate(&file, capacity)?;
        file.write_all_at(&identity.segment_header(SystemClock.now().ms()), 0)?;
        file.sync_all()?;
        sync_dir(dir)?;
        Ok(Self { identity, file, capacity })
    }
}
