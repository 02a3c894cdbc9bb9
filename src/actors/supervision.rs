//! What actix does not do: a child's last word, a parent's grip on its children, and how often a child may die.
//!
//! A panic in a handler unwinds the actor's task: the actor is dropped, with its context and mailbox. So the child
//! carries an [`ExitGuard`] whose drop tells the parent, and the parent a [`StopOnDrop`] for each child.

use std::{collections::VecDeque, time::Duration};

use actix::{Actor, Addr, Handler, Message, dev::ToEnvelope};

use crate::domain::Timestamp;

/// Deaths within [`WINDOW_MS`] that are survived: more than a flaw that hits now and then, few enough to be seen.
pub(crate) const RESTARTS_MAX: usize = 20;
/// The stretch over which deaths are counted: a minute.
const WINDOW_MS: u64 = 60_000;
/// The wait before the first restart, doubled by each further death in the window.
const BACKOFF_MS_MIN: u64 = 100;
/// The longest wait: short enough that a child which dies at once does so too often within the window.
const BACKOFF_MS_MAX: u64 = 2_000;

/// Tells the parent when the child is dropped, unless it ended in order.
pub(crate) struct ExitGuard<P, M>
where
    P: Actor + Handler<M>,
    P::Context: ToEnvelope<P, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    parent: Addr<P>,
    /// Absent after an orderly end.
    last_word: Option<M>,
}

impl<P, M> ExitGuard<P, M>
where
    P: Actor + Handler<M>,
    P::Context: ToEnvelope<P, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// A guard that will say this.
    pub(crate) const fn new(parent: Addr<P>, last_word: M) -> Self {
        Self { parent, last_word: Some(last_word) }
    }

    /// What will be said, to add to it.
    pub(crate) fn last_word(&mut self) -> Option<&mut M> {
        self.last_word.as_mut()
    }

    /// The child ends in order: nothing is said. While unwinding this is ignored, because actix calls `stopped` then, too.
    pub(crate) fn disarm(&mut self) {
        if !std::thread::panicking() {
            self.last_word = None;
        }
    }
}

impl<P, M> Drop for ExitGuard<P, M>
where
    P: Actor + Handler<M>,
    P::Context: ToEnvelope<P, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    #[expect(clippy::disallowed_methods, reason = "a last word must not be refused by a full mailbox")]
    fn drop(&mut self) {
        if let Some(last_word) = self.last_word.take() {
            self.parent.do_send(last_word);
        }
    }
}

/// Ends an actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

/// Holds a child and stops it when dropped: a live timer would keep it alive without its parent.
pub(crate) struct StopOnDrop<A>(Addr<A>)
where
    A: Actor + Handler<Stop>,
    A::Context: ToEnvelope<A, Stop>;

impl<A> StopOnDrop<A>
where
    A: Actor + Handler<Stop>,
    A::Context: ToEnvelope<A, Stop>,
{
    /// Takes hold of a child.
    pub(crate) const fn new(child: Addr<A>) -> Self {
        Self(child)
    }

    /// The child.
    pub(crate) const fn get(&self) -> &Addr<A> {
        &self.0
    }
}

impl<A> Drop for StopOnDrop<A>
where
    A: Actor + Handler<Stop>,
    A::Context: ToEnvelope<A, Stop>,
{
    fn drop(&mut self) {
        // Full: only its parent writes to it, a handful of messages; closed: it has ended already.
        self.0.try_send(Stop).ok();
    }
}

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another life, after a while.
    Restart {
        /// How long.
        after: Duration,
    },
    /// No other life until somebody asks for it.
    Quarantine,
}

/// Counts deaths.
#[derive(Debug, Default)]
pub(crate) struct RestartIntensity(VecDeque<Timestamp>);

impl RestartIntensity {
    /// Decides what follows a death at `now`.
    pub(crate) fn record(&mut self, now: Timestamp) -> Verdict {
        while self.0.front().is_some_and(|death| now.ms_since(*death) > WINDOW_MS) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        if self.0.len() > RESTARTS_MAX {
            self.0.clear();
            return Verdict::Quarantine;
        }
        let doublings = u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX);
        let after = BACKOFF_MS_MIN.saturating_mul(1u64.checked_shl(doublings).unwrap_or(u64::MAX));
        Verdict::Restart { after: Duration::from_millis(after.min(BACKOFF_MS_MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_survived_with_growing_waits_and_then_quarantined() {
        let mut intensity = RestartIntensity::default();
        let now = Timestamp::from_ms(0);
        let verdicts: Vec<_> = (0..=RESTARTS_MAX).map(|_| intensity.record(now)).collect();
        assert_eq!(verdicts[0], Verdict::Restart { after: Duration::from_millis(100) });
        assert_eq!(verdicts[2], Verdict::Restart { after: Duration::from_millis(400) });
        assert_eq!(verdicts[RESTARTS_MAX - 1], Verdict::Restart { after: Duration::from_secs(2) });
        assert_eq!(verdicts[RESTARTS_MAX], Verdict::Quarantine);
    }

    #[test]
    fn deaths_of_long_ago_do_not_count() {
        let mut intensity = RestartIntensity::default();
        for minute in 0..100 {
            let verdict = intensity.record(Timestamp::from_ms(minute * 61_000));
            assert_eq!(verdict, Verdict::Restart { after: Duration::from_millis(100) });
        }
    }
}
