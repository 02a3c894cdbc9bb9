//! What a follower of changes reads. These block: they are for a thread of the follower's own.

use std::sync::Arc;

pub use crate::store::changes::{Change, Changes, Follower, Place, Stretch};
use crate::{
    domain::{AttemptId, Event, Seq},
    query::{AttemptRow, Query, StoreError, row_of},
};

impl Query {
    /// Which events change.
    #[must_use]
    pub fn changes(&self) -> Arc<Changes> {
        self.store.changes()
    }

    /// The events of these numbers that are there, in their order.
    ///
    /// # Errors
    ///
    /// As [`Store::rows`](crate::store::Store::rows).
    pub fn rows_now(&self, seqs: &[Seq]) -> Result<Vec<Event>, StoreError> {
        Ok(self.store.rows(seqs)?.into_iter().map(|kept| kept.event).collect())
    }

    /// One attempt with what is kept of it.
    ///
    /// # Errors
    ///
    /// As [`Store::attempt`](crate::store::Store::attempt).
    pub fn attempt_now(&self, id: AttemptId) -> Result<AttemptRow, StoreError> {
        row_of(self.store.as_ref(), self.store.attempt(id)?, self.now())
    }
}
