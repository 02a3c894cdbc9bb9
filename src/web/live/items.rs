//! What a stretch of changes has to show: each event once, each attempt.

use std::collections::HashMap;

use super::group::Shows;
use crate::{
    domain::{ConnectionId, Seq},
    query::feed::{Place, Stretch},
};

/// Something to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// Behind the change that it is of: who was shown it goes on from here.
    pub(super) place: Place,
    pub(super) seq: Seq,
    pub(super) connection: ConnectionId,
    /// The number of an attempt; 0 for the event itself.
    pub(super) attempt: u32,
}

/// All that a stretch has, in order.
pub(super) struct Items {
    events: Vec<Item>,
    attempts: Vec<Item>,
}

/// The same by connection.
#[derive(Default)]
pub(super) struct ByConnection<'a> {
    events: HashMap<ConnectionId, Vec<&'a Item>>,
    attempts: HashMap<ConnectionId, Vec<&'a Item>>,
}

impl Items {
    /// An event that changed several times is shown as it is after the last of them.
    pub(super) fn of(stretch: &Stretch) -> Self {
        let mut last = HashMap::new();
        let mut attempts = Vec::new();
        for (place, change) in stretch.placed() {
            let item = Item { place, seq: change.seq, connection: change.connection, attempt: change.attempt };
            if change.attempt > 0 {
                attempts.push(item);
            }
            last.insert(change.seq, Item { attempt: 0, ..item });
        }
        let mut events: Vec<Item> = last.into_values().collect();
        events.sort_unstable_by_key(|item| item.place);
        Self { events, attempts }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn of_kind(&self, shows: Shows) -> &[Item] {
        match shows {
            Shows::Events => &self.events,
            Shows::Attempts => &self.attempts,
        }
    }

    /// Nothing unless it is asked for.
    pub(super) fn by_connection(&self, is_asked: bool) -> ByConnection<'_> {
        let mut by = ByConnection::default();
        if is_asked {
            self.events.iter().for_each(|item| by.events.entry(item.connection).or_default().push(item));
            self.attempts.iter().for_each(|item| by.attempts.entry(item.connection).or_default().push(item));
        }
        by
    }
}

impl<'a> ByConnection<'a> {
    pub(super) fn of(&self, shows: Shows, connection: ConnectionId) -> impl Iterator<Item = &'a Item> + '_ {
        let by = match shows {
            Shows::Events => &self.events,
            Shows::Attempts => &self.attempts,
        };
        by.get(&connection).into_iter().flatten().copied()
    }
}
