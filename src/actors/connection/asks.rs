//! What others ask of a connection: one more try of an event, no more tries, its end; stop, go on.

use actix::Context;
use tokio::sync::oneshot;

use super::{
    super::{
        handle::ActionError,
        milestone::Milestone,
        registry::{Asking, Wish},
    },
    Configuration, ConnectionActor, Delivery, Fresh, Input, Live, Step, Then,
};
use crate::domain::{Event, delivery::Asked};

/// Who waits for an answer.
pub(super) type Waiter = oneshot::Sender<Result<Event, ActionError>>;

impl ConnectionActor {
    /// Retries, cancels or deletes an event, wherever it is: being worked on, in the window, or in the store only.
    pub(super) fn ask(&mut self, asking: Asking, ctx: &mut Context<Self>) {
        let Asking { row, wish, only_if, reply } = asking;
        let seq = row.event.seq;
        // One reading for both: what it allows is what is decided by.
        let configuration = self.engine.store.configuration();
        if let (Wish::Retry(_), Some(switched_off)) = (wish, configuration.switched_off(self.id)) {
            // Whoever asked may have stopped waiting.
            return drop(reply.send(Err(switched_off.into())));
        }
        let live = self.live.get(&seq).map(|live| live.delivery.clone());
        // What the window has is at least as new as what the caller read.
        let known = |fresh: Option<&Fresh>| fresh.map_or(&row.event, |fresh| &fresh.event).clone();
        let delivery = live.unwrap_or_else(|| Delivery::at_rest(known(self.queue.peek(seq))));
        let standing = configuration.standing(self.id);
        // An operation that comes by again changed it itself.
        let is_new = !matches!(wish, Wish::Retry(Asked::Bulk(by)) if delivery.event.bulk_id == Some(by));
        if is_new && only_if.is_some_and(|filter| !filter.matches(&delivery.event, standing, self.engine.now())) {
            return drop(reply.send(Err(ActionError::NoMatch)));
        }
        let step = self.decide_by(&configuration, delivery, wish.into());
        if let Some(refused) = refusal(&step) {
            return drop(reply.send(Err(refused)));
        }
        if step.record.is_none() {
            // Nothing changes, so nothing is done, and nothing needs to be held in memory.
            return match self.live.get_mut(&seq) {
                Some(live) => live.answer_when_durable(reply),
                None => drop(reply.send(Ok(step.next.event))),
            };
        }
        if let Some(live) = self.live.remove(&seq) {
            return self.perform(live, step, None, Some(reply), ctx);
        }
        let fresh = self.queue.take(seq).unwrap_or_else(|| Fresh::from(row));
        self.perform(Live::new(fresh), step, None, Some(reply), ctx);
    }

    /// Does what the slot and the configuration say: stops or goes on, lets go of what was cancelled, ends when deleted.
    pub(super) fn obey(&mut self, ctx: &mut Context<Self>) {
        if self.slot.is_paused() {
            self.queue.pause();
            self.engine.milestones.reached(Milestone::Paused(self.id));
        } else if self.drains.is_empty() {
            self.queue.release();
            self.ramp(ctx);
            self.engine.milestones.reached(Milestone::Released(self.id));
        }
        let configuration = self.engine.store.configuration();
        self.deleted = configuration.connections.get(&self.id).is_none_or(|connection| connection.deleted_at.is_some());
        if configuration.switched_off(self.id).is_some() {
            self.let_go(&configuration, ctx);
        }
    }

    /// Forgets what was cancelled with the connection: nothing is recorded, as its generation says it for all.
    fn let_go(&mut self, configuration: &Configuration, ctx: &mut Context<Self>) {
        self.resuming.clear();
        let standing = configuration.standing(self.id);
        let is_cut = |Delivery { event, flight }: &Delivery| {
            flight.is_none()
                && !event.phase.is_settled()
                && event.phase.effective(event.generation, standing).is_settled()
        };
        let cut: Vec<_> = self.live.iter().filter(|(_, live)| is_cut(&live.delivery)).map(|(seq, _)| *seq).collect();
        for seq in cut {
            let Some(live) = self.live.remove(&seq) else { continue };
            let step = self.decide_by(configuration, live.delivery.clone(), Input::Start { resumed: false });
            self.perform(live, step, None, None, ctx);
        }
    }
}

/// Why a wish is not done.
fn refusal(step: &Step) -> Option<ActionError> {
    match step.then {
        Then::Refuse(status) => Some(ActionError::AlreadySettled { status }),
        Then::Gone => Some(ActionError::Deleted),
        Then::Nothing | Then::Send(_) | Then::Enqueue | Then::Timer { .. } | Then::Settle => None,
    }
}
