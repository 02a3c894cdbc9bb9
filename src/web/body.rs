//! Reading a body: within a limit, a budget and a deadline, with as little copying as is good.

use std::time::Duration;

use actix_web::{
    error::PayloadError,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::error::ApiError;
use crate::ingress::BodyPermit;

/// A body that is not there after this is not coming: slow mobile networks need seconds for 10 MiB, attackers hours.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// A lone chunk below this is copied: it is a slice of the connection's read buffer, which it would keep in memory
/// whole for as long as the body is kept.
const COPY_BELOW_BYTES: usize = 16 * 1024;

/// What a body may take.
#[derive(Debug)]
pub struct Limits<'a> {
    /// Bytes of the body.
    pub bytes_max: usize,
    /// Where its memory is accounted for, if it is.
    pub permit: Option<&'a mut BodyPermit>,
}

/// Reads the whole body.
///
/// # Errors
///
/// 413 above the limit (at once when it is announced), 503 above the budget, 408 after [`BODY_DEADLINE`], 400 when
/// the client leaves before the end.
pub async fn read<S>(headers: &HeaderMap, body: S, limits: Limits<'_>) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    // The length that actix reads by is this one, or none when the body comes in chunks.
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.bytes_max as u64) {
        return Err(ApiError::body_too_large(limits.bytes_max));
    }
    if announced.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
        // No body by HTTP's rules; actix would wait for one when the head asks for an upgrade.
        return Ok(Bytes::new());
    }
    let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    match tokio::time::timeout(BODY_DEADLINE, collect(body, limits, announced)).await {
        Ok(body) => body,
        Err(_) => Err(ApiError::body_timeout(BODY_DEADLINE.as_secs())),
    }
}

async fn collect<S>(mut body: S, mut limits: Limits<'_>, announced: usize) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut room = limits.bytes_max;
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| ApiError::malformed(format!("the body did not arrive whole: {error}")))?;
        room = room.checked_sub(chunk.len()).ok_or_else(|| ApiError::body_too_large(limits.bytes_max))?;
        if limits.permit.as_mut().is_some_and(|permit| !permit.grow(chunk.len())) {
            return Err(ApiError::unavailable("OVERLOADED", "too many bodies are in memory: try again in a moment"));
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&chunk),
            None if first.is_empty() => first = chunk,
            None => {
                // The announced length is bounded above, but it is only a promise: it is not reserved at once.
                let mut joined = BytesMut::with_capacity(announced.min(2 * (first.len() + chunk.len())));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&chunk);
                rest = Some(joined);
            }
        }
    }
    Ok(match rest {
        Some(rest) => rest.freeze(),
        None if first.len() < COPY_BELOW_BYTES => Bytes::copy_from_slice(&first),
        None => first,
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use futures_util::stream;

    use super::*;
    use crate::ingress::BodyBudget;

    async fn read_chunks(
        chunks: &[&'static str],
        announced: Option<&str>,
        bytes_max: usize,
    ) -> Result<Bytes, ApiError> {
        let mut headers = HeaderMap::new();
        match announced {
            Some(announced) => headers.insert(CONTENT_LENGTH, HeaderValue::from_str(announced).unwrap()),
            None => headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        };
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        read(&headers, stream::iter(chunks), Limits { bytes_max, permit: None }).await
    }

    fn chunked() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers
    }

    #[actix::test]
    async fn without_a_length_and_without_chunks_there_is_no_body_to_wait_for() {
        let never = stream::pending();
        assert_eq!(read(&HeaderMap::new(), never, Limits { bytes_max: 9, permit: None }).await.unwrap(), "");
    }

    #[actix::test]
    async fn chunks_are_joined_up_to_the_limit() {
        assert_eq!(read_chunks(&[], None, 3).await.unwrap(), "");
        assert_eq!(read_chunks(&["abc"], Some("3"), 3).await.unwrap(), "abc");
        assert_eq!(read_chunks(&["a", "", "b", "c"], None, 3).await.unwrap(), "abc");
        assert_eq!(read_chunks(&["ab", "cd"], None, 3).await.unwrap_err().code(), "PAYLOAD_TOO_LARGE");
        assert_eq!(read_chunks(&[], Some("4"), 3).await.unwrap_err().code(), "PAYLOAD_TOO_LARGE");
        let huge = u64::MAX.to_string();
        assert_eq!(read_chunks(&[], Some(&huge), 3).await.unwrap_err().code(), "PAYLOAD_TOO_LARGE");
    }

    #[actix::test]
    async fn a_broken_body_is_the_clients_fault() {
        let broken = stream::iter([Ok(Bytes::from_static(b"a")), Err(PayloadError::Incomplete(None))]);
        let error = read(&chunked(), broken, Limits { bytes_max: 9, permit: None }).await.unwrap_err();
        assert_eq!(error.code(), "BAD_REQUEST");
    }

    #[actix::test]
    async fn a_body_over_the_budget_is_refused_and_leaves_nothing_behind() {
        let budget = BodyBudget::new(5);
        let mut permit = budget.permit();
        let chunks = stream::iter(["abc", "def"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        let limits = Limits { bytes_max: 100, permit: Some(&mut permit) };
        assert_eq!(read(&chunked(), chunks, limits).await.unwrap_err().code(), "OVERLOADED");
        drop(permit);
        assert_eq!(budget.used(), 0);
    }

    #[actix::test]
    async fn a_body_that_never_ends_is_given_up() {
        tokio::time::pause();
        let error = read(&chunked(), stream::pending(), Limits { bytes_max: 9, permit: None }).await.unwrap_err();
        assert_eq!(error.code(), "REQUEST_TIMEOUT");
    }
}
