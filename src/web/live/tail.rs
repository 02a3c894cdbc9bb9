//! The tail: reads the change feed, each changed row once, makes each shape once, and puts it where it is wanted.
//!
//! What it may cost is bounded in each of its rounds, whatever happens and whoever reads: rows that are read, filters that are
//! asked, shapes that are made, pieces that are put. Who would have to be told more is told to look at the lists instead.
//! It has no clock: a round is told when it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    budget::{Budget, SHOWN_MAX},
    group::{Group, Member, Pass, Shows, Wanted},
    items::{Item, Items},
    piece::{self, Reason},
    reader::Mailbox,
    shapes::Shapes,
};
use crate::{
    domain::{Configuration, Event, Seq},
    query::{
        Query, StoreError,
        feed::{Follower, Place, Stretch},
    },
};

/// Changes that are looked at in a round: of more, 80 000 a second, nobody is told one by one.
const CHANGES_MAX: usize = 8_192;
/// Rows that are read in a round: under a millisecond of work while they are in the overlay.
const ROWS_MAX: usize = 2_048;
/// Times that a filter is asked about a row in a round: about a millisecond of work.
const MATCHES_MAX: usize = 20_000;
/// Changes that a reader who comes back is shown at once.
const RESUMED_MAX: usize = SHOWN_MAX;

/// Somebody who wants to read from now on.
pub(super) struct Joining {
    pub(super) wanted: Wanted,
    /// From here on, if it was here before: `Err` when what it named is no place.
    pub(super) after: Option<Result<Place, ()>>,
    pub(super) pass: Option<Pass>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// See the [module's documentation](self).
pub(super) struct Tail {
    query: Query,
    ingress_url: String,
    heartbeat: Duration,
    follower: Follower,
    configuration: Arc<Configuration>,
    groups: Vec<Group>,
    /// Where the next round begins, so that a round that ends early treats nobody worse for ever.
    turn: usize,
}

impl Tail {
    /// Follows from now on.
    pub(super) fn new(query: Query, ingress_url: String, heartbeat: Duration) -> Self {
        let (follower, configuration) = (query.changes().follow(), query.configuration());
        Self { query, ingress_url, heartbeat, follower, configuration, groups: Vec::new(), turn: 0 }
    }

    /// One round.
    ///
    /// # Errors
    ///
    /// When the store is closed: then there is nothing more to tell.
    pub(super) fn round(&mut self, now: Instant, joining: Vec<Joining>) -> Result<(), StoreError> {
        self.look_at_configuration();
        let (configuration, at) = (&self.configuration, self.query.now());
        self.groups.retain_mut(|group| {
            group.drop_who_left(configuration, at);
            !group.members.is_empty()
        });
        let mut resumable = ROWS_MAX;
        for one in joining {
            self.admit(one, &mut resumable, now)?;
        }
        let stretch = self.follower.read(CHANGES_MAX);
        if stretch.missed || self.follower.behind() > 0 {
            self.follower.skip();
            self.groups.iter_mut().for_each(|group| group.owe(Reason::Busy));
        } else {
            let mut groups = std::mem::take(&mut self.groups);
            let shown = self.show(&stretch, &mut groups, now);
            self.groups = groups;
            shown?;
        }
        let place = self.follower.place();
        for group in &mut self.groups {
            group.catch_up(place, now, self.heartbeat);
        }
        Ok(())
    }

    /// Whether anybody reads.
    pub(super) fn is_read(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Ends every stream.
    pub(super) fn end(&mut self) {
        for member in self.groups.drain(..).flat_map(|group| group.members) {
            member.mailbox.end();
        }
    }

    /// Events of a connection that was paused, let go on or cut stand differently, though none of them changed.
    fn look_at_configuration(&mut self) {
        let new = self.query.configuration();
        if Arc::ptr_eq(&self.configuration, &new) {
            return;
        }
        let old = std::mem::replace(&mut self.configuration, Arc::clone(&new));
        let moved: BTreeSet<_> =
            old.connections.keys().filter(|id| old.standing(**id) != new.standing(**id)).copied().collect();
        for group in self.groups.iter_mut().filter(|group| group.wanted.shows == Shows::Events) {
            let concerns = match group.connections() {
                [] => !moved.is_empty(),
                some => some.iter().any(|id| moved.contains(id)),
            };
            if concerns {
                group.owe(Reason::Configuration);
            }
        }
    }

    fn admit(&mut self, joining: Joining, resumable: &mut usize, now: Instant) -> Result<(), StoreError> {
        let Joining { wanted, after, pass, mailbox } = joining;
        let place = self.follower.place();
        let mut member = Member { mailbox, pass, told_at: now };
        let known = match after {
            None => Some(None),
            Some(after) => after.ok().and_then(|after| self.follower.since(after, RESUMED_MAX)).map(Some),
        };
        match known {
            None => member.put(piece::resync(place, Reason::TooOld), place, now),
            Some(None) => member.put(piece::beginning(place), place, now),
            Some(Some(stretch)) => {
                // Alone at first: the others have seen it.
                let mut alone = Group::new(wanted.clone());
                alone.members.push(member);
                match resumable.checked_sub(stretch.changes.len()) {
                    Some(left) => {
                        *resumable = left;
                        self.show(&stretch, std::slice::from_mut(&mut alone), now)?;
                    }
                    None => alone.owe(Reason::Busy),
                }
                alone.catch_up(place, now, self.heartbeat);
                let Some(shown) = alone.members.pop() else { return Ok(()) };
                member = shown;
            }
        }
        match self.groups.iter_mut().find(|group| group.wanted == wanted) {
            Some(group) => group.members.push(member),
            None => {
                let mut group = Group::new(wanted);
                group.members.push(member);
                self.groups.push(group);
            }
        }
        Ok(())
    }

    /// Shows some groups what changed.
    fn show(&mut self, stretch: &Stretch, groups: &mut [Group], now: Instant) -> Result<(), StoreError> {
        let items = Items::of(stretch);
        if items.is_empty() || groups.is_empty() {
            return Ok(());
        }
        self.turn = (self.turn + 1) % groups.len();
        groups.rotate_left(self.turn);
        let candidates = candidates(&items, groups);
        let needed: BTreeSet<Seq> = candidates.iter().flatten().map(|item| item.seq).collect();
        if needed.is_empty() {
            return Ok(());
        }
        let rows = match self.read(&needed) {
            Ok(rows) => rows,
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                tracing::debug!(%error, "changed events cannot be shown to who follows them");
                groups.iter_mut().for_each(|group| group.owe(Reason::Busy));
                return Ok(());
            }
        };
        let configuration = Arc::clone(&self.configuration);
        let mut shapes = Shapes::new(&self.query, &configuration, &self.ingress_url);
        let (mut asked, mut budget, at) = (0, Budget::default(), self.query.now());
        for (group, candidates) in groups.iter_mut().zip(candidates) {
            asked += candidates.len();
            if asked > MATCHES_MAX {
                group.owe(Reason::Busy);
                continue;
            }
            let matches = |item: &&Item| {
                let standing = configuration.standing(item.connection);
                rows.get(&item.seq).is_some_and(|event| group.wanted.matches(event, item.attempt, standing, at))
            };
            let shown: Vec<Item> = candidates.iter().filter(matches).copied().collect();
            if shown.is_empty() {
                continue;
            }
            let room = budget.room(shown.len(), group);
            match room.and_then(|bytes| piece_of(&shown, &rows, &group.wanted, &mut shapes, bytes)) {
                Some(piece) => {
                    budget.spend(shown.len(), piece.len(), group);
                    group.put(&piece, self.follower.place(), now);
                }
                None => group.owe(Reason::Busy),
            }
        }
        Ok(())
    }

    fn read(&self, needed: &BTreeSet<Seq>) -> Result<HashMap<Seq, Event>, StoreError> {
        let seqs: Vec<Seq> = needed.iter().copied().collect();
        Ok(self.query.rows_now(&seqs)?.into_iter().map(|event| (event.seq, event)).collect())
    }
}

/// What is put for readers who want the same; `None` when it would be too much.
fn piece_of(
    shown: &[Item],
    rows: &HashMap<Seq, Event>,
    wanted: &Wanted,
    shapes: &mut Shapes<'_>,
    bytes_max: usize,
) -> Option<Bytes> {
    let name = match wanted.shows {
        Shows::Events => "event",
        Shows::Attempts => "attempt",
    };
    let mut piece = Vec::new();
    for item in shown {
        let shape = rows.get(&item.seq).and_then(|event| shapes.of(event, item.attempt, wanted.version));
        if let Some(shape) = shape {
            piece::append(&mut piece, item.place, name, &shape);
        }
        if piece.len() > bytes_max {
            return None;
        }
    }
    Some(piece.into())
}

/// What each group may want, by the connections that its filter names. One that is owed a word gets nothing, and one that
/// would have to be told too much, or have too much read, is owed one.
fn candidates(items: &Items, groups: &mut [Group]) -> Vec<Vec<Item>> {
    let by_connection = items.by_connection(groups.iter().any(|group| !group.connections().is_empty()));
    let mut read = BTreeMap::<Seq, ()>::new();
    let of = |group: &mut Group| {
        if group.owes.is_some() {
            return Vec::new();
        }
        let all = items.of_kind(group.wanted.shows);
        let mut wanted: Vec<Item> = match group.connections() {
            [] => all.to_vec(),
            some => some.iter().flat_map(|id| by_connection.of(group.wanted.shows, *id)).copied().collect(),
        };
        wanted.sort_unstable_by_key(|item| item.place);
        wanted.dedup_by_key(|item| item.place);
        let new = wanted.iter().filter(|item| !read.contains_key(&item.seq)).count();
        if read.len() + new > ROWS_MAX
            || (group.wanted.takes_all() && Budget::default().room(wanted.len(), group).is_none())
        {
            group.owe(Reason::Busy);
            return Vec::new();
        }
        read.extend(wanted.iter().map(|item| (item.seq, ())));
        wanted
    };
    groups.iter_mut().map(of).collect()
}
