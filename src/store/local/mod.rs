//! The store on one machine: a journal makes it durable, sled is the state.

pub mod checkpoint;
pub mod key;
pub mod overlay;
pub mod record;
pub mod journal;
pub mod row;
pub mod state;

/// The place of a record in the journal: the segment's number and the offset of the record's header in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// Which segment.
    pub segment: u64,
    /// Bytes from the start of its file.
    pub offset: u64,
}
