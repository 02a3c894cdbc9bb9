//! What many events of a block share, in its columns' dictionary and in its zone.

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

/// What many events of a block share: what filters ask about beside times.
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
}

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
        Ok(Self { connection, source, destination, stored, generation, response, error })
    }
}

/// An error by its number on disk.
pub(super) fn error_from(number: u64) -> Result<ErrorCode, Corrupt> {
    u8::try_from(number).ok().and_then(ErrorCode::from_number).ok_or(Corrupt("an error's number is unknown"))
}
