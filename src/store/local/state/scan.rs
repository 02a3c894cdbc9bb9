//! The columns of a block that a question needs, and no others: what scans over many blocks decode.

use super::{
    column::{Reader, narrow},
    combination::{Combination, Stored},
    error::Corrupt,
    hot::{CODE_FIRST, Head, decode_created},
};
use crate::domain::Timestamp;

/// Which columns, beside the one that tells combinations.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each column")]
pub(super) struct Columns {
    pub(super) created: bool,
    pub(super) last: bool,
    /// When what is pending is due, and when the automatic retry behind a manual one is.
    pub(super) due: bool,
    pub(super) attempts: bool,
}

/// Some columns of a block; those that were not asked for are empty.
#[derive(Debug, Default)]
pub(super) struct Scan {
    codes: Vec<u16>,
    created: Vec<i64>,
    last: Vec<i64>,
    due: Vec<i64>,
    automatic: Vec<i64>,
    attempts: Vec<u32>,
}

/// An event of a scan. What was not asked for, and what it does not have, is any number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanned {
    pub(super) slot: u16,
    /// Of its combination in the block's dictionary.
    pub(super) place: usize,
    pub(super) created: Timestamp,
    pub(super) last: Timestamp,
    pub(super) due: Timestamp,
    automatic: Timestamp,
    pub(super) attempts: u32,
}

impl Scanned {
    /// When the next automatic retry is due, if its combination [has one](Combination::has_next).
    pub(super) fn next(&self, combination: &Combination) -> Timestamp {
        if combination.stored == Stored::Waiting { self.due } else { self.automatic }
    }
}

impl Scan {
    pub(super) fn decode(body: &[u8], wanted: Columns) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(body);
        let head = Head::decode(&mut reader)?;
        let used = head.used;
        let mut scan = Self { codes: head.codes, ..Self::default() };
        if wanted.created || wanted.last || wanted.due {
            scan.created = decode_created(&mut reader, used)?;
        } else {
            reader.signed()?;
            reader.skip_column(used.saturating_sub(1))?;
        }
        let mut moments = |wanted: bool| {
            if !wanted {
                return reader.skip_column(used).map(|()| Vec::new());
            }
            let mut column = reader.column(used)?;
            column.iter_mut().zip(&scan.created).for_each(|(time, base)| *time = time.wrapping_add(*base));
            Ok(column)
        };
        (scan.last, scan.due, scan.automatic) = (moments(wanted.last)?, moments(wanted.due)?, moments(wanted.due)?);
        if wanted.attempts {
            scan.attempts = narrow(reader.column(used)?)?;
        }
        Ok(scan)
    }

    /// Slots with events.
    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = Scanned> + '_ {
        let moment = |column: &[i64], at: usize| Timestamp::from_ms(column.get(at).copied().unwrap_or(0));
        self.codes.iter().enumerate().filter(|(_, code)| **code >= CODE_FIRST).map(move |(at, code)| Scanned {
            // A block has 1024 slots; decoding checks it.
            slot: u16::try_from(at).unwrap_or(u16::MAX),
            place: usize::from(code - CODE_FIRST),
            created: moment(&self.created, at),
            last: moment(&self.last, at),
            due: moment(&self.due, at),
            automatic: moment(&self.automatic, at),
            attempts: self.attempts.get(at).copied().unwrap_or(0),
        })
    }

    /// The place of a slot's combination in the dictionary, if it has an event.
    pub(super) fn place(&self, slot: u16) -> Option<usize> {
        self.codes.get(usize::from(slot))?.checked_sub(CODE_FIRST).map(usize::from)
    }
}
