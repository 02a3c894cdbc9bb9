//! Bodies that say which request they are and when they were sent, rewritten in place so that making one is free.

/// Digits of each figure in a body.
const DIGITS: usize = 16;
const NUMBER_AT: usize = br#"{"number":""#.len();
const SENT_AT: usize = NUMBER_AT + DIGITS + br#"","sent_us":""#.len();
const PAD_AT: usize = SENT_AT + DIGITS + br#"","pad":""#.len();
/// The smallest body that holds all figures.
const BYTES_MIN: usize = PAD_AT + br#""}"#.len();

/// A JSON object `{"number", "sent_us", "pad"}` of fixed length.
#[derive(Debug, Clone)]
pub struct NumberedBody(Vec<u8>);

impl NumberedBody {
    /// Makes a template of `bytes`, or of the smallest possible length when that is more.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let zeros = "0".repeat(DIGITS);
        let pad = "x".repeat(bytes.saturating_sub(BYTES_MIN));
        Self(format!(r#"{{"number":"{zeros}","sent_us":"{zeros}","pad":"{pad}"}}"#).into_bytes())
    }

    /// The template itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A small body with this number, for tests that send one by one.
    #[must_use]
    pub fn numbered(number: u64) -> Vec<u8> {
        let Self(mut body) = Self::new(BYTES_MIN);
        Self::stamp(&mut body, number, 0);
        body
    }

    /// Writes both figures into a body made from a template.
    pub fn stamp(body: &mut [u8], number: u64, sent_us: u64) {
        write_digits(&mut body[NUMBER_AT..NUMBER_AT + DIGITS], number);
        write_digits(&mut body[SENT_AT..SENT_AT + DIGITS], sent_us);
    }

    /// The number in a body, `None` when it is not one of these.
    #[must_use]
    pub fn number(body: &[u8]) -> Option<u64> {
        read_digits(body.get(NUMBER_AT..NUMBER_AT + DIGITS)?)
    }

    /// When it was sent, in microseconds of the sender's clock.
    #[must_use]
    pub fn sent_us(body: &[u8]) -> Option<u64> {
        read_digits(body.get(SENT_AT..SENT_AT + DIGITS)?)
    }
}

fn write_digits(place: &mut [u8], mut figure: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(figure % 10).unwrap_or(0);
        figure /= 10;
    }
}

fn read_digits(place: &[u8]) -> Option<u64> {
    place.iter().try_fold(0, |figure: u64, byte| byte.is_ascii_digit().then(|| figure * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_body_is_json_of_the_asked_length_and_gives_its_figures_back() {
        let template = NumberedBody::new(1024);
        let mut body = template.as_bytes().to_vec();
        NumberedBody::stamp(&mut body, 42, 1_790_000_000_123_456);
        assert_eq!(body.len(), 1024);
        assert_eq!(NumberedBody::number(&body), Some(42));
        assert_eq!(NumberedBody::sent_us(&body), Some(1_790_000_000_123_456));
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["number"], "0000000000000042");
    }

    #[test]
    fn a_strange_body_has_no_number() {
        assert_eq!(NumberedBody::number(b"hello"), None);
        assert_eq!(NumberedBody::number(&[b'x'; 200]), None);
    }
}
