//! Default file, configuration file and environment, one over the other, with the origin of each value.
//!
//! The default file is the schema as well: what it does not name is unknown, and each value must be of its kind
//! there. (The `config` crate alone would read `1.5` or `true` as a whole number, and ignore an unknown section.)

use std::{collections::BTreeMap, path::Path};

use ::config::{Config, File, FileFormat, Map, Source, Value, ValueKind};

use super::{ConfigError, Environment, Origin, environment::variable_of, error::nearest};

/// The settings with their defaults and what they mean.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A whole number.
    Number(i64),
    /// A string.
    Text(String),
    /// Strings; in a variable, with commas between them.
    List(Vec<String>),
}

impl Scalar {
    /// What a value of this kind is called.
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a whole number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list of strings",
        }
    }

    /// Takes `value` if it is of the same kind as `self`.
    fn same_kind(&self, value: &Value) -> Option<Self> {
        match (self, &value.kind) {
            (Self::Number(_), ValueKind::I64(number)) => Some(Self::Number(*number)),
            (Self::Text(_), ValueKind::String(text)) => Some(Self::Text(text.clone())),
            (Self::List(_), ValueKind::Array(values)) => strings(values).map(Self::List),
            (Self::Number(_) | Self::Text(_) | Self::List(_), _) => None,
        }
    }

    /// Reads `text` as a value of the same kind as `self`.
    fn parse_same_kind(&self, text: &str) -> Option<Self> {
        match self {
            Self::Number(_) => text.parse().ok().map(Self::Number),
            Self::Text(_) => Some(Self::Text(text.to_owned())),
            Self::List(_) if text.trim().is_empty() => Some(Self::List(Vec::new())),
            Self::List(_) => Some(Self::List(text.split(',').map(|item| item.trim().to_owned()).collect())),
        }
    }
}

/// The strings of a list, if it has nothing else.
fn strings(values: &[Value]) -> Option<Vec<String>> {
    let string = |value: &Value| match &value.kind {
        ValueKind::String(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().map(string).collect()
}

/// A value and who set it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Scalar,
    pub(super) origin: Origin,
}

/// All settings by section and key.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    entries: BTreeMap<(String, String), Entry>,
}

impl Layers {
    /// Lays the default file, then `file`, then the environment over each other.
    pub(super) fn read(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let mut layers = Self::defaults()?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            layers.lay_file(path, &text)?;
        }
        layers.lay_environment(environment)?;
        Ok(layers)
    }

    fn defaults() -> Result<Self, ConfigError> {
        let mut entries = BTreeMap::new();
        for (section, table) in parse(DEFAULTS)? {
            for (key, value) in table.into_table()? {
                let value = match value.kind {
                    ValueKind::I64(number) => Scalar::Number(number),
                    ValueKind::Array(values) => Scalar::List(strings(&values).unwrap_or_default()),
                    _ => Scalar::Text(value.into_string()?),
                };
                entries.insert((section.clone(), key), Entry { value, origin: Origin::Default });
            }
        }
        Ok(Self { entries })
    }

    fn lay_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let origin = Origin::File(path.to_owned());
        let sections = parse(text).map_err(|source| ConfigError::Syntax { path: path.to_owned(), source })?;
        for (section, value) in sections {
            let ValueKind::Table(table) = value.kind else {
                return Err(self.unknown_top_level(&section, origin));
            };
            if !self.entries.keys().any(|(known, _)| *known == section) {
                let nearest = nearest(&section, self.entries.keys().map(|(known, _)| known.as_str()))
                    .map(|known| format!("[{known}]"));
                return Err(ConfigError::Unknown { name: format!("[{section}]"), origin, nearest });
            }
            for (key, value) in table {
                self.set(&section, &key, &origin, |known| known.same_kind(&value))?;
            }
        }
        Ok(())
    }

    fn lay_environment(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let known: Vec<String> = self.entries.keys().map(|(section, key)| variable_of(section, key)).collect();
        for (name, section, key, value) in environment.settings(&known)? {
            let origin = Origin::Variable(name.to_owned());
            if known.iter().any(|variable| variable == name) {
                self.set(&section, &key, &origin, |known| known.parse_same_kind(value))?;
            } else {
                let nearest = nearest(name, known.iter().map(String::as_str)).map(ToOwned::to_owned);
                return Err(ConfigError::Unknown { name: format!("{section}.{key}"), origin, nearest });
            }
        }
        Ok(())
    }

    fn set(
        &mut self,
        section: &str,
        key: &str,
        origin: &Origin,
        read: impl Fn(&Scalar) -> Option<Scalar>,
    ) -> Result<(), ConfigError> {
        let name = format!("{section}.{key}");
        let Some(entry) = self.entries.get_mut(&(section.to_owned(), key.to_owned())) else {
            return Err(ConfigError::Unknown { nearest: self.nearest_key(section, key), name, origin: origin.clone() });
        };
        let Some(value) = read(&entry.value) else {
            let problem = format!("must be {}", entry.value.kind());
            return Err(ConfigError::Invalid { key: name, problem, origin: origin.clone() });
        };
        *entry = Entry { value, origin: origin.clone() };
        Ok(())
    }

    /// In the same section by likeness, otherwise the same key in another section.
    fn nearest_key(&self, section: &str, key: &str) -> Option<String> {
        let siblings = self.entries.keys().filter(|(known, _)| known == section).map(|(_, key)| key.as_str());
        let elsewhere = || self.entries.keys().find(|(_, known)| known == key);
        nearest(key, siblings)
            .map(|known| format!("{section}.{known}"))
            .or_else(|| elsewhere().map(|(section, key)| format!("{section}.{key}")))
    }

    /// A value before the first section: most likely its section was forgotten.
    fn unknown_top_level(&self, key: &str, origin: Origin) -> ConfigError {
        ConfigError::Unknown { name: key.to_owned(), origin, nearest: self.nearest_key("", key) }
    }

    /// The whole, for serde to make types of.
    pub(super) fn to_config(&self) -> Result<Config, ConfigError> {
        let mut builder = Config::builder();
        for ((section, key), entry) in &self.entries {
            let kind = match &entry.value {
                Scalar::Number(number) => ValueKind::I64(*number),
                Scalar::Text(text) => ValueKind::String(text.clone()),
                Scalar::List(texts) => ValueKind::Array(texts.iter().map(|text| text.as_str().into()).collect()),
            };
            builder = builder.set_override(format!("{section}.{key}"), kind)?;
        }
        Ok(builder.build()?)
    }

    /// The whole, for people.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut all = serde_json::Value::Null;
        for ((section, key), entry) in &self.entries {
            all[section][key] = match &entry.value {
                Scalar::Number(number) => (*number).into(),
                Scalar::Text(text) => text.as_str().into(),
                Scalar::List(texts) => texts.as_slice().into(),
            };
        }
        all
    }

    /// Everything, by section and key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, &Entry)> {
        self.entries.iter().map(|((section, key), entry)| (section.as_str(), key.as_str(), entry))
    }

    /// An error about the value of `section.key`, which names who set it.
    pub(super) fn invalid(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let origin = key
            .split_once('.')
            .and_then(|(section, key)| self.entries.get(&(section.to_owned(), key.to_owned())))
            .map_or(Origin::Default, |entry| entry.origin.clone());
        ConfigError::Invalid { key: key.to_owned(), problem: problem.into(), origin }
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, ::config::ConfigError> {
    File::from_str(text, FileFormat::Toml).collect()
}
