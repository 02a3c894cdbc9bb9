//! The query string of an API request, in every spelling clients use (`id=a&id=b`, `id[0]=a`, `id[]=a`, `id=a,b`,
//! `created_at[gte]=…`), and the kinds of values that lists share.

use percent_encoding::percent_decode;

use super::error::{ApiError, quoted};
use crate::{
    domain::{Span, Timestamp},
    query::{CursorKey, PageQuery, Start},
};

/// Models in a page where the request names no limit.
const LIMIT_DEFAULT: usize = 100;
/// Models in a page at most: the API's limit.
const LIMIT_MAX: usize = 255;
/// Values of one parameter at most: more is not a filter but a dump.
const VALUES_MAX: usize = 1000;
/// Parameters of every list.
const PAGING: [&str; 5] = ["order_by", "dir", "limit", "next", "prev"];

/// One `name[bracket]=value`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    /// What stands in the brackets, where there are any.
    bracket: Option<String>,
    value: String,
}

/// All parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    given: Vec<Parameter>,
    /// Whether an unknown one is refused, or ignored as in the API's published versions.
    strict: bool,
}

impl Parameters {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// 400 when it is not UTF-8 once decoded.
    pub fn parse(query: &str, strict: bool) -> Result<Self, ApiError> {
        let mut given = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decoded(key)?;
            let value = decoded(value)?;
            let (name, bracket) = match key.split_once('[') {
                Some((name, rest)) => (name.to_owned(), Some(rest.strip_suffix(']').unwrap_or(rest).to_owned())),
                None => (key, None),
            };
            given.push(Parameter { name, bracket, value });
        }
        Ok(Self { given, strict })
    }

    /// Refuses what cannot be obeyed: `known` and `later` name what the endpoint has and will have.
    ///
    /// # Errors
    ///
    /// 501 for a parameter of the API that is not available yet; 422 for an unknown one where that is refused.
    pub fn check(&self, known: &[&str], later: &[&str]) -> Result<(), ApiError> {
        for parameter in &self.given {
            let name = parameter.name.as_str();
            if known.contains(&name) {
                continue;
            }
            if later.contains(&name) {
                return Err(ApiError::not_implemented(format!("the parameter {} is not available yet", quoted(name))));
            }
            if self.strict {
                let known = known.join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                let message = format!("the parameter {} is not known here; known are: {known}", quoted(name));
                return Err(ApiError::unprocessable(message));
            }
        }
        Ok(())
    }

    /// As [`check`](Self::check) for a list, whose paging is known.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_list(&self, known: &[&str], later: &[&str]) -> Result<(), ApiError> {
        self.check(&[known, &PAGING].concat(), later)
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Parameter> + 'a {
        self.given.iter().filter(move |parameter| parameter.name == name)
    }

    /// The only value of a parameter.
    ///
    /// # Errors
    ///
    /// 422 when it is given more than once or with brackets.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, ApiError> {
        let mut given = self.named(name);
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(Parameter { bracket: None, value, .. }), None) => Ok(Some(value)),
            (Some(_), _) => Err(ApiError::unprocessable(format!("`{name}` takes one value, without brackets"))),
        }
    }

    /// The values of a parameter that takes many, each read by `parse`.
    ///
    /// # Errors
    ///
    /// 422 with the value that `parse` refuses and what it says, for operators, and for too many values.
    pub fn many<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, ApiError> {
        let mut values = Vec::new();
        for parameter in self.named(name) {
            let is_index = |bracket: &str| bracket.bytes().all(|byte| byte.is_ascii_digit());
            if let Some(bracket) = parameter.bracket.as_deref().filter(|bracket| !is_index(bracket)) {
                let message = format!("`{name}` does not take the operator {}: give values", quoted(bracket));
                return Err(ApiError::unprocessable(message));
            }
            for value in parameter.value.split(',') {
                let value = parse(value).map_err(|why| ApiError::unprocessable(format!("`{name}`: {why}")))?;
                values.push(value);
            }
        }
        if values.len() > VALUES_MAX {
            return Err(ApiError::unprocessable(format!("`{name}` takes at most {VALUES_MAX} values")));
        }
        Ok(values)
    }

    /// A span of time: `name=T` and the operators `gt`, `gte`, `lt`, `lte`; all given must hold.
    ///
    /// # Errors
    ///
    /// 422 for what is not a time or not one of these operators.
    pub fn span(&self, name: &str) -> Result<Span, ApiError> {
        let mut span = Span::default();
        for Parameter { bracket, value, .. } in self.named(name) {
            let (floor, ceiling) = parse_time(value).ok_or_else(|| {
                let value = quoted(value);
                ApiError::unprocessable(format!("`{name}`: {value} is not a time such as 2026-01-31T12:00:00.000Z"))
            })?;
            let (from, before) = match bracket.as_deref() {
                None => (Some(ceiling), Some(floor.plus_ms(1))),
                Some("gt") => (Some(floor.plus_ms(1)), None),
                Some("gte") => (Some(ceiling), None),
                Some("lt") => (None, Some(ceiling)),
                Some("lte") => (None, Some(floor.plus_ms(1))),
                Some(operator) => {
                    let operator = quoted(operator);
                    let message = format!("`{name}` does not take the operator {operator}: use gt, gte, lt or lte");
                    return Err(ApiError::unprocessable(message));
                }
            };
            span.from = span.from.max(from);
            span.before = match (span.before, before) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        Ok(span)
    }

    /// Counts, as closed ranges of which any will do: values, and the operators `gt`, `gte`, `lt`, `lte`, all of which must
    /// hold. Empty when the parameter is not given.
    ///
    /// # Errors
    ///
    /// 422 for what is not a whole number or not one of these operators.
    pub fn counts(&self, name: &str) -> Result<Vec<(u32, u32)>, ApiError> {
        // Wider than counts are: one below none and one above all need no care.
        let (mut low, mut high, mut values) = (0, i64::from(u32::MAX), Vec::new());
        for (bracket, text) in self
            .named(name)
            .flat_map(|given| given.value.split(',').map(|text| (given.bracket.as_deref().unwrap_or_default(), text)))
        {
            let count = text.parse::<u32>().map(i64::from).map_err(|_| {
                ApiError::unprocessable(format!("`{name}`: {} is not a count, such as 0 or 12", quoted(text)))
            })?;
            match bracket {
                "gt" => low = low.max(count + 1),
                "gte" => low = low.max(count),
                "lt" => high = high.min(count - 1),
                "lte" => high = high.min(count),
                index if index.bytes().all(|byte| byte.is_ascii_digit()) => values.push(count),
                operator => {
                    let operator = quoted(operator);
                    let message = format!("`{name}` does not take the operator {operator}: use gt, gte, lt or lte");
                    return Err(ApiError::unprocessable(message));
                }
            }
        }
        if values.len() > VALUES_MAX {
            return Err(ApiError::unprocessable(format!("`{name}` takes at most {VALUES_MAX} values")));
        }
        Ok(if self.named(name).next().is_some() { count_ranges(low, high, &values) } else { Vec::new() })
    }

    /// Which page of a list in order of `created_at`.
    ///
    /// # Errors
    ///
    /// 422 for a limit, direction, order or cursor that cannot be obeyed.
    pub fn page<K: CursorKey>(&self) -> Result<PageQuery<K>, ApiError> {
        if let Some(order) = self.one("order_by")?.filter(|order| *order != "created_at") {
            return Err(ApiError::unprocessable(format!(
                "`order_by`: {} is not available: use created_at",
                quoted(order)
            )));
        }
        let descending = match self.one("dir")? {
            None => true,
            Some(dir) if dir.eq_ignore_ascii_case("desc") => true,
            Some(dir) if dir.eq_ignore_ascii_case("asc") => false,
            Some(dir) => {
                return Err(ApiError::unprocessable(format!("`dir`: {} is neither asc nor desc", quoted(dir))));
            }
        };
        let limit = match self.one("limit")? {
            None => LIMIT_DEFAULT,
            Some(text) => text.parse().ok().filter(|limit| *limit <= LIMIT_MAX).ok_or_else(|| {
                ApiError::unprocessable(format!("`limit`: {} is not a number from 0 to {LIMIT_MAX}", quoted(text)))
            })?,
        };
        let cursor = |name: &str, text: &str| {
            K::decode(text).ok_or_else(|| {
                ApiError::unprocessable(format!("`{name}`: {} is not a cursor of this list", quoted(text)))
            })
        };
        let start = match (self.one("next")?, self.one("prev")?) {
            (None, None) => Start::First,
            (Some(next), None) => Start::After(cursor("next", next)?),
            (None, Some(prev)) => Start::Before(cursor("prev", prev)?),
            (Some(_), Some(_)) => return Err(ApiError::unprocessable("`next` and `prev` exclude each other")),
        };
        Ok(PageQuery { descending, start, limit })
    }
}

/// The values that lie inside of a range, or the range where no values are given; what no count is in when nothing is left.
fn count_ranges(low: i64, high: i64, values: &[i64]) -> Vec<(u32, u32)> {
    let range = |low: i64, high: i64| Some((u32::try_from(low).ok()?, u32::try_from(high).ok()?));
    let ranges: Vec<(u32, u32)> = if values.is_empty() {
        range(low, high).filter(|(low, high)| low <= high).into_iter().collect()
    } else {
        values.iter().filter(|value| (low..=high).contains(value)).filter_map(|value| range(*value, *value)).collect()
    };
    if ranges.is_empty() { vec![(1, 0)] } else { ranges }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ApiError::malformed(format!("the query string is not UTF-8 at {}", quoted(text))))
}

/// A moment or a day, as the whole milliseconds at or before it and at or after it.
fn parse_time(text: &str) -> Option<(Timestamp, Timestamp)> {
    let at = match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.to_utc(),
        Err(_) => chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?.and_utc(),
    };
    let floor = Timestamp::from_datetime(at);
    let is_whole = at.timestamp_subsec_nanos().is_multiple_of(1_000_000);
    Some((floor, if is_whole { floor } else { floor.plus_ms(1) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(query: &str) -> Vec<String> {
        Parameters::parse(query, true).unwrap().many("id", |value| Ok(value.to_owned())).unwrap()
    }

    #[test]
    fn arrays_are_read_in_every_spelling() {
        for query in ["id=a&id=b", "id[0]=a&id[1]=b", "id[]=a&id[]=b", "id=a,b", "id%5B0%5D=a&id%5B1%5D=b", "id=a%2Cb"]
        {
            assert_eq!(values(query), ["a", "b"], "{query}");
        }
        assert_eq!(values("other=a"), Vec::<String>::new());
    }

    #[test]
    fn a_span_is_what_all_operators_leave() {
        let span = |query: &str| Parameters::parse(query, true).unwrap().span("t");
        let at = |ms| Some(Timestamp::from_ms(ms));
        let second = "1970-01-01T00:00:01Z";
        assert_eq!(span(&format!("t={second}")).unwrap(), Span { from: at(1000), before: at(1001) });
        assert_eq!(span(&format!("t[gt]={second}")).unwrap(), Span { from: at(1001), before: None });
        assert_eq!(
            span(&format!("t[lte]={second}&t[gte]=1970-01-01")).unwrap(),
            Span { from: at(0), before: at(1001) }
        );
        assert_eq!(
            span("t[lt]=1970-01-01T01:00:01%2B01:00&t[lt]=1971-01-01").unwrap(),
            Span { from: None, before: at(1000) }
        );
        assert_eq!(span("t[gte]=1970-01-01T00:00:00.0005Z").unwrap(), Span { from: at(1), before: None });
        for query in ["t=yesterday", "t=", "t[gte]=2026-13-01", "t[like]=2026-01-01", "t[]=2026-01-01", "t[gte]=1"] {
            assert!(span(query).is_err(), "{query}");
        }
    }

    #[test]
    fn counts_are_the_values_that_all_operators_leave() {
        let counts = |query: &str| Parameters::parse(query, true).unwrap().counts("n");
        for (query, expected) in [
            ("m=1", vec![]),
            ("n=2", vec![(2, 2)]),
            ("n=2&n[]=0&n[1]=7,9", vec![(2, 2), (0, 0), (7, 7), (9, 9)]),
            ("n[gt]=0", vec![(1, u32::MAX)]),
            ("n[gte]=3&n[lt]=9&n[gt]=1", vec![(3, 8)]),
            ("n[lte]=5&n=4&n=6", vec![(4, 4)]),
            ("n[lt]=0", vec![(1, 0)]),
            ("n[gt]=4294967295", vec![(1, 0)]),
            ("n[gt]=5&n[lt]=3", vec![(1, 0)]),
            ("n[gt]=5&n=3", vec![(1, 0)]),
        ] {
            assert_eq!(counts(query).unwrap(), expected, "{query}");
        }
        for query in ["n=", "n=x", "n=-1", "n[any]=true", "n[like]=1", "n=1.5", "n=4294967296"] {
            assert!(counts(query).is_err(), "{query}");
        }
    }

    #[test]
    fn paging_is_refused_when_it_cannot_be_obeyed() {
        let page = |query: &str| Parameters::parse(query, true).unwrap().page::<u64>();
        assert_eq!(page("").unwrap(), PageQuery { descending: true, start: Start::First, limit: 100 });
        assert_eq!(page("dir=ASC&limit=255&order_by=created_at").unwrap().limit, 255);
        let refused = [
            "limit=-1",
            "limit=256",
            "limit=abc",
            "limit=",
            "limit=1&limit=2",
            "limit[]=1",
            "dir=up",
            "order_by=name",
            "next=nonsense",
            "next=",
            "prev=%00",
            "next=AQAAAAAAAAAB&prev=AQAAAAAAAAAB",
        ];
        for query in refused {
            assert!(page(query).is_err(), "{query}");
        }
        assert!(page("next=AQAAAAAAAAAB").is_ok());
    }

    #[test]
    fn unknown_parameters_are_refused_or_ignored_and_later_ones_named() {
        let check = |query: &str, strict| Parameters::parse(query, strict).unwrap().check(&["status"], &["body"]);
        assert!(check("status=1&status[x]=2", true).is_ok());
        assert_eq!(check("stauts=1", true).unwrap_err().code(), "UNPROCESSABLE_ENTITY");
        assert!(check("stauts=1", false).is_ok());
        for strict in [true, false] {
            assert_eq!(check("body[a]=1", strict).unwrap_err().code(), "NOT_IMPLEMENTED");
        }
        assert!(Parameters::parse("a=%ff", false).is_err());
    }
}
