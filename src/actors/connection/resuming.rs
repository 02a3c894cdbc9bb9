//! Which tries may already have gone out: those that could be in flight when the last process or actor ended.
//!
//! What is in flight is in memory only, so nobody knows which they were. But tries start in the order of the queue, and at
//! most twice `delivery.concurrency` of them have no durable outcome: so these are the first of what was due.

use std::collections::HashSet;

use super::{Seq, Timestamp};
use crate::store::PendingPage;

/// Tries without a durable outcome at most, in slots: one in each, and as many whose outcomes wait.
const TRIES_PER_SLOT: usize = 2;

/// The marks of one life of a connection's actor.
#[derive(Debug, Default)]
pub(super) struct Resuming {
    /// Until the queue has been read: what was due by then, and how many of these.
    unread: Option<(Timestamp, usize)>,
    /// Marked, and not made yet.
    marked: HashSet<Seq>,
}

impl Resuming {
    /// Of a life that began after tries were cut off; a pause had kept later ones from starting.
    pub(super) fn new(cut_off_at: Option<Timestamp>, paused_at: Option<Timestamp>, concurrency: usize) -> Self {
        let due_by = cut_off_at.map(|cut_off_at| paused_at.map_or(cut_off_at, |paused_at| paused_at.min(cut_off_at)));
        let unread = due_by.map(|due_by| (due_by, concurrency.saturating_mul(TRIES_PER_SLOT)));
        Self { unread, marked: HashSet::new() }
    }

    /// Marks what a reading from the beginning of the queue shows; the next one goes on where it ended.
    pub(super) fn read(&mut self, page: &PendingPage) {
        let Some((due_by, room)) = self.unread.take() else { return };
        let due = page.events.iter().map(|row| &row.event);
        let due = due.filter(|event| event.phase.due_at().is_some_and(|due_at| due_at <= due_by));
        let before = self.marked.len();
        self.marked.extend(due.take(room).map(|event| event.seq));
        let room = room - (self.marked.len() - before);
        if page.more && room > 0 {
            self.unread = Some((due_by, room));
        }
    }

    /// Whether the next try of an event may have gone out before.
    pub(super) fn is_marked(&self, seq: Seq) -> bool {
        self.marked.contains(&seq)
    }

    /// The next try of an event is made, or will not be.
    pub(super) fn made(&mut self, seq: Seq) {
        self.marked.remove(&seq);
    }

    /// None of the marked ones will be made.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is marked any more, nor will be.
    pub(super) fn is_over(&self) -> bool {
        self.unread.is_none() && self.marked.is_empty()
    }
}
