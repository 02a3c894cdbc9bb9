//! What must be looked up in what arrived: parts of headers, body, query and path, and a text anywhere in them.
//!
//! Bytes decide before anything is parsed: most bodies that do not match lack one of the texts that a match must have.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use memchr::{memchr, memchr2_iter, memmem::Finder};
use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};

use crate::domain::{
    Request,
    matching::{Pattern, PatternError},
};

/// Bodies above are not searched: a few of them would use up what one question may cost.
pub const SEARCHED_BODY_BYTES_MAX: usize = 2_500_000;

/// What a request must be like; what is given must all hold.
#[derive(Debug, Clone, Default)]
pub struct Content {
    term: Option<Term>,
    path: Option<String>,
    headers: Option<Pattern>,
    query: Option<Pattern>,
    body: Option<BodyPattern>,
}

/// Whether a request is like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Matches,
    /// It is not.
    Differs,
    /// Its body is too large to look, or the pattern takes too long on it.
    NotSearched,
}

impl Content {
    /// Asks for a text in body, headers, query or path, whatever the case of ASCII letters.
    pub fn with_term(&mut self, term: &str) {
        self.term = Some(Term(term.to_ascii_lowercase().into_bytes()));
    }

    /// Asks for a text in the path.
    pub fn with_path(&mut self, part: &str) {
        self.path = Some(part.to_owned());
    }

    /// Asks for headers that match; their names are in lower case.
    ///
    /// # Errors
    ///
    /// When the pattern is too large.
    pub fn with_headers(&mut self, filter: &Value) -> Result<(), PatternError> {
        self.headers = Some(Pattern::new(&lower_keys(filter))?);
        Ok(())
    }

    /// Asks for a query that matches.
    ///
    /// # Errors
    ///
    /// When the pattern is too large.
    pub fn with_query(&mut self, filter: &Value) -> Result<(), PatternError> {
        self.query = Some(Pattern::new(filter)?);
        Ok(())
    }

    /// Asks for a body that matches.
    ///
    /// # Errors
    ///
    /// When the pattern is too large.
    pub fn with_body(&mut self, filter: &Value) -> Result<(), PatternError> {
        let pattern = Pattern::new(filter)?;
        let literals = pattern.literals().iter().map(|text| Finder::new(text.as_bytes()).into_owned()).collect();
        self.body = Some(BodyPattern { pattern, literals });
        Ok(())
    }

    /// Whether a request is like that; what is cheap is asked first.
    #[must_use]
    pub fn judge(&self, request: &Request) -> Verdict {
        let query = request.query.as_deref().unwrap_or_default();
        if self.path.as_ref().is_some_and(|part| !in_escaped(&request.path, |text| text.contains(part.as_str()))) {
            return Verdict::Differs;
        }
        if self.query.as_ref().is_some_and(|pattern| !pattern.matches(&parsed_query(query))) {
            return Verdict::Differs;
        }
        if self.headers.as_ref().is_some_and(|pattern| !pattern.matches(&headers(&request.headers))) {
            return Verdict::Differs;
        }
        let is_large = request.body.len() > SEARCHED_BODY_BYTES_MAX;
        if let Some(term) = self.term.as_ref().filter(|term| !term.is_in_head(request, query)) {
            if is_large {
                return Verdict::NotSearched;
            }
            if !term.is_in(&request.body) {
                return Verdict::Differs;
            }
        }
        match &self.body {
            None => Verdict::Matches,
            Some(_) if is_large => Verdict::NotSearched,
            Some(pattern) => pattern.judge(&request.body),
        }
    }
}

/// A text in lower case.
#[derive(Debug, Clone)]
struct Term(Vec<u8>);

impl Term {
    fn is_in_head(&self, request: &Request, query: &str) -> bool {
        in_escaped(&request.path, |text| self.is_in(text.as_bytes()))
            || in_escaped(query, |text| self.is_in(text.as_bytes()))
            || request.headers.iter().any(|(name, value)| self.is_in(name.as_bytes()) || self.is_in(value))
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return true };
        memchr2_iter(*first, first.to_ascii_uppercase(), bytes)
            .any(|at| bytes.get(at + 1..=at + rest.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest)))
    }
}

/// A pattern of bodies, with the texts that decide without parsing.
#[derive(Debug, Clone)]
struct BodyPattern {
    pattern: Pattern,
    literals: Vec<Finder<'static>>,
}

impl BodyPattern {
    fn judge(&self, bytes: &Bytes) -> Verdict {
        // An escape may stand for any letter of a text that is looked for.
        let is_plain = !self.literals.is_empty() && memchr(b'\\', bytes).is_none();
        if is_plain && self.literals.iter().any(|literal| literal.find(bytes).is_none()) {
            return Verdict::Differs;
        }
        let read = self.pattern.read(bytes).unwrap_or_else(|_| body(bytes));
        match self.pattern.decide(&read) {
            Some(true) => Verdict::Matches,
            Some(false) => Verdict::Differs,
            None => Verdict::NotSearched,
        }
    }
}

/// Whether something holds for a text as it came, or with its escapes undone.
fn in_escaped(text: &str, holds: impl Fn(&str) -> bool) -> bool {
    holds(text) || (text.contains(['%', '+']) && holds(&unescaped(text)))
}

fn unescaped(text: &str) -> Cow<'_, str> {
    Cow::Owned(percent_decode(text.replace('+', " ").as_bytes()).decode_utf8_lossy().into_owned())
}

/// Names of headers are in lower case, whatever a filter spells.
fn lower_keys(filter: &Value) -> Value {
    match filter {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let key = if key.starts_with('$') { key.clone() } else { key.to_lowercase() };
                (key, lower_keys(value))
            })
            .collect(),
        Value::Array(list) => list.iter().map(lower_keys).collect(),
        other => other.clone(),
    }
}

/// A body as a value: parsed where it is JSON, otherwise text; bytes that are not UTF-8 show as replacement characters.
#[must_use]
pub fn body(bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// Headers as a value: repeated names become one, with their values joined as HTTP allows.
#[must_use]
pub fn headers(headers: &[(String, Bytes)]) -> Value {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        joined.entry(name).and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.into_owned());
    }
    json!(joined)
}

/// A query as a value: repeated names become an array.
#[must_use]
pub fn parsed_query(query: &str) -> Value {
    let mut parsed = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = Value::String(value.into_owned());
        match parsed.get_mut(name.as_ref()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                parsed.insert(name.into_owned(), value);
            }
        }
    }
    Value::Object(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RequestId, SourceId, Timestamp};

    fn request(body: impl Into<Bytes>) -> Request {
        Request {
            id: RequestId::from_bits(1),
            source_id: SourceId::from_bits(2),
            received_at: Timestamp::EPOCH,
            method: "POST".to_owned(),
            path: "/orders/caf%C3%A9".to_owned(),
            query: Some("from=a%20b&tag=x&tag=y".to_owned()),
            headers: vec![("x-topic".to_owned(), "Order/Created".into())],
            body: body.into(),
            body_truncated: false,
            client_ip: None,
        }
    }

    fn judged(body: impl Into<Bytes>, ask: impl FnOnce(&mut Content)) -> Verdict {
        let mut content = Content::default();
        ask(&mut content);
        content.judge(&request(body))
    }

    #[test]
    fn a_term_is_found_wherever_it_stands() {
        for (term, found) in [
            ("PAID", true),
            ("created", true),
            ("x-TOP", true),
            ("orders", true),
            ("café", true),
            ("a b", true),
            ("a%20b", true),
            ("unpaid", false),
            ("paid\"}x", false),
        ] {
            let verdict = judged(r#"{"status":"Paid"}"#, |content| content.with_term(term));
            assert_eq!(verdict == Verdict::Matches, found, "{term}");
        }
        assert_eq!(judged("", |content| content.with_term("nothing")), Verdict::Differs);
    }

    #[test]
    fn each_part_is_matched_by_its_own_pattern() {
        let ask = |path: &str, query: Value, headers: Value, body: Value| {
            judged(r#"{"order":{"id":7,"note":"a\u0062c"}}"#, |content| {
                content.with_path(path);
                content.with_query(&query).unwrap();
                content.with_headers(&headers).unwrap();
                content.with_body(&body).unwrap();
            })
        };
        let (query, headers, body) = (
            json!({ "tag": "y" }),
            json!({ "X-Topic": { "$startsWith": "Order" } }),
            json!({ "order": { "id": "7" } }),
        );
        assert_eq!(ask("ders/café", query.clone(), headers.clone(), body.clone()), Verdict::Matches);
        assert_eq!(
            ask("rders", query.clone(), headers.clone(), json!({ "order": { "note": "abc" } })),
            Verdict::Matches
        );
        assert_eq!(ask("refunds", query.clone(), headers.clone(), body.clone()), Verdict::Differs);
        assert_eq!(ask("", json!({ "tag": "z" }), headers.clone(), body.clone()), Verdict::Differs);
        assert_eq!(ask("", query.clone(), json!({ "x-other": "1" }), body.clone()), Verdict::Differs);
        assert_eq!(ask("", query, headers, json!({ "order": { "id": 8 } })), Verdict::Differs);
    }

    #[test]
    fn a_body_that_is_no_json_is_matched_as_text() {
        let ask = |filter: Value| judged("plain text", |content| content.with_body(&filter).unwrap());
        assert_eq!(ask(json!("plain text")), Verdict::Matches);
        assert_eq!(ask(json!({ "$startsWith": "plain" })), Verdict::Matches);
        assert_eq!(ask(json!({ "a": 1 })), Verdict::Differs);
    }

    #[test]
    fn a_large_body_is_said_not_to_be_searched() {
        let large = vec![b'x'; SEARCHED_BODY_BYTES_MAX + 1];
        let term = |term: &str| judged(large.clone(), |content| content.with_term(term));
        assert_eq!(term("created"), Verdict::Matches, "what was found elsewhere is found");
        assert_eq!(term("nothing"), Verdict::NotSearched);
        let body = judged(large.clone(), |content| content.with_body(&json!({ "a": 1 })).unwrap());
        assert_eq!(body, Verdict::NotSearched);
        let other = judged(large, |content| {
            content.with_path("refunds");
            content.with_term("nothing");
        });
        assert_eq!(other, Verdict::Differs);
    }
}
