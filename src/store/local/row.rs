//! A row: an event together with where the journal keeps what belongs to it.

use std::{collections::BTreeMap, sync::Arc};

use super::RecordRef;
use crate::domain::{Event, Seq};

/// Slots in a block.
pub const BLOCK_SLOTS: u64 = 1024;

/// The block of an event.
#[must_use]
pub const fn block_of(seq: Seq) -> u64 {
    seq / BLOCK_SLOTS
}

/// An event's slot in its block.
#[must_use]
pub const fn slot_of(seq: Seq) -> u16 {
    (seq % BLOCK_SLOTS) as u16
}

/// What is known of the record with an event's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRef {
    /// Where it lies.
    pub at: RecordRef,
    /// How long the body is; 0 when it was lost.
    pub body_bytes: u32,
}

/// An event with its places in the journal.
///
/// A position of `None` means "as it was": a change of a folded event does not know where older records lie; the block
/// it is folded into does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The event.
    pub event: Event,
    /// Its request's record.
    pub request_at: Option<RequestRef>,
    /// For each of `event.attempts` the record with its response; as long as that or shorter.
    pub attempts_at: Vec<Option<RecordRef>>,
}

/// What a block has in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// An event. Boxed, because blocks of the overlay are copied when a reader holds them.
    Row(Arc<Row>),
    /// Expired or deleted; never comes back.
    Gone,
}

/// Rows newer than what sled has, by block and slot. Cloning copies pointers only.
pub type Overlaid = BTreeMap<u64, Arc<BTreeMap<u16, Slot>>>;
