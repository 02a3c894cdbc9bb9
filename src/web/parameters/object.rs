//! JSON in the query string: one text (`body={"a":1}`), or in brackets (`body[a][b]=1`).
//!
//! Brackets carry no types: a number is matched as the text it is, since comparisons are loose, and `true`, `false` and
//! `null` are matched as the text and as the value.

use serde_json::{Map, Value, json};

use super::{ApiError, Parameters, VALUES_MAX, is_index};

impl Parameters {
    /// The value of a parameter that is an object, or any other JSON.
    ///
    /// # Errors
    ///
    /// 422 for what is not JSON or is nested too deeply, and when texts and brackets are mixed.
    pub fn object(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let mut given = self.named(name).peekable();
        match given.peek() {
            None => return Ok(None),
            Some(first) if first.brackets.is_empty() => {
                let text = self.one(name)?.unwrap_or_default();
                return serde_json::from_str(text).map(Some).map_err(|error| {
                    self.bad(name, &format!("it is not JSON that can be read: {error}; texts stand in quotation marks"))
                });
            }
            Some(_) => {}
        }
        let mut root = Tree::default();
        for (count, parameter) in given.enumerate() {
            let fits = count < VALUES_MAX && !parameter.brackets.is_empty();
            if !fits || !root.put(&parameter.brackets, &parameter.value) {
                let why = format!(
                    "is not one object: it has a value and brackets in one place, or above {VALUES_MAX} values"
                );
                return Err(self.refusal(name, &why));
            }
        }
        Ok(Some(root.into_value("")))
    }
}

/// What brackets build, in the order given.
#[derive(Default)]
struct Tree {
    texts: Vec<String>,
    inner: Vec<(String, Self)>,
}

impl Tree {
    /// Whether a text has its place.
    fn put(&mut self, path: &[String], text: &str) -> bool {
        let Some((key, rest)) = path.split_first() else {
            self.texts.push(text.to_owned());
            return self.inner.is_empty();
        };
        // `[]` says: one more.
        let known = self.inner.iter().position(|(known, _)| known == key && !key.is_empty());
        let place = known.unwrap_or_else(|| {
            self.inner.push((key.clone(), Self::default()));
            self.inner.len() - 1
        });
        self.texts.is_empty() && self.inner[place].1.put(rest, text)
    }

    fn into_value(self, key: &str) -> Value {
        if self.inner.is_empty() {
            let mut values: Vec<Value> = self.texts.iter().map(|text| scalar(key, text)).collect();
            return if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        }
        if self.inner.iter().all(|(key, _)| is_index(key)) {
            // Lists of an operator are compared strictly, so each element may be a text or what the text says.
            let strict = matches!(key, "$in" | "$nin");
            let element = |(_, tree): (String, Self)| match tree.into_value("") {
                Value::String(text) if strict => either(&text),
                value => vec![value],
            };
            return Value::Array(self.inner.into_iter().flat_map(element).collect());
        }
        let fields = self.inner.into_iter().map(|(key, tree)| {
            let value = tree.into_value(&key);
            (key, value)
        });
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

/// A text at the end of a path.
fn scalar(key: &str, text: &str) -> Value {
    let word = match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ => None,
    };
    match word {
        None => Value::String(text.to_owned()),
        Some(word) if key == "$exist" => word,
        Some(_) if key.starts_with('$') => Value::String(text.to_owned()),
        Some(word) => json!({ "$or": [text, word] }),
    }
}

fn either(text: &str) -> Vec<Value> {
    let number = serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
    std::iter::once(Value::String(text.to_owned())).chain(number).collect()
}
