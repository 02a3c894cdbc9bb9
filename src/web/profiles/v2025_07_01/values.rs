//! Bodies, headers and query strings as JSON: as a search sees them.

pub(super) use crate::query::content::{body, headers, parsed_query};
