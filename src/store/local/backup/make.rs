//! Making a backup, of a running gateway or a stopped one: from outside, through files alone.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    BackupError,
    files::{self, PART, sum_of},
    manifest::{self, Entry, Manifest},
};
use crate::{
    domain::Timestamp,
    store::local::{
        checkpoint::{self, Checkpoint},
        journal::{Captured, Damage, capture, capture_sealed, is_copy},
        open::{JOURNAL, KEY, LOCK, expect_data},
        pin::Pin,
    },
};

const CHECKPOINT: &str = checkpoint::NAME;

/// How a backup is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct MakeOptions {
    /// Put the key in.
    pub with_key: bool,
    /// Sum what an earlier backup brought as well, and copy again what is not as it was written.
    pub verify: bool,
}

/// What a backup came to.
#[derive(Debug)]
pub struct Made {
    /// Journal segments in it.
    pub segments: usize,
    /// Those that an earlier backup had brought.
    pub kept: usize,
    /// Bytes of all files in it.
    pub bytes: u64,
    /// Whether the key is in it.
    pub has_key: bool,
    /// What was damaged in the journal already; the backup has it as it is.
    pub damage: Vec<Damage>,
}

/// Backs a data directory up into another directory: everything acknowledged before is in it.
///
/// # Errors
///
/// When either directory cannot be used; an earlier backup there is then still whole.
pub fn make(data: &Path, into: &Path, options: MakeOptions, now: Timestamp) -> Result<Made, BackupError> {
    expect_data(data)?;
    let pin = Pin::open(data).map_err(BackupError::io("open backup.lock in", data))?;
    let held = pin.hold().map_err(BackupError::io("lock backup.lock in", data))?;
    // Before the journal is looked at: it must not be behind the checkpoint's position.
    let checkpoint = Checkpoint::read(data)?.ok_or_else(|| BackupError::NoCheckpoint(data.to_owned()))?;
    let target = Target::open(into, checkpoint.store_id, now)?;
    let MakeOptions { with_key, verify } = options;
    let mut copies = Copies { target: &target, data, verify, entries: Vec::new(), kept: 0, damage: Vec::new() };
    let taken = capture(&data.join(JOURNAL))?;
    for number in taken.sealed {
        copies.take_sealed(number)?;
    }
    if let Some(open) = taken.open {
        copies.take_segment(open)?;
    }
    let segments = copies.entries.len();
    drop(held);
    // As one that nobody has a state for: a start makes it from the journal. Whoever was backed up may have sent since.
    let checkpoint = Checkpoint { clean: false, state_valid: false, idle: false, boot_id: String::new(), ..checkpoint };
    copies.put(CHECKPOINT.to_owned(), &checkpoint.encode()?)?;
    if with_key {
        copies.take_key()?;
    }
    let Copies { entries, kept, damage, .. } = copies;
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    target.finish(Manifest::new(checkpoint.store_id, now.to_string(), entries))?;
    Ok(Made { segments, kept, bytes, has_key: with_key, damage })
}

/// The files as they are gathered.
struct Copies<'a> {
    target: &'a Target,
    data: &'a Path,
    verify: bool,
    entries: Vec<Entry>,
    kept: usize,
    damage: Vec<Damage>,
}

impl Copies<'_> {
    fn take_sealed(&mut self, number: u64) -> Result<(), BackupError> {
        let journal = self.data.join(JOURNAL);
        if let Some(before) = self.target.before(&segment_name(number)) {
            let copy = self.target.path.join(before.file());
            let is_copy = is_copy(&journal, number, &copy).map_err(BackupError::io("read", &copy))?;
            if is_copy && (!self.verify || files::sum(&copy)? == before.sha256) {
                self.entries.push(before.clone());
                self.kept += 1;
                return Ok(());
            }
        }
        self.take_segment(capture_sealed(&journal, number)?)
    }

    fn take_segment(&mut self, captured: Captured) -> Result<(), BackupError> {
        self.damage.extend(captured.damage);
        self.put(segment_name(captured.number), &captured.bytes)
    }

    fn take_key(&mut self) -> Result<(), BackupError> {
        let path = self.data.join(KEY);
        let key = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(BackupError::KeyElsewhere),
            read => read.map_err(BackupError::io("read", &path))?,
        };
        self.put(KEY.to_owned(), &key)
    }

    fn put(&mut self, name: String, bytes: &[u8]) -> Result<(), BackupError> {
        let entry = Entry { name, bytes: bytes.len() as u64, sha256: sum_of(bytes) };
        files::write(&self.target.path, &entry.file(), bytes)?;
        self.entries.push(entry);
        Ok(())
    }
}

fn segment_name(number: u64) -> String {
    format!("{JOURNAL}/{number:016x}.seg")
}

/// The directory of a backup, for this process alone.
struct Target {
    path: PathBuf,
    before: Option<Manifest>,
    _lock: File,
}

impl Target {
    fn open(path: &Path, store_id: [u8; 16], now: Timestamp) -> Result<Self, BackupError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(BackupError::io("create", path))?;
        expect_ours(path)?;
        let lock = lock(path)?;
        let before = Manifest::read(path)?;
        let this = Manifest::new(store_id, now.to_string(), Vec::new());
        if before.as_ref().is_some_and(|before| before.store_id != this.store_id) {
            return Err(BackupError::OtherStore(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), before, _lock: lock })
    }

    /// A file of the earlier backup.
    fn before(&self, name: &str) -> Option<&Entry> {
        self.before.as_ref()?.files.iter().find(|entry| entry.name == name)
    }

    /// Makes it the backup, and removes what was of the earlier one alone.
    fn finish(&self, manifest: Manifest) -> Result<(), BackupError> {
        let needed: BTreeSet<String> = manifest.files.iter().map(Entry::file).collect();
        manifest.write(&self.path)?;
        for name in names(&self.path)? {
            if manifest::is_file_of_backup(&name) && !needed.contains(&name) {
                let path = self.path.join(name);
                fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
            }
        }
        files::sync(&self.path)
    }
}

/// Refuses a directory with anything that no backup has: it was named by mistake.
fn expect_ours(path: &Path) -> Result<(), BackupError> {
    let is_ours = |name: &str| [LOCK, PART, manifest::NAME].contains(&name) || manifest::is_file_of_backup(name);
    match names(path)?.into_iter().find(|name| !is_ours(name)) {
        Some(found) => Err(BackupError::Foreign { directory: path.to_owned(), found }),
        None => Ok(()),
    }
}

fn lock(path: &Path) -> Result<File, BackupError> {
    let file = path.join(LOCK);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file);
    let opened = opened.map_err(BackupError::io("open", &file))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(BackupError::io("lock", &file)(error)),
    }
}

/// The names in a directory, sorted.
fn names(path: &Path) -> Result<Vec<String>, BackupError> {
    let failed = || BackupError::io("list", path);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed())? {
        names.push(entry.map_err(failed())?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
