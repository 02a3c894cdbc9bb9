//! hookgate: an actor-model event gateway in one binary.

pub mod actors;
pub mod clock;
pub mod domain;
pub mod ingress;
pub mod query;
pub mod store;
pub mod transport;
pub mod web;
