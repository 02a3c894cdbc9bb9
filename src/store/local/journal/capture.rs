//! Taking a journal's segments while somebody may be writing it: for backups, from another process than the writer's.
//!
//! Sealed segments never change. Of the one that is written every whole frame is taken, so everything that was acknowledged
//! before the look is in it; a frame that is on its way is cut, as after a crash. Changes nothing. Whoever calls sees to it
//! that no segment is removed meanwhile.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    Damage, JournalError,
    footer::Footer,
    format::{FIRST_FRAME, Identity, SEGMENT_HEADER, index},
    recover::Loaded,
    segment::{list, path_of},
    verify::Report,
    walk::{self, Rest, Scan, used_bytes},
};

/// So often a segment that is written is read until it stands still in a look: each is a rare race by itself.
const LOOKS_MAX: usize = 16;
/// The end of a sealed segment: its footer's tail, with the sum over everything the footer lists.
const TAIL: usize = 32;

/// The bytes of one segment.
#[derive(Debug)]
pub struct Captured {
    /// The segment's number.
    pub number: u64,
    /// All of a sealed one; of the other its frames.
    pub bytes: Vec<u8>,
    /// What is not as it was written; the bytes have it as it is.
    pub damage: Vec<Damage>,
}

/// What a journal consists of at one moment.
#[derive(Debug)]
pub struct Capture {
    /// Complete segments, oldest first.
    pub sealed: Vec<u64>,
    /// The one that is being written, unless nothing is in it yet.
    pub open: Option<Captured>,
}

/// Looks at the journal in `dir`.
///
/// # Errors
/// `NewerFormat` or `Io`; damage is listed with the bytes.
pub fn capture(dir: &Path) -> Result<Capture, JournalError> {
    let mut sealed = list(dir).map_err(JournalError::io("list", dir))?;
    // From the end: behind the segment that is written may be one that is only prepared.
    while let Some(&number) = sealed.last() {
        match look(dir, number)? {
            Look::Sealed => return Ok(Capture { sealed, open: None }),
            Look::Open(captured) => {
                sealed.pop();
                return Ok(Capture { sealed, open: Some(captured) });
            }
            Look::Empty => {
                sealed.pop();
            }
        }
    }
    Ok(Capture { sealed, open: None })
}

/// Takes a sealed segment.
///
/// # Errors
/// As [`capture`].
pub fn capture_sealed(dir: &Path, number: u64) -> Result<Captured, JournalError> {
    let loaded = Loaded::view(dir, number)?;
    let damage = match loaded.head()?.identity() {
        Some(identity) => damage_in(&loaded, identity, false)?,
        None => vec![Damage { file: loaded.path.clone(), offset: 0, what: "the segment's header is not as written" }],
    };
    Ok(Captured { number, bytes: loaded.data, damage })
}

/// Whether `copy` was made of the sealed segment: same length, same header (its salt is random), same sum of the footer.
///
/// # Errors
/// What the system says, but for a copy that is not there.
pub fn is_copy(dir: &Path, number: u64, copy: &Path) -> io::Result<bool> {
    let ends = |path: &PathBuf| -> io::Result<(u64, [u8; SEGMENT_HEADER], [u8; TAIL])> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let (mut head, mut tail) = ([0; SEGMENT_HEADER], [0; TAIL]);
        file.read_exact_at(&mut head, 0)?;
        file.read_exact_at(&mut tail, length.saturating_sub(TAIL as u64))?;
        Ok((length, head, tail))
    };
    match ends(&copy.to_path_buf()) {
        Ok(copied) => Ok(copied == ends(&path_of(dir, number))?),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) enum Look {
    /// Prepared, or gone again: nobody was told of anything in it.
    Empty,
    Sealed,
    Open(Captured),
}

fn look(dir: &Path, number: u64) -> Result<Look, JournalError> {
    look_at(&path_of(dir, number), || Loaded::view(dir, number))
}

/// Looks at a segment by readings of it.
pub(super) fn look_at(
    path: &Path,
    mut read: impl FnMut() -> Result<Loaded, JournalError>,
) -> Result<Look, JournalError> {
    let mut suspected: Option<Vec<u64>> = None;
    for _ in 0..LOOKS_MAX {
        let loaded = match read() {
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Look::Empty),
            loaded => loaded?,
        };
        let Some(identity) = loaded.head()?.identity() else {
            // A header that is damaged is copied as it is.
            return Ok(if used_bytes(&loaded.data, FIRST_FRAME) == 0 { Look::Empty } else { Look::Sealed });
        };
        if footer_of(&loaded, identity)?.is_some() {
            return Ok(Look::Sealed);
        }
        let scan = walk::scan(&loaded.data, identity, |_| {});
        let now = suspects(&scan);
        // A reading that a frame overtakes sees half of it and the next one whole. A later reading has it whole; what is bad in
        // both is damage.
        let is_steady = |before: &Vec<u64>| now.iter().all(|offset| before.contains(offset));
        if now.is_empty() || suspected.as_ref().is_some_and(is_steady) {
            return open_segment(loaded, identity, &scan);
        }
        suspected = Some(now);
    }
    Err(JournalError::io("read", path)(io::Error::other("it changes faster than it can be read: try again")))
}

/// Places that are not as written with something good behind them.
fn suspects(scan: &Scan) -> Vec<u64> {
    let last = scan.last.as_ref().map(|last| last.start);
    let blobs = scan.bad_blobs.iter().filter(|(frame, _)| Some(*frame) != last).map(|(_, at)| at.offset);
    scan.gaps.iter().map(|gap| gap.start).chain(blobs).collect()
}

fn open_segment(mut loaded: Loaded, identity: Identity, scan: &Scan) -> Result<Look, JournalError> {
    let Some(last) = &scan.last else { return Ok(Look::Empty) };
    let is_half = scan.rest != Rest::Footer && scan.bad_blobs.iter().any(|(frame, _)| *frame == last.start);
    let end = if is_half { last.start } else { last.end };
    if end == FIRST_FRAME {
        return Ok(Look::Empty);
    }
    loaded.data.truncate(index(end));
    let damage = damage_in(&loaded, identity, true)?;
    Ok(Look::Open(Captured { number: loaded.number, bytes: loaded.data, damage }))
}

fn footer_of(loaded: &Loaded, identity: Identity) -> Result<Option<Footer>, JournalError> {
    let length = loaded.data.len() as u64;
    Footer::read(&loaded.file, length, identity).map_err(JournalError::io("read", &loaded.path))
}

fn damage_in(loaded: &Loaded, identity: Identity, newest: bool) -> Result<Vec<Damage>, JournalError> {
    let footer = if newest { None } else { footer_of(loaded, identity)? };
    let mut report = Report::default();
    report.check(loaded, identity, footer.as_ref(), newest);
    Ok(report.damage)
}
