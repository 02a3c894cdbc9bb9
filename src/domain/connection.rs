//! A connection: source → destination with ordered rules; it owns a queue and the pause state.

use super::{ConnectionId, DestinationId, RetryRule, Rule, SourceId, Timestamp};

/// Source → destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name in the API (`webhook_id` in fields).
    pub id: ConnectionId,
    /// Unique among connections when given.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Where its requests come from.
    pub source_id: SourceId,
    /// Where its events go.
    pub destination_id: DestinationId,
    /// In the order given, without defaults filled in.
    pub rules: Vec<Rule>,
    /// Set while nothing new is sent.
    pub paused_at: Option<Timestamp>,
    /// When the last pause ended: what was due by then had waited for it.
    pub unpaused_at: Option<Timestamp>,
    /// Set while requests become ignored events.
    pub disabled_at: Option<Timestamp>,
    /// Set for ever: it takes and sends nothing, and is shown beside its events only.
    pub deleted_at: Option<Timestamp>,
    /// Counts how often it, or its destination, was disabled or deleted. Pending events of an earlier generation are
    /// cancelled, so that cancelling a million of them is one record.
    pub generation: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub version: u32,
}

impl Connection {
    /// Its retry rule; without one nothing is retried automatically.
    #[must_use]
    pub fn retry_rule(&self) -> Option<&RetryRule> {
        self.rules
            .iter()
            .map(|rule| match rule {
                Rule::Retry(retry) => retry,
            })
            .next()
    }
}
