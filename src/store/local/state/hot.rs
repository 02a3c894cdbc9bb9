//! The `h` value of a block: for each of its slots what filters, counts and queues need, in columns.
//!
//! What only a shown row needs lies in the cold parts. Combinations of handles and outcome are few in a block: a
//! dictionary and a column of codes.

use std::collections::HashMap;

use super::{
    column::{Reader, Writer, narrow},
    combination::{Combination, Stored},
    error::Corrupt,
};
use crate::{domain::Timestamp, store::local::row::BLOCK_SLOTS};

/// One event as the columns have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HotRow {
    pub(super) combination: Combination,
    pub(super) created: Timestamp,
    /// When the last attempt ended.
    pub(super) last: Option<Timestamp>,
    /// Of a pending one.
    pub(super) due: Option<Timestamp>,
    /// Of a ready one: when the automatic retry is due that stands behind a manual one.
    pub(super) automatic: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) version: u32,
    /// Of its request's body.
    pub(super) body_bytes: u32,
}

/// A slot as the columns have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HotSlot {
    /// Nothing was ever folded into it.
    Never,
    /// Final, so it is remembered while its block lives.
    Gone,
    Live(HotRow),
}

const CODE_NEVER: u16 = 0;
const CODE_GONE: u16 = 1;
/// The dictionary's first entry.
pub(super) const CODE_FIRST: u16 = 2;

/// A decoded block without its parts. Times in milliseconds; slots that hold no event have zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hot {
    /// Earliest and latest time of its requests' ids; at least that wide.
    pub(super) ids: Option<(Timestamp, Timestamp)>,
    combinations: Vec<Combination>,
    codes: Vec<u16>,
    created: Vec<i64>,
    last: Vec<i64>,
    due: Vec<i64>,
    automatic: Vec<i64>,
    attempts: Vec<u32>,
    version: Vec<u32>,
    body_bytes: Vec<u32>,
}

impl Hot {
    /// Builds the columns of slots in order, from the first.
    pub(super) fn build(slots: &[HotSlot], ids: Option<(Timestamp, Timestamp)>) -> Self {
        let mut hot = Self { ids, ..Self::default() };
        let mut known = HashMap::new();
        let used = slots.iter().rposition(|slot| *slot != HotSlot::Never).map_or(0, |at| at + 1);
        for slot in &slots[..used] {
            let (code, row) = match slot {
                HotSlot::Never => (CODE_NEVER, None),
                HotSlot::Gone => (CODE_GONE, None),
                HotSlot::Live(row) => {
                    let code = *known.entry(row.combination).or_insert_with(|| {
                        hot.combinations.push(row.combination);
                        // At most one for each of 1024 slots.
                        u16::try_from(hot.combinations.len() - 1).unwrap_or(u16::MAX - CODE_FIRST) + CODE_FIRST
                    });
                    (code, Some(row))
                }
            };
            hot.codes.push(code);
            hot.created.push(row.map_or(0, |row| row.created.ms()));
            hot.last.push(row.and_then(|row| row.last).map_or(0, Timestamp::ms));
            hot.due.push(row.and_then(|row| row.due).map_or(0, Timestamp::ms));
            hot.automatic.push(row.and_then(|row| row.automatic).map_or(0, Timestamp::ms));
            hot.attempts.push(row.map_or(0, |row| row.attempts));
            hot.version.push(row.map_or(0, |row| row.version));
            hot.body_bytes.push(row.map_or(0, |row| row.body_bytes));
        }
        hot
    }

    /// Every slot of the block.
    pub(super) fn slots(&self) -> Vec<HotSlot> {
        (0..BLOCK_SLOTS).map(|slot| self.slot(usize::try_from(slot).unwrap_or(usize::MAX))).collect()
    }

    pub(super) fn slot(&self, slot: usize) -> HotSlot {
        match self.codes.get(slot) {
            None | Some(&CODE_NEVER) => HotSlot::Never,
            Some(&CODE_GONE) => HotSlot::Gone,
            Some(code) => HotSlot::Live(HotRow {
                combination: self.combinations[usize::from(code - CODE_FIRST)],
                created: Timestamp::from_ms(self.created[slot]),
                last: (self.attempts[slot] > 0).then(|| Timestamp::from_ms(self.last[slot])),
                due: self.pending_at(slot).then(|| Timestamp::from_ms(self.due[slot])),
                automatic: self.automatic_at(slot).then(|| Timestamp::from_ms(self.automatic[slot])),
                attempts: self.attempts[slot],
                version: self.version[slot],
                body_bytes: self.body_bytes[slot],
            }),
        }
    }

    /// The event in a slot, if there is one.
    pub(super) fn row(&self, slot: u16) -> Option<HotRow> {
        match self.slot(usize::from(slot)) {
            HotSlot::Live(row) => Some(row),
            HotSlot::Never | HotSlot::Gone => None,
        }
    }

    /// The dictionary; [`live`](Self::live) points into it.
    pub(super) fn combinations(&self) -> &[Combination] {
        &self.combinations
    }

    /// Slots with events.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = LiveSlot> + '_ {
        self.codes.iter().enumerate().filter(|(_, code)| **code >= CODE_FIRST).map(|(at, code)| LiveSlot {
            // A block has 1024 slots; decoding checks it.
            slot: u16::try_from(at).unwrap_or(u16::MAX),
            combination: usize::from(code - CODE_FIRST),
            created: Timestamp::from_ms(self.created[at]),
            last: Timestamp::from_ms(self.last[at]),
            due: Timestamp::from_ms(self.due[at]),
            automatic: Timestamp::from_ms(self.automatic[at]),
            attempts: self.attempts[at],
            body_bytes: self.body_bytes[at],
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let (first, last) = self.ids.map_or((0, -1), |(first, last)| (first.ms(), last.ms()));
        writer.signed(first);
        writer.signed(last.wrapping_sub(first));
        writer.varint(self.codes.len() as u64);
        let mut dictionary = Writer::default();
        self.combinations.iter().for_each(|combination| combination.encode(&mut dictionary));
        let dictionary = dictionary.into_bytes();
        writer.varint(self.combinations.len() as u64);
        writer.varint(dictionary.len() as u64);
        writer.bytes(&dictionary);
        writer.column(&self.codes.iter().map(|code| i64::from(*code)).collect::<Vec<_>>());
        // Neighbours were created within milliseconds of each other, tried soon after, and due seldom.
        let created = self.filled_created();
        let steps = |at: usize| created[at].wrapping_sub(if at == 0 { 0 } else { created[at - 1] });
        writer.signed(created.first().copied().unwrap_or(0));
        writer.column(&(1..created.len()).map(steps).collect::<Vec<_>>());
        writer.column(&self.relative(&self.last, &created, |hot, at| hot.attempts[at] > 0));
        writer.column(&self.relative(&self.due, &created, Self::pending_at));
        writer.column(&self.relative(&self.automatic, &created, Self::automatic_at));
        writer.column(&self.attempts.iter().map(|count| i64::from(*count)).collect::<Vec<_>>());
        // Nearly always the number of attempts, so the difference is nearly always nothing.
        let ahead =
            self.version.iter().zip(&self.attempts).map(|(version, tries)| i64::from(*version) - i64::from(*tries));
        writer.column(&ahead.collect::<Vec<_>>());
        writer.column(&self.body_bytes.iter().map(|bytes| i64::from(*bytes)).collect::<Vec<_>>());
        writer.into_bytes()
    }

    /// Creation times where slots without an event repeat their neighbour, so that steps stay small.
    fn filled_created(&self) -> Vec<i64> {
        let first = self.live().next().map_or(0, |live| live.created.ms());
        let fill = |previous: &mut i64, (code, created): (&u16, &i64)| {
            *previous = if *code >= CODE_FIRST { *created } else { *previous };
            Some(*previous)
        };
        self.codes.iter().zip(&self.created).scan(first, fill).collect()
    }

    fn relative(&self, times: &[i64], created: &[i64], has: impl Fn(&Self, usize) -> bool) -> Vec<i64> {
        (0..times.len()).map(|at| if has(self, at) { times[at].wrapping_sub(created[at]) } else { 0 }).collect()
    }

    fn combination_at(&self, at: usize) -> Option<&Combination> {
        self.codes[at].checked_sub(CODE_FIRST).map(|code| &self.combinations[usize::from(code)])
    }

    fn pending_at(&self, at: usize) -> bool {
        self.combination_at(at).is_some_and(|combination| combination.stored.is_pending())
    }

    fn automatic_at(&self, at: usize) -> bool {
        self.combination_at(at).is_some_and(|combination| combination.automatic)
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(body);
        let Head { ids, used, dictionary: (entries, mut dictionary), codes } = Head::decode(&mut reader)?;
        let combinations = (0..entries).map(|_| Combination::decode(&mut dictionary)).collect::<Result<Vec<_>, _>>()?;
        let created = decode_created(&mut reader, used)?;
        let add = |times: Vec<i64>| times.iter().zip(&created).map(|(time, base)| time.wrapping_add(*base)).collect();
        let last = add(reader.column(used)?);
        let due = add(reader.column(used)?);
        let automatic = add(reader.column(used)?);
        let attempts = narrow::<u32>(reader.column(used)?)?;
        let ahead = reader.column(used)?.into_iter().zip(&attempts);
        let version = narrow(ahead.map(|(ahead, tries)| ahead.wrapping_add(i64::from(*tries))).collect())?;
        let body_bytes = narrow(reader.column(used)?)?;
        let mut hot = Self { ids, combinations, codes, created, last, due, automatic, attempts, version, body_bytes };
        hot.clear_unused();
        Ok(hot)
    }

    /// What a slot does not have reads as zero, as in a block that was built.
    fn clear_unused(&mut self) {
        for at in 0..self.codes.len() {
            if !self.pending_at(at) {
                self.due[at] = 0;
            }
            if !self.automatic_at(at) {
                self.automatic[at] = 0;
            }
            if self.attempts[at] == 0 {
                self.last[at] = 0;
            }
            if self.codes[at] < CODE_FIRST {
                self.created[at] = 0;
            }
        }
    }
}

/// How a block begins.
pub(super) struct Head<'a> {
    ids: Option<(Timestamp, Timestamp)>,
    /// Slots up to the last that was ever used.
    pub(super) used: usize,
    /// How many entries, and their bytes.
    dictionary: (usize, Reader<'a>),
    pub(super) codes: Vec<u16>,
}

impl<'a> Head<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Corrupt> {
        let (first, span) = (reader.signed()?, reader.signed()?);
        let ids = (span >= 0).then(|| (Timestamp::from_ms(first), Timestamp::from_ms(first.wrapping_add(span))));
        let used = reader.count()?;
        if used as u64 > BLOCK_SLOTS {
            return Err(Corrupt("it has too many slots"));
        }
        let entries = reader.count()?;
        let length = reader.count()?;
        let dictionary = Reader::new(reader.bytes(length)?);
        let codes = narrow::<u16>(reader.column(used)?)?;
        if codes.iter().any(|code| usize::from(code.saturating_sub(1)) > entries) {
            return Err(Corrupt("a code is outside of the dictionary"));
        }
        Ok(Self { ids, used, dictionary: (entries, dictionary), codes })
    }
}

/// When the events of a block were created; slots without one repeat a neighbour's.
pub(super) fn decode_created(reader: &mut Reader<'_>, used: usize) -> Result<Vec<i64>, Corrupt> {
    let mut created = vec![reader.signed()?; used];
    let steps = reader.column(used.saturating_sub(1))?;
    for (at, step) in (1..).zip(steps) {
        created[at] = created[at - 1].wrapping_add(step);
    }
    Ok(created)
}

/// An event as [`Hot::live`] walks over it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LiveSlot {
    pub(super) slot: u16,
    /// Place in [`Hot::combinations`].
    pub(super) combination: usize,
    pub(super) created: Timestamp,
    /// Zero when it was never tried.
    pub(super) last: Timestamp,
    /// Zero when settled.
    pub(super) due: Timestamp,
    /// Zero when its combination has none.
    pub(super) automatic: Timestamp,
    pub(super) attempts: u32,
    /// Of its request's body.
    pub(super) body_bytes: u32,
}

impl LiveSlot {
    /// When its last attempt ended.
    pub(super) fn last_attempt(&self) -> Option<Timestamp> {
        (self.attempts > 0).then_some(self.last)
    }

    /// When the next automatic retry is due, if its combination [has one](Combination::has_next).
    pub(super) fn next(&self, combination: &Combination) -> Timestamp {
        if combination.stored == Stored::Waiting { self.due } else { self.automatic }
    }
}
