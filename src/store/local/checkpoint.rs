//! `CHECKPOINT`: from where the journal must be replayed over sled, and whether sled may be trusted at all.
//!
//! ```text
//! magic "HGCKPT\0\0" | format u32 | postcard value | idle u8 (not in format 1) | crc32c u32 (of all before)
//! ```
//!
//! Written to a temporary file, synced and renamed; the directory is synced after.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::record::{StoredItem, v1, v2};
use crate::domain::ProjectId;

const MAGIC: &[u8; 8] = b"HGCKPT\0\0";
const FORMAT: u32 = 3;
/// Its file in the data directory.
pub const NAME: &str = "CHECKPOINT";

/// What is known at a position of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint<Item = StoredItem> {
    /// Ties journal, checkpoint and sled together.
    pub store_id: [u8; 16],
    /// Counts checkpoints; sled has the same number, or one more when the process ended in between.
    pub generation: u64,
    /// The boot of the machine during which sled was last written.
    pub boot_id: String,
    /// Whether the process ended by itself and sled was synced after its last write.
    pub clean: bool,
    /// False when sled turned out to be damaged.
    pub state_valid: bool,
    /// Whether nothing was in flight at a clean end. Stands behind the value; format 1 has none and reads as "perhaps".
    #[serde(skip)]
    pub idle: bool,
    /// Segment and offset from where records are not in sled.
    pub position: (u64, u64),
    /// Events from here on are not in sled.
    pub next_seq: u64,
    /// The latest `created_at` given so far, in milliseconds.
    pub last_at: i64,
    /// The configuration at or after the position.
    pub items: Vec<Item>,
}

/// Why there is no checkpoint to start from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Written by a newer hookgate.
    #[error("CHECKPOINT has format {0}, newer than this hookgate understands: start the version that wrote it")]
    Newer(u32),
    /// Not whole.
    #[error("CHECKPOINT is damaged")]
    Damaged,
    /// The operating system refused.
    #[error("CHECKPOINT cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

impl Checkpoint {
    /// Reads it from the data directory; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it is newer, damaged or unreadable.
    pub fn read(directory: &Path) -> Result<Option<Self>, CheckpointError> {
        let bytes = match fs::read(directory.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(CheckpointError::Damaged)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(CheckpointError::Damaged);
        }
        let rest = body.strip_prefix(MAGIC).ok_or(CheckpointError::Damaged)?;
        let (format, rest) = rest.split_first_chunk::<4>().ok_or(CheckpointError::Damaged)?;
        match u32::from_le_bytes(*format) {
            1 => {
                let old = postcard::from_bytes::<Checkpoint<v1::Item>>(rest).map_err(|_| CheckpointError::Damaged)?;
                Ok(Some(old.map(|item| v2::Item::from(item).into())))
            }
            2 => Ok(Some(with_idle::<v2::Item>(rest)?.map(StoredItem::from))),
            FORMAT => Ok(Some(with_idle(rest)?)),
            newer if newer > FORMAT => Err(CheckpointError::Newer(newer)),
            _ => Err(CheckpointError::Damaged),
        }
    }

    /// The project in the configuration, where there is one already.
    #[must_use]
    pub fn project(&self) -> Option<ProjectId> {
        self.items.iter().find_map(|item| match item {
            StoredItem::Project { id, .. } => Some(ProjectId::from_bits(u128::from_be_bytes(*id))),
            StoredItem::Source { .. }
            | StoredItem::Destination { .. }
            | StoredItem::Connection { .. }
            | StoredItem::ApiKey { .. } => None,
        })
    }

    /// The file's bytes.
    ///
    /// # Errors
    ///
    /// Never: everything in it can be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes = postcard::to_extend(self, bytes).map_err(|error| io::Error::other(error.to_string()))?;
        bytes.push(u8::from(self.idle));
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Replaces the one in the data directory.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; the old one then still stands.
    pub fn write(&self, directory: &Path) -> Result<(), CheckpointError> {
        let bytes = self.encode()?;
        let temporary = directory.join("CHECKPOINT.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, directory.join(NAME))?;
        File::open(directory)?.sync_all()?;
        Ok(())
    }
}

impl<Old> Checkpoint<Old> {
    /// Only the shape of the configuration has changed with the formats.
    fn map<New>(self, convert: impl Fn(Old) -> New) -> Checkpoint<New> {
        Checkpoint {
            store_id: self.store_id,
            generation: self.generation,
            boot_id: self.boot_id,
            clean: self.clean,
            state_valid: self.state_valid,
            idle: self.idle,
            position: self.position,
            next_seq: self.next_seq,
            last_at: self.last_at,
            items: self.items.into_iter().map(convert).collect(),
        }
    }
}

/// The value, and whether it was idle, which stands behind it.
fn with_idle<Item: DeserializeOwned>(bytes: &[u8]) -> Result<Checkpoint<Item>, CheckpointError> {
    let (value, behind) = postcard::take_from_bytes(bytes).map_err(|_| CheckpointError::Damaged)?;
    Ok(Checkpoint { idle: behind == [1], ..value })
}

/// This boot of the machine: what the page cache holds survives a killed process, but not another boot.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            store_id: [7; 16],
            generation: 3,
            boot_id: "boot".to_owned(),
            clean: true,
            state_valid: true,
            idle: true,
            position: (2, 4096),
            next_seq: 77,
            last_at: 1_000,
            items: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_and_any_flipped_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Checkpoint::read(directory.path()).unwrap().is_none());
        checkpoint().write(directory.path()).unwrap();
        assert_eq!(Checkpoint::read(directory.path()).unwrap(), Some(checkpoint()));
        let path = directory.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            assert!(Checkpoint::read(directory.path()).is_err(), "byte {place}");
        }
    }
}
