//! The shapes of 2025-07-01: what sources, destinations, connections, requests, events and attempts look like in answers.

mod attempts;
mod configuration;
mod events;
mod requests;
mod values;

pub use self::{
    attempts::attempt,
    configuration::{connection, destination, source},
    events::{event, event_with_data},
    requests::{ignored_event, raw_body, request, request_with_data},
};
use crate::domain::{Configuration, Timestamp};

/// What answers need beside the thing itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Names, pauses and the project.
    pub configuration: &'a Configuration,
    /// `ingress.public_url`, without a slash at its end.
    pub ingress_url: &'a str,
    /// The time that statuses are derived at.
    pub now: Timestamp,
    /// Whether credentials are shown (`include=config.auth`).
    pub with_auth: bool,
}

impl Context<'_> {
    fn team_id(&self) -> Option<String> {
        self.configuration.project.as_ref().map(|project| project.id.to_string())
    }
}

fn time(at: Timestamp) -> String {
    at.to_string()
}
