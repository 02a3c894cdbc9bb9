//! Reading of a document only what a pattern looks at: what is skipped costs a tenth of what is built.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Entry, Fields, Node};

/// How `serde_json` hands over a number that it keeps as text: as an object with this key.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// What of a document is looked at.
#[derive(Debug, Clone)]
pub(super) enum Projection {
    /// All of it.
    Whole,
    /// These fields, of an object or of the objects in an array; that it is something else, where it is.
    Fields(Vec<(String, Self)>),
}

impl Projection {
    /// What a pattern looks at.
    pub(super) fn of(node: &Node) -> Self {
        match node {
            Node::Fields(fields) => Self::of_fields(fields).map_or(Self::Whole, Self::Fields),
            Node::Primitive(_) | Node::List(_) => Self::Whole,
        }
    }

    /// Only of plain conjunctions over fields, that is of most patterns; references may lead anywhere.
    fn of_fields(fields: &Fields) -> Option<Vec<(String, Self)>> {
        if fields.not.is_some() || !fields.operators.is_empty() || fields.reference.is_some() {
            return None;
        }
        let parts = fields.entries.iter().map(|entry| match entry {
            Entry::Field(key, node) if !leads_away(node) => Some((key.clone(), Self::of(node))),
            Entry::Field(..) | Entry::Or(_) | Entry::And(_) => None,
        });
        parts.collect()
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// When it is not JSON, as far as it is looked at.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Value, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = self.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }
}

/// Whether a condition has a reference anywhere.
fn leads_away(node: &Node) -> bool {
    match node {
        Node::Primitive(_) => false,
        Node::List(list) => list.iter().any(leads_away),
        Node::Fields(fields) => {
            fields.reference.is_some()
                || fields.operators.iter().any(super::operators::Operator::has_reference)
                || fields.not.as_ref().is_some_and(|not| leads_away(not))
                || fields.entries.iter().any(|entry| match entry {
                    Entry::Or(list) | Entry::And(list) => list.iter().any(leads_away),
                    Entry::Field(_, node) => leads_away(node),
                })
        }
    }
}

impl<'de> DeserializeSeed<'de> for &Projection {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Projection::Whole => Value::deserialize(deserializer),
            Projection::Fields(fields) => deserializer.deserialize_any(Looked(self, fields)),
        }
    }
}

/// What is no object where fields are looked at: no field's condition agrees with it, whatever it is.
const OTHER: Value = Value::Null;

struct Looked<'a>(&'a Projection, &'a [(String, Projection)]);

impl<'de> Visitor<'de> for Looked<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(OTHER)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(element) = elements.next_element_seed(self.0)? {
            read.push(element);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(key) = fields.next_key_seed(Key(self.1))? {
            match key {
                Found::Number => {
                    fields.next_value::<IgnoredAny>()?;
                    return Ok(OTHER);
                }
                Found::Unknown => {
                    fields.next_value::<IgnoredAny>()?;
                }
                Found::Known(place) => {
                    let (name, projection) = &self.1[place];
                    read.insert(name.clone(), fields.next_value_seed(projection)?);
                }
            }
        }
        Ok(Value::Object(read))
    }
}

/// A key, without making a text of it.
struct Key<'a>(&'a [(String, Projection)]);

enum Found {
    Known(usize),
    Unknown,
    Number,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Found, E> {
        Ok(match self.0.iter().position(|(name, _)| name == key) {
            Some(place) => Found::Known(place),
            None if key == NUMBER_KEY => Found::Number,
            None => Found::Unknown,
        })
    }
}
