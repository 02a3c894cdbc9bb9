//! Readers who want the same: what is found and made for one of them serves all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    piece::{self, Reason},
    reader::Mailbox,
};
use crate::{
    domain::{ApiKey, ApiKeyId, Configuration, ConnectionId, Event, Standing, Timestamp},
    query::{AttemptFilter, EventFilter, feed::Place},
    web::profiles::Version,
};

/// Time between two words to the same readers that they must look at the lists.
pub(super) const RESYNC_INTERVAL: Duration = Duration::from_secs(1);

/// What is shown of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The event as it is now.
    Events,
    /// The attempt that was recorded with it.
    Attempts,
}

/// What a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of which kind.
    pub shows: Shows,
    /// Of which events.
    pub filter: EventFilter,
    /// Which attempts of theirs, when it is attempts; `events` is not looked at.
    pub attempts: AttemptFilter,
    /// In which shape.
    pub version: Version,
}

impl Wanted {
    /// Whether it asks for all there is.
    pub(super) fn takes_all(&self) -> bool {
        self.filter == EventFilter::default() && self.attempts == AttemptFilter::default()
    }

    /// Whether it asks for an event, or for the attempt of it with this number.
    pub(super) fn matches(&self, event: &Event, attempt: u32, standing: Standing, now: Timestamp) -> bool {
        let made = (attempt as usize).checked_sub(1).map(|place| event.attempts.get(place));
        self.filter.matches(event, standing, now)
            && match made {
                None => true,
                Some(made) => made.is_some_and(|made| self.attempts.matches_made(event.id().attempt(attempt), made)),
            }
    }
}

/// A reader as the tail knows it.
pub(super) struct Member {
    pub(super) mailbox: Arc<Mailbox>,
    /// What let it in.
    pub(super) pass: Option<Pass>,
    /// When something was last put for it.
    pub(super) told_at: Instant,
}

impl Member {
    pub(super) fn put(&mut self, piece: Bytes, place: Place, now: Instant) {
        self.mailbox.put(piece, || piece::resync(place, Reason::Behind));
        self.told_at = now;
    }

    /// Whether what let it in still does.
    fn is_let_in(&self, configuration: &Configuration, now: Timestamp) -> bool {
        self.pass.as_ref().is_none_or(|pass| pass.is_good(configuration, now))
    }
}

/// The key that let a reader in, as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    id: ApiKeyId,
    hash: [u8; 32],
    /// What it was before it was rolled may have let the reader in, and counts so long: then it must come anew.
    until: Option<Timestamp>,
}

impl Pass {
    /// Of a key that is good now.
    #[must_use]
    pub fn of(key: &ApiKey, now: Timestamp) -> Self {
        let until = key.previous.as_ref().map(|previous| previous.until).filter(|until| now < *until);
        Self { id: key.id, hash: key.hash, until }
    }

    /// Whether it still is: not revoked, and not rolled so that what it was does not count any more.
    fn is_good(&self, configuration: &Configuration, now: Timestamp) -> bool {
        let Some(key) = configuration.api_keys.get(&self.id) else { return false };
        let counts = |hash: [u8; 32], until: Timestamp| hash == self.hash && now < until;
        let is_known = key.hash == self.hash
            || key.previous.as_ref().is_some_and(|previous| counts(previous.value, previous.until));
        key.revoked_at.is_none() && is_known && self.until.is_none_or(|until| now < until)
    }
}

/// See the [module's documentation](self).
pub(super) struct Group {
    pub(super) wanted: Wanted,
    pub(super) members: Vec<Member>,
    /// Why they must look at the lists, as long as they were not told; nothing is shown meanwhile.
    pub(super) owes: Option<Reason>,
    /// When they were last told that.
    told_at: Option<Instant>,
}

impl Group {
    pub(super) const fn new(wanted: Wanted) -> Self {
        Self { wanted, members: Vec::new(), owes: None, told_at: None }
    }

    /// The connections whose changes can be wanted; empty for any.
    pub(super) fn connections(&self) -> &[ConnectionId] {
        &self.wanted.filter.connections
    }

    /// Drops members who left, and ends those whose key was revoked.
    pub(super) fn drop_who_left(&mut self, configuration: &Configuration, now: Timestamp) {
        self.members.retain(|member| {
            let stays = !member.mailbox.is_left() && member.is_let_in(configuration, now);
            if !stays {
                member.mailbox.end();
            }
            stays
        });
    }

    /// Something is not shown: they must look at the lists.
    pub(super) fn owe(&mut self, reason: Reason) {
        self.owes.get_or_insert(reason);
    }

    /// Puts a piece for every member.
    pub(super) fn put(&mut self, piece: &Bytes, place: Place, now: Instant) {
        for member in &mut self.members {
            member.put(piece.clone(), place, now);
        }
    }

    /// Says what is owed, unless that was said a moment ago, and that nothing has happened to who has heard nothing for so long.
    pub(super) fn catch_up(&mut self, place: Place, now: Instant, heartbeat: Duration) {
        if let Some(reason) = self.owes {
            if self.told_at.is_none_or(|told_at| now.duration_since(told_at) >= RESYNC_INTERVAL) {
                self.put(&piece::resync(place, reason), place, now);
                self.told_at = Some(now);
                self.owes = None;
            }
            // A place said now would skip what they were not shown.
            return;
        }
        for member in self.members.iter_mut().filter(|member| now.duration_since(member.told_at) >= heartbeat) {
            member.put(piece::heartbeat(place), place, now);
        }
    }
}
