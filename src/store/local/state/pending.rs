//! The queue of a connection: three streams in order of (due, seq), merged.
//!
//! New events wait since they were created, so order of seq is their order: zones lead to them. Waiting ones, and ready ones that
//! became due at another time, have keys. What the overlay has
//! comes sorted from its backlog; a slot it has is left out of the others.

use std::ops::Bound;

use super::{State, StateError, combination::Stored, error::Corrupt, keys::DueKey};
use crate::{
    domain::{ConnectionId, Seq, Timestamp},
    store::local::row::{BLOCK_SLOTS, Overlaid, Row, block_of, slot_of},
};

/// A place in the queue.
type Place = (Timestamp, Seq);
/// A connection's handle and its generation: older events are none of its queue.
type Queue = (u32, u32);

/// Which stretch of a connection's queue.
#[derive(Debug, Clone, Copy)]
pub struct PendingAsk {
    /// Whose queue.
    pub connection: ConnectionId,
    /// Its generation: older events are cancelled, and none of its queue.
    pub generation: u32,
    /// Waiting ones count when due at or before; ready ones always.
    pub due_before: Timestamp,
    /// Only what stands behind this place.
    pub from: Option<(Timestamp, Seq)>,
    /// At most so many.
    pub limit: usize,
}

/// What an overlay has of a stretch of a connection's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// By (due, seq): all that were asked for and one more, or as many as there are.
    pub places: Vec<(Timestamp, Seq)>,
    /// When the first waiting one is due after the moment asked for.
    pub next_due: Option<Timestamp>,
}

/// A stretch of a connection's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRows {
    /// By (due, seq).
    pub rows: Vec<Row>,
    /// Whether there are more by the moment asked for.
    pub more: bool,
    /// When the first waiting one is due after the moment asked for, whatever `from` was.
    pub next_due: Option<Timestamp>,
}

impl State {
    /// Pending events of a connection, as `Store::pending` has it; `newer` is the overlay's part of them.
    ///
    /// # Errors
    ///
    /// `Damaged` or `Io` when a block that has some cannot be read.
    pub fn pending(&self, over: &Overlaid, newer: Newer, ask: &PendingAsk) -> Result<PendingRows, StateError> {
        let Newer { places, mut next_due } = newer;
        let mut streams: Vec<Stream<'_>> = vec![Box::new(places.into_iter().map(Ok))];
        let handle = self.handles.read().get(ask.connection.bits());
        if let Some(connection) = handle {
            let generation = ask.generation;
            let key = |waiting, due, seq| DueKey { connection, generation, waiting, due, seq };
            let after = |waiting| match ask.from {
                Some((due, seq)) => Bound::Excluded(key(waiting, due, seq)),
                None => Bound::Included(key(waiting, Timestamp::from_ms(i64::MIN), 0)),
            };
            streams.push(Box::new(self.ready_when_created(over, (connection, generation), ask.from)));
            streams.push(self.keyed(over, after(false), key(false, Timestamp::MAX, Seq::MAX)));
            streams.push(self.keyed(over, after(true), key(true, ask.due_before, Seq::MAX)));
            let later = Bound::Excluded(key(true, ask.due_before, Seq::MAX));
            let first = self.keyed(over, later, key(true, Timestamp::MAX, Seq::MAX)).next().transpose()?;
            next_due = earliest(next_due, first.map(|(due, _)| due));
        }
        let (places, more) = merge(streams, ask.limit)?;
        let mut rows = self.rows(places.iter().map(|(_, seq)| *seq), over)?;
        // One that moved since its key was read is told by whoever moved it.
        let stands = |(due, seq): Place| rows.remove(&seq).filter(|row| row.event.queue_key() == Some((due, seq)));
        Ok(PendingRows { rows: places.into_iter().filter_map(stands).collect(), more, next_due })
    }

    /// Folded ready events that are due since they were created.
    fn ready_when_created<'a>(
        &'a self,
        over: &'a Overlaid,
        queue: Queue,
        from: Option<Place>,
    ) -> impl Iterator<Item = Result<Place, StateError>> + 'a {
        let mut next = Some(0);
        let blocks = std::iter::from_fn(move || {
            let block = self.ready_block(next?, queue, from)?;
            next = block.checked_add(1);
            Some(block)
        });
        blocks.flat_map(move |block| match self.ready_in(block, over, queue, from) {
            Ok(places) => places.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The first block at or after one that may have ready events of a connection behind a place.
    fn ready_block(&self, first: u64, (connection, generation): Queue, from: Option<Place>) -> Option<u64> {
        let zones = self.zones.read();
        let mut blocks = zones.range(first..).filter(|(_, zone)| {
            from.is_none_or(|(due, _)| zone.created.1 >= due)
                && zone.queued(connection, generation).iter().any(|queued| !queued.waiting)
        });
        blocks.next().map(|(block, _)| *block)
    }

    fn ready_in(
        &self,
        block: u64,
        over: &Overlaid,
        queue: Queue,
        from: Option<Place>,
    ) -> Result<Vec<Place>, StateError> {
        let Some(hot) = self.view(block).hot()? else { return Ok(Vec::new()) };
        let overlay = over.get(&block);
        let ours = hot.live().filter(|live| {
            let one = hot.combinations()[live.combination];
            (one.connection, one.generation) == queue
                && one.stored == Stored::Ready
                && live.due == live.created
                && overlay.is_none_or(|overlay| !overlay.contains_key(&live.slot))
        });
        let places = ours.map(|live| (live.due, block * BLOCK_SLOTS + u64::from(live.slot)));
        Ok(places.filter(|place| from.is_none_or(|from| *place > from)).collect())
    }

    /// Folded events with a key in a range.
    fn keyed<'a>(&'a self, over: &'a Overlaid, first: Bound<DueKey>, last: DueKey) -> Stream<'a> {
        if matches!(first, Bound::Included(first) | Bound::Excluded(first) if first >= last) {
            return Box::new(std::iter::empty());
        }
        let entries = self.tree.range((first.map(DueKey::bytes), Bound::Included(last.bytes())));
        let places = entries.map(|entry| {
            let (key, _) = entry.map_err(|error| self.sled("reading due keys", error))?;
            let parsed = DueKey::parse(&key).ok_or_else(|| self.damaged(&key, Corrupt("it is no due key")))?;
            Ok((parsed.due, parsed.seq))
        });
        Box::new(places.filter(|place| match place {
            Ok((_, seq)) => over.get(&block_of(*seq)).is_none_or(|overlay| !overlay.contains_key(&slot_of(*seq))),
            Err(_) => true,
        }))
    }
}

/// Places in order.
type Stream<'a> = Box<dyn Iterator<Item = Result<Place, StateError>> + 'a>;

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// The first places of all streams, and whether there are more.
fn merge(streams: Vec<Stream<'_>>, limit: usize) -> Result<(Vec<Place>, bool), StateError> {
    let mut heads = Vec::with_capacity(streams.len());
    for mut stream in streams {
        if let Some(place) = stream.next().transpose()? {
            heads.push((place, stream));
        }
    }
    let mut places = Vec::new();
    while let Some(at) = (0..heads.len()).min_by_key(|at| heads[*at].0) {
        if places.len() == limit {
            return Ok((places, true));
        }
        let (place, stream) = &mut heads[at];
        places.push(*place);
        match stream.next().transpose()? {
            Some(next) => *place = next,
            None => drop(heads.swap_remove(at)),
        }
    }
    Ok((places, false))
}
