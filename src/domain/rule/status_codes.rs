//! `response_status_codes` of a retry rule: which answers are tried again.
//!
//! An expression is `404`, `!404`, `500-599` or `>=400` (`>`, `<`, `<=`, `=`). They are read in order and the last one that
//! says something about a status wins. A list of nothing but exclusions means every other answer that is not a 2xx.
//! (The hosted gateway then repeats successes, too; nobody wants that.)

use std::fmt;

/// Expressions in a rule at most: the API's limit.
pub const EXPRESSIONS_MAX: usize = 10;

/// One expression. Shown as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCodes {
    text: String,
    excludes: bool,
    /// First and last status it is about.
    range: (u16, u16),
}

impl StatusCodes {
    /// Reads one expression; `None` when it is none. Statuses are from 200 to 599.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const LAST: u16 = 599;
        let signs = text.find(|sign| !matches!(sign, '>' | '<' | '=' | '!')).unwrap_or(text.len());
        let (sign, rest) = text.split_at(signs);
        let (excludes, range) = match (sign, rest.split_once('-')) {
            ("", Some((first, last))) => (false, (status(first)?, status(last)?)),
            (_, Some(_)) => return None,
            ("" | "=" | "==", None) => (false, (status(rest)?, status(rest)?)),
            ("!", None) => (true, (status(rest)?, status(rest)?)),
            (">", None) => (false, (status(rest)? + 1, LAST)),
            (">=" | "=>", None) => (false, (status(rest)?, LAST)),
            ("<", None) => (false, (0, status(rest)? - 1)),
            ("<=" | "=<", None) => (false, (0, status(rest)?)),
            _ => return None,
        };
        Some(Self { text: text.to_owned(), excludes, range })
    }

    /// Whether an answer is tried again; `None` when no expression is about it.
    fn verdict(list: &[Self], status: u16) -> Option<bool> {
        let about = |one: &&Self| (one.range.0..=one.range.1).contains(&status);
        list.iter().rfind(about).map(|one| !one.excludes)
    }

    /// Whether an answer is tried again. An empty list takes every one that is not a 2xx.
    #[must_use]
    pub fn take(list: &[Self], status: u16) -> bool {
        let only_exclusions = list.iter().all(|one| one.excludes);
        Self::verdict(list, status).unwrap_or(only_exclusions && !(200..300).contains(&status))
    }
}

/// Three digits from 200 to 599.
fn status(text: &str) -> Option<u16> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| digits && (200..600).contains(status))
}

impl fmt::Display for StatusCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<StatusCodes> {
        texts.iter().map(|text| StatusCodes::parse(text).unwrap()).collect()
    }

    #[test]
    fn the_last_expression_about_a_status_wins() {
        let cases: [(&[&str], u16, bool); 14] = [
            (&[], 404, true),
            (&[], 204, false),
            (&["500-599"], 503, true),
            (&["500-599"], 404, false),
            (&["500-599", "!501"], 501, false),
            (&["!501", "500-599"], 501, true),
            (&[">=400", "!404", "404"], 404, true),
            (&["!404"], 404, false),
            (&["!404"], 500, true),
            (&["!404"], 200, false),
            (&["200"], 200, true),
            (&["<300"], 204, true),
            (&[">499"], 499, false),
            (&["=429"], 429, true),
        ];
        for (texts, status, taken) in cases {
            assert_eq!(StatusCodes::take(&list(texts), status), taken, "{texts:?} {status}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_and_what_is_one_shows_as_given() {
        for text in ["", "40", "4040", "199", "600", "abc", "400-", "-500", "!400-500", "!!404", "<>404", ">", "+40"] {
            assert_eq!(StatusCodes::parse(text), None, "{text}");
        }
        for text in ["404", "!404", "400-599", ">=400", "<500", "==418", "599-400"] {
            assert_eq!(StatusCodes::parse(text).unwrap().to_string(), text);
        }
    }
}
