//! The actor through which the configuration changes: one change after the other, each decided by `domain`, kept by the
//! store, and obeyed by the connections before it is answered.
//!
//! What keeps connections from sending (pausing, disabling, deleting) stops them first, then is recorded, then answered: no
//! try starts after the answer. What lets them send is recorded first: a crash in between leaves them standing, as the
//! client was not told otherwise.

use std::{collections::BTreeSet, sync::Arc};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::oneshot;

use super::{
    engine::Engine,
    gateway::{DirectoryDown, EnsureStarted, GatewayActor},
    handle::{ActionError, Applied, Apply},
    registry::{Ask, Registry},
    supervision::{ExitGuard, Stop},
};
use crate::{
    domain::{
        AuditId, ConfigItem, Configuration, ConnectionId, DestinationId, Document, SourceId, SourceToken,
        directory::{Command, FreshIds, decide},
        document::{Audit, Author},
    },
    store::{Held, StoreError},
};

/// Changes that wait at most: more than people make by hand, few enough to be answered within their time.
const MAILBOX_MESSAGES_MAX: usize = 256;

/// Changes the configuration.
pub(super) struct DirectoryActor {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    gateway: Addr<GatewayActor>,
    /// The id of the last audit.
    audited: AuditId,
    exit: ExitGuard<GatewayActor, DirectoryDown>,
}

impl DirectoryActor {
    pub(super) fn new(engine: Arc<Engine>, registry: Arc<Registry>, gateway: Addr<GatewayActor>) -> Self {
        let exit = ExitGuard::new(gateway.clone(), DirectoryDown);
        Self { engine, registry, gateway, audited: AuditId::from_bits(0), exit }
    }

    /// An id behind the last one, also when both are of the same millisecond or the clock was set back: audits are in the
    /// order of their ids.
    fn next_audit(&mut self) -> AuditId {
        let fresh = AuditId::from_parts(self.engine.now(), self.engine.random());
        self.audited = fresh.max(AuditId::from_bits(self.audited.bits().wrapping_add(1)));
        self.audited
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

    fn handle(&mut self, Apply { command, author, reply }: Apply, ctx: &mut Self::Context) {
        let change = Change {
            engine: Arc::clone(&self.engine),
            registry: Arc::clone(&self.registry),
            gateway: self.gateway.clone(),
            audit: self.next_audit(),
            author,
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
    audit: AuditId,
    author: Author,
}

impl Change {
    async fn apply(self, command: Command) -> Result<Applied, ActionError> {
        let before = self.engine.store.configuration();
        let named = named(&before, &command);
        let changed = decide(&before, command.clone(), self.engine.now(), self.fresh_ids())?;
        let created = changed.iter().filter_map(created);
        let affected: BTreeSet<ConnectionId> = named.iter().copied().chain(created.clone()).collect();
        let after = changed.iter().cloned().fold(before.as_ref().clone(), |mut after, item| {
            after.put(item);
            after
        });
        let (going, standing): (Vec<_>, Vec<_>) = affected.into_iter().partition(|id| after.may_send(*id));
        self.tell(&standing, true).await;
        let released = self.released(&before, &command).await;
        let configuration = if changed.is_empty() {
            before
        } else {
            let audit = self.audit(&before, &changed, command.action());
            match self.engine.store.put_config_with(changed.clone(), vec![audit]).await {
                Ok(configuration) => configuration,
                Err(error) => {
                    let sent: Vec<_> = standing.into_iter().filter(|id| before.may_send(*id)).collect();
                    self.tell(&sent, false).await;
                    return Err(error.into());
                }
            }
        };
        self.tell(&going, false).await;
        // Now that it is so: they let go of what was cancelled with it. One that was started meanwhile had not heard yet.
        self.tell(&standing, true).await;
        self.ensure_started(going.into_iter().chain(created).collect()).await;
        Ok(Applied { configuration, changed, released })
    }

    /// What is written down of a change, in the same commit.
    fn audit(&self, before: &Configuration, changed: &[ConfigItem], action: &str) -> Document {
        Document::Audit(Audit {
            id: self.audit,
            // Pages by time go by the ids.
            at: self.audit.time(),
            author: self.author.clone(),
            action: action.to_owned(),
            changes: changed.iter().map(|item| (before.known(item), item.clone())).collect(),
        })
    }

    /// What an unpause is about to let go; `None` for other commands, and while the store cannot be asked.
    async fn released(&self, before: &Configuration, command: &Command) -> Option<Held> {
        let Command::Unpause(id) = *command else { return None };
        if !before.is_paused(id) {
            return Some(Held::default());
        }
        let (store, now) = (Arc::clone(&self.engine.store), self.engine.now());
        let held = tokio::task::spawn_blocking(move || store.held(id, now)).await;
        match held.map_err(|error| StoreError::Io(error.to_string())).and_then(|held| held) {
            Ok(held) => Some(held),
            Err(error) => {
                tracing::warn!(connection.id = %id, %error, "what was on hold could not be counted");
                None
            }
        }
    }

    /// Tells connections to stop or go on, and waits until they do. One that is being rebuilt reads the slot.
    async fn tell(&self, connections: &[ConnectionId], standing: bool) {
        let told = connections.iter().filter_map(|id| {
            let slot = self.registry.slot(*id)?;
            slot.set_paused(standing);
            slot.inbox()
        });
        let obeyed = told.map(|inbox| async move {
            let (reply, obeyed) = oneshot::channel();
            if inbox.asks.send(Ask::Obey(reply)).await.is_ok() {
                // An error means that it died: what takes its place reads the slot.
                obeyed.await.ok();
            }
        });
        futures_util::future::join_all(obeyed).await;
    }

    async fn ensure_started(&self, connections: Vec<ConnectionId>) {
        if let Err(error) = self.gateway.send(EnsureStarted(connections)).await {
            tracing::error!(%error, "the gateway cannot be reached, a connection is not started");
        }
    }

    /// What a change makes has its number: those rise, so that lists by creation keep the order also within a millisecond.
    fn fresh_ids(&self) -> FreshIds {
        let number = self.audit.bits();
        FreshIds {
            source: SourceId::from_bits(number),
            token: SourceToken::from_random(self.engine.random()),
            destination: DestinationId::from_bits(number),
            connection: ConnectionId::from_bits(number),
        }
    }
}

/// The connections that a command is about, beside those that it makes.
fn named(configuration: &Configuration, command: &Command) -> Vec<ConnectionId> {
    match command {
        Command::Pause(id)
        | Command::Unpause(id)
        | Command::EnableConnection(id)
        | Command::DisableConnection(id)
        | Command::DeleteConnection(id)
        | Command::UpdateConnection(id, _) => vec![*id],
        // It may have come to another destination, which may be disabled.
        Command::UpsertConnection(draft) => {
            let name = draft.name.as_ref().and_then(Option::as_deref);
            let known = name.and_then(|name| configuration.connection_named(name));
            known.map(|connection| connection.id).into_iter().collect()
        }
        Command::EnableDestination(id) | Command::DisableDestination(id) | Command::DeleteDestination(id) => {
            configuration.connections_to(*id).map(|connection| connection.id).collect()
        }
        Command::DeleteSource(id) => configuration.connections_of(*id).iter().map(|connection| connection.id).collect(),
        Command::CreateSource(_)
        | Command::UpsertSource(_)
        | Command::UpdateSource(..)
        | Command::CreateDestination(_)
        | Command::UpsertDestination(_)
        | Command::UpdateDestination(..)
        | Command::CreateConnection(_)
        | Command::RenameProject(_)
        | Command::EnableSource(_)
        | Command::DisableSource(_)
        | Command::Access(_) => Vec::new(),
    }
}

/// The connection that an item brings into being.
fn created(item: &ConfigItem) -> Option<ConnectionId> {
    match item {
        ConfigItem::Connection(connection) => Some(connection.id).filter(|_| connection.version == 1),
        ConfigItem::Project(_) | ConfigItem::Source(_) | ConfigItem::Destination(_) | ConfigItem::ApiKey(_) => None,
    }
}
