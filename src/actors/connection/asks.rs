//! What others ask of a connection: one more try, no more tries, stop, go on.

use actix::Context;
use tokio::sync::oneshot;

use super::{
    super::{handle::ActionError, milestone::Milestone},
    ConnectionActor, Delivery, Fresh, Input, Live, Then,
};
use crate::{domain::Event, store::PendingEvent};

/// Who waits for an answer.
pub(super) type Waiter = oneshot::Sender<Result<Event, ActionError>>;

impl ConnectionActor {
    /// Retries or cancels an event, wherever it is: being worked on, in the window, or in the store only.
    pub(super) fn ask(&mut self, row: PendingEvent, input: Input, reply: Waiter, ctx: &mut Context<Self>) {
        let seq = row.event.seq;
        if let Some(live) = self.live.remove(&seq) {
            let step = self.decide(live.delivery.clone(), input);
            if let Then::Refuse(status) = step.then {
                self.live.insert(seq, live);
                // Whoever asked may have stopped waiting.
                return drop(reply.send(Err(ActionError::AlreadySettled { status })));
            }
            return self.perform(live, step, None, Some(reply), ctx);
        }
        // What the window has is at least as new as what the caller read.
        let event = self.queue.peek(seq).map_or(&row.event, |fresh| &fresh.event).clone();
        let step = self.decide(Delivery::at_rest(event), input);
        if step.record.is_none() {
            // Nothing changes, so nothing needs to be held in memory.
            let answer = match step.then {
                Then::Refuse(status) => Err(ActionError::AlreadySettled { status }),
                Then::Nothing | Then::Send(_) | Then::Enqueue | Then::Timer { .. } | Then::Settle => {
                    Ok(step.next.event)
                }
            };
            return drop(reply.send(answer));
        }
        let fresh = self.queue.take(seq).unwrap_or_else(|| Fresh::from(row));
        self.perform(Live::new(fresh), step, None, Some(reply), ctx);
    }

    /// Does what the slot says about the pause.
    pub(super) fn obey_pause(&mut self, ctx: &mut Context<Self>) {
        if self.slot.is_paused() {
            self.queue.pause();
            self.engine.milestones.reached(Milestone::Paused(self.id));
        } else if self.drains.is_empty() {
            self.queue.release();
            self.ramp(ctx);
            self.engine.milestones.reached(Milestone::Released(self.id));
        }
    }
}
