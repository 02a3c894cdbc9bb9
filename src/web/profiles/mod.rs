//! Versions of the API: which shapes a request is answered in. Further versions are files beside [`v2025_07_01`].

mod v2025_07_01;

pub use self::v2025_07_01::{
    Context, attempt, connection, destination, event, event_with_data, ignored_event, raw_body, request,
    request_with_data, source,
};

use super::error::{ApiError, quoted};

/// A set of wire shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `2025-07-01`, and later dates until their own shapes are built.
    V2025_07_01,
}

/// The version a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its shapes.
    pub profile: Profile,
    /// Whether the path names a date. Without one, unknown parameters are refused.
    pub dated: bool,
}

impl Version {
    /// The newest, for paths without a date.
    pub const NEWEST: Self = Self { profile: Profile::V2025_07_01, dated: false };

    /// Splits the version off a path: `/2025-07-01/events` is `/events`.
    ///
    /// # Errors
    ///
    /// 501 for versions older than the oldest profile; 404 for what looks like a date and is none.
    pub fn split(path: &str) -> Result<(Self, &str), ApiError> {
        let Some((date, rest)) = first_segment(path).filter(|(segment, _)| looks_like_date(segment)) else {
            return Ok((Self::NEWEST, path));
        };
        if chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_err() {
            return Err(ApiError::not_found(format!("{} is not a version: versions are dates", quoted(date))));
        }
        // Dates of this form are in order as texts.
        if date < "2025-07-01" {
            let message = format!("version {date} of the API is not available yet: use 2025-07-01 or later");
            return Err(ApiError::not_implemented(message));
        }
        Ok((Self { profile: Profile::V2025_07_01, dated: true }, rest))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_picks_the_newest_profile_that_is_not_younger() {
        for path in ["/2025-07-01/events", "/2026-09-01/events"] {
            let (version, rest) = Version::split(path).unwrap();
            assert_eq!((version.profile, version.dated, rest), (Profile::V2025_07_01, true, "/events"));
        }
        assert_eq!(Version::split("/events/x").unwrap(), (Version::NEWEST, "/events/x"));
        assert_eq!(Version::split("/2025-07-01").unwrap().1, "");
        assert_eq!(Version::split("/2024-03-01/events").unwrap_err().code(), "NOT_IMPLEMENTED");
        assert_eq!(Version::split("/2025-13-01/events").unwrap_err().code(), "NOT_FOUND");
    }
}
