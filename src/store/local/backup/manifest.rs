//! `MANIFEST.json`: what belongs to a backup, with lengths and sums; written last, by rename.
//!
//! ```json
//! {"manifest":{"format":1,"hookgate":"0.1.0","store_id":"…","made_at":"…",
//!   "files":[{"name":"journal/…","bytes":…,"sha256":"…"}]},"sha256":"…"}
//! ```
//!
//! The outer sum is that of the inner object, written without spaces.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    BackupError,
    files::{self, hex, sum_of},
};
use crate::store::local::{checkpoint, open::KEY};

/// The shape of a backup.
const FORMAT: u32 = 1;
/// Its file.
pub(super) const NAME: &str = "MANIFEST.json";
/// Digits of a file's sum in its name: enough that two contents never share one by chance.
const SUM_DIGITS_IN_NAME: usize = 16;
/// Characters of a segment's file: 16 digits and `.seg`.
const SEGMENT_NAME_CHARS: usize = 20;

/// What a backup consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    /// The version that made it.
    hookgate: String,
    /// Which data directory it is of.
    pub(super) store_id: String,
    /// When it began: everything acknowledged before is in it.
    pub(super) made_at: String,
    /// In the order in which they are restored.
    pub(super) files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Its place in a data directory.
    pub(super) name: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Its sum.
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    manifest: Manifest,
    sha256: String,
}

/// Read first: a newer manifest may have any shape.
#[derive(Deserialize)]
struct Head {
    manifest: HeadInner,
}

#[derive(Deserialize)]
struct HeadInner {
    format: u32,
}

impl Entry {
    /// Its file in the backup: never written over, because its content is in its name.
    pub(super) fn file(&self) -> String {
        let leaf = self.name.rsplit('/').next().unwrap_or(&self.name);
        let digits = self.sha256.get(..SUM_DIGITS_IN_NAME).unwrap_or(&self.sha256);
        format!("{leaf}.{digits}")
    }

    /// Whether it is one of those a data directory is made of: no other place is ever written to.
    fn is_known(&self) -> bool {
        matches!(self.name.as_str(), checkpoint::NAME | KEY)
            || self.name.strip_prefix("journal/").is_some_and(is_segment)
    }
}

fn is_segment(leaf: &str) -> bool {
    let digits = leaf.strip_suffix(".seg").unwrap_or_default();
    leaf.len() == SEGMENT_NAME_CHARS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a file's name is one that [`Entry::file`] gives.
pub(super) fn is_file_of_backup(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(leaf, digits)| {
        let known = is_segment(leaf) || leaf == checkpoint::NAME || leaf == KEY;
        known && digits.len() == SUM_DIGITS_IN_NAME && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

impl Manifest {
    pub(super) fn new(store_id: [u8; 16], made_at: String, files: Vec<Entry>) -> Self {
        let hookgate = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, hookgate, store_id: hex(&store_id), made_at, files }
    }

    /// Reads the one of a backup; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it is newer or not as it was written.
    pub(super) fn read(backup: &Path) -> Result<Option<Self>, BackupError> {
        let path = backup.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::io("read", &path)(error)),
        };
        let damaged = || BackupError::Damaged(vec![format!("`{}` is not as it was written", path.display())]);
        let head: Head = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        if head.manifest.format > FORMAT {
            return Err(BackupError::Newer(head.manifest.format));
        }
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let is_whole = sealed.sha256 == sealed.manifest.sum(&path)?;
        if !is_whole || !sealed.manifest.files.iter().all(Entry::is_known) {
            return Err(damaged());
        }
        Ok(Some(sealed.manifest))
    }

    /// Makes this the backup: what the manifest says before is what is there until it is replaced.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; the old one then still stands.
    pub(super) fn write(self, backup: &Path) -> Result<(), BackupError> {
        let path = backup.join(NAME);
        let sha256 = self.sum(&path)?;
        let failed = |error: serde_json::Error| BackupError::io("write", &path)(error.into());
        let bytes = serde_json::to_vec(&Sealed { manifest: self, sha256 }).map_err(failed)?;
        files::write(backup, NAME, &bytes)
    }

    fn sum(&self, path: &Path) -> Result<String, BackupError> {
        let bytes = serde_json::to_vec(self).map_err(|error| BackupError::io("write", path)(error.into()))?;
        Ok(sum_of(&bytes))
    }
}
