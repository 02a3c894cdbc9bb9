//! HTTP: what arrives at sources, and the API. Owns wire types and routes; decides nothing about events.
//!
//! Two listeners: [`ingest`] on the one that may face the internet, [`routes`] on the API's. Wire types of a version
//! of the API live in its file under [`profiles`].

pub mod auth;
pub mod body;
pub mod error;
pub mod ingest;
