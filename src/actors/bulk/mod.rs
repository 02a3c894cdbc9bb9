//! Bulk operations: durable jobs over everything that a filter picks.
//!
//! An operation is a document. Whoever starts one plans it and puts the document; [`runner`] works on what is not finished,
//! in batches, each thing by the same way as if somebody had asked for it alone. What was done is written down after each
//! batch, so that a crash repeats at most one, and repeating does nothing: an event knows the operation that asked for it,
//! a request has its list of retries, a replayed request an id that follows from the operation and the old one's.

mod batch;
mod pace;
mod plan;
pub(super) mod runner;
mod work;

use std::sync::Arc;

pub use self::plan::{Plan, Selection};
use super::handle::GatewayHandle;
use crate::{
    domain::{
        BulkId, Document, DocumentKey, Family, Request,
        document::{Bulk, BulkKind},
    },
    store::{DocumentChange, DocumentStretch, Store, StoreError},
};

/// Operations that are not finished at most: people wait for a few, programs must not pile them up.
const UNFINISHED_MAX: usize = 100;
/// Finished ones that are kept; older ones go when new ones come.
const FINISHED_KEPT: usize = 1_000;
/// Documents read at a time.
const PAGE_DOCUMENTS: usize = 256;
/// How often a change is tried again when the document changed in between: the runner writes one a second at most.
const TRIES_MAX: u32 = 8;

/// Whether the data of a request is what a filter asks for.
pub type Content = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
/// Reads the filter of an operation, as it stands in its document.
pub type Reader = Arc<dyn Fn(BulkKind, &str) -> Result<Selection, String> + Send + Sync>;

/// How operations are run.
#[derive(Clone)]
pub struct BulkSettings {
    /// Things done a second at most, all operations together.
    pub rate_per_s: u32,
    /// Reads filters.
    pub reader: Reader,
}

/// Why an operation was not started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkError {
    /// There is none of that id (404).
    #[error("there is no such bulk operation")]
    NotFound,
    /// Nothing is picked (422).
    #[error("picks nothing that this operation could do anything with")]
    Empty,
    /// Too many are not finished yet (422).
    #[error("{UNFINISHED_MAX} bulk operations are not finished: wait for one, or cancel one")]
    TooMany,
    /// The store could not read or keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether an operation goes on.
#[must_use]
pub const fn is_unfinished(bulk: &Bulk) -> bool {
    bulk.completed_at.is_none() && bulk.cancelled_at.is_none()
}

impl GatewayHandle {
    /// What an operation would find now.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn plan_bulk(&self, kind: BulkKind, selection: Selection) -> Result<Plan, StoreError> {
        let now = self.engine.now();
        self.blocking(move |store| plan::plan(store, kind, &selection, now)).await
    }

    /// Starts an operation over what `selection` picks, which is what `query` says; durable when it is answered.
    ///
    /// # Errors
    ///
    /// `Empty`, `TooMany`, `Store`.
    pub async fn start_bulk(&self, kind: BulkKind, query: String, selection: Selection) -> Result<Bulk, BulkError> {
        let now = self.engine.now();
        let id = BulkId::from_parts(now, self.engine.random());
        let planned = self.blocking(move |store| {
            let seq_end = store.next_seq();
            let cursor = batch::beginning(store, kind)?;
            Ok((seq_end, cursor, plan::plan(store, kind, &selection, now)?, all(store)?))
        });
        let (seq_end, cursor, plan, there) = planned.await?;
        if plan.count == 0 && plan.complete {
            return Err(BulkError::Empty);
        }
        let (unfinished, finished): (Vec<_>, Vec<_>) = there.into_iter().partition(is_unfinished);
        if unfinished.len() >= UNFINISHED_MAX {
            return Err(BulkError::TooMany);
        }
        let bulk = Bulk {
            id,
            kind,
            query,
            seq_end,
            planned: plan.count,
            cursor,
            completed: 0,
            failed: 0,
            cancelled_at: None,
            completed_at: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        self.engine.store.put_documents(vec![DocumentChange::Put(Document::Bulk(bulk.clone()), None)]).await?;
        self.registry.look_for_work();
        self.forget(&finished).await;
        Ok(bulk)
    }

    /// Stops an operation; one that has ended stays as it is. Nothing more is begun after the answer.
    ///
    /// # Errors
    ///
    /// `NotFound`, also for one of another kind; `Store`.
    pub async fn stop_bulk(&self, kind: BulkKind, id: BulkId) -> Result<Bulk, BulkError> {
        let mut tries = 0;
        loop {
            let bulk = self.blocking(move |store| read(store, id)).await?;
            let bulk = bulk.filter(|bulk| bulk.kind == kind).ok_or(BulkError::NotFound)?;
            if !is_unfinished(&bulk) {
                return Ok(bulk);
            }
            let now = self.engine.now();
            let stopped = Bulk { cancelled_at: Some(now), updated_at: now, version: bulk.version + 1, ..bulk };
            tries += 1;
            let put = DocumentChange::Put(Document::Bulk(stopped.clone()), None);
            match self.engine.store.put_documents(vec![put]).await {
                Ok(()) => {
                    self.registry.stop_bulk(id);
                    return Ok(stopped);
                }
                Err(StoreError::Conflict) if tries < TRIES_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets the oldest finished operations go; another time when somebody else does so now.
    async fn forget(&self, finished: &[Bulk]) {
        let superfluous = finished.len().saturating_sub(FINISHED_KEPT);
        let removals: Vec<_> = finished[..superfluous]
            .iter()
            .map(|bulk| DocumentChange::Remove(Document::Bulk(bulk.clone()).key(), bulk.version))
            .collect();
        if !removals.is_empty()
            && let Err(error) = self.engine.store.put_documents(removals).await
        {
            tracing::debug!(%error, "old bulk operations were not forgotten");
        }
    }
}

/// One operation, if it is there.
fn read(store: &dyn Store, id: BulkId) -> Result<Option<Bulk>, StoreError> {
    match store.document(DocumentKey { family: Family::Bulk, id: id.bits() }) {
        Ok(Document::Bulk(bulk)) => Ok(Some(bulk)),
        Ok(_) | Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All operations, oldest first.
fn all(store: &dyn Store) -> Result<Vec<Bulk>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let stretch = DocumentStretch { descending: false, after, limit: PAGE_DOCUMENTS };
        let page = store.documents(Family::Bulk, stretch)?;
        let last = page.last().map(|document| document.key().id);
        let is_last = page.len() < PAGE_DOCUMENTS;
        found.extend(page.into_iter().filter_map(|document| match document {
            Document::Bulk(bulk) => Some(bulk),
            Document::View(_)
            | Document::Bookmark(_)
            | Document::Audit(_)
            | Document::Erasure(_)
            | Document::Retried(_) => None,
        }));
        if is_last || last.is_none() {
            return Ok(found);
        }
        after = last;
    }
}
