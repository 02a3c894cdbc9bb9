//! Texts that a value cannot match without: found in bytes, they save parsing.

use serde_json::Value;

use super::{Entry, Fields, Node, operators::is_no_number};

/// Texts that are looked for at most: each costs a look at the whole body, and one that is rare is enough.
const LITERALS_MAX: usize = 8;

/// The texts of a pattern, longest first: they are the rarest.
pub(super) fn of(root: &Node) -> Vec<String> {
    let mut found = Vec::new();
    gather(root, &mut found);
    found.sort_by(|one: &String, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    found.dedup();
    found.truncate(LITERALS_MAX);
    found
}

fn gather(node: &Node, found: &mut Vec<String>) {
    match node {
        // A number may be written in many ways, and a text that is one may be meant by a number.
        Node::Primitive(Value::String(text)) if is_no_number(text) => found.push(text.clone()),
        Node::Primitive(_) => {}
        Node::List(list) => list.iter().for_each(|node| gather(node, found)),
        Node::Fields(fields) if is_plain(fields) => fields.entries.iter().for_each(|entry| match entry {
            Entry::Or(_) => {}
            Entry::And(list) => list.iter().for_each(|node| gather(node, found)),
            Entry::Field(key, node) => {
                if !matches!(node, Node::Fields(fields) if fields.may_be_absent) {
                    found.push(key.clone());
                    gather(node, found);
                }
            }
        }),
        Node::Fields(_) => {}
    }
}

/// Whether every key of an object must be there: in a field, some keys make the others count for nothing.
fn is_plain(fields: &Fields) -> bool {
    fields.operators.is_empty() && fields.reference.is_none() && fields.either().is_none()
}
