//! Bodies, headers and query strings as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Parsed where it is JSON, otherwise text; bytes that are not UTF-8 show as replacement characters.
pub(super) fn body(bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// Repeated names become one, with their values joined as HTTP allows.
pub(super) fn headers(headers: &[(String, Bytes)]) -> Value {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        joined.entry(name).and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.into_owned());
    }
    json!(joined)
}

/// Repeated names become an array.
pub(super) fn parsed_query(query: &str) -> Value {
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
