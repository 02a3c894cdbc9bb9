//! Records on their way into the store: handed over in order, answered in order, handed over again when there was no room.
//!
//! Nothing waits for them but clients: a slot is free as soon as its outcome is handed over, until as many wait to be durable
//! as there are slots. A crash in between repeats a try and loses nothing.

use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{ActorFuture, AsyncContext, Context};

use super::{
    super::{handle::ActionError, milestone::Milestone},
    AttemptRecord, ConnectionActor, Live, Seq, StoreError,
    live::Unconfirmed,
};
use crate::store::{Commit, Transition};

/// How long the store is left alone after it had no room for a record; doubled up to the maximum.
pub(super) const RESUBMIT_AFTER_MIN: Duration = Duration::from_millis(100);
/// The longest it is left alone.
const RESUBMIT_AFTER_MAX: Duration = Duration::from_secs(5);

/// A record that was handed over.
pub(super) struct Submitted {
    seq: Seq,
    round: u32,
    commit: Commit<()>,
}

impl Submitted {
    /// What is left to wait for.
    pub(super) fn into_commit(self) -> Commit<()> {
        self.commit
    }
}

impl ConnectionActor {
    /// Hands the event's row over, with the details of its last attempt.
    pub(super) fn submit(&mut self, live: &mut Live, details: Option<AttemptRecord>) {
        let transition = Transition { event: live.delivery.event.clone(), attempt: details };
        // Behind one that waits to be handed over again, it waits too.
        if !live.stuck {
            self.hand_over(live.round, transition.clone());
        }
        live.unconfirmed.push(Unconfirmed { transition, waiters: Vec::new() });
    }

    fn hand_over(&mut self, round: u32, transition: Transition) {
        let seq = transition.event.seq;
        let commit = self.engine.store.record(transition);
        self.outbox.push_back(Submitted { seq, round, commit });
        if self.outbox.len() == 1
            && let Some(waker) = self.outbox_waker.take()
        {
            waker.wake();
        }
    }

    /// The store has answered.
    fn answered(&mut self, submitted: &Submitted, answer: Result<(), StoreError>, ctx: &mut Context<Self>) {
        let seq = submitted.seq;
        let Some(live) = self.live.get_mut(&seq) else { return };
        if submitted.round != live.round || live.stuck {
            return;
        }
        match answer {
            Ok(()) => self.confirmed(seq),
            Err(
                error @ (StoreError::Overloaded(_)
                | StoreError::DiskFull { .. }
                | StoreError::OverQuota { .. }
                | StoreError::Rebuilding { .. }
                | StoreError::Io(_)),
            ) => {
                tracing::warn!(connection.id = %self.id, %error, "an outcome could not be recorded, trying again");
                live.stuck = true;
                live.round += 1;
                self.stuck.push(seq);
                if self.stuck.len() == 1 {
                    ctx.run_later(self.resubmit_after, |actor, ctx| actor.resubmit(ctx));
                    self.resubmit_after = (self.resubmit_after * 2).min(RESUBMIT_AFTER_MAX);
                }
            }
            Err(error @ (StoreError::Stale { .. } | StoreError::NotFound)) => {
                tracing::warn!(connection.id = %self.id, %error, "an event changed behind its connection's back");
                self.disown(seq, &error);
            }
            Err(
                error
                @ (StoreError::Conflict | StoreError::Erased { .. } | StoreError::Damaged(_) | StoreError::Closed),
            ) => {
                tracing::error!(connection.id = %self.id, %error, "outcomes cannot be recorded, nothing more is sent");
                self.queue.pause();
                self.disown(seq, &error);
            }
        }
    }

    /// The oldest record of an event is durable.
    fn confirmed(&mut self, seq: Seq) {
        self.resubmit_after = RESUBMIT_AFTER_MIN;
        let Some(live) = self.live.get_mut(&seq).filter(|live| !live.unconfirmed.is_empty()) else { return };
        let Unconfirmed { transition, waiters } = live.unconfirmed.remove(0);
        let event = &transition.event;
        if transition.attempt.is_some() {
            let number = u32::try_from(event.attempts.len()).unwrap_or(u32::MAX);
            self.engine.milestones.reached(Milestone::AttemptRecorded { event: event.id(), number });
        }
        if event.phase.is_settled() && live.is_durable() && live.delivery.flight.is_none() {
            self.engine.milestones.reached(Milestone::Settled(event.id()));
        }
        for waiter in waiters {
            // Whoever asked may have stopped waiting.
            waiter.send(Ok(event.clone())).ok();
        }
        self.retire(seq);
    }

    /// Hands everything over again that the store had no room for.
    fn resubmit(&mut self, ctx: &mut Context<Self>) {
        for seq in std::mem::take(&mut self.stuck) {
            let Some(live) = self.live.get_mut(&seq) else { continue };
            live.stuck = false;
            let round = live.round;
            let transitions: Vec<_> = live.unconfirmed.iter().map(|record| record.transition.clone()).collect();
            for transition in transitions {
                self.hand_over(round, transition);
            }
        }
        self.pump(ctx);
    }

    /// Memory was wrong about an event, or the store will not take it: what the store has is read again.
    fn disown(&mut self, seq: Seq, error: &StoreError) {
        let Some(live) = self.live.remove(&seq) else { return };
        for waiter in live.unconfirmed.into_iter().flat_map(|record| record.waiters) {
            // Whoever asked may have stopped waiting.
            waiter.send(Err(ActionError::from(error.clone()))).ok();
        }
        // Nothing is due before it was created.
        self.queue.disown(seq, (live.delivery.event.created_at, seq), self.engine.now());
    }
}

/// Waits, as long as the actor lives, for the answers in their order.
pub(super) struct Confirmations;

impl ActorFuture<ConnectionActor> for Confirmations {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut ConnectionActor,
        ctx: &mut Context<ConnectionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        loop {
            let mut any = false;
            while let Some(first) = actor.outbox.front_mut() {
                let Poll::Ready(answer) = Pin::new(&mut first.commit).poll(task) else { break };
                any = true;
                if let Some(submitted) = actor.outbox.pop_front() {
                    actor.answered(&submitted, answer, ctx);
                }
            }
            if !any {
                break;
            }
            actor.pump(ctx);
        }
        actor.outbox_waker = Some(task.waker().clone());
        Poll::Pending
    }
}
