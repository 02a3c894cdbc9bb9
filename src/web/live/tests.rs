//! Rounds of the tail over a store in memory; each is told when it is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use serde_json::Value;

use super::{
    Asking, Limits, Live, Pass, Shows, Wanted,
    group::RESYNC_INTERVAL,
    reader::{Reader, Seat},
    tail::{Joining, Tail},
};
use crate::{
    clock::ManualClock,
    domain::{ApiKey, ApiKeyId, ConfigItem, Event, EventStatus, Phase, Previous, Scope},
    query::{AttemptFilter, EventFilter, Optional, Query, feed::Place},
    store::{
        Store,
        conformance::{
            START,
            kit::{accept_events, attempt, connection, connection_id},
        },
        memory::MemoryStore,
    },
    web::profiles::Version,
};

const HEARTBEAT: Duration = Duration::from_secs(15);

/// A tail over an empty store.
struct World {
    store: Arc<dyn Store>,
    clock: ManualClock,
    tail: Tail,
    now: Instant,
    /// Requests so far.
    accepted: u64,
}

/// An event of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    id: u64,
    /// Empty when only a place was told.
    name: String,
    data: Value,
}

fn query(store: &Arc<dyn Store>, clock: &ManualClock) -> Query {
    Query::new(Arc::clone(store), Arc::new(clock.clone()))
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::starting_at(START);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let tail = Tail::new(query(&store, &clock), "https://in.example".to_owned(), HEARTBEAT);
        Self { store, clock, tail, now: Instant::now(), accepted: 0 }
    }

    fn accept(&mut self, connections: &[u64]) -> Vec<Event> {
        self.accepted += 1;
        accept_events(&*self.store, self.accepted, connections)
    }

    fn join_with(&mut self, filter: EventFilter, change: impl FnOnce(&mut Joining)) -> Reader {
        let (reader, mailbox) = Reader::new(Seat::take(&Arc::default(), 1).unwrap());
        let attempts = AttemptFilter::default();
        let wanted = Wanted { shows: Shows::Events, filter, attempts, version: Version::NEWEST };
        let mut joining = Joining { wanted, after: None, pass: None, mailbox };
        change(&mut joining);
        self.tail.round(self.now, vec![joining]).unwrap();
        reader
    }

    /// A reader of events that has heard the beginning.
    fn join(&mut self, filter: EventFilter) -> Reader {
        let mut reader = self.join_with(filter, |_| ());
        assert_eq!(names(&heard(&mut reader)), [""], "a place to begin with");
        reader
    }

    /// The next round, a tenth of a second later.
    fn round(&mut self) {
        self.round_after(Duration::from_millis(100));
    }

    fn round_after(&mut self, time: Duration) {
        self.now += time;
        self.tail.round(self.now, Vec::new()).unwrap();
    }

    fn put(&self, item: ConfigItem) {
        drop(self.store.put_config(vec![item]).wait().unwrap());
    }
}

/// All that waits for a reader.
fn heard(reader: &mut Reader) -> Vec<Heard> {
    let mut text = String::new();
    while let Some(Some(Ok(piece))) = reader.next().now_or_never() {
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    text.split_terminator("\n\n")
        .map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data = field("data: ").map_or(Value::Null, |data| serde_json::from_str(data).unwrap());
            let name = field("event: ").unwrap_or_default().to_owned();
            Heard { id: field("id: ").unwrap().parse().unwrap(), name, data }
        })
        .collect()
}

fn names(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|heard| heard.name.as_str()).collect()
}

fn ids(heard: &[Heard]) -> Vec<String> {
    heard.iter().map(|heard| heard.data["id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn of_connection(n: u64) -> EventFilter {
    EventFilter { connections: vec![connection_id(n)], ..EventFilter::default() }
}

fn ended(reader: &mut Reader) -> bool {
    matches!(reader.next().now_or_never(), Some(None))
}

#[test]
fn everybody_is_shown_what_it_asked_for() {
    let mut world = World::new();
    let mut all = world.join(EventFilter::default());
    let mut twin = world.join(EventFilter::default());
    let mut second = world.join(of_connection(2));
    let failed = EventFilter { statuses: vec![EventStatus::Failed], ..EventFilter::default() };
    let mut failed = world.join(failed);
    let events = world.accept(&[1, 2]);
    attempt(&*world.store, &events[0], START, 500, Phase::Failed);
    world.round();
    let to_all = heard(&mut all);
    // The one that changed last comes last.
    assert_eq!(ids(&to_all), [events[1].id().to_string(), events[0].id().to_string()]);
    assert_eq!(names(&to_all), ["event", "event"]);
    assert!(to_all[0].id < to_all[1].id);
    assert_eq!(to_all[1].data["status"], "FAILED");
    assert_eq!(heard(&mut twin), to_all);
    assert_eq!(ids(&heard(&mut second)), [events[1].id().to_string()]);
    assert_eq!(ids(&heard(&mut failed)), [events[0].id().to_string()]);
    world.round();
    assert_eq!(heard(&mut all), []);
}

#[test]
fn every_attempt_is_shown_to_who_asked_for_attempts() {
    let mut world = World::new();
    let mut reader = world.join_with(of_connection(1), |joining| joining.wanted.shows = Shows::Attempts);
    let mut failures = world.join_with(EventFilter::default(), |joining| {
        joining.wanted.shows = Shows::Attempts;
        joining.wanted.attempts.response_statuses = Optional { present: None, any_of: vec![(400, 599)] };
    });
    let events = world.accept(&[1, 2]);
    let tried = attempt(&*world.store, &events[0], START, 500, Phase::Waiting { due_at: START });
    attempt(&*world.store, &tried, START, 200, Phase::Successful);
    attempt(&*world.store, &events[1], START, 200, Phase::Successful);
    world.round();
    let shown = heard(&mut reader);
    assert_eq!(names(&shown), ["", "attempt", "attempt"]);
    assert_eq!(ids(&shown[1..]), [1, 2].map(|number| events[0].id().attempt(number).to_string()));
    assert_eq!([&shown[1].data["response_status"], &shown[2].data["response_status"]], [500, 200]);
    assert_eq!(ids(&heard(&mut failures)[1..]), [events[0].id().attempt(1).to_string()]);
}

#[test]
fn who_would_be_told_too_much_is_told_once_a_second_to_look_at_the_lists() {
    let mut world = World::new();
    let mut all = world.join(EventFilter::default());
    let mut quiet = world.join(of_connection(2));
    let many = |world: &mut World| {
        world.accept(&[1; 101]);
        world.accept(&[2]);
    };
    many(&mut world);
    world.round();
    let told = heard(&mut all);
    assert_eq!((names(&told), &told[0].data["reason"]), (vec!["resync"], &Value::from("busy")));
    assert_eq!(names(&heard(&mut quiet)), ["event"], "who asks for little is shown it");
    many(&mut world);
    world.round();
    world.accept(&[1]);
    world.round();
    assert_eq!(heard(&mut all), [], "it was told a moment ago, and owed a word it is shown nothing");
    world.round_after(RESYNC_INTERVAL);
    assert_eq!(names(&heard(&mut all)), ["resync"]);
    world.accept(&[1]);
    world.round();
    assert_eq!(names(&heard(&mut all)), ["event"]);
}

#[test]
fn many_readers_are_shown_less_than_few() {
    let mut world = World::new();
    let mut readers: Vec<Reader> = (0..1_000).map(|_| world.join(EventFilter::default())).collect();
    world.accept(&[1, 1]);
    world.round();
    assert!(readers.iter_mut().all(|reader| names(&heard(reader)) == ["event", "event"]));
    world.accept(&[1, 1, 1]);
    world.round();
    assert!(readers.iter_mut().all(|reader| names(&heard(reader)) == ["resync"]));
}

#[test]
fn readers_who_want_different_things_share_what_is_shown_in_a_round_and_take_turns() {
    let mut world = World::new();
    let mut readers: Vec<Reader> = (0..1_000).map(|reader| world.join(of_connection(1 + reader % 2))).collect();
    let told = |readers: &mut [Reader]| {
        let of: Vec<String> = readers.iter_mut().map(|reader| names(&heard(reader)).join(" ")).collect();
        assert!(of.chunks(2).all(|pair| pair == &of[..2]), "who wants the same is told the same");
        (of[0].clone(), of[1].clone())
    };
    world.accept(&[1, 1, 2, 2]);
    world.round();
    let shown = "event event".to_owned();
    assert_eq!(told(&mut readers), (shown.clone(), shown.clone()));
    let mut firsts = Vec::new();
    for _ in 0..2 {
        world.round_after(RESYNC_INTERVAL);
        world.accept(&[1, 1, 1, 2, 2, 2]);
        world.round_after(RESYNC_INTERVAL);
        let (one, other) = told(&mut readers);
        let is_shown = |told: &str| told == "event event event";
        assert!(is_shown(&one) != is_shown(&other), "{one:?} and {other:?}");
        firsts.push(is_shown(&one));
    }
    assert_ne!(firsts[0], firsts[1]);
}

#[test]
fn who_comes_back_goes_on_where_it_was() {
    let mut world = World::new();
    let mut reader = world.join(EventFilter::default());
    let first = world.accept(&[1]);
    world.round();
    let seen = heard(&mut reader).pop().unwrap().id;
    drop(reader);
    let second = world.accept(&[1]);
    let third = world.accept(&[2]);
    world.round();
    let after = |place: u64| move |joining: &mut Joining| joining.after = Some(Ok(Place(place)));
    let mut back = world.join_with(EventFilter::default(), after(seen));
    assert_eq!(ids(&heard(&mut back)), [second[0].id().to_string(), third[0].id().to_string()]);
    let mut other = world.join_with(of_connection(1), after(seen - 1));
    assert_eq!(ids(&heard(&mut other)), [first[0].id().to_string(), second[0].id().to_string()]);
    for place in [Ok(Place(seen - 2)), Ok(Place(seen + 99)), Err(())] {
        let mut lost = world.join_with(EventFilter::default(), |joining| joining.after = Some(place));
        let told = heard(&mut lost);
        assert_eq!((names(&told), &told[0].data["reason"]), (vec!["resync"], &Value::from("too_old")), "{place:?}");
        world.accept(&[3]);
        world.round();
        assert_eq!(names(&heard(&mut lost)), ["event"], "it goes on");
    }
}

#[test]
fn who_hears_nothing_is_told_that_nothing_happened() {
    let mut world = World::new();
    let mut reader = world.join(of_connection(2));
    world.accept(&[1]);
    world.round_after(HEARTBEAT.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(heard(&mut reader), []);
    world.round_after(Duration::from_millis(1));
    let told = heard(&mut reader);
    assert_eq!((names(&told), &told[0].data), (vec![""], &Value::Null));
    drop(reader);
    let mut back = world.join_with(of_connection(2), |joining| joining.after = Some(Ok(Place(told[0].id))));
    assert_eq!(heard(&mut back), [], "nothing was missed");
}

#[test]
fn a_stream_ends_when_its_key_is_revoked_or_rolled() {
    let key = |version| ApiKey {
        id: ApiKeyId::from_bits(5),
        label: "reader".to_owned(),
        hash: [5; 32],
        scope: Scope::Read,
        previous: None,
        revoked_at: None,
        created_at: START,
        version,
    };
    let rolled = |until| ApiKey { hash: [6; 32], previous: Some(Previous { value: [5; 32], until }), ..key(2) };
    let soon = START.plus_ms(1);
    let revoked = ApiKey { revoked_at: Some(START), ..key(2) };
    for (change, ends) in [(revoked, true), (rolled(START), true), (rolled(soon), false), (key(2), false)] {
        let mut world = World::new();
        world.put(ConfigItem::ApiKey(key(1)));
        let pass = Pass::of(&key(1), START);
        let mut reader = world.join_with(EventFilter::default(), |joining| joining.pass = Some(pass));
        let mut other = world.join(EventFilter::default());
        world.round();
        heard(&mut reader);
        assert!(!ended(&mut reader));
        world.put(ConfigItem::ApiKey(change));
        world.accept(&[1]);
        world.round();
        assert_eq!(ended(&mut reader), ends, "of what came after it hears nothing, or all");
        assert_eq!(names(&heard(&mut other)), ["event"]);
        world.clock.set(soon);
        world.round();
        let of_old = Pass::of(&rolled(soon), START);
        let mut late = world.join_with(EventFilter::default(), |joining| joining.pass = Some(of_old));
        world.round();
        heard(&mut late);
        assert!(ended(&mut late), "what let it in may be what does not count any more");
    }
}

#[test]
fn events_that_stand_differently_by_their_connection_are_to_be_looked_at_anew() {
    let mut world = World::new();
    world.put(ConfigItem::Connection(connection(1, 1, None)));
    let (mut all, mut first, mut second) =
        (world.join(EventFilter::default()), world.join(of_connection(1)), world.join(of_connection(2)));
    world.put(ConfigItem::Connection(connection(2, 1, Some(START))));
    world.round();
    assert_eq!((heard(&mut all), heard(&mut second)), (vec![], vec![]), "a new connection had no events");
    world.put(ConfigItem::Connection(connection(1, 2, Some(START))));
    world.round();
    for reader in [&mut all, &mut first] {
        let told = heard(reader);
        assert_eq!((names(&told), &told[0].data["reason"]), (vec!["resync"], &Value::from("configuration")));
    }
    assert_eq!(heard(&mut second), []);
}

#[test]
fn who_takes_nothing_is_told_so_and_holds_up_nobody() {
    let mut world = World::new();
    let (mut slow, mut quick) = (world.join(EventFilter::default()), world.join(EventFilter::default()));
    for _ in 0..300 {
        world.accept(&[1]);
        world.round();
        assert_eq!(names(&heard(&mut quick)), ["event"]);
    }
    let told = heard(&mut slow);
    assert_eq!((names(&told), &told[0].data["reason"]), (vec!["resync"], &Value::from("behind")));
    world.accept(&[1]);
    world.round();
    assert_eq!(names(&heard(&mut slow)), ["event"]);
}

#[actix::test]
async fn the_tail_runs_by_itself_and_ends_every_stream() {
    let clock = ManualClock::starting_at(START);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let live = Live::new(query(&store, &clock), "https://in.example/", Limits { readers_max: 2, heartbeat: HEARTBEAT });
    let asking = || Asking {
        wanted: Wanted {
            shows: Shows::Events,
            filter: EventFilter::default(),
            attempts: AttemptFilter::default(),
            version: Version::NEWEST,
        },
        last_seen: None,
        pass: None,
    };
    let mut reader = live.read(asking()).unwrap();
    let other = live.read(asking()).unwrap();
    assert_eq!(live.read(asking()).unwrap_err().code(), "TOO_MANY_STREAMS");
    drop(other);
    live.read(asking()).unwrap();
    let begun = reader.next().await.unwrap().unwrap();
    assert!(begun.starts_with(b"retry: "), "{begun:?}");
    let events = accept_events(&*store, 0, &[1]);
    let shown = reader.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&shown).contains(&events[0].id().to_string()));
    live.end();
    assert_eq!(reader.next().await, None);
    assert_eq!(live.read(asking()).unwrap_err().code(), "CLOSING");
}
