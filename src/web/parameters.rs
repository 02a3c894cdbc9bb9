//! The query string of an API request, in every spelling clients use (`id=a&id=b`, `id[0]=a`, `id[]=a`, `id=a,b`,
//! `created_at[gte]=…`, `body[a][b]=1`), and filters in bodies, which say the same in JSON.
//!
//! What names are known is the route's word ([`Param`]); what a value means is read here. Never asks the store.

mod known;
mod object;
mod paging;
#[cfg(test)]
mod tests;
mod values;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

pub use self::{
    paging::{PAGING, paging},
    values::TextFilter,
};
use super::{
    error::{ApiError, quoted},
    resources::{Param, Takes},
};

/// Values of one parameter at most: more is not a filter but a dump.
pub const VALUES_MAX: usize = 1000;
/// Brackets behind one name at most: far deeper than anybody nests a filter, far below what recursion would mind.
const BRACKETS_MAX: usize = 32;

/// One `name[bracket][bracket]=value`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    /// What stands in the brackets, in order.
    brackets: Vec<String>,
    value: String,
}

/// All parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    given: Vec<Parameter>,
    /// Whether an unknown one is refused, or ignored as in the API's published versions.
    strict: bool,
    /// What stands before a name in a message: `query.` for filters in a body.
    place: &'static str,
}

impl Parameters {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// 400 when it is not UTF-8 once decoded, or its brackets do not close.
    pub fn parse(query: &str, strict: bool) -> Result<Self, ApiError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let given = pairs.map(|pair| -> Result<Parameter, ApiError> {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, brackets) = split_key(&decoded(key)?)?;
            Ok(Parameter { name, brackets, value: decoded(value)? })
        });
        Ok(Self { given: given.collect::<Result<_, _>>()?, strict, place: "" })
    }

    /// Reads filters as they stand in a body: `{"status": ["FAILED"], "created_at": {"gte": "…"}, "body": {…}}`. Unknown ones
    /// are always refused: what such filters choose is acted upon.
    ///
    /// # Errors
    ///
    /// 422 for a name that is none of `known`, and for a value of a kind that no filter has.
    pub fn of_object(object: &Map<String, Value>, known: &[Param], place: &'static str) -> Result<Self, ApiError> {
        let mut read = Self { given: Vec::new(), strict: true, place };
        for (name, value) in object {
            let is_object = known.iter().any(|param| param.name == name && param.takes == Takes::Object);
            if is_object && !value.is_string() {
                read.add(name, &[], value.to_string());
            } else {
                read.flatten(name, &mut Vec::new(), value)?;
            }
        }
        read.check(known)?;
        Ok(read)
    }

    /// The parameters inside of `name[…]`, as `query[status]=FAILED` gives them.
    ///
    /// # Errors
    ///
    /// 422 when it has a value of its own; as [`of_object`](Self::of_object) for what is none of `known`.
    pub fn inside(&self, name: &str, known: &[Param], place: &'static str) -> Result<Self, ApiError> {
        let mut read = Self { given: Vec::new(), strict: true, place };
        for parameter in self.named(name) {
            let Some((inner, brackets)) = parameter.brackets.split_first() else {
                return Err(self.refusal(name, "must be of type object, such as query[status]=FAILED"));
            };
            read.add(inner, brackets, parameter.value.clone());
        }
        read.check(known)?;
        Ok(read)
    }

    fn flatten(&mut self, name: &str, brackets: &mut Vec<String>, value: &Value) -> Result<(), ApiError> {
        if brackets.len() > BRACKETS_MAX {
            return Err(self.refusal(name, &format!("is nested deeper than {BRACKETS_MAX} levels")));
        }
        match value {
            Value::String(text) => self.add(name, brackets, text.clone()),
            Value::Bool(_) | Value::Number(_) => self.add(name, brackets, value.to_string()),
            Value::Null => return Err(self.refusal(name, "cannot be null: leave it out, or ask for `any`")),
            Value::Array(values) => {
                for value in values {
                    brackets.push(String::new());
                    self.flatten(name, brackets, value)?;
                    brackets.pop();
                }
            }
            Value::Object(values) => {
                for (key, value) in values {
                    brackets.push(key.clone());
                    self.flatten(name, brackets, value)?;
                    brackets.pop();
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, brackets: &[String], value: String) {
        self.given.push(Parameter { name: name.to_owned(), brackets: brackets.to_vec(), value });
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> + 'a {
        self.given.iter().filter(move |parameter| parameter.name == name)
    }

    /// Whether a parameter is given at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// A refusal of a parameter, in one sentence that begins with its name.
    #[must_use]
    pub fn refusal(&self, name: &str, why: &str) -> ApiError {
        ApiError::unprocessable(format!("`{}{name}` {why}", self.place))
    }

    /// A refusal of a value, with what is wrong with it.
    #[must_use]
    pub fn bad(&self, name: &str, why: &str) -> ApiError {
        ApiError::unprocessable(format!("`{}{name}`: {why}", self.place))
    }

    /// The only value of a parameter.
    ///
    /// # Errors
    ///
    /// 422 when it is given more than once or with brackets.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, ApiError> {
        let mut given = self.named(name);
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(Parameter { brackets, value, .. }), None) if brackets.is_empty() => Ok(Some(value)),
            (Some(_), _) => Err(self.refusal(name, "takes one value, without brackets")),
        }
    }

    /// A value that is `true` or `false`.
    ///
    /// # Errors
    ///
    /// 422 for anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.one(name)?.map(|text| self.truth(name, text)).transpose()
    }

    fn truth(&self, name: &str, text: &str) -> Result<bool, ApiError> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(self.bad(name, &format!("{} is neither true nor false", quoted(other)))),
        }
    }

    /// Whether `include` asks for the one thing that can be included here.
    ///
    /// # Errors
    ///
    /// 422 when it asks for another.
    pub fn includes(&self, what: &str) -> Result<bool, ApiError> {
        match self.one("include")? {
            None => Ok(false),
            Some(asked) if asked == what => Ok(true),
            Some(other) => Err(self.bad("include", &format!("{} cannot be included here: use {what}", quoted(other)))),
        }
    }

    /// The values of a parameter that takes many, each read by `parse`.
    ///
    /// # Errors
    ///
    /// 422 with the value that `parse` refuses and what it says, for operators, and for too many values.
    pub fn many<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, ApiError> {
        let mut values = Vec::new();
        for parameter in self.named(name) {
            match parameter.brackets.as_slice() {
                [] => {}
                [index] if is_index(index) => {}
                other => {
                    let why = format!("does not take the operator {}: give values", quoted(&other.join("][")));
                    return Err(self.refusal(name, &why));
                }
            }
            for value in parameter.value.split(',') {
                if values.len() == VALUES_MAX {
                    return Err(self.too_many(name));
                }
                values.push(parse(value).map_err(|why| self.bad(name, &why))?);
            }
        }
        Ok(values)
    }

    fn too_many(&self, name: &str) -> ApiError {
        self.refusal(name, &format!("takes at most {VALUES_MAX} values"))
    }
}

/// Whether what stands in brackets is a place in a list: `[0]` or `[]`.
fn is_index(bracket: &str) -> bool {
    bracket.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits `a[b][c]` into `a` and `b`, `c`.
fn split_key(key: &str) -> Result<(String, Vec<String>), ApiError> {
    let Some((name, mut rest)) = key.find('[').map(|at| key.split_at(at)) else {
        return Ok((key.to_owned(), Vec::new()));
    };
    let mut brackets = Vec::new();
    while let Some(open) = rest.strip_prefix('[') {
        let Some((inner, behind)) = open.split_once(']') else { break };
        brackets.push(inner.to_owned());
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(ApiError::malformed(format!("the brackets of the parameter {} do not close", quoted(key))));
    }
    if brackets.len() > BRACKETS_MAX {
        let message = format!("the parameter {} is nested deeper than {BRACKETS_MAX} levels", quoted(name));
        return Err(ApiError::unprocessable(message));
    }
    Ok((name.to_owned(), brackets))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ApiError::malformed(format!("the query string is not UTF-8 at {}", quoted(text))))
}
