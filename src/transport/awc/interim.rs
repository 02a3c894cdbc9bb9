//! Takes interim answers (`100`, `103`, …) out of what a destination sends, because awc takes the first answer for the
//! final one. Pure: bytes in, bytes out. It never looks behind the first line of a final answer.

use std::io;

/// Bytes of interim answers before one final answer: enough for early hints, little enough to wait for.
const INTERIM_BYTES_MAX: usize = 64 * 1024;
/// `HTTP/1.1 100`: where an interim answer is told from a final one. `?` is a digit.
const BEGINNING: &[u8; 12] = b"HTTP/1.? 1??";
/// Begins with a one, but nothing follows it on this connection that would be an answer to us.
const SWITCHING_PROTOCOLS: &[u8; 3] = b"101";
const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

/// What becomes of bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// They are part of the final answer, just as they came.
    Pass,
    /// The filter has them; what of them is to pass comes from [`InterimFilter::held`].
    Kept,
}

/// Where in an answer a connection is.
#[derive(Debug)]
pub(super) struct InterimFilter {
    /// The final answer has begun: everything passes.
    passing: bool,
    held: Vec<u8>,
    /// Bytes of interim answers that were taken out since the request.
    dropped: usize,
}

impl InterimFilter {
    pub(super) const fn new() -> Self {
        Self { passing: false, held: Vec::new(), dropped: 0 }
    }

    /// A request is being written: the next bytes that come begin an answer.
    pub(super) fn request(&mut self) {
        if self.passing {
            *self = Self::new();
        }
    }

    /// Sees what was read; in order, and only while nothing of [`held`](Self::held) is to pass.
    ///
    /// # Errors
    ///
    /// When there is no end of interim answers.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<Taken> {
        if self.passing || (self.held.is_empty() && final_answer(bytes)) {
            self.passing = true;
            return Ok(Taken::Pass);
        }
        self.held.extend_from_slice(bytes);
        while interim_answer(&self.held) {
            let Some(end) = self.held.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) else {
                break;
            };
            let length = end + END_OF_HEAD.len();
            self.held.drain(..length);
            self.dropped += length;
        }
        if self.dropped + self.held.len() > INTERIM_BYTES_MAX && !final_answer(&self.held) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "only interim answers came, and too many of them"));
        }
        self.passing = final_answer(&self.held);
        Ok(Taken::Kept)
    }

    /// Nothing more comes: what was held back is all there is.
    pub(super) fn end(&mut self) {
        self.passing = true;
    }

    /// What was held back and is to pass now; the caller removes what it took.
    pub(super) fn held(&mut self) -> Option<&mut Vec<u8>> {
        (self.passing && !self.held.is_empty()).then_some(&mut self.held)
    }
}

/// Whether it is certain that these bytes do not begin an interim answer.
fn final_answer(bytes: &[u8]) -> bool {
    let fits = bytes.iter().zip(BEGINNING).all(|(byte, pattern)| match pattern {
        b'?' => byte.is_ascii_digit(),
        exact => byte == exact,
    });
    !fits || bytes.get(9..12).is_some_and(|status| status == SWITCHING_PROTOCOLS)
}

/// Whether it is certain that they do.
fn interim_answer(bytes: &[u8]) -> bool {
    bytes.len() >= BEGINNING.len() && !final_answer(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends `pieces` through a new filter, then the end.
    fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
        let (mut filter, mut out) = (InterimFilter::new(), Vec::new());
        for piece in pieces {
            if filter.take(piece)? == Taken::Pass {
                out.extend_from_slice(piece);
            }
            out.append(filter.held().unwrap_or(&mut Vec::new()));
        }
        filter.end();
        out.append(filter.held().unwrap_or(&mut Vec::new()));
        Ok(out)
    }

    const FINAL: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 in a body\r\n\r\n";

    #[test]
    fn interim_answers_are_taken_out_and_nothing_else() {
        let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        assert_eq!(filtered([b"HTTP/1.1 100 Continue\r\n\r\n", &hints[..], FINAL]).unwrap(), FINAL);
        for untouched in
            [FINAL, b"", b"HTTP/1.1 1", b"220 smtp", b"HTTP/1.1 101 Switching Protocols\r\n\r\nx", b"HTTP/2"]
        {
            assert_eq!(filtered([untouched]).unwrap(), untouched);
        }
        // Cut off in the middle: shown as it came, for the parser to complain about.
        assert_eq!(filtered([&b"HTTP/1.1 100 Cont"[..]]).unwrap(), b"HTTP/1.1 100 Cont");
    }

    #[test]
    fn interim_answers_have_an_end() {
        let interim = b"HTTP/1.1 102 Processing\r\n\r\n";
        let fit = INTERIM_BYTES_MAX / interim.len();
        assert_eq!(filtered(std::iter::repeat_n(&interim[..], fit).chain([FINAL])).unwrap(), FINAL);
        assert!(filtered(std::iter::repeat_n(&interim[..], fit + 1)).is_err());
        assert!(filtered([b"HTTP/1.1 100 C\r\nx: ", vec![b'y'; INTERIM_BYTES_MAX].as_slice()]).is_err());
    }

    #[test]
    fn every_request_begins_anew() {
        let mut filter = InterimFilter::new();
        for _ in 0..3 {
            filter.request();
            assert_eq!(filter.take(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap(), Taken::Kept);
            assert!(filter.held().is_none());
            assert_eq!(filter.take(FINAL).unwrap(), Taken::Pass);
            assert_eq!(filter.take(b"HTTP/1.1 100 rest of the body").unwrap(), Taken::Pass);
        }
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(interims in 0..4usize, cuts in prop::collection::vec(0..200usize, 0..8)) {
            let mut bytes = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(interims);
            bytes.extend(FINAL);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            prop_assert_eq!(filtered(pieces).unwrap(), FINAL);
        }
    }
}
