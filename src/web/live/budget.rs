//! What a round of the tail may put, and for how many.

use super::{group::Group, reader::QUEUE_BYTES_MAX};

/// Events or attempts that readers who want the same are shown in a round: a thousand a second are more than anybody reads.
pub(super) const SHOWN_MAX: usize = 100;
/// The same of all of them, times their readers: each piece that goes out costs a write.
const SHARES_MAX: usize = 2_000;
/// Bytes that readers who want the same are put in a round: bodies of answers may be large.
const PIECE_BYTES_MAX: usize = QUEUE_BYTES_MAX / 2;
/// The same of all of them, times their readers.
const SHARED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is left of a round for all readers together.
pub(super) struct Budget {
    shares: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { shares: SHARES_MAX, bytes: SHARED_BYTES_MAX }
    }
}

impl Budget {
    /// How many bytes a group may be put when it is shown so much; `None` when that is too much. One thing is shown to however
    /// many readers, if nothing else was.
    pub(super) fn room(&self, shown: usize, group: &Group) -> Option<usize> {
        let readers = group.members.len().max(1);
        let is_first = shown == 1 && self.shares == SHARES_MAX;
        let fits = shown <= SHOWN_MAX && (is_first || shown * readers <= self.shares);
        fits.then(|| PIECE_BYTES_MAX.min(self.bytes / readers))
    }

    /// Takes off what a group is put.
    pub(super) fn spend(&mut self, shown: usize, bytes: usize, group: &Group) {
        self.shares = self.shares.saturating_sub(shown * group.members.len());
        self.bytes = self.bytes.saturating_sub(bytes * group.members.len());
    }
}
