//! What is looked up in what arrived.

use std::sync::Arc;

use serde_json::Value;

use super::{ApiError, Parameters};
use crate::{domain::matching::PatternError, query::content::Content};

/// Parameters that ask for it.
const NAMES: [&str; 5] = ["search_term", "headers", "body", "parsed_query", "path"];
/// Characters of a search term: fewer are in nearly everything, more are no term.
const TERM_CHARS: std::ops::RangeInclusive<usize> = 3..=256;

/// Reads what must be looked up in what arrived; `None` when nothing must.
///
/// # Errors
///
/// Makes a pattern part of what is asked.
type Setter = fn(&mut Content, &Value) -> Result<(), PatternError>;

/// 422 naming the parameter.
pub fn content(parameters: &Parameters) -> Result<Option<Arc<Content>>, ApiError> {
    let mut content = Content::default();
    if let Some(term) = parameters.one("search_term")? {
        if !TERM_CHARS.contains(&term.chars().count()) {
            let why = format!("takes {} to {} characters", TERM_CHARS.start(), TERM_CHARS.end());
            return Err(parameters.refusal("search_term", &why));
        }
        content.with_term(term);
    }
    if let Some(part) = parameters.one("path")? {
        content.with_path(part);
    }
    let filters: [(&str, Setter); 3] =
        [("headers", Content::with_headers), ("parsed_query", Content::with_query), ("body", Content::with_body)];
    for (name, with) in filters {
        if let Some(filter) = parameters.object(name)? {
            with(&mut content, &filter).map_err(|error| parameters.bad(name, &error.to_string()))?;
        }
    }
    Ok(NAMES.into_iter().any(|name| parameters.has(name)).then(|| Arc::new(content)))
}

/// Refuses what must be looked up where everything that matches would have to be.
///
/// # Errors
///
/// 422 naming the parameter.
pub fn refuse_content(parameters: &Parameters) -> Result<(), ApiError> {
    match NAMES.into_iter().find(|name| parameters.has(name)) {
        None => Ok(()),
        Some(name) => {
            let why = "cannot be asked here: it is looked up in what arrived, which would have to be read for all; list them instead";
            Err(parameters.refusal(name, why))
        }
    }
}
