//! The state: every event's newest row in sled, in blocks of 1024 with a zone for each in memory (CONTRIBUTING, decision 4).
//!
//! The journal is the truth; this can be rebuilt from it. The feeder is the only writer. Readers bring an overlay, the rows that
//! are newer than sled's, and get merged answers: what the overlay has of a slot wins, and a position it does not know
//! comes from the block.
//!
//! | file | owns |
//! |---|---|
//! | `keys`, `column` | bytes: keys, envelopes, packed columns |
//! | `hot`, `scan`, `cold`, `combination`, `handles` | what a block's values say |
//! | `zone`, `zones`, `stretches` | what memory keeps of blocks |
//! | `view` | reading one block, hot and cold of the same moment |
//! | `write`, `durable` | replacing blocks; making them survive |
//! | `plan` | a filter in terms of zones and columns |
//! | `query`, `latest`, `named`, `lookup`, `pending`, `held`, `tallies` | answers |
//! | `requests` | chunks of requests, beside the events |
//! | `documents` | documents, beside both |
//!
//! Here alone sled is imported.

mod cold;
mod column;
mod combination;
mod documents;
mod durable;
mod error;
mod handles;
mod held;
mod hot;
mod keys;
mod latest;
mod lookup;
mod named;
mod pending;
mod plan;
mod query;
mod requests;
mod scan;
mod stretches;
mod tallies;
#[cfg(test)]
mod tests;
mod view;
mod write;
mod zone;
mod zones;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};

use self::{error::Corrupt, handles::Handles, hot::Hot, requests::RequestZones, zone::Zone, zones::Zones};
pub use self::{
    error::StateError,
    held::HeldAsk,
    pending::{Newer, PendingAsk, PendingRows},
    plan::Asking,
    zone::BlockSummary,
};
use crate::domain::{ConnectionId, Standing};

/// How often sled writes what it gathered, in milliseconds. *Motive:* its default; the checkpoint flushes what must not be lost.
const FLUSH_EVERY_MS: u64 = 500;
/// How often, and how long apart, a lock that a dropped sled still holds is tried again: five seconds in all.
const LOCK_TRIES: u32 = 250;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Decoded blocks that are kept, at about 40 KiB each. *Motive:* who drains a backlog asks for neighbours, on a few connections at a time.
const RECENT_BLOCKS: usize = 16;

/// Events in sled. Shared by `Arc`: one writer, many readers.
///
/// Locks are taken in this order, none twice by one thread: `writing`, `zones` or `requests`, `handles` or `recent`.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    tree: sled::Db,
    /// Held while a block is replaced, so that a second writer would wait rather than lose a change.
    writing: Mutex<()>,
    /// Replaced together with what sled has: a reader that holds it sees a block's columns and parts of one moment.
    zones: RwLock<Zones>,
    handles: RwLock<Handles>,
    /// Replaced together with what sled has of requests.
    requests: RwLock<RequestZones>,
    /// Blocks asked for singly, newest use last.
    recent: Mutex<Vec<(u64, Arc<Hot>)>>,
}

/// Opens sled, waiting for one of this process that was dropped a moment ago: its threads may still hold the lock. Other
/// processes are kept out by the data directory's own lock.
fn open_unlocked(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut tries = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("WouldBlock") && tries < LOCK_TRIES => {
                tries += 1;
                std::thread::park_timeout(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
}

impl State {
    /// Opens the state in a directory, or starts an empty one there, with so many bytes of page cache.
    ///
    /// # Errors
    ///
    /// `Damaged` when sled cannot make sense of its files or a block does not decode; `Io` when the system refused.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StateError> {
        // sled asserts what it reads: on damaged files it may panic.
        catch_unwind(AssertUnwindSafe(|| Self::load(dir, cache_bytes))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
            let why = format!("sled panicked: {}", said.unwrap_or("it did not say why"));
            Err(StateError::Damaged { dir: dir.to_owned(), key: "opening".to_owned(), why })
        })
    }

    fn load(dir: &Path, cache_bytes: u64) -> Result<Self, StateError> {
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(Some(FLUSH_EVERY_MS));
        let tree = open_unlocked(&config).map_err(|error| StateError::from_sled(dir, "opening", error))?;
        let state = Self {
            dir: dir.to_owned(),
            tree,
            writing: Mutex::new(()),
            zones: RwLock::default(),
            handles: RwLock::default(),
            requests: RwLock::default(),
            recent: Mutex::default(),
        };
        state.load_handles()?;
        state.load_zones()?;
        state.load_requests()?;
        Ok(state)
    }

    fn load_handles(&self) -> Result<(), StateError> {
        let mut handles = self.handles.write();
        for (expected, entry) in (0u32..).zip(self.tree.scan_prefix([keys::HANDLE])) {
            let (key, value) = entry.map_err(|error| self.sled("reading handles", error))?;
            if *key != keys::handle(expected) {
                return Err(self.damaged(&keys::handle(expected), Corrupt("the handle is missing")));
            }
            let bytes = keys::unseal(&key, &value).map_err(|corrupt| self.damaged(&key, corrupt))?;
            let id = bytes.try_into().map_err(|_| self.damaged(&key, Corrupt("it is not an id")))?;
            handles.push(u128::from_be_bytes(id));
        }
        Ok(())
    }

    fn load_zones(&self) -> Result<(), StateError> {
        let known = self.handles.read();
        let mut zones = self.zones.write();
        for entry in self.tree.scan_prefix([keys::HOT]) {
            let (key, value) = entry.map_err(|error| self.sled("reading blocks", error))?;
            let damaged = |corrupt| self.damaged(&key, corrupt);
            let block = keys::block_of_hot(&key).ok_or_else(|| damaged(Corrupt("it is no block's key")))?;
            let hot = keys::unseal(&key, &value).and_then(Hot::decode).map_err(damaged)?;
            let unknown = |handle: u32| known.id(handle).is_none();
            if hot
                .combinations()
                .iter()
                .flat_map(|one| [Some(one.connection), Some(one.source), Some(one.destination), one.bulk])
                .flatten()
                .any(unknown)
            {
                return Err(damaged(Corrupt("it uses a handle without an id")));
            }
            let zone = Zone::of(&hot).ok_or_else(|| damaged(Corrupt("it has no event")))?;
            zones.put(block, zone, hot.combinations());
        }
        Ok(())
    }

    /// Figures of every folded block, in order; `standing` tells what a connection's state makes of its events.
    #[must_use]
    pub fn blocks(&self, standing: &dyn Fn(ConnectionId) -> Standing) -> Vec<BlockSummary> {
        let zones = self.zones.read();
        let handles = self.handles.read();
        let mut known = HashMap::new();
        let mut generation = |connection: u32| {
            *known.entry(connection).or_insert_with(|| {
                handles.id(connection).map_or(0, |id| standing(ConnectionId::from_bits(id)).generation)
            })
        };
        zones.iter().map(|(block, zone)| zone.summary(*block, &mut generation)).collect()
    }

    fn damaged(&self, key: &[u8], corrupt: Corrupt) -> StateError {
        if corrupt == keys::OLDER {
            return StateError::Older(self.dir.clone());
        }
        StateError::Damaged { dir: self.dir.clone(), key: keys::describe(key), why: corrupt.0.to_owned() }
    }

    fn sled(&self, doing: &str, error: sled::Error) -> StateError {
        StateError::from_sled(&self.dir, doing, error)
    }

    /// Reads a value out of its envelope and decodes it.
    fn get<T>(&self, key: &[u8], decode: impl FnOnce(&[u8]) -> Result<T, Corrupt>) -> Result<Option<T>, StateError> {
        let value = self.tree.get(key).map_err(|error| self.sled(&keys::describe(key), error))?;
        let decoded = value.map(|value| keys::unseal(key, &value).and_then(decode)).transpose();
        decoded.map_err(|corrupt| self.damaged(key, corrupt))
    }
}

impl StateError {
    #[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
    fn from_sled(dir: &Path, doing: &str, error: sled::Error) -> Self {
        let (dir, key, why) = (dir.to_owned(), doing.to_owned(), error.to_string());
        match error {
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => Self::Damaged { dir, key, why },
            sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::Io(_) => {
                Self::Io { dir, why }
            }
        }
    }
}
