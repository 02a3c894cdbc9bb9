//! Operators of the filter language, and JavaScript's loose comparison. A wrong type makes a condition false.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::reference::Reference;

/// An operator with what it compares with.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    kind: Kind,
    operand: Value,
    /// Where what it compares with stands in the document.
    reference: Option<Reference>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Eq,
    Neq,
    In,
    Nin,
    StartsWith,
    EndsWith,
    Gt,
    Gte,
    Lt,
    Lte,
    Exist,
}

impl Operator {
    /// The operator of this name, if it is one.
    pub(super) fn of(key: &str, operand: &Value) -> Option<Self> {
        let kind = match key {
            "$eq" => Kind::Eq,
            "$neq" => Kind::Neq,
            "$in" => Kind::In,
            "$nin" => Kind::Nin,
            "$startsWith" => Kind::StartsWith,
            "$endsWith" => Kind::EndsWith,
            "$gt" => Kind::Gt,
            "$gte" => Kind::Gte,
            "$lt" => Kind::Lt,
            "$lte" => Kind::Lte,
            "$exist" => Kind::Exist,
            _ => return None,
        };
        let reference = operand.get("$ref").filter(|reference| is_truthy(reference)).map(Reference::of);
        Some(Self { kind, operand: operand.clone(), reference })
    }

    /// Whether what it compares with stands elsewhere in the document.
    pub(super) const fn has_reference(&self) -> bool {
        self.reference.is_some()
    }

    /// Whether it holds for a value, taken by its word.
    pub(super) fn holds(&self, value: Option<&Value>) -> bool {
        holds(self.kind, value, &self.operand)
    }

    /// Whether it holds for a value, in a document that references lead through.
    pub(super) fn holds_in(&self, value: Option<&Value>, root: &Value, places: &[usize]) -> bool {
        match &self.reference {
            None => self.holds(value),
            Some(reference) => reference.resolve(root, places).is_some_and(|found| holds(self.kind, value, found)),
        }
    }
}

fn holds(kind: Kind, value: Option<&Value>, with: &Value) -> bool {
    match kind {
        Kind::Eq => is_equal(value, with),
        Kind::Neq => !is_equal(value, with),
        Kind::In => is_in(value, with) == Some(true),
        Kind::Nin => is_in(value, with) == Some(false),
        Kind::StartsWith => affix(value, with, |text, part| text.starts_with(part)),
        Kind::EndsWith => affix(value, with, |text, part| text.ends_with(part)),
        Kind::Gt => ordering(value, with) == Some(Ordering::Greater),
        Kind::Gte => matches!(ordering(value, with), Some(Ordering::Greater | Ordering::Equal)),
        Kind::Lt => ordering(value, with) == Some(Ordering::Less),
        Kind::Lte => matches!(ordering(value, with), Some(Ordering::Less | Ordering::Equal)),
        Kind::Exist => with.as_bool() == Some(value.is_some()),
    }
}

/// Objects and arrays are compared as their text.
fn is_equal(value: Option<&Value>, with: &Value) -> bool {
    let Some(value) = value else { return false };
    let text = |value: &Value| Value::String(script_text(value));
    match (is_primitive(value), is_primitive(with)) {
        (true, true) => is_loosely_equal(value, with),
        (true, false) => is_loosely_equal(value, &text(with)),
        (false, true) => is_loosely_equal(&text(value), with),
        (false, false) => script_text(value) == script_text(with),
    }
}

/// `None` for types that it cannot be asked of.
fn is_in(value: Option<&Value>, with: &Value) -> Option<bool> {
    let value = value.filter(|value| is_primitive(value))?;
    match with {
        Value::Array(list) => {
            let fits = |one: &Value| one.is_string() || one.is_number();
            let same = |one: &Value| match (one, value) {
                (Value::Number(one), Value::Number(other)) => number(one) == number(other),
                (one, other) => one == other,
            };
            list.iter().all(fits).then(|| list.iter().any(same))
        }
        Value::String(part) => Some(value.as_str()?.contains(part.as_str())),
        Value::Number(part) => Some(value.as_str()?.contains(&number_text(part))),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn affix(value: Option<&Value>, with: &Value, has: impl Fn(&str, &str) -> bool) -> bool {
    let Some(Value::String(text)) = value else { return false };
    match with {
        Value::String(part) => has(text, part),
        Value::Array(parts) => {
            parts.iter().all(Value::is_string) && parts.iter().filter_map(Value::as_str).any(|part| has(text, part))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn ordering(value: Option<&Value>, with: &Value) -> Option<Ordering> {
    match (value?, with) {
        (Value::String(one), Value::String(other)) => Some(one.encode_utf16().cmp(other.encode_utf16())),
        (one @ (Value::String(_) | Value::Number(_)), other @ (Value::String(_) | Value::Number(_))) => {
            to_number(one)?.partial_cmp(&to_number(other)?)
        }
        _ => None,
    }
}

pub(super) fn is_primitive(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// What JavaScript takes for true.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(value) => number(value) != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// JavaScript's `==` of two primitives.
pub(super) fn is_loosely_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Null, other) => other.is_null(),
        (one, Value::Null) => one.is_null(),
        (one, other) => to_number(one).zip(to_number(other)).is_some_and(|(one, other)| one == other),
    }
}

/// A primitive as a number; `None` where JavaScript has `NaN`.
fn to_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(value) => Some(number(value)),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Null => Some(0.0),
        Value::String(text) => text_to_number(text),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a text equals nothing but itself.
pub(super) fn is_no_number(text: &str) -> bool {
    text_to_number(text).is_none()
}

fn text_to_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix)) {
            let digits = digits.chars().map(|digit| digit.to_digit(radix));
            let value = digits.map(|digit| digit.map(f64::from)).try_fold((0.0, 0usize), |(sum, count), digit| {
                digit.map(|digit| (sum * f64::from(radix) + digit, count + 1))
            });
            return value.filter(|(_, count)| *count > 0).map(|(sum, _)| sum);
        }
    }
    match text.trim_start_matches(['+', '-']) {
        "Infinity" if text.len() <= "-Infinity".len() => {
            Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        // Rust takes words and signs that JavaScript does not.
        digits if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => text.parse().ok(),
        _ => None,
    }
}

/// A number as JavaScript has it: it has no others than these.
fn number(value: &Number) -> f64 {
    let beyond = || if value.to_string().starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    value.as_f64().unwrap_or_else(beyond)
}

fn number_text(value: &Number) -> String {
    let value = number(value);
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// JSON as JavaScript writes it, but for the exponents of very large and very small numbers.
fn script_text(value: &Value) -> String {
    match value {
        Value::Number(value) => number_text(value),
        Value::Array(list) => format!("[{}]", list.iter().map(script_text).collect::<Vec<_>>().join(",")),
        Value::Object(object) => {
            let field =
                |(key, value): (&String, &Value)| format!("{}:{}", Value::from(key.as_str()), script_text(value));
            format!("{{{}}}", object.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}
