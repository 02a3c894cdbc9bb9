//! What `rebuild --salvage` does to damaged segments, so that the next start finds a journal without damage.
//!
//! Nothing good is moved: positions stay. A bad stretch becomes the inside of a frame without records; a segment that
//! cannot be identified is renamed. Called by `recover` only, and only when salvage was asked for.

use std::{fs, os::unix::fs::FileExt, path::Path};

use super::{
    JournalError,
    footer::FooterBuilder,
    format::{FIRST_FRAME, FRAME_HEADER, FrameHeader, Identity, SEGMENT_HEADER, index, u64_at},
    recover::Loaded,
    segment::sync_dir,
    walk::{self, Gap, frame_at},
};
use crate::clock::{Clock, SystemClock};

/// A longer stretch gets more than one frame: lengths are 32 bits.
const LONGEST_FILLER: u64 = 1 << 30;

/// Covers a bad stretch with frames that have no records.
pub(super) fn fill(loaded: &mut Loaded, identity: Identity, gap: Gap) -> Result<(), JournalError> {
    let Loaded { path, file, data, .. } = loaded;
    let mut offset = gap.start;
    while offset < gap.end {
        let left = gap.end - offset;
        // The last piece takes up to two, so that none is too short for its header.
        let piece = if left < 2 * LONGEST_FILLER { left } else { LONGEST_FILLER };
        let length = u32::try_from(piece).unwrap_or(u32::MAX);
        let header = FrameHeader { offset, length, records: 0 }.encode(identity, 0);
        data[index(offset)..index(offset) + FRAME_HEADER].copy_from_slice(&header);
        file.write_all_at(&header, offset).map_err(JournalError::io("write", path))?;
        offset += piece;
    }
    file.sync_all().map_err(JournalError::io("sync", path))
}

/// Writes the header of a segment again with the salt of its first frame: a place that no body can take.
pub(super) fn restore_header(loaded: &mut Loaded) -> Result<Option<Identity>, JournalError> {
    let Loaded { number, path, file, data } = loaded;
    let Some(mark) = data.get(index(FIRST_FRAME)..index(FIRST_FRAME) + 8) else { return Ok(None) };
    let identity = Identity { salt: u64_at(mark, 0), number: *number };
    if frame_at(data, identity, FIRST_FRAME).is_err() {
        return Ok(None);
    }
    let header = identity.segment_header(SystemClock.now().ms());
    data[..SEGMENT_HEADER].copy_from_slice(&header);
    file.write_all_at(&header, 0).map_err(JournalError::io("write", path))?;
    file.sync_all().map_err(JournalError::io("sync", path))?;
    Ok(Some(identity))
}

/// Renames a segment that cannot be identified: kept for whoever wants to look, never read again.
pub(super) fn set_aside(dir: &Path, path: &Path) -> Result<(), JournalError> {
    fs::rename(path, path.with_extension("seg.damaged")).map_err(JournalError::io("rename", path))?;
    sync_dir(dir).map_err(JournalError::io("sync", dir))
}

/// Writes a footer behind the last frame, and returns the file's length with it.
pub(super) fn reseal(loaded: &Loaded, identity: Identity) -> Result<u64, JournalError> {
    let Loaded { path, file, data, .. } = loaded;
    let mut builder = FooterBuilder::new();
    let scan = walk::scan(data, identity, |record| builder.push(record.at.offset, &[record.raw, record.meta]));
    let footer = builder.finish(identity);
    let bytes = scan.end + footer.len() as u64;
    file.write_all_at(footer, scan.end).map_err(JournalError::io("write", path))?;
    file.set_len(bytes).map_err(JournalError::io("truncate", path))?;
    file.sync_all().map_err(JournalError::io("sync", path))?;
    Ok(bytes)
}
