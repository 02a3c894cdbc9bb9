//! A frame under construction: the records of one group commit, already laid out as they will lie in the file.
//!
//! Records are copied once, into the buffer that is written. Reused from commit to commit, so in the steady state
//! nothing is allocated. Where the frame will lie is not known here until [`Frame::stamp`].

use super::{
    Position, RecordRef,
    format::{ALIGN, FRAME_HEADER, FrameHeader, Identity, RECORD_HEADER, RecordHead, RecordHeader, u32_at},
};

/// A buffer that grew beyond this is given back when the frame is cleared: one huge body must not stay in memory.
const KEEP_BYTES: usize = 8 << 20;

/// The records of one commit.
#[derive(Debug)]
pub struct Frame {
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    /// Where each record starts in `buffer`.
    starts: Vec<usize>,
    /// Of the records' headers and metas.
    crc: u32,
    newest_at: Option<i64>,
    /// A length did not fit its field.
    too_long: bool,
}

/// Where a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The frame's first byte.
    pub start: Position,
    /// The first byte after it: where a replay that has seen it goes on.
    pub end: Position,
}

impl Default for Frame {
    fn default() -> Self {
        Self { buffer: vec![0; FRAME_HEADER], starts: Vec::new(), crc: 0, newest_at: None, too_long: false }
    }
}

impl Frame {
    /// Makes an empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the records and keeps the memory, unless that is much.
    pub fn clear(&mut self) {
        self.buffer.truncate(FRAME_HEADER);
        self.buffer.shrink_to(KEEP_BYTES);
        self.starts.clear();
        self.crc = 0;
        self.newest_at = None;
        self.too_long = false;
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Bytes the frame takes so far, its header counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Appends a record and returns its index. `blob` comes in parts, `blob_crc` is [`super::blob_crc`] of them.
    ///
    /// What is too long for the format (4 GiB) is not refused here but by the commit, with the whole frame.
    pub fn push(&mut self, head: RecordHead, meta: &[u8], blob: &[&[u8]], blob_crc: u32) -> usize {
        let blob_len: usize = blob.iter().map(|part| part.len()).sum();
        let start = self.buffer.len();
        match (u32::try_from(meta.len()), u32::try_from(blob_len)) {
            (Ok(meta_len), Ok(blob_len)) => {
                let raw = RecordHeader::encode(head, meta, (meta_len, blob_len), blob_crc);
                self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &raw), meta);
                self.buffer.extend_from_slice(&raw);
                self.buffer.extend_from_slice(meta);
                for part in blob {
                    self.buffer.extend_from_slice(part);
                }
            }
            (Err(_), _) | (_, Err(_)) => self.too_long = true,
        }
        self.newest_at = self.newest_at.max(Some(head.at_ms));
        self.starts.push(start);
        self.starts.len() - 1
    }

    /// Where record `index` of this frame lies, once the frame is committed.
    ///
    /// # Panics
    /// When no such record was pushed since the frame was cleared.
    #[must_use]
    pub fn place(&self, committed: &Committed, index: usize) -> RecordRef {
        let start = committed.start;
        RecordRef { segment: start.segment, offset: start.offset + self.starts[index] as u64 }
    }

    /// The newest record's time.
    pub(super) fn newest_at(&self) -> Option<i64> {
        self.newest_at
    }

    /// Pads the frame and returns its final length; `None` when the format has no room for it.
    pub(super) fn finish(&mut self) -> Option<u32> {
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGN), 0);
        if self.too_long { None } else { u32::try_from(self.buffer.len()).ok() }
    }

    /// Writes the header for a place and returns the frame's bytes.
    pub(super) fn stamp(&mut self, identity: Identity, offset: u64, length: u32) -> &[u8] {
        let records = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        let header = FrameHeader { offset, length, records };
        self.buffer[..FRAME_HEADER].copy_from_slice(&header.encode(identity, self.crc));
        &self.buffer
    }

    /// Each record's place in the frame with its header and meta as one piece: a footer's entries.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.starts.iter().map(|start| {
            let record = &self.buffer[*start..];
            let end = RECORD_HEADER + super::format::index(u64::from(u32_at(record, 0)));
            (*start as u64, &record[..end])
        })
    }
}
