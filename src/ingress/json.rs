//! Whether a body is JSON. Says yes or where not; never builds anything of it and never changes it.
//!
//! Any depth is allowed: serde's skipping keeps its own stack, so a body of nothing but `[` costs memory, not the thread.

use serde::de::IgnoredAny;

/// Some senders put the mark of a UTF-8 file in front; RFC 8259 §8.1 lets a parser ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a body is not JSON, with line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJson(String);

/// Checks a body by RFC 8259: one value, in UTF-8, with space around it at most.
///
/// # Errors
///
/// What is wrong first, and where.
pub fn check(body: &[u8]) -> Result<(), NotJson> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // By itself: the parser looks only at what it needs of a string that it skips.
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(&body[..error.valid_up_to()]))?;
    serde_json::from_str(text).map(|IgnoredAny| ()).map_err(|error| NotJson(error.to_string()))
}

fn not_utf8(good: &[u8]) -> NotJson {
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    NotJson(format!("bytes that are not UTF-8 at line {line} column {column}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Far more than any thread's stack could recurse through.
    const DEEP: usize = 1_000_000;

    #[test]
    fn values_of_every_kind_are_json() {
        let good: [&[u8]; 14] = [
            b"{}",
            b" [1, 2.5e-3, -0, 1e999]\r\n\t",
            b"null",
            b"true",
            b"0",
            b"\"\"",
            br#"{"a":{"b":[{"c":"\u00e9\ud800\n\/"}]},"a":2}"#,
            "{\"ü\":\"漢字\"}".as_bytes(),
            b"\xef\xbb\xbf{}",
            b"123456789012345678901234567890",
            b"[[],{},[{}]]",
            b"\"\x7f\"",
            b"-1",
            b"[\"\\\"\"]",
        ];
        for body in good {
            assert_eq!(check(body), Ok(()), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let bad: [(&[u8], &str); 16] = [
            (b" ", "line 1 column 1"),
            (b"{\"name\":", "line 1 column 8"),
            (b"{\n  \"a\": 1,\n}", "line 3 column 1"),
            (b"{'a':1}", "line 1 column 2"),
            (b"{} {}", "line 1 column 4"),
            (b"[1,]", "line 1 column 4"),
            (b"01", "line 1 column 2"),
            (b"1.", "line 1 column 2"),
            (b"NaN", "line 1 column 1"),
            (b"\"\n\"", "line 1 column 1"),
            (b"\"\\x\"", "line 1 column 3"),
            (b"\"\\u12\"", "line 1 column"),
            (b"a=1&b=2", "line 1 column 1"),
            (b"\"caf\xe9\"", "not UTF-8 at line 1 column 5"),
            (b"[1,\n\xff", "not UTF-8 at line 2 column 1"),
            (b"\xff\xfe{\0}\0", "not UTF-8 at line 1 column 1"),
        ];
        for (body, place) in bad {
            let said = check(body).unwrap_err().to_string();
            assert!(said.contains(place), "{:?}: {said}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn depth_is_no_reason_to_refuse() {
        let nested = [vec![b'['; DEEP], vec![b']'; DEEP]].concat();
        assert_eq!(check(&nested), Ok(()));
        assert!(check(&nested[1..]).is_err() && check(&nested[..DEEP]).is_err());
        let mixed = [br#"{"a":["#.repeat(DEEP), b"]}".repeat(DEEP)].concat();
        assert_eq!(check(&mixed), Ok(()));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_parser_that_builds_values(body in "[\\[\\]{}:,\"\\\\ntrue01.e+ -]{0,24}") {
            match serde_json::from_str::<serde_json::Value>(&body) {
                Ok(_) => prop_assert_eq!(check(body.as_bytes()), Ok(())),
                // Grammar sets no limit to a number, only a parser that builds a float does.
                Err(error) if error.to_string().contains("number out of range") => {}
                Err(_) => prop_assert!(check(body.as_bytes()).is_err(), "{}", body),
            }
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(body: Vec<u8>) {
            let judged = check(&body);
            prop_assert_eq!(judged.is_ok(), serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }
}
