//! Requests on their way from the journal to sled: the part of their list that sled does not have yet.
//!
//! The writer adds each request after the sync, under the overlay's lock; the feeder writes chunks and takes away those that are
//! full. The chunk that grows stays here whole, so that readers find it in one place.

pub(super) mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::{
    journal::SegmentInfo,
    overlay::Overlay,
    retention::horizon,
    shared::Shared,
    state::{State, StateError},
};
use crate::{
    domain::Timestamp,
    store::{PayloadRef, RequestSummary},
};

/// Requests in a chunk at most.
pub const CHUNK_REQUESTS: usize = 1024;
/// What a row is taken to cost in memory, in bytes: the size of its type, and room that a growing vector keeps.
const ROW_BYTES: usize = 2 * size_of::<RequestSummary>();

/// Chunks newer than sled's, each by the place of its first request. Cloning copies pointers only.
pub type NewRequests = BTreeMap<PayloadRef, Arc<Vec<RequestSummary>>>;

/// The chunks that sled does not have, or not whole.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    chunks: NewRequests,
    /// How much of the last chunk sled has: that much is not counted in `bytes`.
    written: usize,
    /// The overlay's.
    bytes: Arc<AtomicUsize>,
}

impl Arrivals {
    /// None yet; what they cost is counted in `bytes`.
    pub(super) fn new(bytes: Arc<AtomicUsize>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Takes in a request that was committed. One that is here already changes nothing.
    pub(super) fn add(&mut self, row: RequestSummary) {
        let place = row.payload_ref;
        let last = self.chunks.values().next_back().and_then(|rows| rows.last());
        if last.is_some_and(|last| last.payload_ref >= place) {
            return;
        }
        self.bytes.fetch_add(ROW_BYTES, Ordering::Relaxed);
        match self.chunks.last_entry() {
            Some(mut growing) if growing.key().0 == place.0 && growing.get().len() < CHUNK_REQUESTS => {
                Arc::make_mut(growing.get_mut()).push(row);
            }
            Some(_) | None => {
                // The chunk before goes as a whole now.
                self.bytes.fetch_add(std::mem::take(&mut self.written) * ROW_BYTES, Ordering::Relaxed);
                self.chunks.insert(place, Arc::new(vec![row]));
            }
        }
    }

    /// Pointers to everything.
    pub(super) fn snapshot(&self) -> NewRequests {
        self.chunks.clone()
    }

    /// Whether any chunk is waiting to be written for good.
    pub(super) fn has_full(&self) -> bool {
        self.chunks.len() > 1 || self.chunks.values().any(|rows| rows.len() == CHUNK_REQUESTS)
    }

    /// What is to be written: chunks that grow no more, and on demand what is new of the one that does.
    fn to_write(&self, growing_too: bool) -> Vec<Arc<Vec<RequestSummary>>> {
        let mut chunks: Vec<_> = self.chunks.values().cloned().collect();
        let grows = chunks.last().is_some_and(|last| last.len() < CHUNK_REQUESTS);
        let is_new = chunks.last().is_some_and(|last| last.len() > self.written);
        if grows && !(growing_too && is_new) {
            chunks.pop();
        }
        chunks
    }

    /// Notes what sled has of a chunk now, and forgets it when that is all there will be.
    fn written(&mut self, first: PayloadRef, count: usize) {
        if self.is_last(first) && count < CHUNK_REQUESTS {
            self.bytes.fetch_sub((count - self.written) * ROW_BYTES, Ordering::Relaxed);
            self.written = count;
        } else if self.chunks.get(&first).is_some_and(|rows| rows.len() == count) {
            self.remove(first);
        }
    }

    /// Forgets the chunks that `is_gone` picks by segment and the time of the newest request.
    fn forget(&mut self, is_gone: impl Fn(u64, Timestamp) -> bool) {
        let newest = |rows: &[RequestSummary]| rows.last().map_or(Timestamp::MAX, |row| row.created_at);
        let gone: Vec<PayloadRef> = self
            .chunks
            .iter()
            .filter(|(first, rows)| is_gone(first.0, newest(rows)))
            .map(|(first, _)| *first)
            .collect();
        gone.into_iter().for_each(|first| self.remove(first));
    }

    fn remove(&mut self, first: PayloadRef) {
        let written = if self.is_last(first) { std::mem::take(&mut self.written) } else { 0 };
        if let Some(rows) = self.chunks.remove(&first) {
            self.bytes.fetch_sub((rows.len() - written) * ROW_BYTES, Ordering::Relaxed);
        }
    }

    fn is_last(&self, first: PayloadRef) -> bool {
        self.chunks.last_key_value().is_some_and(|(last, _)| *last == first)
    }
}

/// Writes the chunks of an overlay that grow no more, and on demand the one that does.
pub(super) fn fold(state: &State, overlay: &Mutex<Overlay>, growing_too: bool) -> Result<(), StateError> {
    let chunks = overlay.lock().requests.to_write(growing_too);
    for rows in chunks {
        state.write_requests(&rows)?;
        if let Some(first) = rows.first() {
            overlay.lock().requests.written(first.payload_ref, rows.len());
        }
    }
    Ok(())
}

/// Drops the chunks that are past retention, or whose segment is gone.
pub(super) fn forget(state: &State, shared: &Shared) -> Result<(), StateError> {
    let segments: Vec<u64> = shared.reader.segments().iter().map(|segment: &SegmentInfo| segment.number).collect();
    let horizon = horizon(shared);
    // A segment that is newer than this list is not gone.
    let known_to = segments.last().copied().unwrap_or_default();
    let is_gone = |segment: u64, newest: Timestamp| {
        newest < horizon || (segment <= known_to && segments.binary_search(&segment).is_err())
    };
    shared.overlay.lock().requests.forget(is_gone);
    state.forget_requests(is_gone)
}
