//! The shapes of 2025-07-01: what sources, destinations, connections, requests, events and attempts look like in answers.
//! Those of other versions are made from these.

mod attempts;
mod configuration;
mod events;
mod projects;
mod requests;
mod values;

pub use self::{
    attempts::attempt,
    configuration::{connection, destination, source},
    events::{event, event_row},
    projects::{identity, listed_project, listed_team, organization, project},
    requests::{arrived, ignored_event, raw_body, request, request_row, request_with_data},
};
use super::Context;
use crate::domain::Timestamp;

fn time(at: Timestamp) -> String {
    at.to_string()
}
