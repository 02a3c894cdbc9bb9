//! Values with operators: times, counts, HTTP statuses, texts. Everything given of one parameter must hold.

use super::{ApiError, Parameters, VALUES_MAX, is_index, quoted};
use crate::{
    domain::{Span, Timestamp},
    query::{Moment, Optional},
};

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A range that no number is in.
const NOTHING: (u32, u32) = (1, 0);
/// HTTP statuses there can be.
const STATUSES: std::ops::RangeInclusive<u32> = 100..=999;

/// Which texts: any of some, with something in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextFilter {
    /// Any of these; empty for whatever it is.
    pub any_of: Vec<String>,
    /// With each of these in it, whatever the case.
    pub contains: Vec<String>,
    /// Whether there is a text at all.
    pub present: Option<bool>,
}

impl TextFilter {
    /// Whether it matches.
    #[must_use]
    pub fn matches(&self, text: Option<&str>) -> bool {
        let has = |part: &String| text.is_some_and(|text| text.to_lowercase().contains(&part.to_lowercase()));
        self.present.is_none_or(|present| present == text.is_some())
            && (self.any_of.is_empty() || text.is_some_and(|text| self.any_of.iter().any(|one| one == text)))
            && self.contains.iter().all(has)
    }
}

/// What an operator of a number or a time says.
enum Operator {
    Is,
    Above,
    From,
    Below,
    UpTo,
    Present,
    Whatever,
}

/// Ranges of numbers, of which any will do.
#[derive(Default)]
struct Ranges {
    present: Option<bool>,
    /// Empty when nothing restricts them.
    any_of: Vec<(u32, u32)>,
}

impl Parameters {
    /// A span of time that always is: `name=T` and the operators `gt`, `gte`, `lt`, `lte`, `any`, `all`; all given must hold.
    /// `T` is a moment, or a day in UTC and then the whole of it.
    ///
    /// # Errors
    ///
    /// 422 for what is not a time or not one of these operators.
    pub fn span(&self, name: &str) -> Result<Span, ApiError> {
        let moment = self.moment(name)?;
        Ok(if moment.present == Some(false) { NEVER } else { moment.span })
    }

    /// The same of a time that may not be there; `any=true` and `any=false` ask whether it is.
    ///
    /// # Errors
    ///
    /// As [`span`](Self::span).
    pub fn moment(&self, name: &str) -> Result<Moment, ApiError> {
        let mut moment = Moment::default();
        for parameter in self.named(name) {
            let operator = self.operator(name, &parameter.brackets, false)?;
            if let Operator::Present | Operator::Whatever = operator {
                if let Some(asked) = self.presence(name, &operator, &parameter.value)? {
                    if moment.present.is_some_and(|before| before != asked) {
                        return Err(self.contradiction(name));
                    }
                    moment.present = Some(asked);
                }
                continue;
            }
            let (first, last) = parse_time(&parameter.value).ok_or_else(|| {
                let value = quoted(&parameter.value);
                self.bad(
                    name,
                    &format!("{value} is not a time such as 2026-01-31T12:00:00.000Z or a day such as 2026-01-31"),
                )
            })?;
            moment.span = meet(moment.span, stretch(&operator, first, last));
        }
        let is_empty = moment.span.from.zip(moment.span.before).is_some_and(|(from, before)| from >= before);
        // One alone may name what cannot be, such as a moment between two milliseconds: then nothing is found.
        if is_empty && self.named(name).count() > 1 {
            return Err(self.contradiction(name));
        }
        Ok(moment)
    }

    /// Counts, as closed ranges of which any will do: values, ranges as `3-5`, and the operators `gt`, `gte`, `lt`, `lte`,
    /// `any`, `all`, all of which must hold. Empty when nothing restricts them.
    ///
    /// # Errors
    ///
    /// 422 for what is not a whole number or not one of these operators.
    pub fn counts(&self, name: &str) -> Result<Vec<(u32, u32)>, ApiError> {
        let ranges = self.ranges(name, "a count, such as 0 or 12, or a range such as 3-5", |_| true)?;
        // A count is always there.
        Ok(if ranges.present == Some(false) { vec![NOTHING] } else { ranges.any_of })
    }

    /// HTTP statuses, in the same spellings.
    ///
    /// # Errors
    ///
    /// As [`counts`](Self::counts); 422 also for numbers that no status has.
    pub fn statuses(&self, name: &str) -> Result<Optional<(u16, u16)>, ApiError> {
        let what = "an HTTP status from 100 to 999, such as 404, or a range such as 400-499";
        let Ranges { present, any_of } = self.ranges(name, what, |status| STATUSES.contains(&status))?;
        let narrow = |bound: u32| u16::try_from(bound).unwrap_or(u16::MAX);
        let any_of = any_of.into_iter().map(|(low, high)| (narrow(low), narrow(high))).collect();
        Ok(Optional { present, any_of })
    }

    /// A text: values, and the operators `contains`, `any` and `all`.
    ///
    /// # Errors
    ///
    /// 422 for other operators and too many values.
    pub fn texts(&self, name: &str) -> Result<TextFilter, ApiError> {
        let mut filter = TextFilter::default();
        for parameter in self.named(name) {
            let value = parameter.value.as_str();
            match parameter.brackets.as_slice() {
                [] => filter.any_of.extend(value.split(',').map(str::to_owned)),
                [index] if is_index(index) => filter.any_of.push(value.to_owned()),
                [operator] if operator == "contains" => filter.contains.push(value.to_owned()),
                [operator] if operator == "any" => filter.present = Some(self.truth(name, value)?),
                [operator] if operator == "all" => drop(self.presence(name, &Operator::Whatever, value)?),
                other => {
                    let operator = quoted(&other.join("]["));
                    return Err(
                        self.refusal(name, &format!("does not take the operator {operator}: use contains or any"))
                    );
                }
            }
        }
        if filter.any_of.len() + filter.contains.len() > VALUES_MAX {
            return Err(self.too_many(name));
        }
        Ok(filter)
    }

    fn ranges(&self, name: &str, what: &str, possible: impl Fn(u32) -> bool) -> Result<Ranges, ApiError> {
        // Wider than counts are: one below none and one above all need no care.
        let (mut low, mut high, mut given, mut present) = (0, i64::from(u32::MAX), Vec::new(), None);
        let mut restricted = false;
        for parameter in self.named(name) {
            let operator = self.operator(name, &parameter.brackets, true)?;
            if let Operator::Present | Operator::Whatever = operator {
                if let Some(asked) = self.presence(name, &operator, &parameter.value)? {
                    if present.is_some_and(|before| before != asked) {
                        return Err(self.contradiction(name));
                    }
                    present = Some(asked);
                }
                continue;
            }
            restricted = true;
            for text in parameter.value.split(',') {
                let (from, to) = parse_range(text)
                    .filter(|(from, to)| possible(*from) && possible(*to))
                    .ok_or_else(|| self.bad(name, &format!("{} is not {what}", quoted(text))))?;
                if !matches!(operator, Operator::Is) && text.contains('-') {
                    return Err(self.bad(name, &format!("{} is a range: an operator takes one number", quoted(text))));
                }
                let (from, to) = (i64::from(from), i64::from(to));
                match operator {
                    Operator::Above => low = low.max(from + 1),
                    Operator::From => low = low.max(from),
                    Operator::Below => high = high.min(from - 1),
                    Operator::UpTo => high = high.min(from),
                    Operator::Is | Operator::Present | Operator::Whatever => given.push((from, to)),
                }
                if given.len() > VALUES_MAX {
                    return Err(self.too_many(name));
                }
            }
        }
        let any_of = if restricted { meeting(low, high, &given) } else { Vec::new() };
        if any_of == [NOTHING] && self.named(name).count() > 1 {
            return Err(self.contradiction(name));
        }
        Ok(Ranges { present, any_of })
    }

    fn contradiction(&self, name: &str) -> ApiError {
        self.refusal(name, "asks for what excludes itself: nothing can be all of that")
    }

    fn operator(&self, name: &str, brackets: &[String], lists: bool) -> Result<Operator, ApiError> {
        Ok(match brackets {
            [] => Operator::Is,
            [index] if lists && is_index(index) => Operator::Is,
            [word] => match word.as_str() {
                "gt" => Operator::Above,
                "gte" | "ge" => Operator::From,
                "lt" => Operator::Below,
                "lte" | "le" => Operator::UpTo,
                "any" => Operator::Present,
                "all" => Operator::Whatever,
                other => return Err(self.no_operator(name, other)),
            },
            other => return Err(self.no_operator(name, &other.join("]["))),
        })
    }

    fn no_operator(&self, name: &str, operator: &str) -> ApiError {
        let operator = quoted(operator);
        self.refusal(name, &format!("does not take the operator {operator}: use gt, gte, lt, lte or any"))
    }

    /// What `any` and `all` ask for: something, nothing, or whatever there is.
    fn presence(&self, name: &str, operator: &Operator, value: &str) -> Result<Option<bool>, ApiError> {
        let asked = self.truth(name, value)?;
        match operator {
            Operator::Whatever if asked => Ok(None),
            Operator::Whatever => Err(self.refusal(name, "takes true only with the operator `all`")),
            _ => Ok(Some(asked)),
        }
    }
}

/// A span that nothing lies in.
pub(super) const NEVER: Span = Span::between(Timestamp::EPOCH, Timestamp::EPOCH);

/// What an operator makes of a stretch of moments from `first` to `last`.
fn stretch(operator: &Operator, first: Timestamp, last: Timestamp) -> Span {
    match operator {
        Operator::Is => Span::between(first, last.plus_ms(1)),
        Operator::Above => Span::since(last.plus_ms(1)),
        Operator::From => Span::since(first),
        Operator::Below => Span::until(first),
        Operator::UpTo => Span::until(last.plus_ms(1)),
        Operator::Present | Operator::Whatever => Span::default(),
    }
}

/// What lies in both.
fn meet(one: Span, other: Span) -> Span {
    let before = match (one.before, other.before) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Span { from: one.from.max(other.from), before }
}

/// What of the ranges lies between two bounds, or that where there are none; a range without numbers when nothing is left.
fn meeting(low: i64, high: i64, given: &[(i64, i64)]) -> Vec<(u32, u32)> {
    let cut = |(from, to): (i64, i64)| {
        let (from, to) = (from.max(low), to.min(high));
        Some((u32::try_from(from).ok()?, u32::try_from(to).ok()?)).filter(|(from, to)| from <= to)
    };
    let whole = [(low, high)];
    let left: Vec<_> = if given.is_empty() { &whole[..] } else { given }.iter().copied().filter_map(cut).collect();
    if left.is_empty() { vec![NOTHING] } else { left }
}

/// A whole number, or two with a dash between.
fn parse_range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match text.split_once('-') {
        None => number(text).map(|number| (number, number)),
        Some((from, to)) => Some((number(from)?, number(to)?)).filter(|(from, to)| from <= to),
    }
}

/// A moment or a day, as the first and the last whole millisecond that are it: where it lies between two, the later of
/// them comes first, so that nothing is it.
fn parse_time(text: &str) -> Option<(Timestamp, Timestamp)> {
    // An unescaped plus in front of the offset has become a space.
    let at = chrono::DateTime::parse_from_rfc3339(text)
        .or_else(|_| chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
    let Ok(at) = at else {
        let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
        let first = Timestamp::from_datetime(day.and_hms_opt(0, 0, 0)?.and_utc());
        return Some((first, first.plus_ms(DAY_MS - 1)));
    };
    let at = at.to_utc();
    let last = Timestamp::from_datetime(at);
    let is_whole = at.timestamp_subsec_nanos().is_multiple_of(1_000_000);
    Some((if is_whole { last } else { last.plus_ms(1) }, last))
}
