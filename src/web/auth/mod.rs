//! Who may use the API: whoever has a key, as a bearer token or as the user of basic authentication, or a session that was
//! opened with one.
//!
//! [`Gate`] is the one way in. What a key may do is decided by its scope, which the router asks for ([`Entered::require`]).

mod secret;
mod sessions;
mod tries;

use std::{fmt::Write as _, net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConditionallySelectable;

pub use self::secret::{KEY_PREFIX, secret_text};
use self::{sessions::Sessions, tries::Tries};
use super::{client_ip::TrustedProxies, error::ApiError};
use crate::domain::{ApiKey, Configuration, Scope, Secret, Timestamp, document::Author};

/// The cookie that holds a session's secret.
const COOKIE_NAME: &str = "hookgate_session";
/// What browsers say about where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whom a request was let in for.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Its key, or the one its session was opened with.
    pub key: Arc<ApiKey>,
    /// Whether a session's cookie let it in.
    pub by_session: bool,
}

impl Entered {
    /// Asks for a key that allows this.
    ///
    /// # Errors
    ///
    /// 403 naming the scope that is needed.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.key.scope >= scope {
            return Ok(());
        }
        let (needed, given) = (scope.as_str(), self.key.scope.as_str());
        Err(ApiError::forbidden(format!("this needs a key of scope {needed}, and yours has {given}")))
    }

    /// As it is written down with what it changes.
    #[must_use]
    pub fn author(&self) -> Author {
        Author::Key { id: self.key.id, label: self.key.label.clone() }
    }
}

/// Lets requests in; shared by all workers.
#[derive(Debug, Default)]
pub struct Gate {
    tries: Tries,
    sessions: Sessions,
    proxies: TrustedProxies,
    /// The API's address as clients use it.
    public_url: String,
    /// Whether clients reach it over TLS alone.
    is_secure: bool,
}

impl Gate {
    /// The gate of an API that clients reach under `public_url`; `tls` when it does that itself.
    #[must_use]
    pub fn new(proxies: TrustedProxies, public_url: &str, tls: bool) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        let is_secure = tls || public_url.starts_with("https://");
        Self { tries: Tries::default(), sessions: Sessions::default(), proxies, public_url, is_secure }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    ///
    /// 401 without a key or session, or with one that is not valid; 403 for a change that another site's page asks for with a
    /// session; 429 where too many wrong keys came from.
    pub fn enter(
        &self,
        request: &HttpRequest,
        configuration: &Configuration,
        now: Timestamp,
    ) -> Result<Entered, ApiError> {
        let headers = request.headers();
        if let Some(value) = headers.get(AUTHORIZATION) {
            let Some(text) = key_of(value.as_bytes()) else {
                return Err(ApiError::unauthorized(
                    "the authorization header is not readable: send `Bearer hgk_…`, or `Basic` with the key as user name",
                ));
            };
            let key = self.key(self.proxies.client_ip(request), &text, configuration, now)?;
            return Ok(Entered { key, by_session: false });
        }
        let Some(secret) = cookie(headers) else {
            return Err(ApiError::unauthorized("no API key: send `authorization: Bearer hgk_…`"));
        };
        let key = self.sessions.key(secret, configuration, now);
        let key = key.ok_or_else(|| ApiError::unauthorized("the session has ended: sign in again"))?;
        if !request.method().is_safe() && self.site(headers) != Site::Same {
            return Err(ApiError::forbidden(
                "a session changes things only for pages of this address: `sec-fetch-site` or `origin` does not say so",
            ));
        }
        Ok(Entered { key, by_session: true })
    }

    /// Lets in whoever has a key, given as text.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub fn enter_with(
        &self,
        request: &HttpRequest,
        text: &str,
        configuration: &Configuration,
        now: Timestamp,
    ) -> Result<Entered, ApiError> {
        let key = self.key(self.proxies.client_ip(request), text.as_bytes(), configuration, now)?;
        Ok(Entered { key, by_session: false })
    }

    /// Opens a session for whoever has a key, and gives it with the cookie to set.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub fn sign_in(
        &self,
        request: &HttpRequest,
        text: &str,
        configuration: &Configuration,
        now: Timestamp,
    ) -> Result<(Entered, String), ApiError> {
        // Nobody is to be signed in by another site's page, as somebody else.
        if self.site(request.headers()) == Site::Other {
            return Err(ApiError::forbidden("only pages of this address may sign in"));
        }
        let key = self.key(self.proxies.client_ip(request), text.as_bytes(), configuration, now)?;
        let secret = self.sessions.open(key.id, ApiKey::hash_of(text.as_bytes()), now).map_err(ApiError::internal)?;
        Ok((Entered { key, by_session: true }, self.set_cookie(&secret)))
    }

    /// Ends the session of a request, and gives the cookie that takes the browser's away.
    #[must_use]
    pub fn sign_out(&self, request: &HttpRequest) -> String {
        if let Some(secret) = cookie(request.headers()) {
            self.sessions.end(secret);
        }
        let mut cookie = self.set_cookie(&Secret::new(""));
        cookie.push_str("; Max-Age=0");
        cookie
    }

    fn set_cookie(&self, secret: &Secret) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={}; Path=/; HttpOnly; SameSite=Strict{secure}", secret.expose())
    }

    /// The key of a text.
    fn key(
        &self,
        address: Option<IpAddr>,
        text: &[u8],
        configuration: &Configuration,
        now: Timestamp,
    ) -> Result<Arc<ApiKey>, ApiError> {
        let found = find(text, configuration, now);
        if let Err(seconds) = self.tries.judge(address, found.is_some(), now) {
            let mut message = "too many wrong API keys came from this address: ".to_owned();
            // Writing to a text does not fail.
            write!(message, "none is looked at for {seconds} s").unwrap_or_default();
            return Err(ApiError::too_many_requests(message, seconds));
        }
        found.ok_or_else(|| ApiError::unauthorized("this API key is not known here, was revoked or has run out"))
    }

    /// Where the page is from that sent a request, as the browser says.
    fn site(&self, headers: &HeaderMap) -> Site {
        if let Some(site) = headers.get(SEC_FETCH_SITE) {
            return if site == "same-origin" { Site::Same } else { Site::Other };
        }
        let Some(origin) = headers.get(ORIGIN) else { return Site::Unknown };
        let origin = origin.as_bytes();
        // A proxy may have changed the host; then the address that is set is the one that browsers know.
        let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
        let host = headers.get(HOST).map(|host| host.as_bytes());
        let is_same = (authority.is_some() && authority == host) || origin == self.public_url.as_bytes();
        if is_same { Site::Same } else { Site::Other }
    }
}

/// Where a page is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    Same,
    Other,
    /// Nothing was said: no browser, or a very old one.
    Unknown,
}

/// The key of a text. All keys are compared, in constant time each: timing tells nothing about any of them.
fn find(text: &[u8], configuration: &Configuration, now: Timestamp) -> Option<Arc<ApiKey>> {
    let hash = ApiKey::hash_of(text);
    // Its place, counted from 1.
    let place = (1u64..)
        .zip(configuration.api_keys.values())
        .fold(0, |found, (place, key)| u64::conditional_select(&found, &place, key.is_of(&hash, now)));
    let place = usize::try_from(place).ok()?.checked_sub(1)?;
    configuration.api_keys.values().nth(place).cloned()
}

/// The session's secret in the cookies of a request.
fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let cookies = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    cookies.map(<[u8]>::trim_ascii).find_map(|cookie| {
        let value = cookie.strip_prefix(COOKIE_NAME.as_bytes())?.strip_prefix(b"=")?;
        Some(value).filter(|value| !value.is_empty())
    })
}

/// The key text that a request was sent with; none when a session let it in.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Option<String> {
    let text = key_of(headers.get(AUTHORIZATION)?.as_bytes())?;
    String::from_utf8(text).ok()
}

/// The key text in an authorization header.
fn key_of(value: &[u8]) -> Option<Vec<u8>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut credentials = STANDARD.decode(rest).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    // The password is empty: a key with one is somebody else's credentials.
    if colon + 1 != credentials.len() {
        return None;
    }
    credentials.truncate(colon);
    Some(credentials)
}

#[cfg(test)]
mod tests;
