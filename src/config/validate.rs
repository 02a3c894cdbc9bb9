//! Which values make sense: bounds with their reasons, and what must fit together.

use std::path::Path;

use tracing_subscriber::filter::EnvFilter;

use super::{
    ConfigError, Settings,
    error::nearest,
    layers::{Layers, Scalar},
};

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;
const GIB: i64 = 1024 * MIB;
const TIB: i64 = 1024 * GIB;
const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3600 * SECOND_MS;

/// Low and high bound of each number; `(key, low, high)`.
///
/// Low ones keep the gateway able to work at all, high ones catch a slip of the unit (bytes for MiB, ms for s).
const BOUNDS: [(&str, i64, i64); 22] = [
    ("ingress.body_bytes_max", KIB, GIB),
    ("ingress.body_memory_bytes", MIB, TIB),
    ("ingress.body_timeout_ms", 100, HOUR_MS),
    ("ingress.body_rate_min_bytes_per_s", 0, GIB),
    ("ingress.workers", 0, 1024),
    ("api.workers", 1, 1024),
    ("api.live_streams_max", 0, 100_000),
    ("api.live_heartbeat_ms", 100, HOUR_MS),
    ("delivery.timeout_ms", 10, HOUR_MS),
    ("delivery.concurrency", 1, 10_000),
    ("delivery.arbiters", 0, 1024),
    ("delivery.drain_grace_ms", 0, HOUR_MS),
    ("bulk.rate_per_s", 1, 100_000),
    ("egress.dns_timeout_ms", 10, 5 * 60 * SECOND_MS),
    ("store.segment_bytes", MIB, 4 * GIB),
    ("store.sled_cache_bytes", MIB, TIB),
    ("store.overlay_bytes_max", 4 * MIB, TIB),
    ("store.journal_queue_bytes_max", MIB, TIB),
    ("store.disk_low_bytes", 0, 1024 * TIB),
    ("store.checkpoint_interval_ms", 100, HOUR_MS),
    ("store.retention_days", 1, 36_500),
    ("stop.delay_ms", 0, HOUR_MS),
];

/// A quota must leave room for the segment being written and those waiting to be looked at.
const QUOTA_SEGMENTS_MIN: u64 = 4;
/// Longest header prefix: names stay readable.
const HEADER_PREFIX_CHARS_MAX: usize = 64;
/// Begins a certificate in a PEM file.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Refuses numbers that are out of bounds; before types are made, so that a negative one is named as such.
pub(super) fn check_bounds(layers: &Layers) -> Result<(), ConfigError> {
    for (section, key, entry) in layers.iter() {
        let name = format!("{section}.{key}");
        let bound = BOUNDS.iter().find(|(bounded, ..)| *bounded == name);
        match (&entry.value, bound) {
            (Scalar::Number(value), Some((_, low, high))) if value < low || value > high => {
                return Err(layers.invalid(&name, format!("is {value}: must be between {low} and {high}")));
            }
            (Scalar::Number(value), None) if *value < 0 => {
                return Err(layers.invalid(&name, format!("is {value}: must not be negative")));
            }
            (Scalar::Number(_) | Scalar::Text(_) | Scalar::List(_), _) => {}
        }
    }
    Ok(())
}

/// Refuses values that do not make sense by themselves or beside each other.
pub(super) fn check(settings: &Settings, layers: &Layers) -> Result<(), ConfigError> {
    let fail = |key: &str, problem: String| Err(layers.invalid(key, problem));
    if settings.data.dir.as_os_str().is_empty() {
        return fail("data.dir", "is empty: name a directory".to_owned());
    }
    let (ingress, api) = (&settings.ingress, &settings.api);
    if ingress.listen == api.listen && api.listen.port() != 0 {
        return fail("api.listen", format!("is {}, as ingress.listen is: give each its own port", api.listen));
    }
    for (key, url) in [("ingress.public_url", &ingress.public_url), ("api.public_url", &api.public_url)] {
        if let Some(problem) = public_url_problem(url) {
            return fail(key, problem);
        }
    }
    for (section, half) in [("ingress", ingress.half_of_tls()), ("api", api.half_of_tls())] {
        if let Some((given, missing)) = half {
            return fail(
                &format!("{section}.{missing}"),
                format!("is empty while {section}.{given} is set: TLS needs both"),
            );
        }
    }
    if ingress.body_bytes_max > ingress.body_memory_bytes {
        let problem = format!("must not exceed ingress.body_memory_bytes ({})", ingress.body_memory_bytes);
        return fail("ingress.body_bytes_max", problem);
    }
    if !["status", "200"].contains(&ingress.rejections.as_str()) {
        let problem = format!("is {:?}: must be status, or 200 for the vendor's habit", ingress.rejections);
        return fail("ingress.rejections", problem);
    }
    let store = &settings.store;
    for (key, room) in
        [("store.segment_bytes", store.segment_bytes), ("store.journal_queue_bytes_max", store.journal_queue_bytes_max)]
    {
        // Twice: a body shares its record with headers, and a segment with its footer.
        if ingress.body_bytes_max as u64 * 2 > room {
            let problem = format!("must be at least twice ingress.body_bytes_max ({})", ingress.body_bytes_max);
            return fail(key, problem);
        }
    }
    let quota_min = store.segment_bytes * QUOTA_SEGMENTS_MIN;
    if store.quota_bytes != 0 && store.quota_bytes < quota_min {
        return fail("store.quota_bytes", format!("must be 0 (no limit) or at least four segments ({quota_min})"));
    }
    if let Some(problem) = header_prefix_problem(&settings.delivery.header_prefix) {
        return fail("delivery.header_prefix", problem);
    }
    if let Some(problem) = settings.delivery.ca_file().and_then(ca_file_problem) {
        return fail("delivery.ca_file", problem);
    }
    if let Err((key, problem)) = settings.egress.check() {
        return fail(key, problem);
    }
    if let Some(problem) = level_problem(&settings.log.level) {
        return fail("log.level", problem);
    }
    Ok(())
}

fn public_url_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let wanted = "must be a URL such as https://hooks.example.com, without query and fragment";
    let plain = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    (!plain).then(|| format!("is {text:?}: {wanted}"))
}

fn header_prefix_problem(prefix: &str) -> Option<String> {
    let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = prefix.len() <= HEADER_PREFIX_CHARS_MAX
        && prefix.len() > 1
        && prefix.ends_with('-')
        && prefix.as_bytes()[0].is_ascii_lowercase()
        && prefix.bytes().all(name);
    (!good).then(|| {
        format!("is {prefix:?}: must be lower-case letters, digits and dashes, ending in a dash, such as x-hookgate-")
    })
}

/// Whether there are certificates in a file; whether they are good is found out when they are used, before anything else.
fn ca_file_problem(file: &Path) -> Option<String> {
    let named = format!("is {:?}", file.display().to_string());
    match std::fs::read(file) {
        Err(error) => Some(format!("{named}, which cannot be read: {error}")),
        Ok(text) if !text.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) => {
            Some(format!("{named}, which has no certificate in it: must be PEM, with `-----BEGIN CERTIFICATE-----`"))
        }
        Ok(_) => None,
    }
}

/// `EnvFilter` alone would take `inof` for the name of a module and log everything of it.
fn level_problem(level: &str) -> Option<String> {
    for directive in level.split(',') {
        if !directive.contains('=') && !LEVELS.contains(&directive) {
            let meant = nearest(directive, LEVELS.into_iter()).map(|level| format!("; did you mean {level}?"));
            let known = LEVELS.join(", ");
            return Some(format!(
                "has {directive:?}: must be one of {known}, or module=level{}",
                meant.unwrap_or_default()
            ));
        }
    }
    EnvFilter::try_new(level).err().map(|error| format!("is {level:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_directives() {
        for good in ["info", "off", "info,hookgate::actors=debug", "warn,sled=error"] {
            assert_eq!(level_problem(good), None, "{good}");
        }
        for bad in ["", "inof", "INFO!", "info,", "hookgate=loud", "warn, sled=error"] {
            assert!(level_problem(bad).is_some(), "{bad}");
        }
        assert!(level_problem("inof").is_some_and(|problem| problem.contains("did you mean info?")));
    }

    #[test]
    fn header_prefixes_are_lower_case_names_with_a_dash() {
        for good in ["x-hookgate-", "x-hookdeck-", "a1-"] {
            assert_eq!(header_prefix_problem(good), None, "{good}");
        }
        for bad in ["", "-", "x-hookgate", "X-Hookgate-", "x hookgate-", "1-", "x_y-"] {
            assert!(header_prefix_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn public_urls_are_http_with_a_host() {
        for good in ["", "https://hooks.example.com", "http://10.0.0.1:8080/base"] {
            assert_eq!(public_url_problem(good), None, "{good}");
        }
        for bad in ["hooks.example.com", "ftp://x", "https://x?y=1", "https://x#y", "https://"] {
            assert!(public_url_problem(bad).is_some(), "{bad}");
        }
    }
}
