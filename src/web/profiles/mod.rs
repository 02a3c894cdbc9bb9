//! Versions of the API: which shapes a request is answered in.
//!
//! Every shape is made as `v2025_07_01` has it; `v2024_03_01` and `v2026_09_01` change in it what is different with
//! them. So each thing is described once, and a version is the list of its differences.

mod access;
pub mod bulk;
mod documents;
mod v2024_03_01;
pub mod v2025_07_01;
mod v2026_09_01;

use serde_json::{Value, json};

pub use self::{
    access::{audit, key, organization_key, signing_secret, with_text},
    documents::{bookmark, built_in_view, view},
    v2025_07_01::{identity, ignored_event, listed_project, listed_team, organization, project, raw_body},
};
use super::error::{ApiError, quoted};
use crate::{
    domain::{Configuration, Connection, Destination, Event, Request, Source, Timestamp},
    query::{
        AttemptRow,
        events::EventRow,
        requests::{RequestRow, RequestSummary},
    },
};

/// A set of wire shapes, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Sources and destinations are flat.
    V2024_03_01,
    /// They have a type and a configuration.
    V2025_07_01,
    /// Destinations have a delivery policy; teams are projects.
    V2026_09_01,
}

impl Profile {
    /// The first.
    pub const OLDEST: Self = Self::V2024_03_01;
    /// The last.
    pub const NEWEST: Self = Self::V2026_09_01;

    /// The newest that is not younger than a date; dates of this form are in order as texts.
    fn of_date(date: &str) -> Self {
        if date < "2025-01-01" {
            // Types and configurations came with the first version of that year.
            Self::V2024_03_01
        } else if date < "2026-09-01" {
            Self::V2025_07_01
        } else {
            Self::V2026_09_01
        }
    }
}

/// The version a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its shapes.
    pub profile: Profile,
    /// Whether the path names a date. Without one, unknown parameters are refused and our additions are shown.
    pub dated: bool,
}

impl Version {
    /// The newest, for paths without a date.
    pub const NEWEST: Self = Self { profile: Profile::NEWEST, dated: false };

    /// Splits the version off a path: `/2025-07-01/events` is `/events`.
    ///
    /// # Errors
    ///
    /// 404 for what looks like a date and is none.
    pub fn split(path: &str) -> Result<(Self, &str), ApiError> {
        let Some((date, rest)) = first_segment(path).filter(|(segment, _)| looks_like_date(segment)) else {
            return Ok((Self::NEWEST, path));
        };
        if chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_err() {
            return Err(ApiError::not_found(format!("{} is not a version: versions are dates", quoted(date))));
        }
        Ok((Self { profile: Profile::of_date(date), dated: true }, rest))
    }
}

fn first_segment(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    Some(path.split_at(path.find('/').unwrap_or(path.len())))
}

fn looks_like_date(segment: &str) -> bool {
    let shape = b"dddd-dd-dd";
    segment.len() == shape.len()
        && segment
            .bytes()
            .zip(shape)
            .all(|(byte, sign)| if *sign == b'd' { byte.is_ascii_digit() } else { byte == *sign })
}

/// What answers need beside the thing itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Names, pauses and the project.
    pub configuration: &'a Configuration,
    /// Whose shapes are asked for.
    pub version: Version,
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

    /// A shape as its version has it.
    fn adapted(&self, shape: Value, oldest: fn(Value) -> Value, newest: fn(Value) -> Value) -> Value {
        match self.version.profile {
            Profile::V2024_03_01 => oldest(shape),
            Profile::V2025_07_01 => shape,
            Profile::V2026_09_01 => newest(shape),
        }
    }
}

/// Where a version differs in nothing.
const fn same(shape: Value) -> Value {
    shape
}

/// A source.
#[must_use]
pub fn source(context: Context<'_>, of: &Source) -> Value {
    context.adapted(v2025_07_01::source(context, of), v2024_03_01::source, same)
}

/// A destination; its credentials are masked unless they are asked for.
#[must_use]
pub fn destination(context: Context<'_>, of: &Destination) -> Value {
    context.adapted(v2025_07_01::destination(context, of), v2024_03_01::destination, v2026_09_01::destination)
}

/// A connection with its source and destination.
#[must_use]
pub fn connection(context: Context<'_>, of: &Connection) -> Value {
    context.adapted(v2025_07_01::connection(context, of), v2024_03_01::connection, v2026_09_01::connection)
}

/// A request, as lists show it.
#[must_use]
pub fn request(context: Context<'_>, of: &RequestSummary) -> Value {
    context.adapted(v2025_07_01::request(context, of), v2024_03_01::request, same)
}

/// A request, with its data where that was read.
#[must_use]
pub fn request_row(context: Context<'_>, of: &RequestRow) -> Value {
    context.adapted(v2025_07_01::request_row(context, of), v2024_03_01::request, same)
}

/// A request with its data; null where its bytes are damaged or gone.
#[must_use]
pub fn request_with_data(context: Context<'_>, of: &RequestSummary, data: Option<&Request>) -> Value {
    context.adapted(v2025_07_01::request_with_data(context, of, data), v2024_03_01::request, same)
}

/// An event.
#[must_use]
pub fn event(context: Context<'_>, of: &Event) -> Value {
    context.adapted(v2025_07_01::event(context, of), v2024_03_01::event, v2026_09_01::event)
}

/// An event, with the data of its request where that was read; null where its bytes are damaged, erased or gone.
#[must_use]
pub fn event_row(context: Context<'_>, of: &EventRow) -> Value {
    context.adapted(v2025_07_01::event_row(context, of), v2024_03_01::event, v2026_09_01::event)
}

/// What a retry is answered with: the event, and in the oldest version also the attempt that was asked for.
#[must_use]
pub fn retried(context: Context<'_>, of: &Event, attempt_of: Option<&AttemptRow>) -> Value {
    match context.version.profile {
        Profile::V2024_03_01 => json!({
            "event": event(context, of),
            "attempt": attempt_of.map(|row| attempt(context, row)),
        }),
        Profile::V2025_07_01 | Profile::V2026_09_01 => event(context, of),
    }
}

/// An attempt.
#[must_use]
pub fn attempt(context: Context<'_>, of: &AttemptRow) -> Value {
    context.adapted(v2025_07_01::attempt(context, of), v2024_03_01::attempt, same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_picks_the_newest_profile_that_is_not_younger() {
        for (path, profile) in [
            ("/1999-12-31/events", Profile::V2024_03_01),
            ("/2024-03-01/events", Profile::V2024_03_01),
            ("/2024-09-01/events", Profile::V2024_03_01),
            ("/2025-01-01/events", Profile::V2025_07_01),
            ("/2025-07-01/events", Profile::V2025_07_01),
            ("/2026-08-31/events", Profile::V2025_07_01),
            ("/2026-09-01/events", Profile::V2026_09_01),
            ("/2031-01-01/events", Profile::V2026_09_01),
        ] {
            let (version, rest) = Version::split(path).unwrap();
            assert_eq!((version.profile, version.dated, rest), (profile, true, "/events"), "{path}");
        }
        assert_eq!(Version::split("/events/x").unwrap(), (Version::NEWEST, "/events/x"));
        assert_eq!(Version::split("/2025-07-01").unwrap().1, "");
        assert_eq!(Version::split("/2025-13-01/events").unwrap_err().code(), "NOT_FOUND");
    }
}
