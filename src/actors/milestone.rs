//! Milestones: facts that tests wait for in place of time. Without a listener, and in production, they cost nothing.

use crate::domain::{BulkId, ConnectionId, EventId};

/// Something that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// An attempt is durable.
    AttemptRecorded {
        /// Its event.
        event: EventId,
        /// Its number, from 1.
        number: u32,
    },
    /// Nothing more will happen to an event by itself, and that is durable.
    Settled(EventId),
    /// An event's delivery stopped; the store brings it back when it is due.
    Passivated(EventId),
    /// A connection has read a stretch of its queue from the store.
    Refilled(ConnectionId),
    /// A connection has stopped sending.
    Paused(ConnectionId),
    /// A connection sends again.
    Released(ConnectionId),
    /// A deleted connection has nothing left to do.
    ConnectionEnded(ConnectionId),
    /// A connection was rebuilt after its actor died.
    ConnectionRestarted(ConnectionId),
    /// A connection died too often and is left alone until it is unpaused.
    Quarantined(ConnectionId),
    /// A bulk operation is finished, or was stopped.
    BulkEnded(BulkId),
}

/// Where milestones go.
#[derive(Debug, Clone, Default)]
pub struct Milestones {
    #[cfg(any(test, feature = "test-util"))]
    listener: Option<tokio::sync::mpsc::UnboundedSender<Milestone>>,
}

impl Milestones {
    /// Tells nobody.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Tells the receiver that is returned beside it.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn channel() -> (Self, tokio::sync::mpsc::UnboundedReceiver<Milestone>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self { listener: Some(sender) }, receiver)
    }

    /// Tells whoever listens.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn reached(&self, milestone: Milestone) {
        if let Some(listener) = &self.listener {
            // A test that has seen enough drops its receiver.
            listener.send(milestone).ok();
        }
    }

    /// Nobody listens in production.
    #[cfg(not(any(test, feature = "test-util")))]
    #[expect(clippy::unused_self, reason = "the same call in both builds")]
    pub(crate) fn reached(&self, _milestone: Milestone) {}
}
