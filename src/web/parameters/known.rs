//! Which parameters a route knows: others are refused with the nearest known name, or ignored where a published version
//! of the API ignores them.

use super::{ApiError, Param, Parameters, quoted};

/// Changes by which a name may differ from the one that was meant: two slips, or a third of a long one.
const SLIPS_MIN: usize = 2;
const SLIPS_SHARE: usize = 3;
/// Characters of a name that are compared at most: ours are shorter, and the work grows with the square.
const NAME_CHARS_MAX: usize = 64;

impl Parameters {
    /// Refuses names that the route does not know.
    ///
    /// # Errors
    ///
    /// 422 for an unknown one where that is refused, with what may have been meant.
    pub fn check(&self, known: &[Param]) -> Result<(), ApiError> {
        if !self.strict {
            return Ok(());
        }
        let unknown = self.given.iter().find(|given| known.iter().all(|param| param.name != given.name));
        unknown.map_or(Ok(()), |given| Err(self.unknown(&given.name, known)))
    }

    fn unknown(&self, name: &str, known: &[Param]) -> ApiError {
        let asked = quoted(&[self.place, name].concat());
        let message = if let Some(meant) = nearest(name, known) {
            format!("the parameter {asked} is not known here: did you mean `{}{meant}`?", self.place)
        } else if known.is_empty() {
            format!("the parameter {asked} is not known here: there are none")
        } else {
            let names: Vec<&str> = known.iter().map(|param| param.name).collect();
            format!("the parameter {asked} is not known here; known are: {}", names.join(", "))
        };
        ApiError::unprocessable(message)
    }
}

/// The known name that is likest, if any is like enough.
fn nearest(name: &str, known: &[Param]) -> Option<&'static str> {
    let lower: Vec<char> = name.to_lowercase().chars().take(NAME_CHARS_MAX).collect();
    let likest = known.iter().map(|param| (distance(&lower, param.name), param.name)).min()?;
    let allowed = SLIPS_MIN.max(lower.len() / SLIPS_SHARE).min(lower.len().saturating_sub(1));
    (likest.0 <= allowed).then_some(likest.1)
}

/// How many characters are to be added, dropped, replaced or swapped with their neighbour.
fn distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=to.len()).collect());
    for (row, one) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(one != other);
            let mut least = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *one {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::resources::Takes;

    const KNOWN: [Param; 4] = [
        Param { name: "status", takes: Takes::Texts, about: "" },
        Param { name: "webhook_id", takes: Takes::Texts, about: "" },
        Param { name: "created_at", takes: Takes::Time, about: "" },
        Param { name: "id", takes: Takes::Texts, about: "" },
    ];

    #[test]
    fn a_slip_of_the_pen_is_told_from_another_word() {
        for (given, meant) in [
            ("stauts", Some("status")),
            ("statuses", Some("status")),
            ("Status", Some("status")),
            ("webhookid", Some("webhook_id")),
            ("connection_id", None),
            ("create_at", Some("created_at")),
            ("ids", Some("id")),
            ("x", None),
            ("", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(given, &KNOWN), meant, "{given}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), &KNOWN), None);
        assert_eq!(nearest("status", &[]), None);
    }

    #[test]
    fn unknown_names_are_refused_or_ignored() {
        let check = |query: &str, strict| Parameters::parse(query, strict).unwrap().check(&KNOWN);
        assert!(check("status=1&status[x]=2", true).is_ok());
        let said = check("status=1&stauts=1", true).unwrap_err().to_string();
        assert!(said.contains("`stauts`") && said.contains("`status`"), "{said}");
        assert!(check("colour=1", true).unwrap_err().to_string().contains("webhook_id"));
        assert!(check("stauts=1", false).is_ok());
    }
}
