//! Reading a body: within a limit, a budget and a deadline, with as little copying as is good; and answering without
//! having read it whole.

use std::{
    convert::Infallible,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    error::PayloadError,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    web::Payload,
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use crate::ingress::BodyPermit;

/// How long a body may stand still: a few packets lost in a row on a bad network.
pub const STILL_MAX: Duration = Duration::from_secs(10);
/// A lone chunk below this is copied: it is a slice of the connection's read buffer, which it would keep in memory
/// whole for as long as the body is kept.
const COPY_BELOW_BYTES: usize = 16 * 1024;

/// How fast a body must come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time for all of it.
    pub timeout: Duration,
    /// Bytes a second, once [`STILL_MAX`] has passed; 0 for none.
    pub bytes_per_s_min: u64,
}

impl Default for Pace {
    /// Slow mobile networks need seconds for 10 MiB, attackers take hours.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), bytes_per_s_min: 240 }
    }
}

/// What a body may take.
#[derive(Debug)]
pub struct Limits<'a> {
    /// Bytes of the body.
    pub bytes_max: usize,
    /// Where its memory is accounted for, if it is.
    pub permit: Option<&'a mut BodyPermit>,
    /// Time.
    pub pace: Pace,
}

/// What was read of a body.
#[derive(Debug)]
pub struct Received {
    /// Its beginning, or all of it.
    pub bytes: Bytes,
    /// Why it is not all of it.
    pub cut: Option<Cut>,
}

/// Why reading ended before the body did.
#[derive(Debug)]
pub enum Cut {
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// There is no memory for it.
    NoMemory,
    /// It was not there after this time.
    TooLate(Duration),
    /// It came slower than this many bytes a second, or not at all.
    TooSlow(u64),
    /// The client left, or what it sends is no body.
    Broken(PayloadError),
}

impl From<Cut> for ApiError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TooLarge(bytes_max) => Self::body_too_large(bytes_max),
            Cut::NoMemory => Self::unavailable("OVERLOADED", "too many bodies are in memory: try again in a moment"),
            Cut::TooLate(timeout) => {
                let ms = timeout.as_millis();
                Self::body_timeout(format!("the body did not arrive within {ms} ms: send it again"))
            }
            Cut::TooSlow(bytes) => {
                Self::body_timeout(format!("the body came with less than {bytes} bytes a second: send it again"))
            }
            Cut::Broken(error) => Self::malformed(format!("the body did not arrive whole: {error}")),
        }
    }
}

/// The length that a head announces: the one that actix reads by, or none when the body comes in chunks.
#[must_use]
pub fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Reads the whole body.
///
/// # Errors
///
/// 413 above the limit (at once when it is announced), 503 above the budget, 408 when it comes too slowly, 400 when
/// the client leaves before the end.
pub async fn read<S>(headers: &HeaderMap, body: S, limits: Limits<'_>) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    if announced_bytes(headers).is_some_and(|length| length > limits.bytes_max as u64) {
        return Err(ApiError::body_too_large(limits.bytes_max));
    }
    let received = receive(headers, body, limits).await;
    received.cut.map_or(Ok(received.bytes), |cut| Err(cut.into()))
}

/// Reads a body as far as it may be read.
pub async fn receive<S>(headers: &HeaderMap, mut body: S, mut limits: Limits<'_>) -> Received
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let announced = announced_bytes(headers);
    if announced.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
        // No body by HTTP's rules; actix would wait for one when the head asks for an upgrade.
        return Received { bytes: Bytes::new(), cut: None };
    }
    let mut joined = Joined::new(announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
    let mut room = limits.bytes_max;
    let mut patience = Patience::new(limits.pace);
    let cut = loop {
        let mut chunk = match timeout_at(patience.ends_at(), body.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => break Some(Cut::Broken(error)),
            Ok(None) => break None,
            Err(_) => break Some(patience.ended()),
        };
        patience.restore(chunk.len());
        let is_over = chunk.len() > room;
        chunk.truncate(room);
        room -= chunk.len();
        if limits.permit.as_mut().is_some_and(|permit| !permit.grow(chunk.len())) {
            break Some(Cut::NoMemory);
        }
        joined.push(chunk);
        if is_over {
            break Some(Cut::TooLarge(limits.bytes_max));
        }
    };
    Received { bytes: joined.into_bytes(), cut }
}

/// How long to wait for more: every byte gives some time back, never more than a body may stand still.
struct Patience {
    pace: Pace,
    whole: Instant,
    still: Instant,
}

impl Patience {
    fn new(pace: Pace) -> Self {
        let now = Instant::now();
        Self { pace, whole: now + pace.timeout, still: now + STILL_MAX }
    }

    fn ends_at(&self) -> Instant {
        if self.pace.bytes_per_s_min == 0 { self.whole } else { self.whole.min(self.still) }
    }

    fn restore(&mut self, bytes: usize) {
        let given = (bytes as u64).saturating_mul(1_000_000).checked_div(self.pace.bytes_per_s_min);
        if let Some(given) = given {
            self.still = (self.still + Duration::from_micros(given)).min(Instant::now() + STILL_MAX);
        }
    }

    fn ended(&self) -> Cut {
        if self.ends_at() < self.whole {
            Cut::TooSlow(self.pace.bytes_per_s_min)
        } else {
            Cut::TooLate(self.pace.timeout)
        }
    }
}

/// Chunks put together: a lone one is not copied, others are joined as they come.
struct Joined {
    announced: usize,
    first: Bytes,
    rest: Option<BytesMut>,
}

impl Joined {
    fn new(announced: usize) -> Self {
        Self { announced, first: Bytes::new(), rest: None }
    }

    fn push(&mut self, chunk: Bytes) {
        match &mut self.rest {
            Some(rest) => rest.extend_from_slice(&chunk),
            None if self.first.is_empty() => self.first = chunk,
            None => {
                // The announced length is bounded, but it is only a promise: it is not reserved at once.
                let mut joined = BytesMut::with_capacity(self.announced.min(2 * (self.first.len() + chunk.len())));
                joined.extend_from_slice(&self.first);
                joined.extend_from_slice(&chunk);
                self.rest = Some(joined);
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self.rest {
            Some(rest) => rest.freeze(),
            None if self.first.len() < COPY_BELOW_BYTES => Bytes::copy_from_slice(&self.first),
            None => self.first,
        }
    }
}

/// An answer to a request whose body may not have been read to its end: the connection is closed then, within a second.
///
/// What is left of a body whose reader is gone actix reads and throws away, and a body in chunks, for which no length was
/// promised, for as long as the client likes. As long as there is a reader it closes the connection instead: so the
/// answer carries the reader with it.
#[must_use]
pub fn answer_early(answer: HttpResponse, unread: Payload) -> HttpResponse {
    answer.map_body(|_, body| match body.try_into_bytes() {
        Ok(text) => BoxBody::new(Early { text, _unread: unread }),
        Err(body) => body,
    })
}

struct Early {
    text: Bytes,
    _unread: Payload,
}

impl MessageBody for Early {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let text = mem::take(&mut self.text);
        Poll::Ready((!text.is_empty()).then_some(Ok(text)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use futures_util::stream;

    use super::*;
    use crate::ingress::BodyBudget;

    const NINE: Limits<'_> =
        Limits { bytes_max: 9, permit: None, pace: Pace { timeout: Duration::from_secs(30), bytes_per_s_min: 10 } };

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
        read(&headers, stream::iter(chunks), Limits { bytes_max, permit: None, pace: Pace::default() }).await
    }

    fn chunked() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers
    }

    #[actix::test]
    async fn without_a_length_and_without_chunks_there_is_no_body_to_wait_for() {
        let never = stream::pending();
        assert_eq!(read(&HeaderMap::new(), never, NINE).await.unwrap(), "");
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
        let error = read(&chunked(), broken, NINE).await.unwrap_err();
        assert_eq!(error.code(), "BAD_REQUEST");
    }

    #[actix::test]
    async fn a_body_over_the_budget_is_refused_and_leaves_nothing_behind() {
        let budget = BodyBudget::new(5);
        let mut permit = budget.permit();
        let chunks = stream::iter(["abc", "def"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        let limits = Limits { bytes_max: 100, permit: Some(&mut permit), pace: Pace::default() };
        assert_eq!(read(&chunked(), chunks, limits).await.unwrap_err().code(), "OVERLOADED");
        drop(permit);
        assert_eq!(budget.used(), 0);
    }

    /// A body of this many chunks of one byte, one each interval, and then silence; with how long it was read.
    async fn read_slowly(chunks: usize, interval: Duration, pace: Pace) -> (Received, Duration) {
        let slow = stream::iter(0..chunks)
            .then(|_| async move {
                tokio::time::sleep(interval).await;
                Ok(Bytes::from_static(b"x"))
            })
            .chain(stream::pending());
        let begun = Instant::now();
        let received = receive(&chunked(), Box::pin(slow), Limits { bytes_max: 10_000, permit: None, pace }).await;
        (received, begun.elapsed())
    }

    #[actix::test]
    async fn a_body_that_stands_still_is_given_up() {
        tokio::time::pause();
        let pace = Pace { timeout: Duration::from_secs(30), bytes_per_s_min: 10 };
        for sent in [0, 1, 50] {
            let (received, took) = read_slowly(sent, Duration::from_millis(1), pace).await;
            assert!(matches!(received.cut, Some(Cut::TooSlow(10))), "{received:?}");
            assert_eq!(received.bytes.len(), sent, "what came is there");
            assert_eq!(took.as_secs(), STILL_MAX.as_secs(), "{took:?} with {sent} bytes");
        }
    }

    #[actix::test]
    async fn a_body_below_the_minimum_rate_is_given_up_and_one_above_it_is_not() {
        tokio::time::pause();
        let pace = Pace { timeout: Duration::from_secs(3600), bytes_per_s_min: 10 };
        // Five bytes a second: each second takes one and gives half a second back.
        let (received, took) = read_slowly(5000, Duration::from_millis(200), pace).await;
        assert!(matches!(received.cut, Some(Cut::TooSlow(10))), "{received:?}");
        assert!((19..=20).contains(&took.as_secs()), "{took:?}");
        let (received, took) = read_slowly(5000, Duration::from_millis(90), pace).await;
        assert_eq!(received.bytes.len(), 5000);
        // Each timer ends on the next full millisecond.
        assert!(
            (450 + STILL_MAX.as_secs()..470 + STILL_MAX.as_secs()).contains(&took.as_secs()),
            "{took:?}: silence ends it"
        );
    }

    #[actix::test]
    async fn a_body_that_is_never_whole_is_given_up_however_fast_it_comes() {
        tokio::time::pause();
        for bytes_per_s_min in [0, 10] {
            let pace = Pace { timeout: Duration::from_secs(30), bytes_per_s_min };
            let (received, took) = read_slowly(10_000, Duration::from_millis(50), pace).await;
            assert!(matches!(received.cut, Some(Cut::TooLate(_))), "{received:?}");
            assert_eq!(took.as_secs(), 30);
            assert_eq!(ApiError::from(received.cut.unwrap()).code(), "REQUEST_TIMEOUT");
        }
    }

    #[actix::test]
    async fn of_a_body_over_the_limit_the_beginning_is_there() {
        let chunks = stream::iter(["abc", "def", "ghi"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        let limits = Limits { bytes_max: 5, permit: None, pace: Pace::default() };
        let received = receive(&chunked(), chunks, limits).await;
        assert_eq!(received.bytes, "abcde");
        assert!(matches!(received.cut, Some(Cut::TooLarge(5))));
    }
}
