//! What journal records hold: the stored family of types, apart from the domain's and the wire's.
//!
//! A record is a *meta*, a postcard value of one of the types here, and a *blob*. [`FORMAT`] stands in each record's
//! header: a change of shape gets a new number and a conversion ([`v1`], [`v2`], [`Stored`]); a number that is newer than ours is refused.
//!
//! For the next format: copy the shapes that change to `v3.rs`, give them conversions to the new ones, chain `v2` to
//! `v3`, and make a fixture of it (`tests/fixtures`). Until a release has written a format, its shapes may grow as they are.

mod carried;
mod config;
mod destination;
mod document;
mod event;
mod request;
pub mod v1;
pub mod v2;

pub use carried::carried;
pub use config::{StoredItem, StoredItems};
pub use document::{StoredContent, StoredDocument};
pub use event::{StoredAttempt, StoredCarried, StoredEvent, StoredGone, StoredOutcome};
pub use request::StoredRequest;

use serde::{Serialize, de::DeserializeOwned};

use crate::domain::Timestamp;

/// The shape of the values in this module.
pub const FORMAT: u8 = 3;

/// A value that is read in every shape it ever had.
pub trait Stored: DeserializeOwned {
    /// Its shape in format 1; that of format 2 where it was the same.
    type V1: DeserializeOwned + Into<Self::V2>;
    /// Its shape in format 2; itself where that was the same.
    type V2: DeserializeOwned + Into<Self>;
}

impl Stored for StoredRequest<'_> {
    type V1 = v1::Request;
    type V2 = v2::Request;
}

impl Stored for StoredOutcome<'_> {
    type V1 = v1::Outcome;
    type V2 = v2::Outcome;
}

impl Stored for StoredEvent {
    type V1 = v1::Event;
    type V2 = v2::Event;
}

impl Stored for StoredItems {
    type V1 = v1::Items;
    type V2 = v2::Items;
}

impl Stored for StoredGone {
    type V1 = Self;
    type V2 = Self;
}

impl Stored for StoredCarried<'_> {
    type V1 = v1::Carried;
    type V2 = v2::Carried;
}

/// There were none before format 3.
impl Stored for StoredDocument<'_> {
    type V1 = Self;
    type V2 = Self;
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request with its fan-out; blob: its body.
    Request = 1,
    /// An event after an attempt; blob: response headers, response body.
    Outcome = 2,
    /// An event after a transition without an attempt.
    Change = 3,
    /// Configuration items.
    Config = 4,
    /// Events that are no more.
    Gone = 5,
    /// An event's whole history, from a segment that went; blob: body, then each attempt's blob.
    Carried = 6,
    /// A document, or that one is no more; blob: the body of the request attached to it.
    Document = 7,
}

impl Kind {
    /// Reads it from a record's header.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Request),
            2 => Some(Self::Outcome),
            3 => Some(Self::Change),
            4 => Some(Self::Config),
            5 => Some(Self::Gone),
            6 => Some(Self::Carried),
            7 => Some(Self::Document),
            _ => None,
        }
    }
}

/// Why a record that passed its checksum cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer hookgate.
    #[error("record format {0} is newer than this hookgate understands: start it with the version that wrote it")]
    Newer(u8),
    /// Not what its kind says.
    #[error("a record of kind {kind} cannot be read: {why}")]
    Shape {
        /// The kind as stored.
        kind: u8,
        /// What the decoder said.
        why: String,
    },
}

/// Encodes a meta.
///
/// # Panics
///
/// Never: every type here can be encoded.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, Vec::with_capacity(256)).expect("stored types encode into memory")
}

/// Decodes a meta of a record with this kind and format.
///
/// # Errors
///
/// [`RecordError`] when the format is newer or the shape another.
pub fn decode<T: Stored>(kind: u8, format: u8, meta: &[u8]) -> Result<T, RecordError> {
    let decoded = match format {
        1 => postcard::from_bytes::<T::V1>(meta).map(|old| old.into().into()),
        2 => postcard::from_bytes::<T::V2>(meta).map(Into::into),
        FORMAT => postcard::from_bytes(meta),
        newer if newer > FORMAT => return Err(RecordError::Newer(newer)),
        unknown => return Err(RecordError::Shape { kind, why: format!("there is no format {unknown}") }),
    };
    decoded.map_err(|error| RecordError::Shape { kind, why: error.to_string() })
}

/// A moment as it is stored.
fn moment(at: i64) -> Timestamp {
    Timestamp::from_ms(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_newer_or_never_was_is_refused() {
        let meta = encode(&StoredGone { ranges: vec![(1, 2)] });
        let read = |format| decode::<StoredGone>(5, format, &meta);
        assert!(read(1).is_ok() && read(FORMAT).is_ok());
        assert_eq!(read(FORMAT + 1), Err(RecordError::Newer(FORMAT + 1)));
        assert!(matches!(read(0), Err(RecordError::Shape { kind: 5, .. })));
    }
}
