//! Opening a data directory: what is trusted, what is replayed, what is rebuilt.
//!
//! ```text
//! lock ─► key ─► CHECKPOINT ─► journal (tail checked, torn end cut) ─► is sled to be trusted?
//!    yes: open it, forget what is after the checkpoint, replay the journal's rest into the overlay ─► ready
//!    no:  remove it, read only configuration and numbers ─► accepting; the feeder rebuilds ─► ready
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;

use super::{
    LocalOptions, LocalStore, Threads,
    checkpoint::{Checkpoint, CheckpointError, boot_id},
    feeder::Feeder,
    import::NO_RETENTION,
    journal::{self, JournalError, JournalOptions, Position, Reader},
    key::{KeyError, MasterKey},
    overlay::Overlay,
    pin::{Held, Pin},
    record::{RecordError, StoredItem},
    replay::{self, ReplayError},
    retention,
    row::{BLOCK_SLOTS, block_of},
    shared::{Parts, Shared},
    state::{State, StateError},
    writer::WriterThread,
};
use crate::{
    clock::Clock,
    domain::{ConfigItem, Configuration, Family, Seq, Timestamp},
    store::{PayloadRef, Store},
};

/// The journal's directory.
pub(super) const JOURNAL: &str = "journal";
/// sled's directory.
pub(super) const STATE: &str = "state";
/// The key's file.
pub(super) const KEY: &str = "key";
/// Locked by whoever uses the directory.
pub(super) const LOCK: &str = "lock";
/// Lies in a data directory that is being made by a restore or an import.
pub(super) const RESTORING: &str = "RESTORING";
/// Tied to sled by this name under `m`.
const STORE_ID: &str = "store-id";

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data directory `{0}` is in use by another hookgate: stop that one first")]
    Locked(PathBuf),
    /// Nothing was ever stored there.
    #[error("there is no data in `{0}`: is data.dir the directory that `hookgate serve` used?")]
    NoData(PathBuf),
    /// It is being made by a restore or an import, or that was broken off.
    #[error("a restore or import into `{0}` has not ended: run it again")]
    HalfRestored(PathBuf),
    /// It is to be made and has something in it.
    #[error("`{directory}` is not empty, `{found}` is in it: name a new directory (data.dir)")]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// Its journal would be mended while it is copied.
    #[error("a backup of `{0}` is being made: try again when it has ended")]
    BackedUp(PathBuf),
    /// The operating system refused.
    #[error("`{path}` cannot be used as the data directory or in it")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// sled, where it was just made and can be no leftover.
    #[error("the state cannot be made anew: {0}")]
    State(#[from] StateError),
}

impl OpenError {
    /// Whether whoever gave the command can mend it: another directory, another moment, another key.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Locked(_)
            | Self::NoData(_)
            | Self::HalfRestored(_)
            | Self::NotEmpty { .. }
            | Self::BackedUp(_)
            | Self::Io { .. }
            | Self::Key(_) => true,
            Self::Checkpoint(_) | Self::Journal(_) | Self::Record(_) | Self::State(_) => false,
        }
    }
}

impl From<ReplayError> for OpenError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Record(error) => error.into(),
            ReplayError::Key(error) => error.into(),
        }
    }
}

/// What the journal says beyond the checkpoint.
struct Tail {
    overlay: Overlay,
    configuration: Configuration,
    next_seq: Seq,
    last_at: Timestamp,
}

impl LocalStore {
    /// Opens or makes a data directory. Accepting works when this returns; see [`Store::ready`] for the rest.
    ///
    /// # Errors
    ///
    /// When another process has it, the operating system refuses, or something other than a body is damaged.
    pub fn open(options: LocalOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        let lock = lock(&directory)?;
        expect_restored(&directory)?;
        let pin = Pin::open(&directory).map_err(|source| OpenError::Io { path: directory.clone(), source })?;
        let found = read_checkpoint(&directory)?;
        let key = master_key(&options)?;
        let from = found.as_ref().map(position_of);
        let journal_options = JournalOptions { segment_bytes: options.segment_bytes };
        let mending = if options.salvage { Some(alone(&pin, &directory)?) } else { None };
        let (journal, reader, recovered) =
            journal::open(&directory.join(JOURNAL), journal_options, from, options.salvage)?;
        drop(mending);
        log(&recovered);
        let fresh = found.is_none() && recovered.start == recovered.end;
        let resumes = !fresh && !found.as_ref().is_some_and(|found| found.idle);
        if let Some(found) = &found {
            // Opening sled writes to it: a power cut from here on must not find the clean stop before.
            unclean(found.clone(), may_trust(found).is_ok()).write(&directory)?;
        }
        let (state, trusted) = open_state(&options, found.as_ref())?;
        // Nothing to rebuild from is rebuilt already.
        let trusted = trusted || fresh;
        let found = found.map_or_else(new_checkpoint, Ok)?;
        state.set_meta(STORE_ID, &found.store_id)?;
        let checkpoint = unclean(found, trusted);
        checkpoint.write(&directory)?;
        let mut tail = replay_tail(&reader, &checkpoint, trusted, &key)?;
        if !trusted {
            // Old and new events share no block, so that they can be folded side by side.
            tail.next_seq = tail.next_seq.div_ceil(BLOCK_SLOTS) * BLOCK_SLOTS;
            tail.overlay = Overlay::new(block_of(tail.next_seq));
        }
        let end = journal.position();
        let parts = Parts {
            erasures: tail.overlay.documents.has(Family::Erasure) || state.has_documents(Family::Erasure)?,
            key,
            clock,
            reader,
            overlay: tail.overlay,
            position: end,
            replayed_from: checkpoint.position.0,
            next_seq: tail.next_seq,
            last_at: tail.last_at,
            configuration: tail.configuration,
            resumes,
            lock,
            pin,
        };
        let shared = Arc::new(Shared::new(options, parts));
        shared.look_at_disk();
        let writer = WriterThread::new(Arc::clone(&shared), journal, tail.next_seq, tail.last_at);
        let state = Arc::new(state);
        if trusted {
            shared.set_ready(Arc::clone(&state));
        }
        let feeder = Feeder::new(Arc::clone(&shared), state, checkpoint);
        let retained = Arc::clone(&shared);
        let threads = Threads {
            writer: Some(spawn("journal", &shared, move || writer.run())),
            feeder: Some(spawn("feeder", &shared, move || feeder.run((!trusted).then_some(end)))),
            retention: Some(spawn("retention", &shared, move || retention::run(&retained))),
        };
        Ok(Self { shared, threads: Mutex::new(threads) })
    }
}

/// The key that seals secrets. Only a directory without data gets a new one: another key would not open what is there.
fn master_key(options: &LocalOptions) -> Result<MasterKey, OpenError> {
    let path = options.directory.join(KEY);
    Ok(match options.master_key {
        Some(key) => MasterKey::from_bytes(key),
        None if has_data(&options.directory) => MasterKey::load(&path)?,
        None => MasterKey::load_or_create(&path)?,
    })
}

/// Whether a store was ever opened in a directory.
fn has_data(directory: &Path) -> bool {
    directory.join(JOURNAL).exists()
}

/// Refuses a directory that has no data, so that a mistyped one is noticed instead of made.
///
/// # Errors
///
/// [`OpenError::NoData`], and [`OpenError::HalfRestored`] for one that is not whole yet.
pub fn expect_data(directory: &Path) -> Result<(), OpenError> {
    expect_restored(directory)?;
    if has_data(directory) { Ok(()) } else { Err(OpenError::NoData(directory.to_owned())) }
}

/// Refuses a directory that a restore has not finished: what is there is not all.
fn expect_restored(directory: &Path) -> Result<(), OpenError> {
    if directory.join(RESTORING).exists() { Err(OpenError::HalfRestored(directory.to_owned())) } else { Ok(()) }
}

/// Keeps backups off while segments are changed in place.
fn alone<'a>(pin: &'a Pin, directory: &Path) -> Result<Held<'a>, OpenError> {
    match pin.try_alone() {
        Ok(Some(held)) => Ok(held),
        Ok(None) => Err(OpenError::BackedUp(directory.to_owned())),
        Err(source) => Err(OpenError::Io { path: directory.to_owned(), source }),
    }
}

/// Takes the directory for this process; the lock goes with the file.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| failed(directory, error))?;
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|error| failed(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    }
}

fn position_of(checkpoint: &Checkpoint) -> Position {
    Position { segment: checkpoint.position.0, offset: checkpoint.position.1 }
}

/// A damaged checkpoint costs time, not data: everything in it is in the journal as well.
fn read_checkpoint(directory: &Path) -> Result<Option<Checkpoint>, OpenError> {
    match Checkpoint::read(directory) {
        Err(CheckpointError::Damaged) => {
            tracing::warn!("CHECKPOINT is damaged: the whole journal is read instead");
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// Opens sled where it can be trusted, and otherwise an empty one in its place.
fn open_state(options: &LocalOptions, checkpoint: Option<&Checkpoint>) -> Result<(State, bool), OpenError> {
    let path = options.directory.join(STATE);
    let trusted = match checkpoint {
        Some(_) if !path.exists() => Err("its directory is gone".to_owned()),
        Some(checkpoint) => may_trust(checkpoint).and_then(|()| trusted_state(&path, options, checkpoint)),
        None => Err("there is no checkpoint".to_owned()),
    };
    let why = match trusted {
        Ok(state) => return Ok((state, true)),
        Err(why) => why,
    };
    if path.exists() || checkpoint.is_some() {
        tracing::warn!("the state is rebuilt from the journal: {why}");
    }
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io { path, source }),
        Ok(()) | Err(_) => {}
    }
    Ok((State::open(&path, options.sled_cache_bytes)?, false))
}

/// What the checkpoint alone says about sled; `Err` says why it is not to be trusted.
fn may_trust(checkpoint: &Checkpoint) -> Result<(), String> {
    let boot = boot_id();
    if !checkpoint.state_valid {
        return Err(
            "it is marked as not to be trusted: it was found damaged, its rebuild did not end, or one was asked for"
                .to_owned(),
        );
    }
    // A system that does not tell its boots apart may have lost power.
    if !checkpoint.clean && (boot.is_empty() || checkpoint.boot_id != boot) {
        return Err("the machine stopped without a clean stop".to_owned());
    }
    Ok(())
}

fn trusted_state(path: &Path, options: &LocalOptions, checkpoint: &Checkpoint) -> Result<State, String> {
    let state = State::open(path, options.sled_cache_bytes).map_err(|error| error.to_string())?;
    let id = state.meta(STORE_ID).map_err(|error| error.to_string())?;
    if id.as_deref() != Some(&checkpoint.store_id) {
        return Err("it belongs to another data directory".to_owned());
    }
    let generation = state.generation().map_err(|error| error.to_string())?.unwrap_or(0);
    if generation != checkpoint.generation && generation != checkpoint.generation + 1 {
        return Err(format!("it is of checkpoint {generation}, not of {}", checkpoint.generation));
    }
    state.truncate_after(checkpoint.next_seq).map_err(|error| error.to_string())?;
    let (segment, offset) = checkpoint.position;
    state.truncate_requests(PayloadRef(segment, offset)).map_err(|error| error.to_string())?;
    Ok(state)
}

/// The checkpoint as it stands while the process runs: whatever ends it without a word leaves it unclean.
fn unclean(checkpoint: Checkpoint, trusted: bool) -> Checkpoint {
    // Until a rebuild has ended with a checkpoint of its own, sled is not to be used.
    Checkpoint { clean: false, idle: false, boot_id: boot_id(), state_valid: trusted, ..checkpoint }
}

/// Of a data directory that has none: everything is after it.
fn new_checkpoint() -> Result<Checkpoint, OpenError> {
    let mut store_id = [0; 16];
    getrandom::fill(&mut store_id).map_err(|error| KeyError::Seal(error.to_string()))?;
    Ok(Checkpoint {
        store_id,
        generation: 0,
        boot_id: String::new(),
        clean: false,
        state_valid: false,
        idle: false,
        position: (0, 0),
        next_seq: 0,
        last_at: 0,
        items: Vec::new(),
    })
}

/// Reads the journal from the checkpoint on; without trust in sled, only configuration and numbers.
fn replay_tail(reader: &Reader, checkpoint: &Checkpoint, trusted: bool, key: &MasterKey) -> Result<Tail, OpenError> {
    let mut tail = Tail {
        overlay: Overlay::new(block_of(checkpoint.next_seq)),
        configuration: Configuration::default(),
        next_seq: checkpoint.next_seq,
        last_at: Timestamp::from_ms(checkpoint.last_at),
    };
    for item in checkpoint.items.iter().cloned().map(|item| StoredItem::into_item(item, key)) {
        tail.configuration.put(item?);
    }
    let mut failed: Option<OpenError> = None;
    reader.replay(Some(position_of(checkpoint)), &mut |entry| {
        if failed.is_some() {
            return;
        }
        tail.last_at = tail.last_at.max(Timestamp::from_ms(entry.head.at_ms));
        tail.next_seq = tail.next_seq.max(replay::next_seq_after(&entry));
        failed = match replay::config_items(&entry, key) {
            Ok(items) => {
                put_newer(&mut tail.configuration, items);
                None
            }
            Err(error) => Some(error.into()),
        };
        if trusted && failed.is_none() {
            let taken = replay::changes(&entry, |change| tail.overlay.apply(change));
            failed = taken.err().map(OpenError::from);
        }
    })?;
    failed.map_or(Ok(tail), Err)
}

fn put_newer(configuration: &mut Configuration, items: Vec<ConfigItem>) {
    for item in items {
        if item.version() > configuration.version_of(&item) {
            configuration.put(item);
        }
    }
}

/// Says what a crash or a damaged disk left in the journal.
fn log(recovered: &journal::Recovered) {
    for tail in &recovered.cut {
        let file = tail.file.display();
        tracing::warn!(%file, offset = tail.offset, bytes = tail.bytes, "a frame that was never acknowledged was cut off");
    }
    for blob in &recovered.damaged_blobs {
        let file = blob.file.display();
        tracing::error!(%file, offset = blob.at.offset, "a body is damaged: its event goes on without it");
    }
    for damage in &recovered.skipped {
        tracing::error!(%damage, "damaged records were left out, as asked");
    }
    for damage in &recovered.notes {
        tracing::warn!(%damage, "damage that cost nothing");
    }
}

/// A panic in one of the store's threads must not leave a process that acknowledges nothing and says nothing.
fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    let label = name.to_owned();
    let guarded = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            shared.fatal(&format!("the {label} thread panicked"));
        }
    };
    match thread::Builder::new().name(name.to_owned()).spawn(guarded) {
        Ok(handle) => handle,
        Err(error) => {
            tracing::error!(%error, thread = name, "a thread of the store cannot be started");
            std::process::exit(70)
        }
    }
}

/// Checks every byte of the journal, for `hookgate check`; takes the directory's lock for as long as it runs.
///
/// # Errors
///
/// When the directory is in use or the journal cannot be read at all.
pub fn check(directory: &Path) -> Result<journal::Report, OpenError> {
    expect_data(directory)?;
    let _lock = lock(directory)?;
    Ok(journal::verify(&directory.join(JOURNAL))?)
}

/// Rebuilds the state from the journal while nothing is served, for `hookgate rebuild`.
///
/// # Errors
///
/// As [`LocalStore::open`].
pub fn rebuild_offline(options: LocalOptions, clock: Arc<dyn Clock>) -> Result<u64, OpenError> {
    expect_data(&options.directory)?;
    let lock = lock(&options.directory)?;
    if let Some(mut checkpoint) = read_checkpoint(&options.directory)? {
        checkpoint.state_valid = false;
        checkpoint.write(&options.directory)?;
    }
    drop(lock);
    let store = open_ready(options, clock)?;
    let events = store.stats().events;
    store.close();
    Ok(events)
}

/// Opens a data directory for a command that reads it: returns when the state is there, and nothing is taken away meanwhile.
///
/// # Errors
///
/// As [`LocalStore::open`], and when there is no data.
pub fn open_ready(options: LocalOptions, clock: Arc<dyn Clock>) -> Result<LocalStore, OpenError> {
    expect_data(&options.directory)?;
    let store = LocalStore::open(LocalOptions { retention_interval: NO_RETENTION, ..options }, clock)?;
    store.shared.ask_for_checkpoint();
    Ok(store)
}
