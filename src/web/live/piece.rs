//! The bytes of server-sent events.

use bytes::Bytes;

use crate::query::feed::Place;

/// How soon a client whose connection broke should come again, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// Why a reader must look at the lists: not everything that happened was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It did not take what it was sent.
    Behind,
    /// More happens than is sent one by one.
    Busy,
    /// Nobody knows any more what came behind the place that it named.
    TooOld,
    /// A connection was paused, disabled or let go on: its events stand differently now, which is no change of theirs.
    Configuration,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Busy => "busy",
            Self::TooOld => "too_old",
            Self::Configuration => "configuration",
        }
    }
}

/// What a stream begins with: where it begins, so that a client can go on from there.
pub(super) fn beginning(place: Place) -> Bytes {
    format!("retry: {RETRY_MS}\nid: {}\n\n", place.0).into()
}

/// Nothing, said so that connections are kept, with the place reached.
pub(super) fn heartbeat(place: Place) -> Bytes {
    format!(":\nid: {}\n\n", place.0).into()
}

/// That a reader must look at the lists.
pub(super) fn resync(place: Place, reason: Reason) -> Bytes {
    format!("id: {}\nevent: resync\ndata: {{\"reason\":\"{}\"}}\n\n", place.0, reason.as_str()).into()
}

/// Appends a shape to a piece; it is on one line, because JSON has no bare line break.
pub(super) fn append(piece: &mut Vec<u8>, place: Place, event: &str, shape: &str) {
    piece.extend_from_slice(format!("id: {}\nevent: {event}\ndata: ", place.0).as_bytes());
    piece.extend_from_slice(shape.as_bytes());
    piece.extend_from_slice(b"\n\n");
}

/// Reads `Last-Event-ID`; `None` when it is none of ours.
pub(super) fn parse_place(text: &str) -> Option<Place> {
    text.trim().parse().ok().map(Place)
}
