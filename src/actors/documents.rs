//! Documents that people keep beside the configuration: the way for their changes. Nothing here decides about them.

use super::handle::GatewayHandle;
use crate::{
    domain::Timestamp,
    store::{DocumentChange, StoreError},
};

impl GatewayHandle {
    /// Changes documents, all or none; answered when that is durable.
    ///
    /// # Errors
    ///
    /// As [`Store::put_documents`](crate::store::Store::put_documents).
    pub async fn put_documents(&self, changes: Vec<DocumentChange>) -> Result<(), StoreError> {
        self.engine.store.put_documents(changes).await
    }

    /// What a new id is made of: the time, and 128 random bits.
    #[must_use]
    pub fn fresh(&self) -> (Timestamp, u128) {
        (self.engine.now(), self.engine.random())
    }
}
