//! Where a delivery goes: the destination's URL with the request's path and query behind its own.

use url::{Position, Url};

use crate::domain::Request;

/// The destination's URL with the request's path and query behind its own, byte for byte: nothing is normalised, because
/// what the sender signed must arrive.
///
/// # Errors
///
/// When the request's path could lead out of the destination's, or the URL cannot be read.
pub(super) fn forwarded(request: &Request, base: &str) -> Result<String, String> {
    if request.path.is_empty() && request.query.is_none() {
        return Ok(base.to_owned());
    }
    if climbs(&request.path) {
        return Err(
            "the request's path has a `..` segment, which could lead out of the destination's own path".to_owned()
        );
    }
    let own = Url::parse(base).map_err(|error| format!("the destination's url: {error}"))?;
    let path = if request.path.is_empty() { own.path() } else { own.path().trim_end_matches('/') };
    let mut url = [&own[..Position::BeforePath], path, &request.path].concat();
    let queries = [own.query().filter(|own| !own.is_empty()), request.query.as_deref()];
    for (mark, query) in ['?', '&'].into_iter().zip(queries.into_iter().flatten()) {
        url.push(mark);
        url.push_str(query);
    }
    Ok(url)
}

/// Whether some server could read a `..` segment in a path, whatever it decodes before it splits.
fn climbs(path: &str) -> bool {
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    decoded.split(['/', '\\']).any(|segment| segment == "..")
}
