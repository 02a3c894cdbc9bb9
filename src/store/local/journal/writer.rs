//! The one that writes: a frame at a time, each durable before the next.
//!
//! Owned by the store's writer thread. Rolls to the next segment when one is full; the next one is made ready by a
//! helper thread once the current one is half full, so that a roll costs the footer and one sync.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc, thread::JoinHandle};

use super::{
    Committed, Frame, JournalOptions, Position,
    footer::FooterBuilder,
    format::{FIRST_FRAME, Identity},
    reader::{SegmentState, Shared},
    segment::{Prepared, allocate, path_of},
};

/// Writes the journal.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    options: JournalOptions,
    current: OpenSegment,
    footer: FooterBuilder,
    next: Option<JoinHandle<io::Result<Prepared>>>,
    failed: bool,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) identity: Identity,
    pub(super) file: File,
    /// Where the next frame goes.
    pub(super) end: u64,
    /// Frames end before this.
    pub(super) capacity: u64,
    pub(super) newest_at: Option<i64>,
}

impl From<Prepared> for OpenSegment {
    fn from(prepared: Prepared) -> Self {
        let Prepared { identity, file, capacity } = prepared;
        Self { identity, file, end: FIRST_FRAME, capacity, newest_at: None }
    }
}

impl Writer {
    /// Goes on in `current`, whose records so far are in `footer`.
    pub(super) fn new(
        shared: Arc<Shared>,
        options: JournalOptions,
        current: OpenSegment,
        footer: FooterBuilder,
    ) -> Self {
        let writer = Self { shared, options, current, footer, next: None, failed: false };
        writer.publish();
        writer
    }

    /// Makes a frame durable: when this returns `Ok`, every record of it is on disk and can be read.
    ///
    /// # Errors
    /// `InvalidInput` for a frame that is empty or has more than 4 GiB; nothing happened. Any other error leaves
    /// unknown what is on disk: the process must end without acknowledging, and this writer refuses everything more.
    pub fn commit(&mut self, frame: &mut Frame) -> io::Result<Committed> {
        self.usable()?;
        let length = if frame.is_empty() { None } else { frame.finish() };
        let length = length.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a frame must have records, and less than 4 GiB of them")
        })?;
        let committed = self.write(frame, length);
        self.failed = committed.is_err();
        committed
    }

    /// Seals the segment, if it has frames, and goes on in the next one: for clean stops.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn seal(&mut self) -> io::Result<()> {
        self.usable()?;
        let sealed = if self.current.end == FIRST_FRAME { Ok(()) } else { self.roll() };
        self.failed = sealed.is_err();
        sealed
    }

    /// Where the next frame goes (or later, when it does not fit): everything before is durable.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { segment: self.current.identity.number, offset: self.current.end }
    }

    fn usable(&self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("the journal takes nothing more: an earlier write or sync failed"));
        }
        Ok(())
    }

    fn write(&mut self, frame: &mut Frame, length: u32) -> io::Result<Committed> {
        self.make_room(u64::from(length))?;
        let start = self.position();
        let OpenSegment { identity, file, .. } = &self.current;
        file.write_all_at(frame.stamp(*identity, start.offset, length), start.offset)?;
        file.sync_data()?;
        for (offset, head_and_meta) in frame.heads() {
            self.footer.push(start.offset + offset, &[head_and_meta]);
        }
        self.current.end += u64::from(length);
        self.current.newest_at = self.current.newest_at.max(frame.newest_at());
        self.publish();
        self.prepare_ahead();
        Ok(Committed { start, end: self.position() })
    }

    /// Rolls when the frame does not fit; a frame that fits no segment makes its own, fresh one bigger.
    fn make_room(&mut self, length: u64) -> io::Result<()> {
        if self.current.end + length > self.current.capacity && self.current.end > FIRST_FRAME {
            self.roll()?;
        }
        let needed = self.current.end + length;
        if needed > self.current.capacity {
            allocate(&self.current.file, needed)?;
            self.current.capacity = needed;
        }
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        let OpenSegment { identity, file, end, newest_at, .. } = &self.current;
        let number = identity.number;
        let footer = self.footer.finish(*identity);
        let bytes = end + footer.len() as u64;
        file.write_all_at(footer, *end)?;
        file.set_len(bytes)?;
        file.sync_all()?;
        let sealed = SegmentState { end: *end, bytes, salt: Some(identity.salt), sealed: true, newest_at: *newest_at };
        self.footer.clear();
        self.shared.publish(number, sealed);
        self.current = self.take_next()?.into();
        self.publish();
        Ok(())
    }

    fn take_next(&mut self) -> io::Result<Prepared> {
        let number = self.current.identity.number + 1;
        let helped = self.next.take().and_then(|helper| helper.join().ok());
        match helped {
            Some(Ok(prepared)) => Ok(prepared),
            // Space may have come back since the helper tried.
            Some(Err(_)) | None => Prepared::create(&self.shared.dir, number, self.options.segment_bytes),
        }
    }

    fn prepare_ahead(&mut self) {
        if self.next.is_some() || self.current.end < self.current.capacity / 2 {
            return;
        }
        let (dir, number, bytes) =
            (self.shared.dir.clone(), self.current.identity.number + 1, self.options.segment_bytes);
        let helper = std::thread::Builder::new().name("journal-prepare".to_owned());
        // Without a thread the roll does it itself.
        self.next = helper.spawn(move || Prepared::create(&dir, number, bytes)).ok();
    }

    fn publish(&self) {
        let OpenSegment { identity, end, capacity, newest_at, .. } = &self.current;
        let state = SegmentState {
            end: *end,
            bytes: *capacity,
            salt: Some(identity.salt),
            sealed: false,
            newest_at: *newest_at,
        };
        self.shared.publish(identity.number, state);
    }
}

impl Drop for Writer {
    /// Waits for the helper: nothing touches the directory when the writer is gone. A segment it prepared in vain goes.
    fn drop(&mut self) {
        if let Some(Ok(Ok(prepared))) = self.next.take().map(JoinHandle::join) {
            let path = path_of(&self.shared.dir, prepared.identity.number);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(file = %path.display(), %error, "an unused segment stays until the next start");
            }
        }
    }
}
