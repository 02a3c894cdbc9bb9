//! Sources, destinations, connections and their rules.

use serde_json::{Map, Value, json};

use super::{Context, time};
use crate::domain::{
    CliDestination, Connection, Destination, DestinationAuth, DestinationKind, HttpDestination, RetryStrategy, Rule,
    Source,
};

/// A source.
#[must_use]
pub fn source(context: Context<'_>, source: &Source) -> Value {
    let methods: Vec<&str> = source.allowed_http_methods.iter().map(|method| method.as_str()).collect();
    json!({
        "id": source.id.to_string(),
        "team_id": context.team_id(),
        "name": source.name,
        "description": source.description,
        "type": source.kind,
        "url": format!("{}/e/{}", context.ingress_url, source.token.as_str()),
        "authenticated": false,
        "config": {
            "allowed_http_methods": methods,
            "custom_response": source.custom_response.as_ref().map(|response| {
                json!({ "content_type": response.content_type.as_str(), "body": response.body })
            }),
            "auth_type": null,
            "auth": null,
        },
        "disabled_at": source.disabled_at.map(time),
        "updated_at": time(source.updated_at),
        "created_at": time(source.created_at),
    })
}

/// A destination; its credentials are masked unless they are asked for.
#[must_use]
pub fn destination(context: Context<'_>, destination: &Destination) -> Value {
    let (kind, config) = match &destination.kind {
        DestinationKind::Http(http) => ("HTTP", http_config(http, context.with_auth)),
        DestinationKind::Cli(cli) => ("CLI", cli_config(cli, context.with_auth)),
        DestinationKind::MockApi => ("MOCK_API", json!({})),
    };
    json!({
        "id": destination.id.to_string(),
        "team_id": context.team_id(),
        "name": destination.name,
        "description": destination.description,
        "type": kind,
        "config": config,
        "disabled_at": destination.disabled_at.map(time),
        "updated_at": time(destination.updated_at),
        "created_at": time(destination.created_at),
    })
}

fn http_config(http: &HttpDestination, with_auth: bool) -> Value {
    let (auth_type, auth) = destination_auth(&http.auth, with_auth);
    json!({
        "url": http.url,
        "rate_limit": null,
        "rate_limit_period": null,
        "http_method": http.http_method.map(|method| method.as_str()),
        "path_forwarding_disabled": http.path_forwarding_disabled,
        "auth_type": auth_type,
        "auth": auth,
    })
}

fn cli_config(cli: &CliDestination, with_auth: bool) -> Value {
    let (auth_type, auth) = destination_auth(&cli.auth, with_auth);
    json!({
        "path": cli.path,
        "http_method": cli.http_method.map(|method| method.as_str()),
        "path_forwarding_disabled": cli.path_forwarding_disabled,
        "auth_type": auth_type,
        "auth": auth,
    })
}

/// The kind of credentials, and they themselves where they may be shown.
fn destination_auth(auth: &DestinationAuth, shown: bool) -> (&'static str, Value) {
    let (auth_type, auth) = match auth {
        DestinationAuth::HookdeckSignature => ("HOOKDECK_SIGNATURE", json!({})),
        DestinationAuth::BearerToken { token } => ("BEARER_TOKEN", json!({ "token": token.expose() })),
        DestinationAuth::BasicAuth { username, password } => {
            ("BASIC_AUTH", json!({ "username": username, "password": password.expose() }))
        }
        DestinationAuth::ApiKeyHeader { key, api_key } => {
            ("API_KEY", json!({ "key": key, "api_key": api_key.expose(), "to": "header" }))
        }
    };
    (auth_type, if shown { auth } else { json!({}) })
}

/// A connection with its source and destination.
#[must_use]
pub fn connection(context: Context<'_>, connection: &Connection) -> Value {
    let from = context.configuration.sources.get(&connection.source_id);
    let to = context.configuration.destinations.get(&connection.destination_id);
    let full_name = from.zip(connection.name.as_ref()).map(|(source, name)| format!("{} -> {name}", source.name));
    json!({
        "id": connection.id.to_string(),
        "team_id": context.team_id(),
        "name": connection.name,
        "full_name": full_name,
        "description": connection.description,
        "source": from.map(|it| source(context, it)),
        "destination": to.map(|it| destination(context, it)),
        "rules": connection.rules.iter().map(rule).collect::<Vec<_>>(),
        "disabled_at": connection.disabled_at.map(time),
        "paused_at": connection.paused_at.map(time),
        "updated_at": time(connection.updated_at),
        "created_at": time(connection.created_at),
    })
}

/// A rule as it was given: no key is added.
fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::Retry(retry) => {
            let strategy = match retry.strategy {
                RetryStrategy::Linear => "linear",
                RetryStrategy::Exponential => "exponential",
            };
            let mut shape = Map::new();
            shape.insert("type".to_owned(), json!("retry"));
            shape.insert("strategy".to_owned(), json!(strategy));
            if let Some(interval) = retry.interval_ms {
                shape.insert("interval".to_owned(), json!(interval));
            }
            if let Some(count) = retry.count {
                shape.insert("count".to_owned(), json!(count));
            }
            if !retry.response_status_codes.is_empty() {
                let codes: Vec<String> = retry.response_status_codes.iter().map(ToString::to_string).collect();
                shape.insert("response_status_codes".to_owned(), json!(codes));
            }
            Value::Object(shape)
        }
    }
}
