//! What a delivery sends: URL, method and headers made of a request, its event and its destination.
//!
//! Pure: the time, the names and the secret are arguments. [`url`] forwards path and query byte for byte, [`headers`]
//! keeps what is the request's, leaves what was its connection's, and adds ours.

mod headers;
mod url;

use std::time::Duration;

use crate::{
    domain::{EventId, HttpDestination, Request, Secret, Timestamp, delivery::Try},
    transport::Outbound,
};

/// Which try of which event, and what its headers say of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) event: EventId,
    pub(crate) plan: Try,
    /// When it is made.
    pub(crate) at: Timestamp,
    /// Until the automatic retry that follows when it fails, in milliseconds; `None` when none does.
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) source_name: Option<&'a str>,
    pub(crate) connection_name: Option<&'a str>,
    pub(crate) destination_name: &'a str,
}

/// What is the same for all deliveries of a project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) signing_secret: Option<&'a Secret>,
    /// The one before, as long as it signs beside it.
    pub(crate) previous_secret: Option<&'a Secret>,
    /// Lower case.
    pub(crate) header_prefix: &'a str,
    /// The API's address without a slash at its end: events are shown behind it.
    pub(crate) api_url: &'a str,
    pub(crate) timeout: Duration,
}

/// Builds what is sent to `base`, the destination's URL.
///
/// # Errors
///
/// The URL's own words when it cannot be used; it was checked when it was set.
pub(crate) fn outbound(
    request: &Request,
    (base, destination): (&str, &HttpDestination),
    attempt: &Attempt<'_>,
    sender: &Sender<'_>,
) -> Result<Outbound, String> {
    let method = destination.http_method.map_or_else(|| request.method.clone(), |method| method.as_str().to_owned());
    let url = if destination.path_forwarding_disabled { base.to_owned() } else { url::forwarded(request, base)? };
    let headers = headers::headers(request, &destination.auth, attempt, sender);
    Ok(Outbound { method, url, headers, body: request.body.clone(), timeout: sender.timeout })
}

#[cfg(test)]
mod tests;
