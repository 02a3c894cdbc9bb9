//! The feeder: one thread that moves rows from the overlay into sled, and makes checkpoints.
//!
//! It alone writes sled. A block that is full and four blocks old is written whatever its statuses; later changes gather until
//! there are many or a checkpoint is due. Before all that it rebuilds sled from the journal when it is not to be trusted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::io::Errno;

use super::{
    checkpoint::{Checkpoint, CheckpointError, boot_id},
    documents,
    journal::Position,
    overlay::Overlay,
    record::StoredItem,
    replay, requests,
    row::block_of,
    shared::Shared,
    state::{State, StateError},
};
use crate::domain::Family;

/// Full blocks wait for this many younger ones: by then most of their events have settled.
const FOLD_BEHIND_BLOCKS: u64 = 4;
/// Changed rows of written blocks that are worth a round of rewriting.
const CHANGED_ROWS_MAX: usize = 16_384;
/// Documents that a rebuild gathers before it writes them: a few hundred bytes each.
const CHANGED_DOCUMENTS_MAX: usize = 16_384;
/// Journal bytes after which a checkpoint is due whatever the time: bounds what a start has to replay.
const CHECKPOINT_JOURNAL_BYTES: u64 = 256 * 1024 * 1024;
/// How often the disk's free space is looked at.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Why sled could not be fed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// sled is damaged or refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The journal could not be read back.
    #[error("{0}")]
    Journal(String),
}

impl FeedError {
    /// Whether nothing was done and the same may work later: clients and destinations may take all files for a while.
    fn passes(&self) -> bool {
        match self {
            Self::State(StateError::TooManyFiles(_)) => true,
            Self::Checkpoint(CheckpointError::Io(error)) => {
                matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
            }
            Self::State(StateError::Damaged { .. } | StateError::Older(_) | StateError::Io { .. })
            | Self::Checkpoint(CheckpointError::Newer(_) | CheckpointError::Damaged)
            | Self::Journal(_) => false,
        }
    }
}

/// The thread's own state.
pub(super) struct Feeder {
    shared: Arc<Shared>,
    state: Arc<State>,
    /// The last checkpoint.
    checkpoint: Checkpoint,
    checkpointed: Instant,
}

impl Feeder {
    /// Goes on from a checkpoint.
    pub(super) fn new(shared: Arc<Shared>, state: Arc<State>, checkpoint: Checkpoint) -> Self {
        Self { shared, state, checkpoint, checkpointed: Instant::now() }
    }

    /// Rebuilds sled from everything before `rebuild_to` when given, then feeds it until the store is closed.
    pub(super) fn run(mut self, rebuild_to: Option<Position>) {
        let result = match rebuild_to {
            Some(end) => self.rebuild(end).and_then(|done| if done { self.feed() } else { Ok(()) }),
            None => self.feed(),
        };
        if let Err(error) = result {
            self.checkpoint.state_valid = false;
            if let Err(error) = self.checkpoint.write(&self.shared.options.directory) {
                tracing::error!(%error, "the checkpoint could not be marked invalid");
            }
            self.shared.fatal(&format!("sled cannot be fed, it is rebuilt at the next start: {error}"));
        }
    }

    fn feed(&mut self) -> Result<(), FeedError> {
        if self.state.has_documents(Family::Erasure)? {
            self.shared.note_erasures();
        }
        self.shared.set_ready(Arc::clone(&self.state));
        loop {
            let closed = self.shared.wait_for_feed(LOOK_AROUND);
            self.shared.look_at_disk();
            fold_full(&self.state, &self.shared.overlay, block_of(self.shared.applied_position().1))?;
            if self.shared.overlay.lock().changed() > CHANGED_ROWS_MAX || self.shared.is_overlay_half_full() {
                write_all(&self.state, &self.shared.overlay)?;
            }
            if self.shared.take_damage() {
                return Err(FeedError::Journal("a value in sled fails its checksum".to_owned()));
            }
            if closed {
                return self.make_checkpoint(true);
            }
            let asked = self.shared.checkpoint_asked();
            if asked.is_some() || self.checkpoint_is_due() {
                match self.make_checkpoint(false) {
                    Err(error) if error.passes() => {
                        tracing::warn!(%error, "no checkpoint was made: the last one stands until the next try");
                        self.checkpointed = Instant::now();
                    }
                    made => made?,
                }
                asked.into_iter().for_each(|asked| self.shared.checkpoint_made(asked));
            }
        }
    }

    fn checkpoint_is_due(&self) -> bool {
        let (position, ..) = self.shared.applied_position();
        let (segment, offset) = self.checkpoint.position;
        if (position.segment, position.offset) == (segment, offset) {
            return false;
        }
        let grown = (position.segment - segment) * self.shared.options.segment_bytes + position.offset;
        grown > offset + CHECKPOINT_JOURNAL_BYTES
            || self.checkpointed.elapsed() >= self.shared.options.checkpoint_interval
    }

    /// Writes everything that was applied by now, makes it durable, and says so.
    fn make_checkpoint(&mut self, clean: bool) -> Result<(), FeedError> {
        // The position comes first: what is applied after it may be in sled or not, and is replayed.
        let (position, next_seq, last_at) = self.shared.applied_position();
        write_all(&self.state, &self.shared.overlay)?;
        requests::forget(&self.state, &self.shared)?;
        self.state.forget_documents(Family::Audit, documents::read::first_kept(&self.shared, Family::Audit))?;
        let next = Checkpoint {
            store_id: self.checkpoint.store_id,
            generation: self.checkpoint.generation + 1,
            boot_id: boot_id(),
            clean,
            state_valid: true,
            idle: clean && self.shared.is_idle(),
            position: (position.segment, position.offset),
            next_seq,
            last_at: last_at.ms(),
            items: stored_items(&self.shared).map_err(FeedError::Journal)?,
        };
        self.state.write_durably(next.generation)?;
        next.write(&self.shared.options.directory)?;
        self.shared.set_replayed_from(position.segment);
        self.checkpoint = next;
        self.checkpointed = Instant::now();
        Ok(())
    }

    /// Brings every record before `end` into an empty sled, block by block; false when the store was closed meanwhile.
    fn rebuild(&mut self, end: Position) -> Result<bool, FeedError> {
        let old = Mutex::new(Overlay::new(0));
        let segments: Vec<_> = self.shared.reader.segments().into_iter().filter(|s| s.number <= end.segment).collect();
        let total: u64 = segments.iter().map(|segment| segment.bytes).sum::<u64>().max(1);
        let mut done = 0;
        let mut newest = 0;
        for segment in &segments {
            if self.shared.is_feeding_stopped() {
                return Ok(false);
            }
            let mut failed = None;
            let walked = self.shared.reader.entries(segment.number, &mut |entry| {
                if failed.is_some() || (entry.at.segment, entry.at.offset) >= (end.segment, end.offset) {
                    return;
                }
                newest = newest.max(replay::next_seq_after(&entry));
                let taken = replay::changes(&entry, |change| old.lock().apply(change));
                failed = taken.map_err(|error| FeedError::Journal(error.to_string())).err();
                if failed.is_none() {
                    failed = self.fold_rebuilt(&old, newest).err();
                }
            });
            walked.map_err(|error| FeedError::Journal(error.to_string()))?;
            if let Some(error) = failed {
                return Err(error);
            }
            done += segment.bytes;
            self.shared.set_progress(u8::try_from(done * 99 / total).unwrap_or(99));
            // Live events share no block with old ones: they can be folded meanwhile, so that the overlay stays small.
            fold_full(&self.state, &self.shared.overlay, block_of(self.shared.applied_position().1))?;
        }
        write_all(&self.state, &old)?;
        Ok(true)
    }

    fn fold_rebuilt(&self, old: &Mutex<Overlay>, newest: u64) -> Result<(), FeedError> {
        let (changed, waiting_documents, behind) = {
            let overlay = old.lock();
            let behind = block_of(newest) >= overlay.folded_below() + FOLD_BEHIND_BLOCKS;
            (overlay.changed(), overlay.documents.len(), behind || overlay.requests.has_full())
        };
        if behind {
            fold_full(&self.state, old, block_of(newest))?;
        }
        if changed > CHANGED_ROWS_MAX {
            write_all(&self.state, old)?;
        }
        if waiting_documents > CHANGED_DOCUMENTS_MAX {
            documents::fold(&self.state, old)?;
        }
        Ok(())
    }
}

/// The configuration as a checkpoint holds it.
pub(super) fn stored_items(shared: &Shared) -> Result<Vec<StoredItem>, String> {
    let configuration = shared.configuration();
    configuration.items().map(|item| StoredItem::new(&item, &shared.key).map_err(|error| error.to_string())).collect()
}

/// Writes the blocks that are full and old enough, and were never written.
fn fold_full(state: &State, overlay: &Mutex<Overlay>, open_block: u64) -> Result<(), FeedError> {
    requests::fold(state, overlay, false)?;
    loop {
        let block = overlay.lock().folded_below();
        if block + FOLD_BEHIND_BLOCKS > open_block {
            return Ok(());
        }
        // Gaps, as a rebuild leaves them, are skipped at once.
        let first = overlay.lock().first_from(block).unwrap_or(open_block);
        if first > block {
            overlay.lock().fold_below(first.min(open_block + 1 - FOLD_BEHIND_BLOCKS));
            continue;
        }
        write_block(state, overlay, block)?;
        overlay.lock().fold_below(block + 1);
    }
}

/// Writes every block that has anything new, whatever its age, and every document. Those of the live overlay not before a
/// rebuild has ended: what it brings would go over them.
fn write_all(state: &State, overlay: &Mutex<Overlay>) -> Result<(), FeedError> {
    requests::fold(state, overlay, true)?;
    documents::fold(state, overlay)?;
    let blocks: Vec<u64> = overlay.lock().snapshot().into_keys().collect();
    for block in &blocks {
        write_block(state, overlay, *block)?;
    }
    Ok(())
}

fn write_block(state: &State, overlay: &Mutex<Overlay>, block: u64) -> Result<(), FeedError> {
    let rows = overlay.lock().block(block);
    if let Some(rows) = rows {
        state.write_block(block, &rows)?;
        overlay.lock().written(block, &rows);
    }
    Ok(())
}
