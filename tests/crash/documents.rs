//! Documents through kill -9, and through a rebuild from the journal alone. A store of its own in a process of its own: this
//! test's binary, started once more.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use hookgate::{
    clock::SystemClock,
    domain::{
        BookmarkId, ConnectionId, Document, DocumentKey, EventDataId, Family, Request, RequestId, SourceId, Timestamp,
        ViewId,
        document::{Bookmark, View},
    },
    store::{
        DocumentChange, DocumentStretch, Store,
        local::{LocalOptions, LocalStore, open_ready},
    },
};

use crate::support::Seed;

/// Kills in a row on one directory.
const CYCLES: usize = 8;
/// Views that are written round and round.
const VIEWS: u64 = 40;
/// Each kill comes after at most so many acknowledgements.
const ACKS_MAX: u64 = 400;
const DIRECTORY: &str = "HOOKGATE_TEST_DOCUMENTS";

fn options(directory: &Path) -> LocalOptions {
    LocalOptions {
        directory: directory.to_owned(),
        segment_bytes: 1 << 20,
        sled_cache_bytes: 8 << 20,
        overlay_bytes_max: 64 << 20,
        journal_queue_bytes_max: 16 << 20,
        disk_low_bytes: 1,
        // Often, so that kills fall into it.
        checkpoint_interval: Duration::from_millis(20),
        retention: Duration::from_hours(24),
        quota_bytes: None,
        retention_interval: Duration::from_hours(1),
        master_key: None,
        salvage: false,
    }
}

fn key(n: u64) -> DocumentKey {
    DocumentKey { family: Family::View, id: u128::from(n) }
}

fn view(n: u64, version: u32) -> Document {
    Document::View(View {
        id: ViewId::from_bits(u128::from(n)),
        name: format!("view {n}"),
        filter: format!("{version}").repeat(20),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        version,
    })
}

/// Put together with each view: says in which version, with a request that says the same.
fn witness(n: u64, version: u32) -> (Document, Arc<Request>) {
    let id = u128::from(n);
    let bookmark = Bookmark {
        id: BookmarkId::from_bits(id),
        name: None,
        label: version.to_string(),
        connection_id: ConnectionId::from_bits(1),
        event_data_id: EventDataId::from_bits(1),
        last_used_at: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        version,
    };
    let request = Request {
        id: RequestId::from_bits(id),
        source_id: SourceId::from_bits(1),
        received_at: Timestamp::EPOCH,
        method: "POST".to_owned(),
        path: String::new(),
        query: None,
        headers: Vec::new(),
        body: version.to_string().into(),
        body_truncated: false,
        client_ip: None,
    };
    (Document::Bookmark(bookmark), Arc::new(request))
}

/// Versions of all views; each has its witness.
fn versions(store: &dyn Store) -> Vec<u32> {
    let version = |n| store.document(key(n)).map_or(0, |document| document.version());
    let versions: Vec<u32> = (0..VIEWS).map(version).collect();
    for (n, version) in (0..).zip(&versions).filter(|(_, version)| **version > 0) {
        let (witness, request) = witness(n, *version);
        assert_eq!(store.document(witness.key()).as_ref(), Ok(&witness), "put together, kept together");
        assert_eq!(store.attached(witness.key()).as_ref(), Ok(request.as_ref()));
        assert_eq!(store.document(key(n)), Ok(view(n, *version)));
    }
    let listed =
        store.documents(Family::View, DocumentStretch { descending: false, after: None, limit: 1_000 }).unwrap();
    assert_eq!(listed.len(), versions.iter().filter(|version| **version > 0).count());
    versions
}

/// What the process does that the test below starts; without a directory there is nothing to do.
#[test]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a process that is talked to")]
fn writes_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = LocalStore::open(options(Path::new(&directory)), Arc::new(SystemClock)).unwrap();
    while store.ready().is_err() {
        std::thread::yield_now();
    }
    let mut versions = versions(&store);
    for turn in 0.. {
        for n in 0..VIEWS {
            let version = &mut versions[usize::try_from(n).unwrap()];
            let (bookmark, request) = witness(n, *version + 1);
            let mut changes = vec![DocumentChange::Put(view(n, *version + 1), None)];
            changes.push(DocumentChange::Put(bookmark, Some(request)));
            if (turn + n) % 7 == 6 && *version > 0 {
                // It begins anew.
                changes = vec![
                    DocumentChange::Remove(key(n), *version),
                    DocumentChange::Remove(witness(n, *version).0.key(), *version),
                ];
                *version = 0;
            } else {
                *version += 1;
            }
            store.put_documents(changes).wait().unwrap();
            println!("acknowledged {n} {version}");
            std::io::stdout().flush().unwrap();
        }
    }
}

/// Runs the writer until it has acknowledged so many; answers what it said last of each view.
fn killed_after(directory: &Path, acks: u64, known: &mut [u32]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["documents::writes_until_it_is_killed", "--exact", "--nocapture"]);
    let mut child = command.env(DIRECTORY, directory).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut left = acks;
    for line in output.lines().map_while(Result::ok) {
        // The test's own head may stand before the first.
        let Some((_, told)) = line.split_once("acknowledged ") else { continue };
        let (n, version) = told.split_once(' ').unwrap();
        known[n.parse::<usize>().unwrap()] = version.parse().unwrap();
        left = left.saturating_sub(1);
        if left == 0 {
            // What it said until it dies is read as well.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert_eq!(left, 0, "it ended by itself");
}

#[test]
fn acknowledged_documents_survive_kills_and_a_rebuild_from_the_journal_alone() {
    let (mut seed, directory) = (Seed::new(), tempfile::tempdir().unwrap());
    let mut known = vec![0; usize::try_from(VIEWS).unwrap()];
    for _ in 0..CYCLES {
        killed_after(directory.path(), 1 + seed.below(ACKS_MAX), &mut known);
        let store = open_ready(options(directory.path()), Arc::new(SystemClock)).unwrap();
        let found = versions(&store);
        // One change may have been durable when nobody could be told any more.
        let differ: Vec<_> = known.iter().zip(&found).filter(|(known, found)| known != found).collect();
        assert!(differ.len() <= 1, "{differ:?}");
        assert!(differ.iter().all(|(known, found)| **found == **known + 1 || **found == 0), "{differ:?}");
        known.clone_from(&found);
        store.close();
        drop(store);
        fs::remove_dir_all(directory.path().join("state")).unwrap();
        fs::remove_file(directory.path().join("CHECKPOINT")).unwrap();
        let store = open_ready(options(directory.path()), Arc::new(SystemClock)).unwrap();
        assert_eq!(versions(&store), found, "the journal alone says the same");
        store.close();
    }
}
