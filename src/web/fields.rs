//! Reading a JSON body field by field, so that every refusal names its field and nothing that was sent is ignored.

use serde_json::{Map, Value};

use super::error::{ApiError, quoted};

/// An object of a body, with its place in it; fields are taken out as they are read.
#[derive(Debug)]
pub struct Fields {
    place: String,
    rest: Map<String, Value>,
}

impl Fields {
    /// Reads a whole body.
    ///
    /// # Errors
    ///
    /// 400 when it is not JSON, 422 when it is not an object.
    pub fn of_body(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Self::of("", Value::Object(Map::new()));
        }
        let value = serde_json::from_slice(body)
            .map_err(|error| ApiError::malformed(format!("the body is not JSON that can be read: {error}")))?;
        Self::of("", value)
    }

    /// Reads the object at `place`.
    ///
    /// # Errors
    ///
    /// 422 when it is not an object.
    pub fn of(place: &str, value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(rest) => Ok(Self { place: place.to_owned(), rest }),
            other => {
                let what = if place.is_empty() { "the body".to_owned() } else { quoted(place) };
                Err(ApiError::unprocessable(format!("{what} must be an object, it is {}", kind(&other))))
            }
        }
    }

    /// Where a field of this object stands in the body.
    #[must_use]
    pub fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// A refusal of a field.
    #[must_use]
    pub fn refusal(&self, key: &str, why: &str) -> ApiError {
        ApiError::unprocessable(format!("{} {why}", quoted(&self.place_of(key))))
    }

    /// Takes a field; `None` when it is absent or null.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.rest.remove(key).filter(|value| !value.is_null())
    }

    /// Whether a field is there and says something.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.rest.get(key).is_some_and(|value| !value.is_null())
    }

    /// Takes a field that may also say null; `None` when it is absent.
    pub fn given(&mut self, key: &str) -> Option<Value> {
        self.rest.remove(key)
    }

    /// Takes a text that may also be null: nothing from now on.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn text_or_null(&mut self, key: &str) -> Result<Option<Option<String>>, ApiError> {
        match self.given(key) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => Ok(Some(Some(text))),
            Some(other) => Err(self.refusal(key, &format!("must be a string or null, it is {}", kind(&other)))),
        }
    }

    /// Takes the object at `key`, and into it the fields of this one that some versions of the API have here and others
    /// there: pairs of their names here and there.
    ///
    /// # Errors
    ///
    /// 422 when it is no object, and for what is given in both places.
    pub fn object_with(&mut self, key: &str, moved: &[(&str, &str)]) -> Result<Self, ApiError> {
        let mut object = match self.object(key)? {
            Some(object) => object,
            None => Self { place: self.place_of(key), rest: Map::new() },
        };
        for (here, there) in moved {
            let Some(value) = self.given(here) else { continue };
            if !value.is_null() && object.rest.get(*there).is_some_and(|other| !other.is_null()) {
                let other = quoted(&object.place_of(there));
                return Err(self.refusal(here, &format!("is given a second time as {other}: give one")));
            }
            if !value.is_null() || !object.rest.contains_key(*there) {
                object.rest.insert((*there).to_owned(), value);
            }
        }
        Ok(object)
    }

    /// Takes a text.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.refusal(key, &format!("must be a string, it is {}", kind(&other)))),
        }
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    ///
    /// 422 when it is absent or something else.
    pub fn required_text(&mut self, key: &str) -> Result<String, ApiError> {
        self.text(key)?.ok_or_else(|| self.refusal(key, "is required"))
    }

    /// Takes a truth value.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.refusal(key, &format!("must be true or false, it is {}", kind(&other)))),
        }
    }

    /// Takes a whole number that is not negative.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn count(&mut self, key: &str) -> Result<Option<u64>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(count)),
                None => Err(self.refusal(key, "must be a whole number, not negative")),
            },
        }
    }

    /// Takes a list.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(self.refusal(key, &format!("must be an array, it is {}", kind(&other)))),
        }
    }

    /// Takes an object.
    ///
    /// # Errors
    ///
    /// 422 when it is something else.
    pub fn object(&mut self, key: &str) -> Result<Option<Self>, ApiError> {
        self.take(key).map(|value| Self::of(&self.place_of(key), value)).transpose()
    }

    /// Refuses a field of the API that is not available yet, unless it says nothing.
    ///
    /// # Errors
    ///
    /// 422 when it is there.
    pub fn later(&mut self, key: &str) -> Result<(), ApiError> {
        match self.take(key) {
            None => Ok(()),
            Some(_) => Err(self.refusal(key, "is not available yet: leave it out")),
        }
    }

    /// Refuses what nobody read; nulls say nothing and pass.
    ///
    /// # Errors
    ///
    /// 422 naming the first such field.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.rest.iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((key, _)) => Err(self.refusal(key, "is not known here, or not available yet: leave it out")),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
