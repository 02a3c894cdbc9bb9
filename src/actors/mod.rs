//! Actors own state: queues, deliveries, configuration changes. Decisions are `domain`'s; actors perform them.
//!
//! ```text
//! GatewayActor            starts and supervises; is told of commits
//!  ├─ DirectoryActor      every change of the configuration, one after the other
//!  ├─ BulkActor           operations over everything that a filter picks, batch by batch
//!  └─ ConnectionActor     one per connection: its queue, its pause, every transition of its events
//!      └─ DeliveryActor   one per event being worked on: its attempts, its retry timer
//! ```
//!
//! Others see [`Engine`], which starts all this, and [`GatewayHandle`], which asks it for things. Nothing here knows
//! how the store or the transport do their work.

mod bulk;
mod connection;
mod delivery;
mod directory;
mod documents;
mod engine;
mod gateway;
mod handle;
mod milestone;
mod outbound;
mod registry;
mod resending;
mod supervision;
#[cfg(test)]
mod tests;

pub use crate::store::DocumentChange;
pub use bulk::{BulkError, BulkSettings, Content, Plan, Reader, Selection, is_unfinished};
pub use engine::{DeliverySettings, Dice, Engine};
pub use handle::{ActionError, Applied, Drained, GatewayHandle};
pub use milestone::{Milestone, Milestones};
pub use registry::ConnectionSnapshot;
pub use resending::{Erased, ResendError, Resent};
