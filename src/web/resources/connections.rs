//! Connections: source → destination with rules; pausing, disabling and deleting them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Call, Route, alive, destinations, ok, ok_deleted, sources};
use crate::{
    domain::{
        Configuration, Connection, ConnectionId, Destination, DestinationId, RetryRule, RetryStrategy, Rule, SourceId,
        StatusCodes,
        directory::{Command, NewConnection, NewDestination, NewSource, Reference},
        rule::EXPRESSIONS_MAX,
    },
    web::{
        error::{ApiError, quoted},
        fields::Fields,
        profiles as shapes,
    },
};

/// What this resource answers to.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/connections", |call| Box::pin(create(call))),
    Route::new("GET", "/connections/{id}", |call| Box::pin(one(call))),
    Route::new("DELETE", "/connections/{id}", |call| Box::pin(delete(call))),
    Route::new("PUT", "/connections/{id}/enable", |call| Box::pin(switch(call, Command::EnableConnection))),
    Route::new("PUT", "/connections/{id}/unarchive", |call| Box::pin(switch(call, Command::EnableConnection))),
    Route::new("PUT", "/connections/{id}/disable", |call| Box::pin(switch(call, Command::DisableConnection))),
    Route::new("PUT", "/connections/{id}/archive", |call| Box::pin(switch(call, Command::DisableConnection))),
    Route::new("PUT", "/connections/{id}/pause", |call| Box::pin(switch(call, Command::Pause))),
    Route::new("PUT", "/connections/{id}/unpause", |call| Box::pin(switch(call, Command::Unpause))),
];

/// Rules of a connection at most: one of each kind, and room.
const RULES_MAX: usize = 20;

async fn create(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let new = read(call.fields()?, &call.configuration())?;
    let applied = call.state.gateway.apply(Command::CreateConnection(new)).await?;
    let created = applied.changed.iter().find_map(|item| match item {
        crate::domain::ConfigItem::Connection(connection) => Some(connection),
        crate::domain::ConfigItem::Project(_)
        | crate::domain::ConfigItem::Source(_)
        | crate::domain::ConfigItem::Destination(_)
        | crate::domain::ConfigItem::ApiKey(_) => None,
    });
    let created = created.ok_or_else(|| ApiError::internal("a connection is not there after it was created"))?;
    Ok(ok(&shapes::connection(call.context(&applied.configuration), created)))
}

#[expect(clippy::unused_async, reason = "handlers are")]
async fn one(call: Call) -> Answer {
    call.parameters.check(&[], &[])?;
    let configuration = call.configuration();
    let connection = find(&configuration, call.id()?)?;
    Ok(ok(&shapes::connection(call.context(&configuration), &connection)))
}

/// Pauses, disables and the like; the same answer when it was so already.
async fn switch(call: Call, command: fn(ConnectionId) -> Command) -> Answer {
    let id = call.bare_id()?;
    let applied = call.state.gateway.apply(command(id)).await?;
    let connection = find(&applied.configuration, id)?;
    let mut shape = shapes::connection(call.context(&applied.configuration), &connection);
    // Our addition: whoever asks for the hosted API's shapes gets those alone.
    if let Some(released) = applied.released.filter(|_| !call.version.dated) {
        shape["released"] = json!({
            "count": released.events,
            "oldest_at": released.oldest_at.map(|at| at.to_string()),
            "bytes": released.body_bytes,
        });
    }
    Ok(ok(&shape))
}

async fn delete(call: Call) -> Answer {
    let id = call.bare_id()?;
    call.state.gateway.apply(Command::DeleteConnection(id)).await?;
    Ok(ok_deleted(&id))
}

fn find(configuration: &Configuration, id: ConnectionId) -> Result<Arc<Connection>, ApiError> {
    let found = configuration.connections.get(&id);
    alive(found, format_args!("connection {id}"), |connection| connection.deleted_at)
}

fn read(mut fields: Fields, configuration: &Configuration) -> Result<NewConnection, ApiError> {
    let name = fields.text("name")?;
    let description = fields.text("description")?;
    let source = read_source(&mut fields)?;
    let destination = read_destination(&mut fields, configuration)?;
    let rules = fields.list("rules")?.unwrap_or_default();
    if rules.len() > RULES_MAX {
        return Err(fields.refusal("rules", &format!("must have at most {RULES_MAX} rules")));
    }
    let rules = rules
        .into_iter()
        .enumerate()
        .map(|(place, rule)| read_rule(Fields::of(&format!("rules[{place}]"), rule)?))
        .collect::<Result<_, _>>()?;
    fields.finish()?;
    Ok(NewConnection { name, description, source, destination, rules })
}

fn read_source(fields: &mut Fields) -> Result<Reference<SourceId, NewSource>, ApiError> {
    match (fields.text("source_id")?, fields.object("source")?) {
        (Some(id), None) => Ok(Reference::Existing(read_id(fields, "source_id", &id)?)),
        (None, Some(inline)) => Ok(Reference::Inline(sources::read(inline)?)),
        (None, None) => Err(fields.refusal("source_id", "or `source` is required")),
        (Some(_), Some(_)) => Err(fields.refusal("source_id", "and `source` exclude each other: give one")),
    }
}

/// An inline one that gives nothing but the name of an existing one means that one as it is.
fn read_destination(
    fields: &mut Fields,
    configuration: &Configuration,
) -> Result<Reference<DestinationId, NewDestination>, ApiError> {
    let inline = fields.take("destination");
    match (fields.text("destination_id")?, inline) {
        (Some(id), None) => Ok(Reference::Existing(read_id(fields, "destination_id", &id)?)),
        (None, Some(inline)) => {
            let is_named =
                |known: &&Arc<Destination>| known.deleted_at.is_none() && inline == json!({ "name": known.name });
            let named = configuration.destinations.values().find(is_named);
            match named {
                Some(known) => Ok(Reference::Existing(known.id)),
                None => {
                    let inline = Fields::of(&fields.place_of("destination"), inline)?;
                    Ok(Reference::Inline(destinations::read(inline)?))
                }
            }
        }
        (None, None) => Err(fields.refusal("destination_id", "or `destination` is required")),
        (Some(_), Some(_)) => Err(fields.refusal("destination_id", "and `destination` exclude each other: give one")),
    }
}

fn read_id<Id: std::str::FromStr>(fields: &Fields, key: &str, text: &str) -> Result<Id, ApiError>
where
    Id::Err: std::fmt::Display,
{
    text.parse().map_err(|error: Id::Err| fields.refusal(key, &format!("is no such id: {error}")))
}

fn read_rule(mut fields: Fields) -> Result<Rule, ApiError> {
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "retry" => {}
        "filter" | "transform" | "transformation" | "delay" | "deduplicate" => {
            return Err(fields.refusal("type", &format!("{kind} is not available yet: leave this rule out")));
        }
        other => return Err(fields.refusal("type", &format!("{} is not a kind of rule", quoted(other)))),
    }
    let strategy = match fields.required_text("strategy")?.as_str() {
        "linear" => RetryStrategy::Linear,
        "exponential" => RetryStrategy::Exponential,
        _ => return Err(fields.refusal("strategy", "must be linear or exponential")),
    };
    let interval_ms = fields.count("interval")?;
    let count = match fields.count("count")? {
        None => None,
        Some(count) => Some(u32::try_from(count).map_err(|_| fields.refusal("count", "is too large"))?),
    };
    let response_status_codes = read_status_codes(&mut fields)?;
    fields.finish()?;
    Ok(Rule::Retry(RetryRule { strategy, interval_ms, count, response_status_codes }))
}

fn read_status_codes(fields: &mut Fields) -> Result<Vec<StatusCodes>, ApiError> {
    const WHAT: &str = "must be 1 to 10 texts such as \"500-599\", \"!501\", \">=400\" or \"404\"";
    let Some(values) = fields.list("response_status_codes")? else { return Ok(Vec::new()) };
    if values.is_empty() || values.len() > EXPRESSIONS_MAX {
        return Err(fields.refusal("response_status_codes", WHAT));
    }
    let parse = |value: &Value| {
        let refusal = || fields.refusal("response_status_codes", &format!("has {value} in it: {WHAT}"));
        value.as_str().and_then(StatusCodes::parse).ok_or_else(refusal)
    };
    values.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn rule(rule: Value) -> Result<Rule, ApiError> {
        read_rule(Fields::of("rules[0]", rule)?)
    }

    #[test]
    fn a_retry_rule_is_read_as_it_was_given() {
        let given = json!({ "type": "retry", "strategy": "linear", "interval": 5000, "count": null });
        let expected = RetryRule {
            strategy: RetryStrategy::Linear,
            interval_ms: Some(5000),
            count: None,
            response_status_codes: Vec::new(),
        };
        assert_eq!(rule(given).unwrap(), Rule::Retry(expected));
    }

    #[test]
    fn a_rule_that_cannot_be_obeyed_is_refused_by_its_place() {
        for (given, named) in [
            (json!({ "type": "filter", "body": {} }), "filter"),
            (json!({ "type": "nonsense" }), "nonsense"),
            (json!({ "strategy": "linear" }), "rules[0].type"),
            (json!({ "type": "retry" }), "rules[0].strategy"),
            (json!({ "type": "retry", "strategy": "random" }), "rules[0].strategy"),
            (json!({ "type": "retry", "strategy": "linear", "interval": -1 }), "rules[0].interval"),
            (json!({ "type": "retry", "strategy": "linear", "interval": 1.5 }), "rules[0].interval"),
            (json!({ "type": "retry", "strategy": "linear", "count": 1u64 << 40 }), "rules[0].count"),
            (json!({ "type": "retry", "strategy": "linear", "response_status_codes": [] }), "response_status_codes"),
            (json!({ "type": "retry", "strategy": "linear", "response_status_codes": ["5xx"] }), "5xx"),
            (json!({ "type": "retry", "strategy": "linear", "response_status_codes": [500] }), "500"),
            (
                json!({ "type": "retry", "strategy": "linear", "response_status_codes": vec!["500"; 11] }),
                "response_status_codes",
            ),
            (json!({ "type": "retry", "strategy": "linear", "intervall": 1 }), "rules[0].intervall"),
            (json!([]), "rules[0]"),
        ] {
            let message = rule(given).unwrap_err().to_string();
            assert!(message.contains(named), "{named}: {message}");
        }
    }
}
