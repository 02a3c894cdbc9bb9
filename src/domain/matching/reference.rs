//! References into the same document: the part of `JSONPath` that names one place, and `[$index]` for the element an array is at.

use serde_json::Value;

static NOTHING: Value = Value::Null;

/// A path through a document.
#[derive(Debug, Clone)]
pub(super) struct Reference(
    /// `None` when it is no path: then nothing agrees with it.
    Option<Vec<Step>>,
);

#[derive(Debug, Clone)]
enum Step {
    Name(String),
    Place(usize),
    /// The place of the array that is gone through, the outermost first.
    Current(usize),
    /// The first child from which the rest of the path leads somewhere.
    Any,
}

impl Reference {
    pub(super) fn of(path: &Value) -> Self {
        Self(path.as_str().and_then(read))
    }

    /// What stands there, null when nothing does; `None` when the path cannot be followed at all.
    pub(super) fn resolve<'a>(&self, root: &'a Value, places: &[usize]) -> Option<&'a Value> {
        let steps = self.0.as_ref()?;
        let unknown = |step: &Step| matches!(step, Step::Current(number) if *number >= places.len());
        if !(root.is_object() || root.is_array()) || steps.iter().any(unknown) {
            return None;
        }
        Some(follow(root, steps, places).unwrap_or(&NOTHING))
    }
}

fn follow<'a>(at: &'a Value, steps: &[Step], places: &[usize]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(at) };
    match step {
        Step::Name(name) => follow(at.get(name)?, rest, places),
        Step::Place(place) => follow(at.get(*place)?, rest, places),
        Step::Current(number) => follow(at.get(*places.get(*number)?)?, rest, places),
        Step::Any => match at {
            Value::Array(list) => list.iter().find_map(|child| follow(child, rest, places)),
            Value::Object(object) => object.values().find_map(|child| follow(child, rest, places)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        },
    }
}

fn read(path: &str) -> Option<Vec<Step>> {
    let (mut steps, mut currents) = (Vec::new(), 0);
    let mut rest = match path.strip_prefix('$') {
        Some(rest) => rest.to_owned(),
        None if path.starts_with('[') => path.to_owned(),
        None => format!(".{path}"),
    };
    while !rest.is_empty() {
        let (step, behind) = if let Some(dotted) = rest.strip_prefix('.') {
            let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
            let (name, behind) = dotted.split_at(end);
            let step = match name {
                "" => return None,
                "*" => Step::Any,
                name => Step::Name(name.to_owned()),
            };
            (step, behind)
        } else {
            let (inner, behind) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = |mark: char| inner.strip_prefix(mark).and_then(|inner| inner.strip_suffix(mark));
            let step = match quoted('\'').or_else(|| quoted('"')) {
                Some(name) => Step::Name(name.to_owned()),
                None if inner == "*" => Step::Any,
                None if inner == "$index" => {
                    currents += 1;
                    Step::Current(currents - 1)
                }
                None => Step::Place(inner.parse().ok()?),
            };
            (step, behind)
        };
        steps.push(step);
        rest = behind.to_owned();
    }
    Some(steps)
}
