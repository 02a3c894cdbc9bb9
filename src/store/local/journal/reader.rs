//! The one that reads: records by their place, segments for rebuild and retention. Cheap to clone, shared by threads.
//!
//! Knows of every segment what is durable (the writer publishes it after each sync) and keeps a bounded number of
//! files open. Changes nothing, except that [`Reader::remove`] gives a whole segment back.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{
    JournalError, Position, RecordHead, RecordRef,
    footer::Footer,
    format::{FIRST_FRAME, Identity, RECORD_HEADER, RecordHeader, index},
    segment::{path_of, sync_dir},
    walk::{Rest, scan},
};

/// Segment files kept open: with 64 MiB each the newest 8 GiB, well below the usual limit of 1024 descriptors.
const MAX_OPEN_FILES: usize = 128;
/// Read at once with a record's header: most records fit, so they cost one read.
const FIRST_READ: u64 = 4096;

/// A record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its kind, event and time.
    pub head: RecordHead,
    /// The encoded value.
    pub meta: Bytes,
    /// The body.
    pub blob: Bytes,
}

/// A record without its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it lies.
    pub at: RecordRef,
    /// Its kind, event and time.
    pub head: RecordHead,
    /// The encoded value.
    pub meta: &'a [u8],
    /// Bytes of its blob.
    pub blob_len: u32,
}

/// A segment as retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number: ascending in time.
    pub number: u64,
    /// Bytes it takes on disk.
    pub bytes: u64,
    /// Whether it is complete.
    pub sealed: bool,
}

/// What is known of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentState {
    /// Records end before this.
    pub(super) end: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// `None`: the header is bad, so neither frames nor footer can be told from bodies.
    pub(super) salt: Option<u64>,
    pub(super) sealed: bool,
    pub(super) newest_at: Option<i64>,
}

/// What writer and readers have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    segments: RwLock<BTreeMap<u64, SegmentState>>,
    files: Mutex<BTreeMap<u64, Arc<File>>>,
}

impl Shared {
    pub(super) fn new(dir: &Path, segments: BTreeMap<u64, SegmentState>) -> Arc<Self> {
        Arc::new(Self { dir: dir.to_path_buf(), segments: RwLock::new(segments), files: Mutex::default() })
    }

    pub(super) fn publish(&self, number: u64, state: SegmentState) {
        self.segments.write().insert(number, state);
    }

    fn state(&self, segment: u64) -> Result<SegmentState, JournalError> {
        self.segments.read().get(&segment).copied().ok_or(JournalError::NotFound { segment })
    }

    fn file(&self, segment: u64) -> Result<Arc<File>, JournalError> {
        if let Some(file) = self.files.lock().get(&segment) {
            return Ok(Arc::clone(file));
        }
        let path = path_of(&self.dir, segment);
        let file = Arc::new(File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::NotFound { segment },
            _ => JournalError::io("open", &path)(error),
        })?);
        let mut files = self.files.lock();
        // Under the lock, so that a file that `remove` has just forgotten does not come back.
        self.state(segment)?;
        files.insert(segment, Arc::clone(&file));
        if files.len() > MAX_OPEN_FILES {
            // The oldest are read least.
            files.pop_first();
        }
        Ok(file)
    }
}

/// Reads the journal.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// `NotFound` when its segment was removed, `Damaged` when header, meta or blob are not as written, or `Io`.
    pub fn read(&self, at: RecordRef) -> Result<Record, JournalError> {
        let state = self.shared.state(at.segment)?;
        let file = self.shared.file(at.segment)?;
        let path = path_of(&self.shared.dir, at.segment);
        let damaged = |what| JournalError::damaged(&path, at.offset, what);
        let room = state.end.saturating_sub(at.offset);
        if at.offset < FIRST_FRAME || room < RECORD_HEADER as u64 {
            return Err(damaged("no record can be here"));
        }
        let read = |into: &mut [u8], offset| {
            file.read_exact_at(into, offset).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => damaged("the file ends inside the record"),
                _ => JournalError::io("read", &path)(error),
            })
        };
        let mut buffer = vec![0; index(room.min(FIRST_READ))];
        read(&mut buffer, at.offset)?;
        let header = RecordHeader::decode(&buffer);
        let have = buffer.len();
        let length = RECORD_HEADER as u64 + header.body_len();
        if length > room {
            return Err(damaged("the record is longer than its segment"));
        }
        buffer.resize(index(length), 0);
        if buffer.len() > have {
            read(&mut buffer[have..], at.offset + have as u64)?;
        }
        let buffer = Bytes::from(buffer);
        let raw = buffer.slice(..RECORD_HEADER);
        let meta_end = RECORD_HEADER + index(u64::from(header.meta_len));
        let (meta, blob) = (buffer.slice(RECORD_HEADER..meta_end), buffer.slice(meta_end..));
        if !header.meta_is_good(&raw, &meta) {
            return Err(damaged("the record's meta is not as written"));
        }
        if !header.blob_is_good(&blob) {
            return Err(damaged("the record's body is not as written"));
        }
        Ok(Record { head: header.head, meta, blob })
    }

    /// All segments, oldest first; the last one is the one that is written.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments = self.shared.segments.read();
        let info = |(number, state): (&u64, &SegmentState)| SegmentInfo {
            number: *number,
            bytes: state.bytes,
            sealed: state.sealed,
        };
        segments.iter().map(info).collect()
    }

    /// Bytes of all segments, the one that may be prepared ahead not counted.
    #[must_use]
    pub fn bytes_on_disk(&self) -> u64 {
        self.shared.segments.read().values().map(|state| state.bytes).sum()
    }

    /// Shows `visit` every record of a segment, in order: by the footer when it is sealed and that is good, else by
    /// its frames.
    ///
    /// # Errors
    /// As [`Reader::read`]; after `Damaged` some records may have been shown.
    pub fn entries(&self, segment: u64, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), JournalError> {
        let state = self.shared.state(segment)?;
        let mut newest = None;
        self.each_entry(segment, state, &mut |entry| {
            newest = newest.max(Some(entry.head.at_ms));
            visit(entry);
        })?;
        if let Some(state) = self.shared.segments.write().get_mut(&segment) {
            state.newest_at = state.newest_at.max(newest);
        }
        Ok(())
    }

    /// The newest record's time of a segment, looked up when nobody did so since the start; `None` when it has no record.
    ///
    /// # Errors
    /// As [`Reader::entries`].
    pub fn newest_at_ms(&self, segment: u64) -> Result<Option<i64>, JournalError> {
        let known = self.shared.state(segment)?.newest_at;
        if known.is_some() {
            return Ok(known);
        }
        self.entries(segment, &mut |_| {})?;
        Ok(self.shared.state(segment)?.newest_at)
    }

    /// Shows `visit` every record at or after `from`, or all there are, in order.
    ///
    /// # Errors
    /// As [`Reader::entries`].
    pub fn replay(&self, from: Option<Position>, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), JournalError> {
        let from = from.unwrap_or(Position { segment: 0, offset: 0 });
        for segment in self.segments().iter().map(|info| info.number).filter(|number| *number >= from.segment) {
            self.entries(segment, &mut |entry| {
                if entry.at.segment > from.segment || entry.at.offset >= from.offset {
                    visit(entry);
                }
            })?;
        }
        Ok(())
    }

    /// Removes a sealed segment for good.
    ///
    /// The checkpoint must not point into it: the caller sees to that.
    ///
    /// # Errors
    /// `InvalidInput` for the segment that is being written; what the file system says.
    pub fn remove(&self, segment: u64) -> io::Result<()> {
        {
            let mut segments = self.shared.segments.write();
            match segments.get(&segment) {
                None => return Ok(()),
                Some(state) if !state.sealed => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "the segment is being written"));
                }
                Some(_) => segments.remove(&segment),
            };
        }
        self.shared.files.lock().remove(&segment);
        fs::remove_file(path_of(&self.shared.dir, segment))?;
        sync_dir(&self.shared.dir)
    }

    fn each_entry(
        &self,
        number: u64,
        state: SegmentState,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Result<(), JournalError> {
        let path = path_of(&self.shared.dir, number);
        let file = self.shared.file(number)?;
        let Some(salt) = state.salt else {
            return Err(JournalError::damaged(&path, 0, "the segment's header is not as written"));
        };
        let identity = Identity { salt, number };
        if state.sealed {
            let footer = Footer::read(&file, state.bytes, identity).map_err(JournalError::io("read", &path))?;
            if let Some(footer) = footer {
                footer.each(visit);
                return Ok(());
            }
        }
        let mut data = vec![0; index(if state.sealed { state.bytes } else { state.end })];
        file.read_exact_at(&mut data, 0).map_err(JournalError::io("read", &path))?;
        let scan = scan(&data, identity, |record| visit(record.entry()));
        match (scan.gaps.first(), scan.rest) {
            (Some(gap), _) => Err(JournalError::damaged(&path, gap.start, gap.what)),
            (None, Rest::Footer) => Ok(()),
            (None, Rest::Nothing) if !state.sealed && scan.end == state.end => Ok(()),
            (None, Rest::Nothing) => Err(JournalError::damaged(&path, scan.end, "frames are missing")),
            (None, Rest::Garbage(what)) => Err(JournalError::damaged(&path, scan.end, what)),
        }
    }
}
