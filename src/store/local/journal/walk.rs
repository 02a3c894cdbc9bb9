//! Reading a segment's bytes frame by frame, and looking for frames behind a bad one.
//!
//! Says what is there; what that means (torn or damaged) is decided by `recover`.

use std::ops::Range;

use super::{
    RecordRef,
    footer::{FOOTER_MAGIC, start_in},
    format::{ALIGN, FIRST_FRAME, FRAME_HEADER, FrameHeader, Identity, RECORD_HEADER, RecordHeader, index},
    reader::Entry,
};

/// A record inside a frame whose CRC holds.
#[derive(Debug)]
pub(super) struct RecordView<'a> {
    pub(super) at: RecordRef,
    /// The header's bytes.
    pub(super) raw: &'a [u8],
    pub(super) header: RecordHeader,
    pub(super) meta: &'a [u8],
    pub(super) blob: &'a [u8],
}

impl<'a> RecordView<'a> {
    pub(super) fn entry(&self) -> Entry<'a> {
        Entry { at: self.at, head: self.header.head, meta: self.meta, blob_len: self.header.blob_len }
    }
}

/// A stretch that is not made of frames, with a frame behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) what: &'static str,
}

/// What follows the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing, or zeros.
    Nothing,
    /// A footer, good or not: the frames before it are all there were.
    Footer,
    /// Something else.
    Garbage(&'static str),
}

/// What a walk saw.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) frames: u64,
    pub(super) gaps: Vec<Gap>,
    /// Records whose blob is not as written, each with the start of its frame.
    pub(super) bad_blobs: Vec<(u64, RecordRef)>,
    /// The last frame.
    pub(super) last: Option<Range<u64>>,
    /// Where the frames end.
    pub(super) end: u64,
    pub(super) rest: Rest,
}

/// Walks all frames in a segment's bytes and shows `visit` every record of those whose CRC holds.
pub(super) fn scan(data: &[u8], identity: Identity, mut visit: impl FnMut(&RecordView<'_>)) -> Scan {
    let end = FIRST_FRAME;
    let mut scan = Scan { frames: 0, gaps: Vec::new(), bad_blobs: Vec::new(), last: None, end, rest: Rest::Nothing };
    loop {
        let start = scan.end;
        match frame_at(data, identity, start) {
            Ok((length, records)) => {
                for record in &records {
                    if !record.header.blob_is_good(record.blob) {
                        scan.bad_blobs.push((start, record.at));
                    }
                    visit(record);
                }
                scan.end = start + length;
                scan.frames += 1;
                scan.last = Some(start..scan.end);
            }
            Err(what) => match next_mark(data, identity, start + FRAME_HEADER as u64) {
                Some(end) => {
                    scan.gaps.push(Gap { start, end, what });
                    scan.end = end;
                }
                None => {
                    scan.rest = rest_at(data, identity.number, start, what);
                    return scan;
                }
            },
        }
    }
}

/// The first place at or after `from` that carries the mark of a frame: salt, number and its own offset.
///
/// The mark alone proves that the frame before it was once whole and synced, whatever became of either: a frame is
/// written only after that.
pub(super) fn next_mark(data: &[u8], identity: Identity, from: u64) -> Option<u64> {
    let salt = identity.salt.to_le_bytes();
    let from = index(from);
    let aligned = data.get(from..)?.chunks_exact(ALIGN).enumerate();
    let mut marks = aligned.filter(|(_, chunk)| **chunk == salt).map(|(nth, _)| (from + nth * ALIGN) as u64);
    marks.find(|offset| has_mark(data, identity, *offset))
}

/// The length of the last stretch that is not zero, counted from `from`.
pub(super) fn used_bytes(data: &[u8], from: u64) -> u64 {
    let rest = data.get(index(from)..).unwrap_or_default();
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

fn has_mark(data: &[u8], identity: Identity, offset: u64) -> bool {
    let mut mark = [0; 24];
    mark[..8].copy_from_slice(&identity.salt.to_le_bytes());
    mark[8..16].copy_from_slice(&identity.number.to_le_bytes());
    mark[16..].copy_from_slice(&offset.to_le_bytes());
    data.get(index(offset)..).is_some_and(|rest| rest.starts_with(&mark))
}

fn rest_at(data: &[u8], number: u64, end: u64, what: &'static str) -> Rest {
    let rest = data.get(index(end)..).unwrap_or_default();
    if rest.starts_with(&FOOTER_MAGIC) || start_in(data, number) == Some(end) {
        Rest::Footer
    } else if used_bytes(data, end) == 0 {
        Rest::Nothing
    } else {
        Rest::Garbage(what)
    }
}

/// The frame at `offset`: its length and records, blobs unchecked; or what is wrong with it.
pub(super) fn frame_at(
    data: &[u8],
    identity: Identity,
    offset: u64,
) -> Result<(u64, Vec<RecordView<'_>>), &'static str> {
    let raw = data.get(index(offset)..).and_then(|rest| rest.get(..FRAME_HEADER)).ok_or("no room for a frame")?;
    if !has_mark(data, identity, offset) {
        return Err("no frame starts here");
    }
    let header = FrameHeader::decode(raw);
    let length = index(u64::from(header.length));
    let frame = data[index(offset)..].get(..length).ok_or("the frame is longer than its file")?;
    if length < FRAME_HEADER || !length.is_multiple_of(ALIGN) {
        return Err("the frame's length is impossible");
    }
    let (mut records, mut crc, mut at) = (Vec::new(), 0, FRAME_HEADER);
    for _ in 0..header.records {
        let record = record_in(frame, at, RecordRef { segment: identity.number, offset: header.offset + at as u64 })
            .ok_or("a record is longer than its frame")?;
        crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, record.raw), record.meta);
        at += RECORD_HEADER + record.meta.len() + record.blob.len();
        records.push(record);
    }
    if !FrameHeader::sums_to(raw, crc) {
        return Err("the frame's sum does not hold");
    }
    Ok((length as u64, records))
}

fn record_in(frame: &[u8], start: usize, at: RecordRef) -> Option<RecordView<'_>> {
    let (raw, rest) = frame.get(start..)?.split_at_checked(RECORD_HEADER)?;
    let header = RecordHeader::decode(raw);
    let (meta, rest) = rest.split_at_checked(index(u64::from(header.meta_len)))?;
    let blob = rest.get(..index(u64::from(header.blob_len)))?;
    Some(RecordView { at, raw, header, meta, blob })
}
