//! The bytes of segment, frame and record headers: the one place that knows where a field lies.
//!
//! Little-endian throughout. Nothing here does I/O or knows what a meta means.

/// The format this program writes.
pub(super) const FORMAT: u32 = 1;
/// Bytes of a segment's header; the first frame starts there.
pub(super) const SEGMENT_HEADER: usize = 64;
/// Bytes of a frame's header.
pub(super) const FRAME_HEADER: usize = 40;
/// Bytes of a record's header.
pub(super) const RECORD_HEADER: usize = 40;
/// Frames start at multiples of this.
pub(super) const ALIGN: usize = 8;
/// Where the first frame of a segment starts.
pub(super) const FIRST_FRAME: u64 = SEGMENT_HEADER as u64;

const SEGMENT_MAGIC: [u8; 8] = *b"HGSEG\0\0\0";
/// The part of a segment's header under its CRC.
const SEGMENT_SUMMED: usize = 36;
/// The part of a frame's header under its CRC.
const FRAME_SUMMED: usize = 32;
/// The part of a record's header that `meta_crc` covers besides the meta.
const RECORD_SUMMED: usize = 28;

/// What a record says of itself, given by the writer's caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// What the meta is.
    pub kind: u8,
    /// Which schema of that kind.
    pub format: u8,
    /// The event it is about.
    pub seq: u64,
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
}

/// Sums a blob given in parts. Callers do this before they submit, so that the writer does not have to.
#[must_use]
pub fn blob_crc(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// A length or offset as an index; one that no memory can hold becomes one that no slice has.
pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

/// Which frames belong to a segment: the salt is random and never leaves the files, so no sender can forge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) salt: u64,
    pub(super) number: u64,
}

impl Identity {
    /// The segment's header.
    pub(super) fn segment_header(self, created_ms: i64) -> [u8; SEGMENT_HEADER] {
        let mut raw = [0; SEGMENT_HEADER];
        raw[..8].copy_from_slice(&SEGMENT_MAGIC);
        raw[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        raw[12..20].copy_from_slice(&self.number.to_le_bytes());
        raw[20..28].copy_from_slice(&self.salt.to_le_bytes());
        raw[28..36].copy_from_slice(&created_ms.to_le_bytes());
        let crc = crc32c::crc32c(&raw[..SEGMENT_SUMMED]);
        raw[36..40].copy_from_slice(&crc.to_le_bytes());
        raw
    }
}

/// What the first bytes of a segment's file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentHead {
    /// Zeros or too short: a file that was being prepared.
    Blank,
    /// A header.
    Good(Identity),
    /// A header of a newer program.
    Newer(u32),
    /// Neither.
    Bad,
}

impl SegmentHead {
    /// Reads the header of the segment that its file's name calls `number`.
    pub(super) fn decode(raw: &[u8], number: u64) -> Self {
        let raw = &raw[..raw.len().min(SEGMENT_HEADER)];
        if raw.iter().all(|byte| *byte == 0) {
            return Self::Blank;
        }
        let summed = raw.len() == SEGMENT_HEADER && crc32c::crc32c(&raw[..SEGMENT_SUMMED]) == u32_at(raw, 36);
        if !summed || raw[..8] != SEGMENT_MAGIC {
            return Self::Bad;
        }
        match u32_at(raw, 8) {
            FORMAT if u64_at(raw, 12) == number => Self::Good(Identity { salt: u64_at(raw, 20), number }),
            newer if newer > FORMAT => Self::Newer(newer),
            _ => Self::Bad,
        }
    }

    /// The identity, when there is one.
    pub(super) fn identity(self) -> Option<Identity> {
        match self {
            Self::Good(identity) => Some(identity),
            Self::Blank | Self::Newer(_) | Self::Bad => None,
        }
    }
}

/// The header of a frame. `length` counts header, records and padding, so the next frame starts `length` further.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) records: u32,
}

impl FrameHeader {
    /// Writes the header; `crc` is that of the records' headers and metas, which are summed first because they are known first.
    pub(super) fn encode(self, identity: Identity, crc: u32) -> [u8; FRAME_HEADER] {
        let mut raw = [0; FRAME_HEADER];
        raw[..8].copy_from_slice(&identity.salt.to_le_bytes());
        raw[8..16].copy_from_slice(&identity.number.to_le_bytes());
        raw[16..24].copy_from_slice(&self.offset.to_le_bytes());
        raw[24..28].copy_from_slice(&self.length.to_le_bytes());
        raw[28..32].copy_from_slice(&self.records.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &raw[..FRAME_SUMMED]);
        raw[32..36].copy_from_slice(&crc.to_le_bytes());
        raw
    }

    pub(super) fn decode(raw: &[u8]) -> Self {
        Self { offset: u64_at(raw, 16), length: u32_at(raw, 24), records: u32_at(raw, 28) }
    }

    /// Whether the CRC in `raw` is that of the records, summed to `crc`, and of the header.
    pub(super) fn sums_to(raw: &[u8], crc: u32) -> bool {
        crc32c::crc32c_append(crc, &raw[..FRAME_SUMMED]) == u32_at(raw, 32)
    }
}

/// The header of a record. `meta_crc` covers the fields before it too, so a record read alone is checked whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) head: RecordHead,
    pub(super) meta_len: u32,
    pub(super) blob_len: u32,
    pub(super) meta_crc: u32,
    pub(super) blob_crc: u32,
}

impl RecordHeader {
    pub(super) fn encode(head: RecordHead, meta: &[u8], lens: (u32, u32), blob_crc: u32) -> [u8; RECORD_HEADER] {
        let mut raw = [0; RECORD_HEADER];
        raw[..4].copy_from_slice(&lens.0.to_le_bytes());
        raw[4..8].copy_from_slice(&lens.1.to_le_bytes());
        raw[8] = head.kind;
        raw[9] = head.format;
        raw[12..20].copy_from_slice(&head.seq.to_le_bytes());
        raw[20..28].copy_from_slice(&head.at_ms.to_le_bytes());
        let meta_crc = Self::meta_sum(&raw, meta);
        raw[28..32].copy_from_slice(&meta_crc.to_le_bytes());
        raw[32..36].copy_from_slice(&blob_crc.to_le_bytes());
        raw
    }

    pub(super) fn decode(raw: &[u8]) -> Self {
        let head = RecordHead {
            kind: raw[8],
            format: raw[9],
            seq: u64_at(raw, 12),
            at_ms: i64::from_le_bytes(u64_at(raw, 20).to_le_bytes()),
        };
        Self {
            head,
            meta_len: u32_at(raw, 0),
            blob_len: u32_at(raw, 4),
            meta_crc: u32_at(raw, 28),
            blob_crc: u32_at(raw, 32),
        }
    }

    /// Bytes of meta and blob together.
    pub(super) fn body_len(&self) -> u64 {
        u64::from(self.meta_len) + u64::from(self.blob_len)
    }

    /// Whether header and meta are as written.
    pub(super) fn meta_is_good(&self, raw: &[u8], meta: &[u8]) -> bool {
        Self::meta_sum(raw, meta) == self.meta_crc
    }

    /// Whether the blob is as written.
    pub(super) fn blob_is_good(&self, blob: &[u8]) -> bool {
        crc32c::crc32c(blob) == self.blob_crc
    }

    fn meta_sum(raw: &[u8], meta: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&raw[..RECORD_SUMMED]), meta)
    }
}
