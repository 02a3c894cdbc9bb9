//! What can be wrong with the configuration, and where a value came from.

use std::{fmt, path::PathBuf};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`, compiled in.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Something in the configuration that a person must change.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such setting.
    #[error("unknown setting {name} ({origin}){}", hint(nearest.as_deref()))]
    Unknown {
        /// As it was written.
        name: String,
        /// Where it was written.
        origin: Origin,
        /// The known name that looks most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be used.
    #[error("{key} {problem} ({origin})")]
    Invalid {
        /// Section and key, such as `ingress.listen`.
        key: String,
        /// What is wrong and what would be right, to be read after the key.
        problem: String,
        /// Where the value was set.
        origin: Origin,
    },
    /// A value that looked right and turned out not to be usable here, such as an address that is taken.
    #[error("{key} is {value}, which cannot be used")]
    Unusable {
        /// Section and key.
        key: &'static str,
        /// The value.
        value: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: ::config::ConfigError,
    },
    /// The layers fit each other but not the types: a mistake of ours, not of who wrote the file.
    #[error("the settings do not fit their types")]
    Mismatch(#[from] ::config::ConfigError),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; `hookgate config show` lists all settings".to_owned(),
        |name| format!("; did you mean {name}?"),
    )
}

/// Returns the candidate that looks most like `name`, if one is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = (name.len() / 3).max(2);
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The edit distance of Levenshtein, by bytes: names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        let cases = [("", "abc", 3), ("listen", "listen", 0), ("lisen", "listen", 1), ("kitten", "sitting", 3)];
        for (a, b, edits) in cases {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn nearest_offers_slips_and_keeps_quiet_about_strangers() {
        let names = ["workers", "listen", "public_url"];
        assert_eq!(nearest("worker", names.into_iter()), Some("workers"));
        assert_eq!(nearest("port", names.into_iter()), None);
    }
}
