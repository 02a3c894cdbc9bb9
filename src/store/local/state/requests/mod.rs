//! Requests in sled: chunks in the order of the journal, a zone for each in memory (CONTRIBUTING, decision 4).
//!
//! | file | owns |
//! |---|---|
//! | `mod` | loading, writing, dropping chunks |
//! | `chunk` | what a chunk's value says |
//! | `query` | answers |
//!
//! What a request's record says beyond its row is not known here.

mod chunk;
mod query;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use self::chunk::{Chunk, Zone};
use super::{State, StateError, error::Corrupt, handles::Staged, keys};
use crate::{
    domain::Timestamp,
    store::{PayloadRef, RequestSummary},
};

/// Zones by the place of the chunk's first request.
pub(super) type RequestZones = BTreeMap<PayloadRef, Arc<Zone>>;

impl State {
    pub(super) fn load_requests(&self) -> Result<(), StateError> {
        let known = self.handles.read();
        let mut zones = self.requests.write();
        for entry in self.tree.scan_prefix([keys::REQUESTS]) {
            let (key, value) = entry.map_err(|error| self.sled("reading requests", error))?;
            let damaged = |corrupt| self.damaged(&key, corrupt);
            let first = keys::first_of_requests(&key).ok_or_else(|| damaged(Corrupt("it is no chunk's key")))?;
            let chunk = keys::unseal(&key, &value).and_then(Chunk::decode).map_err(damaged)?;
            if chunk.combinations.iter().any(|one| known.id(one.source).is_none()) {
                return Err(damaged(Corrupt("it uses a handle without an id")));
            }
            let zone = Zone::of(&chunk).ok_or_else(|| damaged(Corrupt("it has no request")))?;
            zones.insert(first, Arc::new(zone));
        }
        Ok(())
    }

    /// Writes a chunk, in the place of what was known of it: rows that follow each other in one segment.
    ///
    /// # Errors
    ///
    /// `Io` when it cannot be written. Nothing has changed then.
    pub fn write_requests(&self, rows: &[RequestSummary]) -> Result<(), StateError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let _writing = self.writing.lock();
        let (chunk, fresh) = {
            let handles = self.handles.read();
            let mut staged = Staged::on(&handles);
            (Chunk::of(rows, &mut staged), staged.into_fresh())
        };
        self.replace_requests(first.payload_ref, &chunk, &fresh)
    }

    /// Drops every request at or behind a place in the journal: replay will bring them again.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io`; chunks before the one that failed are dropped then.
    pub fn truncate_requests(&self, from: PayloadRef) -> Result<(), StateError> {
        let _writing = self.writing.lock();
        let begins_before = self.requests.read().range(..from).next_back().map(|(first, _)| *first);
        if let Some(first) = begins_before.filter(|first| first.0 == from.0)
            && let Some(mut chunk) = self.read_requests(first)?
        {
            let before = chunk.len();
            chunk.truncate(from.1);
            if chunk.len() < before {
                self.replace_requests(first, &chunk, &[])?;
            }
        }
        self.drop_requests(|first, _| first >= from)
    }

    /// Drops the chunks that `is_gone` picks by segment and the time of the newest request.
    ///
    /// # Errors
    ///
    /// `Io`; some may be dropped then.
    pub fn forget_requests(&self, is_gone: impl Fn(u64, Timestamp) -> bool) -> Result<(), StateError> {
        let _writing = self.writing.lock();
        self.drop_requests(|first, zone| is_gone(first.0, zone.created.1))
    }

    fn drop_requests(&self, is_gone: impl Fn(PayloadRef, &Zone) -> bool) -> Result<(), StateError> {
        let mut zones = self.requests.write();
        let gone: Vec<PayloadRef> =
            zones.iter().filter(|(first, zone)| is_gone(**first, zone)).map(|(first, _)| *first).collect();
        for first in gone {
            self.tree.remove(keys::requests(first)).map_err(|error| self.sled("dropping requests", error))?;
            zones.remove(&first);
        }
        Ok(())
    }

    fn replace_requests(&self, first: PayloadRef, chunk: &Chunk, fresh: &[(u32, u128)]) -> Result<(), StateError> {
        let Some(zone) = Zone::of(chunk) else { return Ok(()) };
        let mut batch = sled::Batch::default();
        for (handle, id) in fresh {
            let key = keys::handle(*handle);
            batch.insert(&key, keys::seal(&key, &id.to_be_bytes()));
        }
        let key = keys::requests(first);
        batch.insert(&key, keys::seal(&key, &chunk.encode()));
        let mut zones = self.requests.write();
        self.tree.apply_batch(batch).map_err(|error| self.sled("writing requests", error))?;
        let mut handles = self.handles.write();
        fresh.iter().for_each(|(_, id)| handles.push(*id));
        zones.insert(first, Arc::new(zone));
        Ok(())
    }

    fn read_requests(&self, first: PayloadRef) -> Result<Option<Chunk>, StateError> {
        self.get(&keys::requests(first), Chunk::decode)
    }
}
