//! Paths of the API that are known and not built yet: they answer 501 and say so, where unknown ones answer 404.
//!
//! Whoever builds one removes it here and adds it to its resource's table.

use super::profiles::Profile;

/// The version that brought a path of the table.
#[must_use]
pub fn since(path: &str) -> Profile {
    if path.starts_with("/projects") || path.starts_with("/organizations") {
        Profile::V2026_09_01
    } else if path.starts_with("/metrics") || path == "/transformations/count" {
        Profile::V2025_07_01
    } else {
        Profile::OLDEST
    }
}

/// Path, with the methods that will be there.
pub const LATER: &[(&str, &[&str])] = &[
    ("/cli-sessions", &["POST"]),
    ("/integrations", &["GET", "POST"]),
    ("/integrations/{id}", &["DELETE", "GET", "PUT"]),
    ("/integrations/{id}/attach/{id}", &["PUT"]),
    ("/integrations/{id}/detach/{id}", &["PUT"]),
    ("/issue-triggers", &["GET", "POST", "PUT"]),
    ("/issue-triggers/{id}", &["DELETE", "GET", "PUT"]),
    ("/issue-triggers/{id}/disable", &["PUT"]),
    ("/issue-triggers/{id}/enable", &["PUT"]),
    ("/issues", &["GET"]),
    ("/issues/count", &["GET"]),
    ("/issues/{id}", &["DELETE", "GET", "PUT"]),
    ("/metrics/attempts", &["GET"]),
    ("/metrics/events", &["GET"]),
    ("/metrics/events-by-issue", &["GET"]),
    ("/metrics/events-pending-timeseries", &["GET"]),
    ("/metrics/queue-depth", &["GET"]),
    ("/metrics/requests", &["GET"]),
    ("/metrics/transformations", &["GET"]),
    ("/notifications/webhooks", &["PUT"]),
    ("/projects/{id}/custom_domains", &["GET", "POST"]),
    ("/projects/{id}/custom_domains/{id}", &["DELETE"]),
    ("/teams/current/custom_domains", &["GET", "POST"]),
    ("/teams/current/custom_domains/{id}", &["DELETE"]),
    ("/transformations", &["GET", "POST", "PUT"]),
    ("/transformations/count", &["GET"]),
    ("/transformations/run", &["PUT"]),
    ("/transformations/{id}", &["DELETE", "GET", "PUT"]),
    ("/transformations/{id}/executions", &["GET"]),
    ("/transformations/{id}/executions/{id}", &["GET"]),
];
