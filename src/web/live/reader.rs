//! One reader of a live tail: a queue that the tail fills and the reader's connection empties.
//!
//! The queue is bounded. Who does not take what is there loses all of it and is told so once: it looks at the lists then,
//! which have everything.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;

/// Pieces that wait for a reader at most: half a minute of a gateway that always has something to tell.
const QUEUE_PIECES_MAX: usize = 256;
/// Bytes of them at most; pieces are shared by readers who want the same.
pub(super) const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// The tail's end of a queue.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// Whether what is there says that everything before it was dropped.
    dropped: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads any more.
    left: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Mailbox {
    /// Adds a piece. When there is no room, `resync` takes the place of all that waits, and of what comes until it is taken.
    pub(super) fn put(&self, piece: Bytes, resync: impl FnOnce() -> Bytes) {
        let mut queue = self.0.lock();
        if queue.left || queue.ended {
            return;
        }
        let is_full = queue.pieces.len() == QUEUE_PIECES_MAX || queue.bytes + piece.len() > QUEUE_BYTES_MAX;
        let piece = if queue.dropped || is_full {
            queue.pieces.clear();
            queue.bytes = 0;
            queue.dropped = true;
            resync()
        } else {
            piece
        };
        queue.bytes += piece.len();
        queue.pieces.push_back(piece);
        queue.wake();
    }

    /// Lets the reader take what waits, and nothing more.
    pub(super) fn end(&self) {
        let mut queue = self.0.lock();
        queue.ended = true;
        queue.wake();
    }

    /// Whether nobody reads any more.
    pub(super) fn is_left(&self) -> bool {
        self.0.lock().left
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut queue = self.0.lock();
        match queue.pieces.pop_front() {
            Some(piece) => {
                queue.bytes -= piece.len();
                queue.dropped = false;
                Poll::Ready(Some(piece))
            }
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The reader's end: the body of its answer.
#[derive(Debug)]
pub struct Reader {
    mailbox: Arc<Mailbox>,
    /// Gives its place back to others when it is dropped.
    _seat: Seat,
}

impl Reader {
    pub(super) fn new(seat: Seat) -> (Self, Arc<Mailbox>) {
        let mailbox = Arc::<Mailbox>::default();
        (Self { mailbox: Arc::clone(&mailbox), _seat: seat }, mailbox)
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.mailbox.poll_take(cx).map(|piece| piece.map(Ok))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut queue = self.mailbox.0.lock();
        *queue = Queue { left: true, ..Queue::default() };
    }
}

/// One of the places that readers have, all together.
#[derive(Debug)]
pub(super) struct Seat(Arc<Mutex<usize>>);

impl Seat {
    /// Takes one of `max`; `None` when all are taken.
    pub(super) fn take(taken: &Arc<Mutex<usize>>, max: usize) -> Option<Self> {
        let mut count = taken.lock();
        (*count < max).then(|| {
            *count += 1;
            Self(Arc::clone(taken))
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn pair() -> (Reader, Arc<Mailbox>) {
        Reader::new(Seat::take(&Arc::default(), 1).unwrap())
    }

    fn put(mailbox: &Mailbox, piece: &'static str) {
        mailbox.put(Bytes::from_static(piece.as_bytes()), || Bytes::from_static(b"resync"));
    }

    /// All that waits, and whether that was the end.
    fn taken(reader: &mut Reader) -> (Vec<Bytes>, bool) {
        let mut all = Vec::new();
        loop {
            match reader.next().now_or_never() {
                Some(Some(Ok(piece))) => all.push(piece),
                Some(None) => return (all, true),
                None => return (all, false),
            }
        }
    }

    #[test]
    fn a_reader_takes_what_was_put_in_order_and_then_the_end() {
        let (mut reader, mailbox) = pair();
        put(&mailbox, "one");
        put(&mailbox, "two");
        assert_eq!(taken(&mut reader), (vec!["one".into(), "two".into()], false));
        put(&mailbox, "three");
        mailbox.end();
        put(&mailbox, "late");
        assert_eq!(taken(&mut reader), (vec!["three".into()], true));
    }

    #[test]
    fn who_takes_nothing_loses_all_of_it_and_is_told_once() {
        let (mut reader, mailbox) = pair();
        for _ in 0..=QUEUE_PIECES_MAX {
            put(&mailbox, "one");
        }
        put(&mailbox, "two");
        assert_eq!(taken(&mut reader), (vec!["resync".into()], false));
        put(&mailbox, "three");
        assert_eq!(taken(&mut reader), (vec!["three".into()], false));
    }

    #[test]
    fn few_pieces_may_be_too_much_as_well() {
        let (mut reader, mailbox) = pair();
        let large = Bytes::from(vec![b'x'; QUEUE_BYTES_MAX / 2 + 1]);
        mailbox.put(large.clone(), || unreachable!("there is room for one"));
        mailbox.put(large, || Bytes::from_static(b"resync"));
        assert_eq!(taken(&mut reader).0, ["resync"]);
    }

    #[test]
    fn a_reader_that_leaves_gives_its_seat_back_and_keeps_nothing() {
        let seats = Arc::default();
        let (reader, mailbox) = Reader::new(Seat::take(&seats, 1).unwrap());
        assert!(Seat::take(&seats, 1).is_none());
        put(&mailbox, "one");
        drop(reader);
        assert!(mailbox.is_left() && Seat::take(&seats, 1).is_some());
        put(&mailbox, "two");
        assert_eq!(mailbox.0.lock().pieces.len(), 0);
    }
}
