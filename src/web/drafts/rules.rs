//! Rules of a connection, read one by one in the order given.

use serde_json::Value;

use crate::{
    domain::{RetryRule, RetryStrategy, Rule, StatusCodes, rule::EXPRESSIONS_MAX},
    web::{
        error::{ApiError, quoted},
        fields::Fields,
    },
};

/// Rules of a connection at most: one of each kind, and room.
const RULES_MAX: usize = 20;

/// The rules of a body; `None` where it says nothing about them.
pub(super) fn rules(fields: &mut Fields) -> Result<Option<Vec<Rule>>, ApiError> {
    let Some(rules) = fields.list("rules")? else { return Ok(None) };
    if rules.len() > RULES_MAX {
        return Err(fields.refusal("rules", &format!("must have at most {RULES_MAX} rules")));
    }
    let read = |(place, rule)| read_rule(Fields::of(&format!("rules[{place}]"), rule)?);
    rules.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
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
    use serde_json::json;

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
