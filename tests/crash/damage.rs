//! Damage done to a stopped gateway's files. Knows their outer shape only: a `journal` directory of segments, and a
//! sled directory beside it.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Length of a segment's header: a segment with nothing behind it holds no frame.
const SEGMENT_HEADER_BYTES: usize = 64;
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
