//! Damage done to a stopped gateway's files. Knows their outer shape only: a `journal` directory of segments, and a
//! sled directory beside it, frames one behind the other in a segment.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Length of a segment's header: a segment with nothing behind it holds no frame.
const SEGMENT_HEADER_BYTES: usize = 64;
/// Length of a frame's header, and of a record's: the first record's meta comes behind both.
pub(crate) const FRAME_HEADER_BYTES: usize = 40;
pub(crate) const RECORD_HEADER_BYTES: usize = 40;
/// Where a frame's header has its length.
const FRAME_LENGTH_AT: usize = 24;
/// Frames start at multiples of this.
const ALIGNMENT: usize = 8;

/// The directory that sled keeps.
pub(crate) fn sled_directory(data: &Path) -> PathBuf {
    directories(data)
        .into_iter()
        .find(|directory| directory.join("db").is_file() && directory.join("conf").is_file())
        .unwrap_or_else(|| panic!("no sled directory under {}", data.display()))
}

/// All directories below, however deep.
fn directories(directory: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    below.flat_map(|path| [vec![path.clone()], directories(&path)].concat()).collect()
}

/// The segment that was written last, and where its last frame ends: the last byte that is not zero.
pub(crate) fn journal_end(data: &Path) -> (PathBuf, usize) {
    let mut segments: Vec<PathBuf> =
        fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let ends = segments.into_iter().rev().filter_map(|segment| {
        let bytes = fs::read(&segment).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
        (end > SEGMENT_HEADER_BYTES).then_some((segment, end))
    });
    ends.into_iter().next().expect("the journal has a frame")
}

/// Cuts the journal inside its last frame.
pub(crate) fn cut_tail(data: &Path, bytes: usize) {
    let (segment, end) = journal_end(data);
    let file = OpenOptions::new().write(true).open(segment).unwrap();
    file.set_len((end - bytes) as u64).unwrap();
}

/// Writes noise where the next frame would start, as a half-written frame leaves it.
pub(crate) fn append_garbage(data: &Path, garbage: &[u8]) {
    let (segment, end) = journal_end(data);
    let mut file = OpenOptions::new().write(true).open(segment).unwrap();
    file.seek(SeekFrom::Start(end.next_multiple_of(ALIGNMENT) as u64)).unwrap();
    file.write_all(garbage).unwrap();
}

/// Cuts every file of a directory to half.
pub(crate) fn halve_files(directory: &Path) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Turns one bit of a file round.
pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x10;
    // In place: a copy under the same name would hide what a damaged disk does.
    let handle = OpenOptions::new().write(true).open(file).unwrap();
    handle.write_all_at(&bytes[offset..=offset], offset as u64).unwrap();
}

/// The segment that has these bytes, and where; the first place in the journal.
pub(crate) fn find_in_journal(data: &Path, wanted: &[u8]) -> (PathBuf, usize) {
    let mut segments: Vec<PathBuf> =
        fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let found = segments.into_iter().find_map(|segment| {
        let bytes = fs::read(&segment).unwrap();
        let at = bytes.windows(wanted.len()).position(|window| window == wanted)?;
        Some((segment, at))
    });
    found.unwrap_or_else(|| panic!("not in the journal: {}", String::from_utf8_lossy(wanted)))
}

/// Where the frame around an offset starts: each frame's header has the frame's length.
pub(crate) fn frame_around(segment: &Path, offset: usize) -> usize {
    let bytes = fs::read(segment).unwrap();
    let mut start = SEGMENT_HEADER_BYTES;
    loop {
        let length = u32::from_le_bytes(bytes[start + FRAME_LENGTH_AT..][..4].try_into().unwrap()) as usize;
        assert!(length > 0, "no frame around {offset}");
        if offset < start + length {
            return start;
        }
        start += length;
    }
}
