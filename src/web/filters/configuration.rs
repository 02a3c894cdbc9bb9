//! Which sources, destinations and connections, and in which order.

use super::{ApiError, Param, Parameters, Takes, read_id, word};
use crate::{
    domain::{
        Configuration, Connection, ConnectionId, Destination, DestinationId, DestinationKind, Source, SourceId,
        Timestamp,
    },
    query::{
        Moment,
        configuration::{PlaceIn, SortBy},
    },
    web::parameters::TextFilter,
};

/// Tells the lists' cursors apart.
const SOURCE_LIST: u8 = 1;
const DESTINATION_LIST: u8 = 2;
const CONNECTION_LIST: u8 = 3;

/// A place in the list of sources.
pub type SourcePlace = PlaceIn<SOURCE_LIST>;
/// A place in the list of destinations.
pub type DestinationPlace = PlaceIn<DESTINATION_LIST>;
/// A place in the list of connections.
pub type ConnectionPlace = PlaceIn<CONNECTION_LIST>;

/// Orders of the lists of sources and destinations, the usual one first.
pub const ORDERS: [&str; 3] = ["created_at", "updated_at", "name"];
/// Orders of the list of connections, the usual one first.
pub const CONNECTION_ORDERS: [&str; 8] = [
    "created_at",
    "updated_at",
    "name",
    "full_name",
    "sources.created_at",
    "sources.updated_at",
    "destinations.created_at",
    "destinations.updated_at",
];
/// Kinds of destinations in the API's words.
const DESTINATION_TYPES: [&str; 3] = ["HTTP", "CLI", "MOCK_API"];

/// What sources are filtered by.
pub const SOURCES: [Param; 5] = [
    Param::new("id", Takes::Texts, "any of these sources"),
    Param::new("name", Takes::Texts, "of any of these names; `contains` takes a part"),
    Param::new("type", Takes::Texts, "of any of these types"),
    Param::new("disabled", Takes::Flag, "whether disabled ones are shown too; they are not by default"),
    Param::new("disabled_at", Takes::Time, "when they were disabled"),
];
/// What destinations are filtered by.
pub const DESTINATIONS: [Param; 7] = [
    Param::new("id", Takes::Texts, "any of these destinations"),
    Param::new("name", Takes::Texts, "of any of these names; `contains` takes a part"),
    Param::new("type", Takes::Words(&DESTINATION_TYPES), "of any of these types"),
    Param::new("url", Takes::Texts, "with any of these URLs; `contains` takes a part"),
    Param::new("cli_path", Takes::Texts, "with any of these paths of a session; `contains` takes a part"),
    Param::new("disabled", Takes::Flag, "whether disabled ones are shown too; they are not by default"),
    Param::new("disabled_at", Takes::Time, "when they were disabled"),
];
/// What connections are filtered by.
pub const CONNECTIONS: [Param; 8] = [
    Param::new("id", Takes::Texts, "any of these connections"),
    Param::new("name", Takes::Texts, "of any of these names; `contains` takes a part"),
    Param::new("full_name", Takes::Text, "words that occur in `source -> connection`"),
    Param::new("source_id", Takes::Texts, "from any of these sources"),
    Param::new("destination_id", Takes::Texts, "to any of these destinations"),
    Param::new("disabled", Takes::Flag, "whether disabled ones are shown too; they are not by default"),
    Param::new("disabled_at", Takes::Time, "when they were disabled"),
    Param::new("paused_at", Takes::Time, "when they were paused"),
];

/// Whether disabled ones are among those asked for.
struct Disabled {
    are_hidden: bool,
    at: Moment,
}

impl Disabled {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        // Whoever asks when they were disabled wants to see them.
        let are_hidden = !parameters.flag("disabled")?.unwrap_or_else(|| parameters.has("disabled_at"));
        Ok(Self { are_hidden, at: parameters.moment("disabled_at")? })
    }

    fn matches(&self, at: Option<Timestamp>) -> bool {
        !(self.are_hidden && at.is_some()) && self.at.matches(at)
    }
}

/// The sources that match [`SOURCES`].
///
/// # Errors
///
/// 422 naming the parameter.
pub fn sources<'a>(parameters: &Parameters, configuration: &'a Configuration) -> Result<Vec<&'a Source>, ApiError> {
    let ids: Vec<SourceId> = parameters.many("id", read_id)?;
    let (names, kinds) = (parameters.texts("name")?, parameters.texts("type")?);
    let disabled = Disabled::read(parameters)?;
    let matches = |source: &&Source| {
        source.deleted_at.is_none()
            && (ids.is_empty() || ids.contains(&source.id))
            && names.matches(Some(&source.name))
            && kinds.matches(Some(&source.kind))
            && disabled.matches(source.disabled_at)
    };
    Ok(configuration.sources.values().map(AsRef::as_ref).filter(matches).collect())
}

/// The destinations that match [`DESTINATIONS`].
///
/// # Errors
///
/// 422 naming the parameter.
pub fn destinations<'a>(
    parameters: &Parameters,
    configuration: &'a Configuration,
) -> Result<Vec<&'a Destination>, ApiError> {
    let ids: Vec<DestinationId> = parameters.many("id", read_id)?;
    let kinds = parameters.many("type", |text| {
        let known = DESTINATION_TYPES.into_iter().find(|kind| *kind == text);
        word(text, known, DESTINATION_TYPES.into_iter())
    })?;
    let [names, urls, paths] = ["name", "url", "cli_path"].map(|name| parameters.texts(name));
    let (names, urls, paths): (TextFilter, TextFilter, TextFilter) = (names?, urls?, paths?);
    let disabled = Disabled::read(parameters)?;
    let matches = |destination: &&Destination| {
        let (kind, url, path) = match &destination.kind {
            DestinationKind::Http(http) => ("HTTP", http.url.as_deref(), None),
            DestinationKind::Cli(cli) => ("CLI", None, Some(cli.path.as_str())),
            DestinationKind::MockApi => ("MOCK_API", None, None),
        };
        destination.deleted_at.is_none()
            && (ids.is_empty() || ids.contains(&destination.id))
            && (kinds.is_empty() || kinds.contains(&kind))
            && names.matches(Some(&destination.name))
            && urls.matches(url)
            && paths.matches(path)
            && disabled.matches(destination.disabled_at)
    };
    Ok(configuration.destinations.values().map(AsRef::as_ref).filter(matches).collect())
}

/// The connections that match [`CONNECTIONS`].
///
/// # Errors
///
/// 422 naming the parameter.
pub fn connections<'a>(
    parameters: &Parameters,
    configuration: &'a Configuration,
) -> Result<Vec<&'a Connection>, ApiError> {
    let ids: Vec<ConnectionId> = parameters.many("id", read_id)?;
    let sources: Vec<SourceId> = parameters.many("source_id", read_id)?;
    let destinations: Vec<DestinationId> = parameters.many("destination_id", read_id)?;
    let names = parameters.texts("name")?;
    let words = parameters.one("full_name")?.unwrap_or_default().to_lowercase();
    let words: Vec<&str> = words.split_whitespace().flat_map(|word| word.split("->")).collect();
    let (disabled, paused_at) = (Disabled::read(parameters)?, parameters.moment("paused_at")?);
    let matches = |connection: &&Connection| {
        let has_words = || {
            let name = full_name(configuration, connection).to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        connection.deleted_at.is_none()
            && (ids.is_empty() || ids.contains(&connection.id))
            && (sources.is_empty() || sources.contains(&connection.source_id))
            && (destinations.is_empty() || destinations.contains(&connection.destination_id))
            && names.matches(connection.name.as_deref())
            && disabled.matches(connection.disabled_at)
            && paused_at.matches(connection.paused_at)
            && has_words()
    };
    Ok(configuration.connections.values().map(AsRef::as_ref).filter(matches).collect())
}

/// The place of a source in an order of [`ORDERS`].
#[must_use]
pub fn source_place(order: usize, source: &Source) -> SourcePlace {
    let by = sort_by(ORDERS[order], &source.name, (source.created_at, source.updated_at));
    PlaceIn { order: place(order), by, id: source.id.bits() }
}

/// The place of a destination in an order of [`ORDERS`].
#[must_use]
pub fn destination_place(order: usize, destination: &Destination) -> DestinationPlace {
    let by = sort_by(ORDERS[order], &destination.name, (destination.created_at, destination.updated_at));
    PlaceIn { order: place(order), by, id: destination.id.bits() }
}

/// The place of a connection in an order of [`CONNECTION_ORDERS`].
#[must_use]
pub fn connection_place(order: usize, connection: &Connection, configuration: &Configuration) -> ConnectionPlace {
    let name = CONNECTION_ORDERS[order];
    let from = configuration.sources.get(&connection.source_id);
    let to = configuration.destinations.get(&connection.destination_id);
    let by = match (name.split_once('.'), from, to) {
        (Some(("sources", name)), Some(source), _) => sort_by(name, "", (source.created_at, source.updated_at)),
        (Some((_, name)), _, Some(to)) => sort_by(name, "", (to.created_at, to.updated_at)),
        _ if name == "full_name" => SortBy::Text(full_name(configuration, connection)),
        _ => {
            let own = connection.name.as_deref().unwrap_or_default();
            sort_by(name, own, (connection.created_at, connection.updated_at))
        }
    };
    PlaceIn { order: place(order), by, id: connection.id.bits() }
}

fn sort_by(order: &str, name: &str, (created_at, updated_at): (Timestamp, Timestamp)) -> SortBy {
    match order {
        "name" => SortBy::Text(name.to_owned()),
        "updated_at" => SortBy::Time(updated_at),
        _ => SortBy::Time(created_at),
    }
}

fn place(order: usize) -> u8 {
    u8::try_from(order).unwrap_or(u8::MAX)
}

/// `source -> connection`; of a nameless connection, the source and the arrow.
fn full_name(configuration: &Configuration, connection: &Connection) -> String {
    let source = configuration.sources.get(&connection.source_id).map_or("", |source| source.name.as_str());
    format!("{source} -> {}", connection.name.as_deref().unwrap_or_default())
}
