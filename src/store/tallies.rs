//! Figures of every connection at once: what waits, and what became of the latest events.

use crate::domain::{Event, Phase, Standing, Timestamp};

/// What became of events that were created since some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recent {
    /// All of them.
    pub accepted: u64,
    /// Delivered.
    pub successful: u64,
    /// Whose last try failed, whether or not another one is due.
    pub failed: u64,
}

/// A connection in numbers. Deleted events count nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Events that wait to be sent, now or later.
    pub pending: u64,
    /// Of these the ones that are due, counted while the connection is paused: what is on hold.
    pub held: u64,
    /// Since when the oldest of them has been due.
    pub oldest_due: Option<Timestamp>,
    /// Events since each of the moments asked for.
    pub recent: [Recent; 2],
}

/// What is asked of all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TallyAsk {
    /// Since when events are recent.
    pub since: [Timestamp; 2],
    /// The moment at which something is due or not.
    pub now: Timestamp,
}

/// How an event counts among recent ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Neither delivered nor failed.
    Other,
    /// Delivered.
    Successful,
    /// Its last try failed.
    Failed,
}

impl Tally {
    /// Counts one event, as it stands.
    pub fn count(&mut self, event: &Event, standing: Standing, ask: &TallyAsk) {
        if event.deleted_at.is_some() {
            return;
        }
        let phase = event.phase.effective(event.generation, standing);
        let outcome = match phase {
            Phase::Ready { .. } | Phase::Cancelled { .. } => Outcome::Other,
            Phase::Successful => Outcome::Successful,
            Phase::Waiting { .. } | Phase::Failed => Outcome::Failed,
        };
        self.add_recent((event.created_at, outcome), 1, ask);
        if let Some(due) = phase.due_at() {
            let waits = matches!(phase, Phase::Waiting { .. });
            self.add_pending(1, due, ask);
            self.held += u64::from(standing.paused && !(waits && due > ask.now));
        }
    }

    /// Counts some events of one outcome that were all created before or after each moment asked for.
    pub fn add_recent(&mut self, (created, outcome): (Timestamp, Outcome), count: u64, ask: &TallyAsk) {
        for (recent, since) in self.recent.iter_mut().zip(ask.since) {
            if created < since {
                continue;
            }
            recent.accepted += count;
            match outcome {
                Outcome::Other => {}
                Outcome::Successful => recent.successful += count,
                Outcome::Failed => recent.failed += count,
            }
        }
    }

    /// Counts some pending events, the first of which is due at this moment.
    pub fn add_pending(&mut self, count: u64, first_due: Timestamp, ask: &TallyAsk) {
        self.pending += count;
        if first_due <= ask.now {
            self.oldest_due = Some(self.oldest_due.map_or(first_due, |oldest| oldest.min(first_due)));
        }
    }
}
