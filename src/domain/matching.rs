//! The filter language: whether a JSON value matches a pattern, as the API's own matcher (`simple-json-match`) decides it.
//!
//! A pattern is compiled once and asked often. It is read as JavaScript reads it: comparisons are loose, an object is a
//! conjunction over its keys, and a few keys are operators. Every pattern and every value have an answer or none in
//! time: work and depth are limited, so that nobody's pattern holds up a queue.
//!
//! `matches` is the matcher's entry for a whole object, `Matching::agrees` the one for the value of a field: what stands at
//! the top of a pattern is read differently from what stands in a field, and the vectors show where.

mod literals;
mod operators;
mod projection;
mod reference;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use serde_json::Value;

use self::{
    operators::{Operator, is_loosely_equal, is_primitive, is_truthy},
    projection::Projection,
    reference::Reference,
};

/// Comparisons for one value: a large body compared with a large pattern some hundred times over, some 20 ms.
const STEPS_MAX: u32 = 1_000_000;
/// Levels of a value and of what its references lead to: four times what a parser builds, a tenth of what a thread's stack bears.
const DEPTH_MAX: u32 = 512;
/// Nodes of a pattern: far more than anybody writes, few enough to compile it with every request.
const NODES_MAX: usize = 10_000;

/// Why a value is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter is too large or nested too deeply: it may have {NODES_MAX} values and {DEPTH_MAX} levels")]
pub struct PatternError;

/// A compiled filter.
#[derive(Debug, Clone)]
pub struct Pattern {
    root: Node,
    projection: Projection,
    literals: Vec<String>,
}

/// A part of a filter.
#[derive(Debug, Clone)]
enum Node {
    /// Equal to it, or an element of an array that is.
    Primitive(Value),
    /// Each of these is matched by an element.
    List(Vec<Node>),
    /// Conditions.
    Fields(Fields),
}

/// An object of a filter.
#[derive(Debug, Clone, Default)]
struct Fields {
    /// What must not match, beside the rest.
    not: Option<Box<Node>>,
    /// Whether `$not` is all there is.
    only_not: bool,
    /// Every key but `$not`, in order.
    entries: Vec<Entry>,
    /// What a field's value is compared with when this is its condition.
    reference: Option<Reference>,
    /// The keys that are operators: a field's value is judged by these alone.
    operators: Vec<Operator>,
    /// Whether a field with this condition may be missing.
    may_be_absent: bool,
}

/// A key of an object of a filter.
#[derive(Debug, Clone)]
enum Entry {
    Or(Vec<Node>),
    And(Vec<Node>),
    Field(String, Node),
}

impl Pattern {
    /// Compiles a filter. Any JSON is one; what makes no sense matches nothing.
    ///
    /// # Errors
    ///
    /// When it is larger or deeper than anybody writes one.
    pub fn new(filter: &Value) -> Result<Self, PatternError> {
        let mut nodes = NODES_MAX;
        let root = Node::of(filter, &mut nodes, DEPTH_MAX).ok_or(PatternError)?;
        let (projection, literals) = (Projection::of(&root), literals::of(&root));
        Ok(Self { root, projection, literals })
    }

    /// Whether a value matches; not when that takes longer than it may.
    #[must_use]
    pub fn matches(&self, value: &Value) -> bool {
        self.decide(value).unwrap_or(false)
    }

    /// Whether a value matches; `None` when that takes longer than it may.
    #[must_use]
    pub fn decide(&self, value: &Value) -> Option<bool> {
        let matching = Matching { steps: Cell::new(STEPS_MAX), depth: Cell::new(DEPTH_MAX), gave_up: Cell::new(false) };
        let matches = matching.matches(Some(value), &self.root, value, &mut Vec::new());
        (!matching.gave_up.get()).then_some(matches)
    }

    /// Reads of a document what the pattern looks at: it matches if and only if the whole document does.
    ///
    /// # Errors
    ///
    /// When it is not JSON, as far as it is looked at.
    pub fn read(&self, document: &[u8]) -> Result<Value, serde_json::Error> {
        self.projection.read(document)
    }

    /// Texts that the JSON of every value that matches has in it, as it would be written without an escape: where one is
    /// missing, and nothing is escaped, nothing needs to be parsed.
    #[must_use]
    pub fn literals(&self) -> &[String] {
        &self.literals
    }
}

impl Node {
    fn of(filter: &Value, nodes: &mut usize, depth: u32) -> Option<Self> {
        *nodes = nodes.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        Some(match filter {
            Value::Array(list) => Self::List(Self::list(list, nodes, depth)?),
            Value::Object(object) => Self::Fields(Fields::of(object, nodes, depth)?),
            primitive => Self::Primitive(primitive.clone()),
        })
    }

    fn list(list: &[Value], nodes: &mut usize, depth: u32) -> Option<Vec<Self>> {
        list.iter().map(|filter| Self::of(filter, nodes, depth)).collect()
    }
}

impl Fields {
    fn of(object: &serde_json::Map<String, Value>, nodes: &mut usize, depth: u32) -> Option<Self> {
        let mut fields = Self { only_not: object.len() == 1, ..Self::default() };
        for (key, filter) in object {
            match (key.as_str(), filter) {
                ("$not", filter) => {
                    if is_truthy(filter) {
                        fields.not = Some(Box::new(Node::of(filter, nodes, depth)?));
                    }
                    continue;
                }
                ("$or", Value::Array(list)) => fields.entries.push(Entry::Or(Node::list(list, nodes, depth)?)),
                ("$and", Value::Array(list)) => fields.entries.push(Entry::And(Node::list(list, nodes, depth)?)),
                _ => fields.entries.push(Entry::Field(key.clone(), Node::of(filter, nodes, depth)?)),
            }
            if key == "$ref" && is_truthy(filter) {
                fields.reference = Some(Reference::of(filter));
            }
            fields.may_be_absent |= key == "$exist" && *filter == Value::Bool(false);
            fields.operators.extend(Operator::of(key, filter));
        }
        Some(fields)
    }

    fn either(&self) -> Option<&[Node]> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Or(list) => Some(list.as_slice()),
            Entry::And(_) | Entry::Field(..) => None,
        })
    }
}

/// One question, and what it may still cost.
struct Matching {
    steps: Cell<u32>,
    depth: Cell<u32>,
    gave_up: Cell<bool>,
}

impl Matching {
    /// Whether there is leave to go on one level deeper; [`leave`](Self::leave) goes back.
    fn enter(&self) -> bool {
        let (steps, depth) = (self.steps.get(), self.depth.get());
        if steps == 0 || depth == 0 || self.gave_up.get() {
            self.gave_up.set(true);
            return false;
        }
        self.steps.set(steps - 1);
        self.depth.set(depth - 1);
        true
    }

    fn leave(&self) {
        self.depth.set(self.depth.get() + 1);
    }

    /// Whether a value as a whole matches. `root` is what references lead through, `places` the elements of arrays that lead
    /// to `value`; a value that is `None` is not there.
    fn matches(&self, value: Option<&Value>, node: &Node, root: &Value, places: &mut Vec<usize>) -> bool {
        if !self.enter() {
            return false;
        }
        let matches = self.matches_inside(value, node, root, places);
        self.leave();
        matches
    }

    fn matches_inside(&self, value: Option<&Value>, node: &Node, root: &Value, places: &mut Vec<usize>) -> bool {
        if let Node::Primitive(Value::Null) = node {
            return false;
        }
        if let Node::Fields(Fields { not: Some(not), only_not, .. }) = node {
            let excluded = self.matches(value, not, root, places);
            if *only_not || excluded {
                return !excluded;
            }
        }
        let Some(value) = value else { return false };
        let Value::Object(object) = value else {
            // References lead through the value itself from here on.
            return self.agrees(Some(value), node, value, places);
        };
        let field = |key: &str, node: &Node, places: &mut Vec<usize>| match object.get(key) {
            None if !matches!(node, Node::Fields(fields) if fields.may_be_absent) => false,
            found => self.agrees(found, node, root, places),
        };
        match node {
            Node::Primitive(_) => false,
            Node::List(list) => list.iter().enumerate().all(|(place, node)| field(&place.to_string(), node, places)),
            Node::Fields(fields) => fields.entries.iter().all(|entry| match entry {
                Entry::Or(list) => list.iter().any(|node| self.matches(Some(value), node, root, places)),
                Entry::And(list) => list.iter().all(|node| self.matches(Some(value), node, root, places)),
                Entry::Field(key, node) => field(key, node, places),
            }),
        }
    }

    /// Whether the value of a field agrees with its condition.
    fn agrees(&self, value: Option<&Value>, node: &Node, root: &Value, places: &mut Vec<usize>) -> bool {
        if !self.enter() {
            return false;
        }
        let agrees = self.agrees_inside(value, node, root, places);
        self.leave();
        agrees
    }

    fn agrees_inside(&self, value: Option<&Value>, node: &Node, root: &Value, places: &mut Vec<usize>) -> bool {
        match (value, node) {
            (Some(Value::Array(elements)), Node::List(list)) => {
                list.iter().all(|node| self.any_agrees(elements, node, root, places))
            }
            (Some(array @ Value::Array(_)), Node::Fields(fields)) if !fields.operators.is_empty() => {
                fields.operators.iter().all(|operator| operator.holds(Some(array)))
            }
            (Some(Value::Array(elements)), node) => self.any_agrees(elements, node, root, places),
            (Some(value), Node::Primitive(wanted)) => is_primitive(value) && is_loosely_equal(value, wanted),
            (None, Node::Primitive(_) | Node::List(_)) => false,
            (Some(value), Node::List(_)) => !is_primitive(value) && self.matches(Some(value), node, root, places),
            (value, Node::Fields(fields)) => {
                if let Some(list) = fields.either() {
                    return list.iter().any(|node| self.matches(value, node, root, places));
                }
                if let Some(reference) = &fields.reference {
                    return self.agrees_with(value, reference, root, places);
                }
                if !fields.operators.is_empty() {
                    return fields.operators.iter().all(|operator| operator.holds_in(value, root, places));
                }
                value.is_some_and(|value| !is_primitive(value)) && self.matches(value, node, root, places)
            }
        }
    }

    fn any_agrees(&self, elements: &[Value], node: &Node, root: &Value, places: &mut Vec<usize>) -> bool {
        elements.iter().enumerate().any(|(place, element)| {
            places.push(place);
            let agrees = self.agrees(Some(element), node, root, places);
            places.pop();
            agrees
        })
    }

    /// Whether a value agrees with what stands elsewhere in the document, which then is the condition.
    fn agrees_with(&self, value: Option<&Value>, reference: &Reference, root: &Value, places: &mut Vec<usize>) -> bool {
        let Some(found) = reference.resolve(root, places) else { return false };
        let mut nodes = usize::try_from(self.steps.get()).unwrap_or(NODES_MAX).min(NODES_MAX);
        match Node::of(found, &mut nodes, self.depth.get()) {
            Some(node) => self.agrees(value, &node, root, places),
            None => {
                self.gave_up.set(true);
                false
            }
        }
    }
}
