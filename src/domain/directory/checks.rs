//! What names, descriptions, URLs and rules have to be, whoever they belong to.

use super::{ConfigError, DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX, invalid};
use crate::domain::{
    Rule,
    rule::{DELAY_MS_MAX, RETRIES_MAX},
};

/// A name that must be there.
pub(super) fn required_name(given: Option<&str>, place: &str) -> Result<String, ConfigError> {
    let field = format!("{place}name");
    let given = given.ok_or_else(|| invalid(field.clone(), "is required"))?;
    name(given, &field)?;
    Ok(given.to_owned())
}

/// The API's pattern, `^[A-z0-9-_]+$`, whose `A-z` also takes the six signs between `Z` and `a`.
///
/// # Errors
///
/// `Invalid`, naming the field.
pub fn name(name: &str, field: &str) -> Result<(), ConfigError> {
    let allowed = |c: char| c.is_ascii_digit() || c == '-' || ('A'..='z').contains(&c);
    if name.is_empty() {
        return Err(invalid(field.to_owned(), "must not be empty"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(invalid(field.to_owned(), format!("must have at most {NAME_CHARS_MAX} characters")));
    }
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(invalid(field.to_owned(), format!("has {c:?} in it: use letters, digits, `-` and `_`"))),
        None => Ok(()),
    }
}

pub(super) fn description(text: Option<&str>, field: &str) -> Result<(), ConfigError> {
    match text {
        Some(text) if text.chars().count() > DESCRIPTION_CHARS_MAX => {
            Err(invalid(field.to_owned(), format!("must have at most {DESCRIPTION_CHARS_MAX} characters")))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn url(text: &str, field: String) -> Result<(), ConfigError> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        Ok(_) => Err(invalid(field, "must begin with http:// or https:// and name a host")),
        Err(error) => Err(invalid(field, format!("is not an absolute http or https URL: {error}"))),
    }
}

pub(super) fn rules(rules: &[Rule]) -> Result<(), ConfigError> {
    for (place, rule) in rules.iter().enumerate() {
        match rule {
            Rule::Retry(retry) => {
                if retry.count.is_some_and(|count| !(1..=RETRIES_MAX).contains(&count)) {
                    return Err(invalid(format!("rules[{place}].count"), format!("must be from 1 to {RETRIES_MAX}")));
                }
                if retry.interval_ms.is_some_and(|interval| interval > DELAY_MS_MAX) {
                    let message = format!("must be at most {DELAY_MS_MAX} milliseconds (7 days)");
                    return Err(invalid(format!("rules[{place}].interval"), message));
                }
                if rules[..place].iter().any(|earlier| matches!(earlier, Rule::Retry(_))) {
                    return Err(invalid(format!("rules[{place}]"), "is a second retry rule: give one"));
                }
            }
        }
    }
    Ok(())
}
