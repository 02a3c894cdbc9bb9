//! Opening a journal: what a crash left is tidied up, what is damaged is named.
//!
//! A bad frame with nothing of a frame behind it, in the segment that was being written, is a torn tail: it was never
//! acknowledged and is cut. Any other bad frame is damage: confined to bodies it is listed, else the start is refused,
//! unless `salvage` was asked for. Before anything is shown, the last write is done again and synced: after a failed
//! sync the page cache may show what the disk does not have.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    Damage, JournalError, JournalOptions, Position, Reader, RecordRef, Writer,
    footer::{Footer, FooterBuilder},
    format::{FIRST_FRAME, FORMAT, Identity, SEGMENT_HEADER, SegmentHead, index},
    reader::{SegmentState, Shared},
    salvage,
    segment::{Prepared, allocate, list, open_for_write, path_of, sync_dir},
    walk::{self, Rest, Scan, next_mark, used_bytes},
    writer::OpenSegment,
};

/// What was found when the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// The oldest place; `None` for a new journal.
    pub start: Option<Position>,
    /// Where writing goes on.
    pub end: Option<Position>,
    /// What a crash left half written, now cut; nobody was told that it is stored.
    pub cut: Vec<TornTail>,
    /// Records whose body is lost, of the segments that were looked into.
    pub damaged_blobs: Vec<DamagedBlob>,
    /// What `salvage` left out.
    pub skipped: Vec<Damage>,
    /// Damage that cost nothing: a footer whose frames are whole.
    pub notes: Vec<Damage>,
}

/// A torn tail that was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub file: PathBuf,
    /// Where the tail began.
    pub offset: u64,
    /// Bytes of it that were not zero, about.
    pub bytes: u64,
}

/// A record whose body is not as written; its meta is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBlob {
    /// The segment's file.
    pub file: PathBuf,
    /// The record.
    pub at: RecordRef,
}

/// Opens the journal in `dir`, which is made when it does not exist.
///
/// Everything before `from`, the checkpoint's position, is known to be durable: it is not looked at again, and a bad
/// frame there is never a torn tail. With `salvage`, what is damaged is left out for good instead of refused.
///
/// # Errors
/// `Damaged` naming file and offset, `NewerFormat`, or `Io`.
pub fn open(
    dir: &Path,
    options: JournalOptions,
    from: Option<Position>,
    salvage: bool,
) -> Result<(Writer, Reader, Recovered), JournalError> {
    make_dir(dir).map_err(JournalError::io("create", dir))?;
    let mut numbers = list(dir).map_err(JournalError::io("list", dir))?;
    let mut recovery =
        Recovery { dir, from, salvage, next: 1, recovered: Recovered::default(), older: BTreeMap::new() };
    recovery.expect_checkpointed(&numbers)?;
    let tail = recovery.find_tail(&mut numbers)?;
    for number in numbers {
        recovery.take_older(number)?;
    }
    let (current, footer) = match tail {
        Some((loaded, identity)) => recovery.resume(loaded, identity, options)?,
        None => {
            let prepared = Prepared::create(dir, recovery.next, options.segment_bytes);
            let path = path_of(dir, recovery.next);
            (prepared.map_err(JournalError::io("create", &path))?.into(), FooterBuilder::new())
        }
    };
    sync_dir(dir).map_err(JournalError::io("sync", dir))?;
    let shared = Shared::new(dir, recovery.older);
    let writer = Writer::new(shared.clone(), options, current, footer);
    let reader = Reader::new(shared);
    let mut recovered = recovery.recovered;
    let oldest = reader.segments().first().map(|info| info.number);
    recovered.start = oldest.map(|segment| Position { segment, offset: FIRST_FRAME });
    recovered.end = Some(writer.position());
    Ok((writer, reader, recovered))
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        Some(_) | None => Ok(()),
    }
}

/// A segment in memory, to be walked.
pub(super) struct Loaded {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) data: Vec<u8>,
}

impl Loaded {
    /// Loads a segment that may have to be repaired.
    fn open(dir: &Path, number: u64) -> Result<Self, JournalError> {
        Self::open_with(dir, number, open_for_write)
    }

    /// Loads a segment to look at it.
    pub(super) fn view(dir: &Path, number: u64) -> Result<Self, JournalError> {
        Self::open_with(dir, number, |path| File::open(path))
    }

    fn open_with(dir: &Path, number: u64, open: fn(&Path) -> io::Result<File>) -> Result<Self, JournalError> {
        let path = path_of(dir, number);
        let file = open(&path).map_err(JournalError::io("open", &path))?;
        let data = fs::read(&path).map_err(JournalError::io("read", &path))?;
        Ok(Self { number, path, file, data })
    }

    /// The header; a newer program's is an error.
    pub(super) fn head(&self) -> Result<SegmentHead, JournalError> {
        known(SegmentHead::decode(&self.data, self.number), &self.path)
    }
}

/// Refuses a newer program's segment.
pub(super) fn known(head: SegmentHead, path: &Path) -> Result<SegmentHead, JournalError> {
    match head {
        SegmentHead::Newer(found) => Err(JournalError::NewerFormat { file: path.to_path_buf(), found, known: FORMAT }),
        SegmentHead::Blank | SegmentHead::Good(_) | SegmentHead::Bad => Ok(head),
    }
}

struct Recovery<'a> {
    dir: &'a Path,
    from: Option<Position>,
    salvage: bool,
    /// The lowest number a new segment may have.
    next: u64,
    recovered: Recovered,
    older: BTreeMap<u64, SegmentState>,
}

impl Recovery<'_> {
    /// Refuses damage, or notes that it is left out.
    fn damage(&mut self, path: &Path, offset: u64, what: &'static str) -> Result<(), JournalError> {
        if !self.salvage {
            return Err(JournalError::damaged(path, offset, what));
        }
        self.recovered.skipped.push(Damage { file: path.to_path_buf(), offset, what });
        Ok(())
    }

    /// A place must not be before the checkpoint's position when frames end there.
    fn expect_reached(&mut self, path: &Path, end: Position) -> Result<(), JournalError> {
        match self.from {
            Some(from) if end < from && end.segment == from.segment => {
                self.damage(path, end.offset, "the journal ends before the checkpoint's position")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn expect_checkpointed(&mut self, numbers: &[u64]) -> Result<(), JournalError> {
        let Some(from) = self.from else { return Ok(()) };
        self.next = self.next.max(from.segment);
        if !numbers.contains(&from.segment) && from.offset > FIRST_FRAME {
            self.next = from.segment + 1;
            let path = path_of(self.dir, from.segment);
            self.damage(&path, 0, "the file is missing, though the checkpoint's position is in it")?;
        }
        Ok(())
    }

    /// Finds the segment that was being written, and removes those behind it that were only prepared.
    ///
    /// `None` when the newest segment is sealed or there is none.
    fn find_tail(&mut self, numbers: &mut Vec<u64>) -> Result<Option<(Loaded, Identity)>, JournalError> {
        while let Some(&number) = numbers.last() {
            if self.from.is_some_and(|from| number < from.segment) {
                // The checkpoint was taken after this one was sealed.
                return Ok(None);
            }
            let mut loaded = Loaded::open(self.dir, number)?;
            let Some(identity) = self.identify(&mut loaded)? else {
                numbers.pop();
                continue;
            };
            if self.confirm_footer(&loaded, identity)? {
                return Ok(None);
            }
            numbers.pop();
            if next_mark(&loaded.data, identity, FIRST_FRAME).is_some() {
                return Ok(Some((loaded, identity)));
            }
            self.drop_prepared(&loaded)?;
        }
        Ok(None)
    }

    /// The identity of one of the newest segments. One that was being prepared is removed; one whose header is
    /// damaged is refused, or identified by its first frame, or set aside.
    fn identify(&mut self, loaded: &mut Loaded) -> Result<Option<Identity>, JournalError> {
        if let Some(identity) = loaded.head()?.identity() {
            return Ok(Some(identity));
        }
        if used_bytes(&loaded.data, FIRST_FRAME) == 0 {
            self.drop_prepared(loaded)?;
            return Ok(None);
        }
        self.identify_damaged(loaded)
    }

    fn identify_damaged(&mut self, loaded: &mut Loaded) -> Result<Option<Identity>, JournalError> {
        self.damage(&loaded.path, 0, "the segment's header is not as written")?;
        let identity = salvage::restore_header(loaded)?;
        if identity.is_none() {
            self.next = self.next.max(loaded.number + 1);
            salvage::set_aside(self.dir, &loaded.path)?;
        }
        Ok(identity)
    }

    fn drop_prepared(&mut self, loaded: &Loaded) -> Result<(), JournalError> {
        self.expect_reached(&loaded.path, Position { segment: loaded.number, offset: FIRST_FRAME })?;
        let bytes = used_bytes(&loaded.data, FIRST_FRAME);
        if bytes > 0 {
            self.recovered.cut.push(TornTail { file: loaded.path.clone(), offset: FIRST_FRAME, bytes });
        }
        fs::remove_file(&loaded.path).map_err(JournalError::io("remove", &loaded.path))
    }

    /// Whether the newest segment has a good footer; then that was the last write, and it is done again.
    fn confirm_footer(&self, loaded: &Loaded, identity: Identity) -> Result<bool, JournalError> {
        let Loaded { file, path, data, .. } = loaded;
        let footer = Footer::read(file, data.len() as u64, identity).map_err(JournalError::io("read", path))?;
        let Some(footer) = footer else { return Ok(false) };
        file.write_all_at(&footer.bytes, footer.start).map_err(JournalError::io("write", path))?;
        file.sync_all().map_err(JournalError::io("sync", path))?;
        Ok(true)
    }

    /// Takes over a sealed segment; from the checkpoint on, all its metas are checked, by its footer or its frames.
    fn take_older(&mut self, number: u64) -> Result<(), JournalError> {
        let path = path_of(self.dir, number);
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let bytes = file.metadata().map_err(JournalError::io("read", &path))?.len();
        let mut raw = vec![0; index(bytes.min(SEGMENT_HEADER as u64))];
        file.read_exact_at(&mut raw, 0).map_err(JournalError::io("read", &path))?;
        let identity = known(SegmentHead::decode(&raw, number), &path)?.identity();
        let salt = identity.map(|identity| identity.salt);
        let mut state = SegmentState { end: bytes, bytes, salt, sealed: true, newest_at: None };
        self.next = self.next.max(number + 1);
        if self.from.is_none_or(|from| number >= from.segment) {
            let footer = identity.map(|identity| Footer::read(&file, bytes, identity)).transpose();
            match footer.map_err(JournalError::io("read", &path))?.flatten() {
                Some(footer) => {
                    self.expect_reached(&path, Position { segment: number, offset: footer.start })?;
                    state.newest_at = footer.newest_at();
                }
                None => match self.walk_older(number, identity)? {
                    Some(walked) => state = walked,
                    None => return Ok(()),
                },
            }
        }
        self.older.insert(number, state);
        Ok(())
    }

    /// Looks into a sealed segment without a good footer. `None`: it was set aside.
    fn walk_older(&mut self, number: u64, known: Option<Identity>) -> Result<Option<SegmentState>, JournalError> {
        let mut loaded = Loaded::open(self.dir, number)?;
        let identity = match known {
            Some(identity) => identity,
            None => match self.identify_damaged(&mut loaded)? {
                Some(identity) => identity,
                None => return Ok(None),
            },
        };
        let scan = self.scan_whole(&mut loaded, identity)?;
        self.list_blobs(&loaded.path, &scan, scan.end);
        let (path, end) = (&loaded.path, scan.end);
        match scan.rest {
            Rest::Footer => {
                let note = Damage { file: path.clone(), offset: end, what: "the footer is not as written" };
                self.recovered.notes.push(note);
            }
            Rest::Nothing => self.damage(path, end, "the segment's frames and footer end early")?,
            Rest::Garbage(what) => self.damage(path, end, what)?,
        }
        let mut newest_at = None;
        walk::scan(&loaded.data, identity, |record| newest_at = newest_at.max(Some(record.header.head.at_ms)));
        let bytes = if self.salvage { salvage::reseal(&loaded, identity)? } else { loaded.data.len() as u64 };
        Ok(Some(SegmentState { end, bytes, salt: Some(identity.salt), sealed: true, newest_at }))
    }

    /// Walks a segment; what is damaged between its frames is refused, or filled so that no walk sees it again.
    fn scan_whole(&mut self, loaded: &mut Loaded, identity: Identity) -> Result<Scan, JournalError> {
        let scan = walk::scan(&loaded.data, identity, |_| {});
        for gap in &scan.gaps {
            self.damage(&loaded.path, gap.start, gap.what)?;
            salvage::fill(loaded, identity, *gap)?;
        }
        Ok(scan)
    }

    fn list_blobs(&mut self, path: &Path, scan: &Scan, before: u64) {
        let kept = scan.bad_blobs.iter().filter(|(frame, _)| *frame < before);
        self.recovered.damaged_blobs.extend(kept.map(|(_, at)| DamagedBlob { file: path.to_path_buf(), at: *at }));
    }

    /// Goes on in the segment that was being written: cuts a torn tail, writes the last frame again.
    fn resume(
        &mut self,
        mut loaded: Loaded,
        identity: Identity,
        options: JournalOptions,
    ) -> Result<(OpenSegment, FooterBuilder), JournalError> {
        let scan = self.scan_whole(&mut loaded, identity)?;
        self.expect_reached(&loaded.path, Position { segment: loaded.number, offset: scan.end })?;
        let end = self.whole_until(&scan, loaded.number);
        self.list_blobs(&loaded.path, &scan, end);
        let bytes = used_bytes(&loaded.data, end);
        let Loaded { path, file, data, .. } = loaded;
        let capacity = options.segment_bytes.max(end);
        let torn = end < scan.end || scan.rest != Rest::Nothing;
        if torn || (data.len() as u64) < capacity {
            // Cut and allocated again the rest reads as zeros: nothing stale can pass for a frame later.
            file.set_len(end).map_err(JournalError::io("truncate", &path))?;
            allocate(&file, capacity).map_err(JournalError::io("allocate space for", &path))?;
            file.sync_all().map_err(JournalError::io("sync", &path))?;
        }
        let (mut footer, mut newest_at) = (FooterBuilder::new(), None);
        let kept = &data[..index(end)];
        let scan = walk::scan(kept, identity, |record| {
            footer.push(record.at.offset, &[record.raw, record.meta]);
            newest_at = newest_at.max(Some(record.header.head.at_ms));
        });
        if let Some(last) = scan.last {
            let frame = &kept[index(last.start)..index(last.end)];
            file.write_all_at(frame, last.start).map_err(JournalError::io("write", &path))?;
            file.sync_data().map_err(JournalError::io("sync", &path))?;
        }
        if torn {
            self.recovered.cut.push(TornTail { file: path, offset: end, bytes });
        }
        Ok((OpenSegment { identity, file, end, capacity, newest_at }, footer))
    }

    /// Where the torn tail begins: behind the last frame, or at it when its bodies did not all arrive.
    ///
    /// A footer behind it, whatever is left of that, says that the last frame was durable.
    fn whole_until(&self, scan: &Scan, segment: u64) -> u64 {
        let (Some(last), Some((frame, _))) = (&scan.last, scan.bad_blobs.last()) else { return scan.end };
        let checkpointed = self.from.is_some_and(|from| Position { segment, offset: *frame } < from);
        if *frame != last.start || checkpointed || scan.rest == Rest::Footer { scan.end } else { last.start }
    }
}
