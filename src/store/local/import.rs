//! Filling a new data directory from outside: records are written to its journal, the first start makes state from them.

use std::{io, time::Duration};

use super::{
    LocalOptions,
    documents::change::DocumentJob,
    fresh::Fresh,
    journal::{self, Frame, JournalOptions, RecordHead, Writer, blob_crc},
    key::{KeyError, MasterKey},
    open::{JOURNAL, KEY, OpenError},
    record::{FORMAT, Kind, StoredContent, StoredItem, StoredItems, carried, encode},
};
use crate::domain::{AttemptRecord, ConfigItem, Document, Event, Request, Seq, Timestamp};

/// Bytes that are written and synced together: an event's record may be longer.
const FRAME_BYTES: usize = 4 << 20;
/// A store that is only read from must not change meanwhile: longer than any export.
pub(super) const NO_RETENTION: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why an import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// A secret.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The journal.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl ImportError {
    /// Whether whoever gave the command can mend it.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Directory(error) => error.is_usage(),
            Self::Key(_) => true,
            Self::Io(_) => false,
        }
    }
}

/// A data directory that is being filled. Dropped without an end it is left marked as unfinished.
#[derive(Debug)]
pub struct Importer {
    fresh: Fresh,
    writer: Writer,
    key: MasterKey,
    frame: Frame,
    next_seq: Seq,
    at: Timestamp,
}

impl Importer {
    /// Begins in the directory of `options`, which must be empty or not exist.
    ///
    /// # Errors
    ///
    /// When it is neither, or cannot be written.
    pub fn begin(options: &LocalOptions, now: Timestamp) -> Result<Self, ImportError> {
        let fresh = Fresh::begin(&options.directory)?;
        let key = match options.master_key {
            Some(key) => MasterKey::from_bytes(key),
            None => MasterKey::load_or_create(&options.directory.join(KEY))?,
        };
        let journal_options = JournalOptions { segment_bytes: options.segment_bytes };
        let opened = journal::open(&options.directory.join(JOURNAL), journal_options, None, false);
        let (writer, ..) = opened.map_err(OpenError::from)?;
        Ok(Self { fresh, writer, key, frame: Frame::new(), next_seq: 0, at: now })
    }

    /// Adds a configuration item.
    ///
    /// # Errors
    ///
    /// When it cannot be sealed or written.
    pub fn put_item(&mut self, item: &ConfigItem) -> Result<(), ImportError> {
        let items = StoredItems(vec![StoredItem::new(item, &self.key)?]);
        self.push(Kind::Config, 0, &encode(&items), &[])
    }

    /// Adds a document, with the request that is attached to it.
    ///
    /// # Errors
    ///
    /// When it cannot be sealed or written.
    pub fn put_document(&mut self, document: &Document, attached: Option<&Request>) -> Result<(), ImportError> {
        let content = StoredContent::new(document, &self.key)?;
        let job = DocumentJob::as_it_is(document.key(), document.version(), &content, attached);
        self.push(Kind::Document, 0, &job.meta, &[&job.body])
    }

    /// Adds an event behind those before, with its request and the details of each of its attempts, as far as they are known.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn put_event(
        &mut self,
        event: Event,
        request: Option<&Request>,
        records: &[Option<AttemptRecord>],
    ) -> Result<(), ImportError> {
        // New requests are to come after it.
        self.at = self.at.max(event.created_at);
        let event = Event { seq: self.next_seq, ..event };
        self.next_seq += 1;
        let (meta, blob) = carried(&event, request.map(|request| (request, [].as_slice())), records);
        let parts: Vec<&[u8]> = blob.iter().map(AsRef::as_ref).collect();
        self.push(Kind::Carried, event.seq, &meta, &parts)
    }

    /// Makes it a data directory.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; then it is none.
    pub fn finish(mut self) -> Result<(), ImportError> {
        self.commit()?;
        self.writer.seal()?;
        drop(self.writer);
        Ok(self.fresh.finish()?)
    }

    /// Takes away what was written.
    ///
    /// # Errors
    ///
    /// When the operating system refuses; what is left is marked as unfinished.
    pub fn abandon(self) -> Result<(), ImportError> {
        drop(self.writer);
        Ok(self.fresh.abandon()?)
    }

    fn push(&mut self, kind: Kind, seq: Seq, meta: &[u8], blob: &[&[u8]]) -> Result<(), ImportError> {
        let head = RecordHead { kind: kind as u8, format: FORMAT, seq, at_ms: self.at.ms() };
        self.frame.push(head, meta, blob, blob_crc(blob));
        if self.frame.bytes() >= FRAME_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), ImportError> {
        if !self.frame.is_empty() {
            self.writer.commit(&mut self.frame)?;
            self.frame.clear();
        }
        Ok(())
    }
}
