//! HTTP: what arrives at sources, and the API. Owns wire types and routes; decides nothing about events.
//!
//! Two listeners, each an app whose every request goes to one handler: [`ingest`] on the one that may face the
//! internet, [`routes`] on the API's. Shapes of a version of the API live in its file under [`profiles`].
//!
//! The composition root makes one [`ingest::IngestState`] and one [`routes::ApiState`], wraps each in
//! `actix_web::web::Data` outside of the app's factory (workers share them), and calls [`ingest::configure`] and
//! [`routes::configure`] from `App::configure`. The servers' own settings (workers, keep-alive, the time for a head) are
//! its as well; bodies have their deadline here.

pub mod auth;
pub mod body;
pub mod bulk;
pub mod client_ip;
pub mod drafts;
pub mod error;
pub mod fields;
pub mod filters;
pub mod ingest;
pub mod later;
pub mod live;
pub mod openapi;
pub mod parameters;
pub mod profiles;
pub mod resources;
pub mod routes;
#[cfg(test)]
mod tests;
