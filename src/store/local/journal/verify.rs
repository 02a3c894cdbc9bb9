//! The full check: every frame, body and footer is read and summed; nothing is changed.

use std::path::Path;

use super::{
    Damage, JournalError, RecordRef,
    footer::Footer,
    format::{FIRST_FRAME, Identity, RecordHead},
    recover::Loaded,
    segment::list,
    walk::{self, Rest, Scan, next_mark, used_bytes},
};

/// What a full check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Segments with frames or a footer.
    pub segments: u64,
    /// Frames whose sum holds.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Everything that is not as written.
    pub damage: Vec<Damage>,
    /// What looks like a torn tail: the next start cuts it. No damage.
    pub torn: Option<Damage>,
}

/// Checks the journal in `dir`, which nobody must be writing.
///
/// # Errors
/// `NewerFormat` or `Io`; damage is reported, not an error.
pub fn verify(dir: &Path) -> Result<Report, JournalError> {
    let mut report = Report::default();
    let mut newest = true;
    // Newest first: what is behind the segment that was written last is only prepared.
    for number in list(dir).map_err(JournalError::io("list", dir))?.into_iter().rev() {
        let loaded = Loaded::view(dir, number)?;
        report.bytes += loaded.data.len() as u64;
        let Some(identity) = loaded.head()?.identity() else {
            if !newest || used_bytes(&loaded.data, FIRST_FRAME) > 0 {
                report.damage(&loaded.path, 0, "the segment's header is not as written");
            }
            continue;
        };
        let length = loaded.data.len() as u64;
        let footer = Footer::read(&loaded.file, length, identity).map_err(JournalError::io("read", &loaded.path))?;
        if newest && footer.is_none() && next_mark(&loaded.data, identity, FIRST_FRAME).is_none() {
            if used_bytes(&loaded.data, FIRST_FRAME) > 0 {
                report.torn(&loaded.path, FIRST_FRAME, "no frame is whole");
            }
            continue;
        }
        report.segments += 1;
        report.check(&loaded, identity, footer.as_ref(), newest);
        newest = false;
    }
    report.damage.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
    Ok(report)
}

impl Report {
    /// Whether everything is as written; a torn tail is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    fn damage(&mut self, path: &Path, offset: u64, what: &'static str) {
        self.damage.push(Damage { file: path.to_path_buf(), offset, what });
    }

    fn torn(&mut self, path: &Path, offset: u64, what: &'static str) {
        self.torn = Some(Damage { file: path.to_path_buf(), offset, what });
    }

    /// Looks at one segment.
    pub(super) fn check(&mut self, loaded: &Loaded, identity: Identity, footer: Option<&Footer>, newest: bool) {
        let path = &loaded.path;
        let frames = footer.map_or(loaded.data.as_slice(), |footer| {
            &loaded.data[..super::format::index(footer.start).min(loaded.data.len())]
        });
        let (mut walked, mut meta_bad) = (Vec::new(), Vec::new());
        let scan = walk::scan(frames, identity, |record| {
            walked.push((record.at, record.header.head));
            if !record.header.meta_is_good(record.raw, record.meta) {
                meta_bad.push(record.at.offset);
            }
        });
        self.frames += scan.frames;
        self.records += walked.len() as u64;
        for gap in &scan.gaps {
            self.damage(path, gap.start, gap.what);
        }
        for offset in meta_bad {
            self.damage(path, offset, "the record's meta does not match its sum");
        }
        match footer {
            Some(footer) => self.check_sealed(path, &scan, footer, &walked),
            None => self.check_unsealed(path, &scan, newest),
        }
    }

    fn check_sealed(&mut self, path: &Path, scan: &Scan, footer: &Footer, walked: &[(RecordRef, RecordHead)]) {
        self.list_blobs(path, scan, None);
        if scan.end != footer.start {
            self.damage(path, scan.end, "no frame starts here");
        }
        let mut listed = Vec::new();
        footer.each(&mut |entry| listed.push((entry.at, entry.head)));
        if listed != walked && scan.gaps.is_empty() && scan.end == footer.start {
            self.damage(path, footer.start, "the footer lists other records than the frames have");
        }
    }

    fn check_unsealed(&mut self, path: &Path, scan: &Scan, newest: bool) {
        let last = scan.last.as_ref().map(|last| last.start);
        match scan.rest {
            Rest::Nothing if newest => {}
            Rest::Footer if !newest => self.damage(path, scan.end, "the footer is not as written"),
            Rest::Nothing => self.damage(path, scan.end, "the segment's frames and footer end early"),
            Rest::Garbage(what) if !newest => self.damage(path, scan.end, what),
            Rest::Footer | Rest::Garbage(_) => self.torn(path, scan.end, "what follows is no whole frame"),
        }
        let torn_frame = if newest && scan.rest != Rest::Footer { last } else { None };
        if scan.bad_blobs.iter().any(|(frame, _)| Some(*frame) == torn_frame) {
            self.torn(path, torn_frame.unwrap_or(scan.end), "the last frame's bodies are not whole");
        }
        self.list_blobs(path, scan, torn_frame);
    }

    fn list_blobs(&mut self, path: &Path, scan: &Scan, torn_frame: Option<u64>) {
        for (frame, at) in &scan.bad_blobs {
            if Some(*frame) != torn_frame {
                self.damage(path, at.offset, "the record's body is not as written");
            }
        }
    }
}
