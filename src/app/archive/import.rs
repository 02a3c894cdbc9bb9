//! Making a data directory from lines: all of them or none.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::{BufRead, Read},
    mem,
};

use super::{ArchiveError, FORMAT, Head, Line, documents::Bookmark, history::History};
use crate::{
    app::store_options,
    clock::{Clock, SystemClock},
    config::Settings,
    domain::{ConfigItem, Configuration, EventId, Timestamp},
    store::local::import::Importer,
    web::auth::secret_text,
};

/// The longest line that is taken: the largest body there can be in base64, with what else belongs to an event.
const LINE_BYTES_MAX: u64 = 2 << 30;

/// Makes the data directory, which must be empty or not exist, from lines as [`export`](super::export()) writes them. Answers what
/// is to be told.
///
/// # Errors
///
/// When a line is wrong or the directory cannot be used; nothing is imported then.
pub fn import(settings: &Settings, input: &mut dyn BufRead) -> anyhow::Result<String> {
    let importer = Importer::begin(&store_options(settings), SystemClock.now())?;
    let mut import = Import { importer, seen: Seen::default(), to_set: Vec::new() };
    if let Err(error) = import.all(input) {
        let undone = import.importer.abandon();
        let left = match undone {
            Ok(()) => "nothing was imported".to_owned(),
            Err(undo) => format!("what was written is still there and is refused by a start ({undo})"),
        };
        return Err(error.context(left));
    }
    let Import { importer, seen, to_set } = import;
    importer.finish()?;
    let (items, events) = (seen.configuration.items().count(), seen.events.len());
    let mut told = format!("imported {items} configuration items and {events} events");
    for secret in to_set {
        told.push_str("\nnot in the export: ");
        told.push_str(&secret);
    }
    Ok(told)
}

struct Import {
    importer: Importer,
    seen: Seen,
    /// Secrets that were left out of the export.
    to_set: Vec<String>,
}

/// What came so far: what later lines may refer to, and must not repeat.
#[derive(Default)]
struct Seen {
    configuration: Configuration,
    names: BTreeSet<(&'static str, String)>,
    tokens: BTreeSet<String>,
    documents: BTreeSet<(&'static str, u128)>,
    /// 16 bytes each: the memory an import takes.
    events: HashSet<EventId>,
    newest: Timestamp,
}

impl Import {
    fn all(&mut self, input: &mut dyn BufRead) -> anyhow::Result<()> {
        let (mut text, mut number, mut head, mut ended) = (Vec::new(), 0, None, false);
        loop {
            text.clear();
            let read = (&mut *input).take(LINE_BYTES_MAX).read_until(b'\n', &mut text).map_err(ArchiveError::Input)?;
            if read == 0 {
                return if ended { Ok(()) } else { Err(ArchiveError::CutOff.into()) };
            }
            number += 1;
            let wrong = |problem: String| ArchiveError::Line { number, problem };
            if ended {
                return Err(wrong("nothing may follow the end".to_owned()).into());
            }
            let line = parse(&text).map_err(wrong)?;
            if head.is_none() {
                head = Some(expect_head(line).map_err(wrong)?);
                continue;
            }
            match line {
                Line::Hookgate(_) => return Err(wrong("a second head: import one export".to_owned()).into()),
                Line::End(_) => ended = true,
                Line::Event(event) => {
                    let history = event.into_history().map_err(wrong)?;
                    self.seen.take_event(&history).map_err(wrong)?;
                    let History { event, request, records } = history;
                    self.importer.put_event(event, request.as_ref(), &records)?;
                }
                Line::View(view) => {
                    self.seen.take_document("view", view.id.0.bits(), Some(&view.name)).map_err(wrong)?;
                    self.importer.put_document(&view.into(), None)?;
                }
                Line::Bookmark(bookmark) => {
                    self.seen.take_bookmark(&bookmark).map_err(wrong)?;
                    let (bookmark, attached) = bookmark.into_document();
                    self.importer.put_document(&bookmark, attached.as_ref())?;
                }
                Line::Project(_) | Line::Key(_) | Line::Source(_) | Line::Destination(_) | Line::Connection(_) => {
                    let item = self.item(line)?;
                    self.seen.take_item(&item).map_err(wrong)?;
                    self.importer.put_item(&item)?;
                }
            }
        }
    }

    fn item(&mut self, line: Line) -> anyhow::Result<ConfigItem> {
        Ok(match line {
            Line::Project(project) => {
                if project.signing_secret.is_none() {
                    self.to_set.push("the signing secret: a new one was made, tell it to receivers".to_owned());
                }
                ConfigItem::Project(project.into_item(secret_text("")?))
            }
            Line::Key(key) => ConfigItem::ApiKey(key.into()),
            Line::Source(source) => ConfigItem::Source(source.into()),
            Line::Destination(destination) => {
                if destination.lacks_secret() {
                    self.to_set.push(format!("the credentials of destination `{}`: set them again", destination.name));
                }
                ConfigItem::Destination(destination.into())
            }
            Line::Connection(connection) => ConfigItem::Connection(connection.into()),
            Line::Hookgate(_) | Line::View(_) | Line::Bookmark(_) | Line::Event(_) | Line::End(_) => {
                anyhow::bail!("no configuration item")
            }
        })
    }
}

impl Seen {
    fn take_item(&mut self, item: &ConfigItem) -> Result<(), String> {
        let is_second = match item {
            ConfigItem::Project(_) => self.configuration.project.is_some(),
            other => self.configuration.version_of(other) != 0,
        };
        if is_second {
            return Err("it is there already, in a line before".to_owned());
        }
        match item {
            ConfigItem::Project(_) | ConfigItem::ApiKey(_) => {}
            ConfigItem::Source(source) => {
                if !self.tokens.insert(source.token.as_str().to_owned()) {
                    return Err("another source has this token".to_owned());
                }
                self.take_name("source", Some(&source.name), source.deleted_at)?;
            }
            ConfigItem::Destination(item) => self.take_name("destination", Some(&item.name), item.deleted_at)?,
            ConfigItem::Connection(item) => {
                expect(&self.configuration.sources, &item.source_id, "source")?;
                expect(&self.configuration.destinations, &item.destination_id, "destination")?;
                self.take_name("connection", item.name.as_ref(), item.deleted_at)?;
            }
        }
        self.configuration.put(item.clone());
        Ok(())
    }

    fn take_name(
        &mut self,
        kind: &'static str,
        name: Option<&String>,
        deleted_at: Option<Timestamp>,
    ) -> Result<(), String> {
        match name {
            Some(name) if deleted_at.is_none() && !self.names.insert((kind, name.clone())) => {
                Err(format!("another {kind} has the name `{name}`"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn take_document(&mut self, kind: &'static str, id: u128, name: Option<&String>) -> Result<(), String> {
        if !self.documents.insert((kind, id)) {
            return Err("it is there already, in a line before".to_owned());
        }
        self.take_name(kind, name, None)
    }

    fn take_bookmark(&mut self, bookmark: &Bookmark) -> Result<(), String> {
        expect(&self.configuration.connections, &bookmark.connection_id.0, "connection")?;
        self.take_document("bookmark", bookmark.id.0.bits(), bookmark.name.as_ref())
    }

    fn take_event(&mut self, history: &History) -> Result<(), String> {
        let event = &history.event;
        expect(&self.configuration.connections, &event.connection_id, "connection")?;
        expect(&self.configuration.sources, &event.source_id, "source")?;
        expect(&self.configuration.destinations, &event.destination_id, "destination")?;
        let generation = self.configuration.standing(event.connection_id).generation;
        if event.generation > generation {
            return Err(format!("`generation` is {}, its connection's is {generation}", event.generation));
        }
        if event.created_at < mem::replace(&mut self.newest, event.created_at) {
            return Err("events must come in the order of `created_at`".to_owned());
        }
        if !self.events.insert(event.id()) {
            return Err(format!("{} is there already, in a line before", event.id()));
        }
        Ok(())
    }
}

fn expect<Id: Ord + ToString, T>(known: &BTreeMap<Id, T>, id: &Id, kind: &str) -> Result<(), String> {
    if known.contains_key(id) { Ok(()) } else { Err(format!("no {kind} {} in the lines before", id.to_string())) }
}

fn parse(text: &[u8]) -> Result<Line, String> {
    if text.len() as u64 == LINE_BYTES_MAX {
        return Err(format!("it has more than {LINE_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(text).map_err(|error| {
        // It counts lines in what it was given, which is one.
        let said = error.to_string();
        said.split(" at line ").next().unwrap_or_default().to_owned()
    })
}

fn expect_head(line: Line) -> Result<Head, String> {
    match line {
        Line::Hookgate(head) if (1..=FORMAT).contains(&head.format) => Ok(head),
        Line::Hookgate(head) => Err(format!(
            "format {} is not known here, up to {FORMAT} is: import it with the version that exported it",
            head.format
        )),
        Line::Project(_)
        | Line::Key(_)
        | Line::Source(_)
        | Line::Destination(_)
        | Line::Connection(_)
        | Line::View(_)
        | Line::Bookmark(_)
        | Line::Event(_)
        | Line::End(_) => Err("this is no export: the first line must be its head".to_owned()),
    }
}
