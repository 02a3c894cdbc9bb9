//! The actor that runs operations: of each kind the oldest that is not finished, one at a time.
//!
//! It holds nothing that the documents do not say. If it dies, the next one goes on where they are.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};

use super::{all, is_unfinished, pace::Pace, work::Work};
use crate::{
    actors::{
        gateway::{BulkDown, GatewayActor},
        handle::GatewayHandle,
        registry::LookForWork,
        supervision::{ExitGuard, Stop},
    },
    domain::document::{Bulk, BulkKind},
    store::StoreError,
};

/// Messages that wait at most: each says the same.
const MAILBOX_MESSAGES_MAX: usize = 4;
/// How long the store is left alone after it could not be read or written.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Runs operations.
pub(in crate::actors) struct BulkActor {
    handle: GatewayHandle,
    pace: Arc<Pace>,
    /// Kinds of which one is being worked on.
    busy: HashSet<BulkKind>,
    /// Whether the documents are being read, and whether that must be done again because something came since.
    looking: bool,
    look_again: bool,
    exit: ExitGuard<GatewayActor, BulkDown>,
}

impl BulkActor {
    pub(in crate::actors) fn new(handle: GatewayHandle, gateway: Addr<GatewayActor>) -> Self {
        let pace = Arc::new(Pace::new(handle.engine.bulk.rate_per_s));
        let exit = ExitGuard::new(gateway, BulkDown);
        Self { handle, pace, busy: HashSet::new(), looking: false, look_again: false, exit }
    }

    /// Reads what is not finished, and begins what can be begun.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        let handle = self.handle.clone();
        let read = async move { handle.blocking(all).await };
        ctx.spawn(read.into_actor(self).map(|read, actor, ctx| {
            actor.looking = false;
            match read {
                Ok(found) => {
                    for bulk in found.into_iter().filter(is_unfinished) {
                        actor.begin(bulk, ctx);
                    }
                }
                Err(StoreError::Closed) => {}
                Err(error) => {
                    tracing::warn!(%error, "bulk operations cannot be read, trying again");
                    ctx.run_later(AGAIN_AFTER, Self::look);
                }
            }
            if std::mem::take(&mut actor.look_again) {
                actor.look(ctx);
            }
        }));
    }

    /// Begins an operation, unless one of its kind is under way.
    fn begin(&mut self, bulk: Bulk, ctx: &mut Context<Self>) {
        let (id, kind) = (bulk.id, bulk.kind);
        if !self.busy.insert(kind) {
            return;
        }
        let stopped = Arc::new(AtomicBool::new(false));
        self.handle.registry.set_bulk_running(id, Some(Arc::clone(&stopped)));
        let work = Work { handle: self.handle.clone(), pace: Arc::clone(&self.pace), stopped, bulk };
        ctx.spawn(work.run().into_actor(self).map(move |ended, actor, ctx| {
            actor.handle.registry.set_bulk_running(id, None);
            actor.busy.remove(&kind);
            match ended {
                Ok(()) => actor.look(ctx),
                Err(StoreError::Closed) => {}
                Err(error) => {
                    tracing::warn!(bulk.id = %id, %error, "a bulk operation had to stop, it goes on in a moment");
                    ctx.run_later(AGAIN_AFTER, Self::look);
                }
            }
        }));
    }
}

impl Actor for BulkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MESSAGES_MAX);
        self.look(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.exit.disarm();
    }
}

impl Handler<LookForWork> for BulkActor {
    type Result = ();

    fn handle(&mut self, _: LookForWork, ctx: &mut Self::Context) {
        self.look(ctx);
    }
}

impl Handler<Stop> for BulkActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
