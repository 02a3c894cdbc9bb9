//! What the store's threads share, and what each may do with it.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `overlay`, `applied`, `configuration`, `changes` | the writer | everybody |
//! | `overlay` (rows that sled has) | the feeder | |
//! | `state` (once) | the feeder | everybody |
//! | `over_quota` | retention | everybody |
//! | `idle` | whoever sends | the feeder |
//! | `erasures`, `erased_now` | the writer, the feeder | everybody |
//! | `unsealed_erasure` | the writer, the feeder | retention |
//! | `disk_low`, `progress`, `replayed_from` | the feeder | everybody |

use std::{
    fs::File,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use super::{
    LocalOptions,
    journal::{Position, Reader},
    key::MasterKey,
    overlay::Overlay,
    pin::Pin,
    queue::Queue,
    row::Overlaid,
    state::{PendingAsk, PendingRows, State, StateError},
};
use crate::{
    clock::Clock,
    domain::{Configuration, ConnectionId, Seq, Standing, Timestamp},
    store::{Changes, CommitListener, Offer, StoreError, StoreStats},
};

/// How the process ends when going on would break a promise.
const EXIT_INTERNAL: i32 = 70;
/// Blocks between two wake-ups of the feeder by the writer.
const FEED_EVERY_SEQS: Seq = 1024;
/// Changed rows of older blocks that wake it as well: as many as it rewrites in one round.
const FEED_EVERY_CHANGES: usize = 16_384;

/// Everything that more than one thread of the store needs.
pub(super) struct Shared {
    pub(super) options: LocalOptions,
    pub(super) key: MasterKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reader: Reader,
    pub(super) queue: Queue,
    /// Noted by the writer after each frame.
    pub(super) changes: Arc<Changes>,
    pub(super) overlay: Mutex<Overlay>,
    overlay_bytes: Arc<AtomicUsize>,
    applied: Mutex<Applied>,
    configuration: RwLock<Arc<Configuration>>,
    listener: OnceLock<Arc<dyn CommitListener>>,
    state: OnceLock<Arc<State>>,
    progress: AtomicU8,
    /// The segment from which a start replays: it and those after it must stay.
    replayed_from: AtomicU64,
    disk_low: AtomicBool,
    over_quota: AtomicBool,
    damaged: AtomicBool,
    /// Whether tries may have gone out that are not known.
    pub(super) resumes: bool,
    idle: AtomicBool,
    /// Whether data of any request was ever erased: most readers need not ask.
    erasures: AtomicBool,
    erased_now: AtomicBool,
    unsealed_erasure: AtomicBool,
    feed: Mutex<Feed>,
    feed_wanted: Condvar,
    retain: Mutex<bool>,
    retention_stopped: Condvar,
    /// Taken alone while a segment is removed: backups read them.
    pub(super) pin: Pin,
    /// Held for as long as the store is open: one process per data directory.
    _lock: File,
}

/// Up to where the journal is in the overlay.
struct Applied {
    position: Position,
    next_seq: Seq,
    last_at: Timestamp,
}

#[derive(Default)]
struct Feed {
    wanted: bool,
    closed: bool,
    checkpoint_asked: u64,
    checkpoint_made: u64,
    fed_to: Seq,
}

impl Shared {
    pub(super) fn new(options: LocalOptions, parts: Parts) -> Self {
        let queue = Queue::new(options.journal_queue_bytes_max);
        Self {
            options,
            key: parts.key,
            changes: Arc::new(Changes::new(parts.clock.now())),
            clock: parts.clock,
            reader: parts.reader,
            queue,
            overlay_bytes: parts.overlay.bytes(),
            overlay: Mutex::new(parts.overlay),
            applied: Mutex::new(Applied { position: parts.position, next_seq: parts.next_seq, last_at: parts.last_at }),
            configuration: RwLock::new(Arc::new(parts.configuration)),
            listener: OnceLock::new(),
            state: OnceLock::new(),
            progress: AtomicU8::new(0),
            replayed_from: AtomicU64::new(parts.replayed_from),
            erasures: AtomicBool::new(parts.erasures),
            erased_now: AtomicBool::new(false),
            unsealed_erasure: AtomicBool::new(parts.erasures),
            disk_low: AtomicBool::new(false),
            over_quota: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            resumes: parts.resumes,
            // Whoever sends says when that is so; whoever does not leaves it as it was.
            idle: AtomicBool::new(!parts.resumes),
            feed: Mutex::default(),
            feed_wanted: Condvar::new(),
            retain: Mutex::new(true),
            retention_stopped: Condvar::new(),
            pin: parts.pin,
            _lock: parts.lock,
        }
    }

    /// Whether nothing is in flight, nor may have been when this process began.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    pub(super) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::Release);
    }

    /// Whether data of any request may have been erased.
    pub(super) fn has_erasures(&self) -> bool {
        self.erasures.load(Ordering::Acquire)
    }

    /// Says that there are some, made by a process before.
    pub(super) fn note_erasures(&self) {
        self.erasures.store(true, Ordering::Release);
        self.unsealed_erasure.store(true, Ordering::Release);
    }

    /// Says that one was made now.
    pub(super) fn erasure_made(&self) {
        self.erased_now.store(true, Ordering::Release);
        self.note_erasures();
    }

    /// Whether any was made since the store was opened.
    pub(super) fn has_erased_now(&self) -> bool {
        self.erased_now.load(Ordering::Acquire)
    }

    /// Whether what was erased may lie in the segment that is written; asked once, it is taken to be sealed then.
    pub(super) fn take_unsealed_erasure(&self) -> bool {
        self.unsealed_erasure.swap(false, Ordering::AcqRel)
    }

    pub(super) fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.configuration.read())
    }

    pub(super) fn set_configuration(&self, configuration: Arc<Configuration>) {
        *self.configuration.write() = configuration;
    }

    pub(super) fn listen(&self, listener: Arc<dyn CommitListener>) {
        if self.listener.set(listener).is_err() {
            tracing::error!("a second listener was ignored: the store tells one");
        }
    }

    pub(super) fn offer(&self, connection: ConnectionId, offers: Vec<Offer>) {
        if let Some(listener) = self.listener.get() {
            listener.offered(connection, offers);
        }
    }

    /// What the writer says after each frame, while it still holds the overlay.
    pub(super) fn applied(
        &self,
        overlay: &MutexGuard<'_, Overlay>,
        position: Position,
        next_seq: Seq,
        last_at: Timestamp,
    ) {
        *self.applied.lock() = Applied { position, next_seq, last_at };
        let mut feed = self.feed.lock();
        if next_seq >= feed.fed_to + FEED_EVERY_SEQS || overlay.changed() >= FEED_EVERY_CHANGES {
            feed.fed_to = next_seq;
            feed.wanted = true;
            self.feed_wanted.notify_one();
        }
    }

    pub(super) fn applied_position(&self) -> (Position, Seq, Timestamp) {
        let applied = self.applied.lock();
        (applied.position, applied.next_seq, applied.last_at)
    }

    /// The segment of the checkpoint's position.
    pub(super) fn replayed_from(&self) -> u64 {
        self.replayed_from.load(Ordering::Acquire)
    }

    pub(super) fn set_replayed_from(&self, segment: u64) {
        self.replayed_from.store(segment, Ordering::Release);
    }

    pub(super) fn accepting(&self) -> Result<(), StoreError> {
        if self.queue.is_closed() {
            return Err(StoreError::Closed);
        }
        if self.disk_low.load(Ordering::Relaxed) {
            return Err(StoreError::DiskFull { low_bytes: self.options.disk_low_bytes });
        }
        if self.over_quota.load(Ordering::Relaxed) {
            return Err(StoreError::OverQuota { quota_bytes: self.options.quota_bytes.unwrap_or(u64::MAX) });
        }
        if self.overlay_bytes.load(Ordering::Relaxed) > self.options.overlay_bytes_max {
            return Err(StoreError::Overloaded("the overlay of changes that sled does not have yet"));
        }
        Ok(())
    }

    /// Few rows with long histories can fill the overlay: then it is not their number that has them folded.
    pub(super) fn is_overlay_half_full(&self) -> bool {
        self.overlay_bytes.load(Ordering::Relaxed) > self.options.overlay_bytes_max / 2
    }

    pub(super) fn state(&self) -> Result<&Arc<State>, StoreError> {
        self.state.get().ok_or_else(|| StoreError::Rebuilding { percent: self.progress.load(Ordering::Relaxed) })
    }

    pub(super) fn set_ready(&self, state: Arc<State>) {
        drop(self.state.set(state));
    }

    pub(super) fn set_progress(&self, percent: u8) {
        self.progress.store(percent, Ordering::Relaxed);
    }

    /// Asks sled with the overlay over it; `standing` tells what a connection's state makes of its events.
    pub(super) fn query<T>(
        &self,
        ask: impl FnOnce(&State, &Overlaid, &dyn Fn(ConnectionId) -> Standing) -> Result<T, StateError>,
    ) -> Result<T, StoreError> {
        let state = self.state()?;
        let over = self.overlay.lock().snapshot();
        let configuration = self.configuration();
        ask(state, &over, &|connection| configuration.standing(connection)).map_err(|error| self.state_failed(&error))
    }

    /// Asks sled and the overlay, both of one moment, for a stretch of a connection's queue; `ask` gets its generation.
    pub(super) fn pending(
        &self,
        connection: ConnectionId,
        ask: impl FnOnce(u32) -> PendingAsk,
    ) -> Result<PendingRows, StoreError> {
        let state = self.state()?;
        let overlay = self.overlay.lock();
        // The writer puts a configuration while it holds the overlay.
        let ask = ask(self.configuration().standing(connection).generation);
        let (over, newer) = (overlay.snapshot(), overlay.pending(&ask));
        drop(overlay);
        state.pending(&over, newer, &ask).map_err(|error| self.state_failed(&error))
    }

    /// A value of sled that cannot be trusted: the feeder ends the process, and the next start rebuilds.
    pub(super) fn state_failed(&self, error: &StateError) -> StoreError {
        tracing::error!(%error, "sled cannot be read");
        self.damaged.store(true, Ordering::Relaxed);
        self.wake_feeder();
        StoreError::Damaged(error.to_string())
    }

    pub(super) fn take_damage(&self) -> bool {
        self.damaged.swap(false, Ordering::Relaxed)
    }

    /// Sleeps until there is something to feed or `at_most` is over; whether the store is closed.
    pub(super) fn wait_for_feed(&self, at_most: Duration) -> bool {
        let mut feed = self.feed.lock();
        if !feed.wanted && !feed.closed {
            self.feed_wanted.wait_for(&mut feed, at_most);
        }
        feed.wanted = false;
        feed.closed
    }

    fn wake_feeder(&self) {
        self.feed.lock().wanted = true;
        self.feed_wanted.notify_all();
    }

    /// The feeder's answer to [`ask_for_checkpoint`](Self::ask_for_checkpoint): what was asked for before it began.
    pub(super) fn checkpoint_asked(&self) -> Option<u64> {
        let feed = self.feed.lock();
        (feed.checkpoint_asked > feed.checkpoint_made).then_some(feed.checkpoint_asked)
    }

    pub(super) fn checkpoint_made(&self, asked: u64) {
        self.feed.lock().checkpoint_made = asked;
        self.feed_wanted.notify_all();
    }

    /// Has the feeder make a checkpoint and waits for it.
    pub(super) fn ask_for_checkpoint(&self) {
        let mut feed = self.feed.lock();
        feed.checkpoint_asked += 1;
        feed.wanted = true;
        let mine = feed.checkpoint_asked;
        self.feed_wanted.notify_all();
        while feed.checkpoint_made < mine && !feed.closed {
            self.feed_wanted.wait(&mut feed);
        }
    }

    pub(super) fn stop_feeding(&self) {
        self.feed.lock().closed = true;
        self.feed_wanted.notify_all();
    }

    /// Whether the store is closing, so that a rebuild is better left to the next start.
    pub(super) fn is_feeding_stopped(&self) -> bool {
        self.feed.lock().closed
    }

    /// Sleeps between two retention passes; false when the store is closing.
    pub(super) fn wait_for_retention(&self) -> bool {
        let mut retain = self.retain.lock();
        if *retain {
            self.retention_stopped.wait_for(&mut retain, self.options.retention_interval);
        }
        *retain
    }

    /// Whether the store is closing, so that a pass is better left to the next start.
    pub(super) fn is_retention_stopped(&self) -> bool {
        !*self.retain.lock()
    }

    pub(super) fn stop_retention(&self) {
        *self.retain.lock() = false;
        self.retention_stopped.notify_all();
    }

    /// Says whether live events keep the journal over its quota; requests are refused while they do.
    pub(super) fn set_over_quota(&self, over: bool) {
        if over != self.over_quota.swap(over, Ordering::Relaxed) {
            if over {
                tracing::error!(
                    "the journal is over its quota with events that wait: requests are refused until some settle"
                );
            } else {
                tracing::info!("the journal is within its quota again: requests are accepted");
            }
        }
    }

    /// Looks at the free space; requests are refused while it is low.
    pub(super) fn look_at_disk(&self) {
        let Some(free) = self.free_bytes() else { return };
        let low = free < self.options.disk_low_bytes;
        if low != self.disk_low.swap(low, Ordering::Relaxed) {
            if low {
                tracing::error!(free, "the disk is nearly full: requests are refused until space returns");
            } else {
                tracing::info!(free, "space has returned: requests are accepted again");
            }
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        match rustix::fs::statvfs(&self.options.directory) {
            Ok(stat) => Some(stat.f_bavail.saturating_mul(stat.f_frsize)),
            Err(error) => {
                tracing::warn!(%error, "the free space cannot be read");
                None
            }
        }
    }

    pub(super) fn stats(&self) -> StoreStats {
        let state = self.state.get();
        StoreStats {
            events: 0,
            journal_bytes: self.reader.bytes_on_disk(),
            segments: self.reader.segments().len() as u64,
            state_bytes: state.and_then(|state| state.disk_bytes().ok()).unwrap_or(0),
            overlay_bytes: self.overlay_bytes.load(Ordering::Relaxed) as u64,
            disk_free_bytes: self.free_bytes(),
        }
    }

    /// Ends the process without acknowledging anything more.
    pub(super) fn fatal(&self, why: &str) -> ! {
        tracing::error!("{why}; the process ends so that nothing is acknowledged that is not on disk");
        #[cfg(test)]
        #[expect(clippy::print_stderr, reason = "unit tests have no log")]
        {
            eprintln!("{why}");
        }
        std::process::exit(EXIT_INTERNAL)
    }
}

/// What opening found, handed over to the threads.
pub(super) struct Parts {
    pub(super) key: MasterKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reader: Reader,
    pub(super) overlay: Overlay,
    pub(super) position: Position,
    pub(super) replayed_from: u64,
    pub(super) next_seq: Seq,
    pub(super) last_at: Timestamp,
    pub(super) configuration: Configuration,
    pub(super) resumes: bool,
    /// Whether the overlay has any.
    pub(super) erasures: bool,
    pub(super) lock: File,
    pub(super) pin: Pin,
}
