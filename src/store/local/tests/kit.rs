//! A local store under test, in a directory of its own, and ways to look at all of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    clock::{Clock, ManualClock},
    domain::{
        AttemptRecord, AttemptResult, AttemptSummary, AttemptTrigger, ConfigItem, ConnectionId, Destination,
        DestinationAuth, DestinationId, DestinationKind, Event, HttpDestination, Phase, Request, RequestId, Route,
        Secret, SourceId, Timestamp,
    },
    store::{
        Accepted, Commit, EventFilter, EventKey, EventOrder, NewRequest, PageRequest, Store, Transition,
        conformance::{START, Subject},
        local::{LocalOptions, LocalStore},
    },
};

/// What must never be found in a file.
pub(super) const SECRET: &str = "tell-nobody-0123456789";

/// A local store and its directory.
pub(super) struct LocalSubject {
    store: Option<Arc<LocalStore>>,
    /// Stores that "died": they live on in the directory that was copied away from them.
    dead: Vec<(Arc<LocalStore>, TempDir)>,
    clock: ManualClock,
    options: LocalOptions,
    /// Last, because stores are closed in it when they are dropped.
    directory: TempDir,
}

impl LocalSubject {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other options than those that are kind to a test's disk.
    pub(super) fn with(change: impl Fn(&mut LocalOptions)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut options = LocalOptions {
            directory: directory.path().to_owned(),
            segment_bytes: 256 * 1024,
            sled_cache_bytes: 8 << 20,
            overlay_bytes_max: 64 << 20,
            journal_queue_bytes_max: 16 << 20,
            disk_low_bytes: 1,
            checkpoint_interval: Duration::from_secs(3600),
            retention: Duration::from_secs(30 * 24 * 3600),
            quota_bytes: None,
            retention_interval: Duration::from_secs(3600),
            master_key: None,
            salvage: false,
        };
        change(&mut options);
        let clock = ManualClock::starting_at(START);
        let mut subject = Self { store: None, dead: Vec::new(), clock, options, directory };
        subject.open();
        subject
    }

    pub(super) fn options(&self) -> LocalOptions {
        LocalOptions { directory: self.directory.path().to_owned(), ..self.options.clone() }
    }

    pub(super) fn local(&self) -> &LocalStore {
        self.store.as_deref().unwrap()
    }

    /// Closes it, so that its files can be tampered with.
    pub(super) fn close(&mut self) -> &Path {
        if let Some(store) = self.store.take() {
            store.close();
        }
        self.directory.path()
    }

    pub(super) fn open(&mut self) {
        let store = LocalStore::open(self.options(), Arc::new(self.clock.clone())).unwrap();
        wait_until_ready(&store);
        self.store = Some(Arc::new(store));
    }
}

fn wait_until_ready(store: &LocalStore) {
    let begun = Instant::now();
    while store.ready().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the store does not become ready");
        std::thread::yield_now();
    }
}

impl Subject for LocalSubject {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().unwrap()
    }

    fn reopen(&mut self) {
        self.close();
        self.open();
    }

    /// Takes the files as they are while the store runs, as kill -9 would leave them.
    fn crash(&mut self) {
        let copy = TempDir::new().unwrap();
        // sled and the checkpoint may be older than the journal, never newer.
        for name in ["key", "state", "CHECKPOINT", "journal"] {
            copy_all(&self.directory.path().join(name), &copy.path().join(name)).unwrap();
        }
        let old = std::mem::replace(&mut self.directory, copy);
        if let Some(store) = self.store.take() {
            self.dead.push((store, old));
        }
        self.open();
    }

    fn settle(&self) {
        self.local().fold_everything();
    }

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

/// Copies a file or a folder; what disappears meanwhile is skipped.
pub(super) fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    match fs::copy(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Every file below a folder.
pub(super) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The files below a folder that hold these bytes.
pub(super) fn files_with(directory: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    files(directory).into_iter().filter(holds).collect()
}

pub(super) fn secret_destination_kind() -> DestinationKind {
    DestinationKind::Http(HttpDestination {
        url: Some("http://127.0.0.1/".to_owned()),
        http_method: None,
        path_forwarding_disabled: false,
        auth: DestinationAuth::BearerToken { token: Secret::new(SECRET) },
    })
}

pub(super) fn put_secrets(store: &dyn Store) {
    let destination = Destination {
        id: DestinationId::from_bits(5),
        name: "guarded".to_owned(),
        description: None,
        kind: secret_destination_kind(),
        disabled_at: None,
        deleted_at: None,
        created_at: START,
        updated_at: START,
        version: 1,
    };
    store.put_config(vec![ConfigItem::Destination(destination)]).wait().unwrap();
}

/// The connection that everything here is on.
pub(super) fn connection() -> ConnectionId {
    ConnectionId::from_bits(11)
}

/// Accepts one request with a body of so many bytes; answers its event.
pub(super) fn accept(store: &dyn Store, body_len: usize) -> Event {
    accept_all(store, [body_len]).remove(0)
}

/// Accepts requests with bodies of these lengths, many to a commit; answers their events.
pub(super) fn accept_all(store: &dyn Store, body_lens: impl IntoIterator<Item = usize>) -> Vec<Event> {
    let submitted: Vec<_> = body_lens.into_iter().map(|body_len| submit(store, body_len)).collect();
    let event = |(id, route, commit): (RequestId, Route, Commit<Accepted>)| {
        let accepted = commit.wait().unwrap();
        Event::accepted((id, SourceId::from_bits(3)), 0, route, accepted.first_seq, accepted.created_at)
    };
    submitted.into_iter().map(event).collect()
}

fn submit(store: &dyn Store, body_len: usize) -> (RequestId, Route, Commit<Accepted>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Spread over time as real ids are: an id's time is what leads to its block.
    let id = RequestId::from_parts(START.plus_ms(number), u128::from(number) << 64);
    let body: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(body_len).collect();
    let request = Request {
        id,
        source_id: SourceId::from_bits(3),
        received_at: START,
        method: "POST".to_owned(),
        path: "/p".to_owned(),
        query: Some("q=1".to_owned()),
        headers: vec![("x-n".to_owned(), number.to_string().into_bytes().into())],
        body: body.into(),
        body_truncated: false,
        client_ip: None,
    };
    let route = Route { connection_id: connection(), destination_id: DestinationId::from_bits(4), generation: 0 };
    let new = NewRequest {
        request: Arc::new(request),
        routes: vec![route],
        first_index: 0,
        documents: Vec::new(),
        ignored: Vec::new(),
        rejection: None,
        body_permit: None,
    };
    (id, route, store.accept(new))
}

/// Records an attempt that ends an event.
pub(super) fn finish(store: &dyn Store, event: Event, at: Timestamp, status: u16) -> Event {
    finish_all(store, vec![event], at, status).remove(0)
}

/// Records an attempt for each that ends it, many to a commit.
pub(super) fn finish_all(store: &dyn Store, mut events: Vec<Event>, at: Timestamp, status: u16) -> Vec<Event> {
    let recorded: Vec<_> = events.iter_mut().map(|event| store.record(finished(event, at, status))).collect();
    recorded.into_iter().for_each(|commit| commit.wait().unwrap());
    events
}

fn finished(event: &mut Event, at: Timestamp, status: u16) -> Transition {
    event.version += 1;
    event.phase = if status < 300 { Phase::Successful } else { Phase::Failed };
    event.attempts.push(AttemptSummary {
        resumed: false,
        status: crate::domain::AttemptStatus::Failed,
        trigger: AttemptTrigger::Initial,
        started_at: at,
        latency_ms: 1,
        result: AttemptResult::Answered { status },
    });
    let attempt = AttemptRecord {
        url: "http://127.0.0.1/hook".to_owned(),
        method: "POST".to_owned(),
        response_headers: vec![("x-r".to_owned(), "1".into())],
        response_body: format!("answer to {}", event.seq).into_bytes().into(),
        response_truncated: false,
        error_message: None,
    };
    Transition { event: event.clone(), attempt: Some(attempt) }
}

/// Everything a client could see of the events: rows, requests, attempts with their records.
pub(super) fn everything(store: &dyn Store) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest { order: EventOrder::Created, descending: false, after, limit: 100 };
        let page = store.events(&EventFilter::default(), &page, START).unwrap();
        for kept in &page.events {
            let event = &kept.event;
            assert_eq!(store.event(event.id()).unwrap(), *kept);
            let request = store.request(kept.payload_ref);
            let attempts: Vec<_> = (1..)
                .zip(&event.attempts)
                .map(|(number, _)| store.attempt(event.id().attempt(number)).unwrap().record.unwrap())
                .collect();
            seen.push(format!("{event:?} {request:?} {attempts:?}"));
            after = Some(EventKey::at_seq(event.seq));
        }
        if !page.more {
            return seen;
        }
    }
}

/// The time a subject's clock shows.
pub(super) fn now(subject: &LocalSubject) -> Timestamp {
    subject.clock().now()
}
