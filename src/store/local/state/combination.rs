//! What many events of a block share, in its columns' dictionary and in its zone: all that filters ask about but moments.

use super::{
    column::{Reader, Writer},
    error::Corrupt,
};
use crate::domain::{ErrorCode, Phase};

/// What is stored of a phase in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stored {
    Ready,
    Waiting,
    Successful,
    Failed,
    Cancelled,
}

impl Stored {
    /// All, each at its number on disk.
    pub(super) const ALL: [Self; 5] = [Self::Ready, Self::Waiting, Self::Successful, Self::Failed, Self::Cancelled];

    pub(super) fn of(phase: &Phase) -> Self {
        match phase {
            Phase::Ready { .. } => Self::Ready,
            Phase::Waiting { .. } => Self::Waiting,
            Phase::Successful => Self::Successful,
            Phase::Failed => Self::Failed,
            Phase::Cancelled { .. } => Self::Cancelled,
        }
    }

    pub(super) fn is_pending(self) -> bool {
        match self {
            Self::Ready | Self::Waiting => true,
            Self::Successful | Self::Failed | Self::Cancelled => false,
        }
    }
}

/// What many events of a block share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Combination {
    pub(super) connection: u32,
    pub(super) source: u32,
    pub(super) destination: u32,
    pub(super) stored: Stored,
    /// The event's, which its connection's may have left behind.
    pub(super) generation: u32,
    /// HTTP status of the last attempt.
    pub(super) response: Option<u16>,
    /// Error of the last attempt.
    pub(super) error: Option<ErrorCode>,
    /// How often it was tried, up to [`MANY_TRIES`].
    pub(super) tries: u8,
    /// Of a ready one: whether an automatic retry stands behind a manual one.
    pub(super) automatic: bool,
    /// Lists leave it out.
    pub(super) deleted: bool,
    /// The bulk operation that last asked for it again.
    pub(super) bulk: Option<u32>,
}

/// So many tries or more: how many exactly the columns tell. *Motive:* few events were tried often, and each count would make
/// a combination of its own.
pub(super) const MANY_TRIES: u8 = 24;

impl Combination {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.varint(self.connection.into());
        writer.varint(self.source.into());
        writer.varint(self.destination.into());
        let number = Stored::ALL.iter().position(|stored| *stored == self.stored).unwrap_or(0);
        writer.varint(number as u64);
        writer.varint(self.generation.into());
        writer.varint(self.response.map_or(0, |status| u64::from(status) + 1));
        writer.varint(self.error.map_or(0, |error| error.number().into()));
        writer.varint(self.tries.into());
        writer.varint(u64::from(self.automatic) | u64::from(self.deleted) << 1);
        writer.varint(self.bulk.map_or(0, |bulk| u64::from(bulk) + 1));
    }

    /// Whether it is still to be tried at a moment of which `Event::next_attempt_at` tells, unless its connection cut it.
    pub(super) fn has_next(&self) -> bool {
        match self.stored {
            Stored::Ready => self.automatic,
            Stored::Waiting => true,
            Stored::Successful | Stored::Failed | Stored::Cancelled => false,
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut handle = || u32::try_from(reader.varint()?).map_err(|_| Corrupt("a handle is too large"));
        let (connection, source, destination) = (handle()?, handle()?, handle()?);
        let stored = reader.count()?;
        let generation = u32::try_from(reader.varint()?).map_err(|_| Corrupt("a generation is too large"))?;
        let response = match reader.varint()? {
            0 => None,
            status => Some(u16::try_from(status - 1).map_err(|_| Corrupt("a status is too large"))?),
        };
        let error = match reader.varint()? {
            0 => None,
            number => Some(error_from(number)?),
        };
        let stored = *Stored::ALL.get(stored).ok_or(Corrupt("a stored status is unknown"))?;
        let tries = u8::try_from(reader.varint()?).map_err(|_| Corrupt("a count of tries is too large"))?;
        let (automatic, deleted) = match reader.varint()? {
            marks @ 0..4 => (marks & 1 != 0, marks & 2 != 0),
            _ => return Err(Corrupt("its marks are unknown")),
        };
        let bulk = match reader.varint()? {
            0 => None,
            handle => Some(u32::try_from(handle - 1).map_err(|_| Corrupt("a handle is too large"))?),
        };
        Ok(Self {
            connection,
            source,
            destination,
            stored,
            generation,
            response,
            error,
            tries,
            automatic,
            deleted,
            bulk,
        })
    }
}

/// An error by its number on disk.
pub(super) fn error_from(number: u64) -> Result<ErrorCode, Corrupt> {
    u8::try_from(number).ok().and_then(ErrorCode::from_number).ok_or(Corrupt("an error's number is unknown"))
}
