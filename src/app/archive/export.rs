//! Writing a stopped data directory as lines.

use std::{fmt, io::Write, sync::Arc};

use anyhow::Context;

use super::{End, FORMAT, Head, Line, configuration::line_of, documents::Bookmark, history::History};
use crate::{
    app::store_options,
    clock::SystemClock,
    config::Settings,
    domain::{Document, Event, Family, Timestamp},
    store::{
        DocumentStretch, EventFilter, EventKey, EventOrder, PageRequest, Store, StoreError,
        local::{self, LocalStore},
    },
};

/// Events that are looked up together.
const PAGE: usize = 256;

/// What goes into an export.
#[derive(Debug, Clone, Copy)]
pub struct ExportOptions {
    /// Leave events and bookmarks out.
    pub config_only: bool,
    /// Put secrets in.
    pub with_secrets: bool,
}

/// What an export came to.
#[derive(Debug, Default)]
pub struct Exported {
    /// Configuration items.
    pub items: usize,
    /// Views and bookmarks.
    pub documents: usize,
    /// Events.
    pub events: u64,
    /// Requests and attempts' details that were damaged or gone, and left out.
    pub missing: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { items, documents, events, missing } = self;
        write!(f, "exported {items} configuration items, {documents} views and bookmarks, and {events} events")?;
        if *missing > 0 {
            write!(f, "; {missing} bodies or answers are damaged or gone and were left out")?;
        }
        Ok(())
    }
}

/// Writes everything in the data directory to `out`, a line each.
///
/// # Errors
///
/// When the directory is in use or cannot be read, or `out` takes no more.
pub fn export(settings: &Settings, options: ExportOptions, out: &mut dyn Write) -> anyhow::Result<Exported> {
    let store = local::open_ready(store_options(settings), Arc::new(SystemClock))?;
    let mut lines = Lines { store: &store, out, exported: Exported::default() };
    let written = lines.all(options);
    let exported = lines.exported;
    store.close();
    written.map(|()| exported)
}

struct Lines<'a> {
    store: &'a LocalStore,
    out: &'a mut dyn Write,
    exported: Exported,
}

impl Lines<'_> {
    fn all(&mut self, options: ExportOptions) -> anyhow::Result<()> {
        self.line(&Line::Hookgate(Head { format: FORMAT, secrets: options.with_secrets }))?;
        for item in self.store.configuration().items() {
            self.line(&line_of(&item, options.with_secrets))?;
            self.exported.items += 1;
        }
        self.documents(Family::View)?;
        if !options.config_only {
            self.documents(Family::Bookmark)?;
            self.events()?;
        }
        self.line(&Line::End(End {}))?;
        Ok(self.out.flush()?)
    }

    fn documents(&mut self, family: Family) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let stretch = DocumentStretch { descending: false, after, limit: PAGE };
            let page = self.store.documents(family, stretch)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key().id);
            for document in page {
                let key = document.key();
                let line = match document {
                    Document::View(view) => Line::View(view.into()),
                    Document::Bookmark(bookmark) => {
                        let attached = self.known(self.store.attached(key))?;
                        Line::Bookmark(Box::new(Bookmark::new(bookmark, attached.as_ref())))
                    }
                    Document::Bulk(_) | Document::Audit(_) | Document::Erasure(_) | Document::Retried(_) => continue,
                };
                self.line(&line)?;
                self.exported.documents += 1;
            }
        }
    }

    fn events(&mut self) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = PageRequest { order: EventOrder::Created, descending: false, after, limit: PAGE };
            let page = self.store.events(&EventFilter::default(), &page, Timestamp::EPOCH)?;
            for event in page.events.into_iter().map(|kept| kept.event) {
                after = Some(EventKey::of(&event));
                let id = event.id();
                let history = self.history(event).with_context(|| format!("{id} cannot be read"))?;
                self.line(&Line::Event(Box::new((&history).into())))?;
                self.exported.events += 1;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    fn history(&mut self, event: Event) -> Result<History, StoreError> {
        let place = self.store.event(event.id())?.payload_ref;
        let request = self.known(self.store.request(place))?;
        let mut records = Vec::with_capacity(event.attempts.len());
        for (number, _) in (1..).zip(&event.attempts) {
            let stored = self.store.attempt(event.id().attempt(number))?;
            records.push(self.known(stored.record.unwrap_or(Err(StoreError::NotFound)))?);
        }
        Ok(History { event, request, records })
    }

    /// What is damaged or gone is left out and counted.
    fn known<T>(&mut self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(known) => Ok(Some(known)),
            // What was erased is not missing.
            Err(StoreError::Erased { .. }) => Ok(None),
            Err(StoreError::NotFound | StoreError::Damaged(_)) => {
                self.exported.missing += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        serde_json::to_writer(&mut *self.out, line).map_err(std::io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }
}
