//! The actor through which the configuration changes: one change after the other, each decided by `domain`, kept by the
//! store, and obeyed by the connections before it is answered.
//!
//! Pausing stops the connection first, then is recorded, then answered: no try starts after the answer. Unpausing is
//! recorded first: a crash in between leaves the connection paused, as the client was not told otherwise.

use std::sync::Arc;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::oneshot;

use super::{
    engine::Engine,
    gateway::{DirectoryDown, EnsureStarted, GatewayActor},
    handle::{ActionError, Applied, Apply},
    registry::{Ask, Registry},
    supervision::{ExitGuard, Stop},
};
use crate::domain::{
    ConfigItem, ConnectionId, DestinationId, SourceId, SourceToken,
    directory::{Command, FreshIds, decide},
};

/// Changes that wait at most: more than people make by hand, few enough to be answered within their time.
const MAILBOX_MESSAGES_MAX: usize = 256;

/// Changes the configuration.
pub(super) struct DirectoryActor {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    gateway: Addr<GatewayActor>,
    exit: ExitGuard<GatewayActor, DirectoryDown>,
}

impl DirectoryActor {
    pub(super) fn new(engine: Arc<Engine>, registry: Arc<Registry>, gateway: Addr<GatewayActor>) -> Self {
        let exit = ExitGuard::new(gateway.clone(), DirectoryDown);
        Self { engine, registry, gateway, exit }
    }
}

impl Actor for DirectoryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MESSAGES_MAX);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.exit.disarm();
    }
}

impl Handler<Apply> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, Apply { command, reply }: Apply, ctx: &mut Self::Context) {
        let change = Change {
            engine: Arc::clone(&self.engine),
            registry: Arc::clone(&self.registry),
            gateway: self.gateway.clone(),
        };
        // Waiting keeps the next change in the mailbox until this one is done.
        let work = async move {
            let applied = change.apply(command).await;
            // Whoever asked may have stopped waiting.
            reply.send(applied).ok();
        };
        ctx.wait(work.into_actor(self));
    }
}

impl Handler<Stop> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// One change under way.
struct Change {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    gateway: Addr<GatewayActor>,
}

impl Change {
    async fn apply(self, command: Command) -> Result<Applied, ActionError> {
        let before = self.engine.store.configuration();
        let asked = command.clone();
        let changed = decide(&before, command, self.engine.now(), self.fresh_ids())?;
        if let Command::Pause(id) = &asked {
            self.set_paused(*id, true).await;
        }
        let configuration = if changed.is_empty() {
            before
        } else {
            match self.engine.store.put_config(changed.clone()).await {
                Ok(configuration) => configuration,
                Err(error) => {
                    if let Command::Pause(id) = &asked {
                        self.set_paused(*id, before.is_paused(*id)).await;
                    }
                    return Err(error.into());
                }
            }
        };
        match asked {
            Command::Unpause(id) => {
                self.set_paused(id, false).await;
                self.ensure_started(vec![id]).await;
            }
            Command::CreateConnection(_) => {
                let created = changed.iter().filter_map(|item| match item {
                    ConfigItem::Connection(connection) => Some(connection.id),
                    ConfigItem::Project(_)
                    | ConfigItem::Source(_)
                    | ConfigItem::Destination(_)
                    | ConfigItem::ApiKey(_) => None,
                });
                self.ensure_started(created.collect()).await;
            }
            Command::CreateSource(_) | Command::CreateDestination(_) | Command::Pause(_) => {}
        }
        Ok(Applied { configuration, changed })
    }

    /// Tells a connection to stop or go on, and waits until it does. One that is being rebuilt reads the slot.
    async fn set_paused(&self, connection: ConnectionId, paused: bool) {
        let Some(slot) = self.registry.slot(connection) else { return };
        slot.set_paused(paused);
        if let Some(inbox) = slot.inbox() {
            let (reply, obeyed) = oneshot::channel();
            if inbox.asks.send(Ask::PauseChanged(reply)).await.is_ok() {
                // An error means that it died: what takes its place reads the slot.
                obeyed.await.ok();
            }
        }
    }

    async fn ensure_started(&self, connections: Vec<ConnectionId>) {
        if let Err(error) = self.gateway.send(EnsureStarted(connections)).await {
            tracing::error!(%error, "the gateway cannot be reached, a connection is not started");
        }
    }

    fn fresh_ids(&self) -> FreshIds {
        let now = self.engine.now();
        FreshIds {
            source: SourceId::from_parts(now, self.engine.random()),
            token: SourceToken::from_random(self.engine.random()),
            destination: DestinationId::from_parts(now, self.engine.random()),
            connection: ConnectionId::from_parts(now, self.engine.random()),
        }
    }
}
