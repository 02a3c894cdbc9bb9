//! Putting an event's whole history into one record.

use bytes::Bytes;

use super::{StoredAttempt, StoredCarried, StoredEvent, StoredRequest, encode};
use crate::domain::{AttemptRecord, Event, Ignored, Request};

/// The record of an event with its request, the connections that made no event of that, and the details of its attempts, as
/// far as they are known.
#[must_use]
pub fn carried(
    event: &Event,
    request: Option<(&Request, &[Ignored])>,
    records: &[Option<AttemptRecord>],
) -> (Vec<u8>, Vec<Bytes>) {
    let body = request.map_or_else(Bytes::new, |(request, _)| request.body.clone());
    let mut blob = vec![body.clone()];
    let mut attempts = Vec::new();
    for record in records {
        attempts.push(record.as_ref().map(|record| {
            let (stored, headers) = StoredAttempt::new(record);
            blob.extend([Bytes::from(headers), record.response_body.clone()]);
            stored
        }));
    }
    let meta = encode(&StoredCarried {
        request: request.map(|(request, ignored)| StoredRequest::new(request, &[], ignored, None)),
        body_len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        event: StoredEvent::from(event),
        attempts,
    });
    (meta, blob)
}
