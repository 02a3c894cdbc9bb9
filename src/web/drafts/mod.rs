//! What bodies say about sources, destinations and connections. Every version's spelling is taken on every version: what
//! 2024-03-01 has in a source or destination itself, the later ones in its `config`.
//!
//! Reads and refuses; what becomes of it is decided by `domain::directory`.

mod connections;
mod destinations;
mod rules;
mod sources;

pub use self::{
    connections::{connection, connection_update},
    destinations::destination,
    sources::source,
};
