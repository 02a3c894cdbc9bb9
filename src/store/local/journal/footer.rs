//! A sealed segment's footer: every record of it without its blob, under one CRC.
//!
//! Enough to rebuild all state and to decide about retention without reading bodies. Derived from the frames: when
//! it is bad, they are walked instead.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    RecordRef,
    format::{FIRST_FRAME, Identity, RECORD_HEADER, RecordHeader, index, u32_at, u64_at},
    reader::Entry,
};

/// How a footer begins; also tells a walker that the frames end here.
pub(super) const FOOTER_MAGIC: [u8; 8] = *b"HGFOOT\0\0";
const TAIL: usize = 32;
const TAIL_MAGIC: [u8; 4] = *b"HGFT";
/// The part of the tail under the CRC.
const TAIL_SUMMED: usize = 24;
const ENTRY_HEADER: usize = 8 + RECORD_HEADER;
/// Memory kept from one segment's footer to the next one's.
const KEEP_BYTES: usize = 16 << 20;

/// The footer of the open segment, kept as its frames are written.
#[derive(Debug)]
pub(super) struct FooterBuilder {
    buffer: Vec<u8>,
    count: u64,
}

impl FooterBuilder {
    pub(super) fn new() -> Self {
        Self { buffer: FOOTER_MAGIC.to_vec(), count: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.truncate(FOOTER_MAGIC.len());
        self.buffer.shrink_to(KEEP_BYTES);
        self.count = 0;
    }

    /// Appends an entry: where the record lies, its header and meta.
    pub(super) fn push(&mut self, offset: u64, parts: &[&[u8]]) {
        self.buffer.extend_from_slice(&offset.to_le_bytes());
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        self.count += 1;
    }

    /// The footer's bytes, complete with its tail. Call once, before `clear`.
    pub(super) fn finish(&mut self, identity: Identity) -> &[u8] {
        let entries = (self.buffer.len() - FOOTER_MAGIC.len()) as u64;
        for field in [entries, self.count, identity.number] {
            self.buffer.extend_from_slice(&field.to_le_bytes());
        }
        let crc = sum(identity, &self.buffer);
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.buffer.extend_from_slice(&TAIL_MAGIC);
        &self.buffer
    }
}

/// A footer as read.
#[derive(Debug)]
pub(super) struct Footer {
    identity: Identity,
    /// Where it starts: the frames end there.
    pub(super) start: u64,
    /// All of it, magic and tail too.
    pub(super) bytes: Vec<u8>,
}

impl Footer {
    /// Reads and checks the footer at the end of a file of `len` bytes; `None` when there is no good one.
    pub(super) fn read(file: &File, len: u64, identity: Identity) -> io::Result<Option<Self>> {
        let Some(tail_at) = len.checked_sub(TAIL as u64) else { return Ok(None) };
        let mut tail = [0; TAIL];
        file.read_exact_at(&mut tail, tail_at)?;
        let Some(start) = start_by_tail(&tail, tail_at, identity.number) else { return Ok(None) };
        let mut bytes = vec![0; index(len - start)];
        file.read_exact_at(&mut bytes, start)?;
        let footer = Self { identity, start, bytes };
        Ok(footer.is_good().then_some(footer))
    }

    /// The newest record's time.
    pub(super) fn newest_at(&self) -> Option<i64> {
        let mut newest = None;
        self.each(&mut |entry| newest = newest.max(Some(entry.head.at_ms)));
        newest
    }

    /// Calls `visit` for every entry.
    pub(super) fn each(&self, visit: &mut dyn FnMut(Entry<'_>)) {
        let mut rest = self.entries();
        while let Some((entry, after)) = self.split_entry(rest) {
            visit(entry);
            rest = after;
        }
    }

    fn entries(&self) -> &[u8] {
        &self.bytes[FOOTER_MAGIC.len()..self.bytes.len() - TAIL]
    }

    fn is_good(&self) -> bool {
        let tail = &self.bytes[self.bytes.len() - TAIL..];
        let summed = &self.bytes[..self.bytes.len() - TAIL + TAIL_SUMMED];
        if self.bytes[..8] != FOOTER_MAGIC || sum(self.identity, summed) != u32_at(tail, TAIL_SUMMED) {
            return false;
        }
        let (mut rest, mut count) = (self.entries(), 0);
        while let Some((_, after)) = self.split_entry(rest) {
            count += 1;
            rest = after;
        }
        rest.is_empty() && count == u64_at(tail, 8)
    }

    fn split_entry<'a>(&self, bytes: &'a [u8]) -> Option<(Entry<'a>, &'a [u8])> {
        let (raw, rest) = bytes.split_at_checked(ENTRY_HEADER)?;
        let header = RecordHeader::decode(&raw[8..]);
        let (meta, rest) = rest.split_at_checked(index(u64::from(header.meta_len)))?;
        let at = RecordRef { segment: self.identity.number, offset: u64_at(raw, 0) };
        Some((Entry { at, head: header.head, meta, blob_len: header.blob_len }, rest))
    }
}

/// The sum starts from the salt: a body that ends where a file ends cannot pass for a footer.
fn sum(identity: Identity, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&identity.salt.to_le_bytes()), bytes)
}

/// Where the footer in a file's bytes starts by what its tail says, though the rest of it may be bad.
pub(super) fn start_in(data: &[u8], number: u64) -> Option<u64> {
    let tail_at = data.len().checked_sub(TAIL)?;
    start_by_tail(&data[tail_at..], tail_at as u64, number)
}

fn start_by_tail(tail: &[u8], tail_at: u64, number: u64) -> Option<u64> {
    if tail[28..] != TAIL_MAGIC || u64_at(tail, 16) != number {
        return None;
    }
    let start = tail_at.checked_sub(u64_at(tail, 0))?.checked_sub(FOOTER_MAGIC.len() as u64)?;
    (start >= FIRST_FRAME).then_some(start)
}
