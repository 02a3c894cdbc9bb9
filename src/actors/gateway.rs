//! The root of the actors: starts the directory and a connection's actor for each connection, and supervises them.
//!
//! Owns the arbiters and the counts of deaths. It has no part in the path of an event: if a connection dies, the others
//! do not notice, and its events wait in the store until it is back.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message,
    ResponseFuture, WrapFuture,
};

use super::{
    bulk::runner::BulkActor,
    connection::ConnectionActor,
    directory::DirectoryActor,
    engine::Engine,
    handle::{GatewayHandle, Shutdown},
    milestone::Milestone,
    registry::{Inbox, Registry},
    supervision::{RestartIntensity, Stop, StopOnDrop, Verdict},
};
use crate::{
    domain::{ConnectionId, Timestamp},
    store::{Commit, StoreError},
    transport::{Transport, TransportFactory},
};

/// How often the gateway looks whether the store is ready; a rebuild takes seconds to minutes.
const READY_AGAIN: Duration = Duration::from_millis(200);

/// A connection's actor died.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ConnectionDown {
    pub(super) id: ConnectionId,
    /// Records that it handed to the store and that were not answered: the next reading must see them.
    pub(super) unanswered: Vec<Commit<()>>,
}

/// A deleted connection has nothing left to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ConnectionEnded(pub(super) ConnectionId);

/// The directory died.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct DirectoryDown;

/// Whoever runs bulk operations died.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct BulkDown;

/// Starts these connections unless they run; lifts a quarantine.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct EnsureStarted(pub(super) Vec<ConnectionId>);

/// A connection that was started.
#[derive(Default)]
struct Child {
    /// Absent while it is dead. Dropping it stops the actor.
    actor: Option<StopOnDrop<ConnectionActor>>,
    /// Whether a restart is under way.
    restarting: bool,
    /// Tries of what was due by then may have gone out, until an actor has taken note of it.
    cut_off_at: Option<Timestamp>,
    intensity: RestartIntensity,
    /// Which arbiter it is pinned to.
    arbiter: usize,
}

/// The root of the actors.
pub(super) struct GatewayActor {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    /// Empty when everything runs on one thread.
    arbiters: Vec<Arbiter>,
    children: HashMap<ConnectionId, Child>,
    directory: Option<StopOnDrop<DirectoryActor>>,
    /// Absent until the store is ready, and while it is dead.
    bulk: Option<StopOnDrop<BulkActor>>,
    bulk_intensity: RestartIntensity,
    /// Whether the store was ready once: until then no connection starts.
    ready: bool,
    /// When this life began.
    began_at: Timestamp,
}

impl GatewayActor {
    pub(super) fn new(engine: Arc<Engine>, registry: Arc<Registry>) -> Self {
        let arbiters = (0..engine.arbiters).map(|_| Arbiter::new()).collect();
        let began_at = engine.now();
        Self {
            engine,
            registry,
            arbiters,
            children: HashMap::new(),
            directory: None,
            bulk: None,
            bulk_intensity: RestartIntensity::default(),
            ready: false,
            began_at,
        }
    }

    fn start_directory(&mut self, ctx: &Context<Self>) {
        let directory =
            DirectoryActor::new(Arc::clone(&self.engine), Arc::clone(&self.registry), ctx.address()).start();
        self.registry.set_directory(Some(directory.clone().recipient()));
        self.directory = Some(StopOnDrop::new(directory));
    }

    fn start_bulk(&mut self, ctx: &Context<Self>) {
        let (engine, registry) = (Arc::clone(&self.engine), Arc::clone(&self.registry));
        let handle = GatewayHandle { engine, registry, shutdown: ctx.address().recipient() };
        let bulk = BulkActor::new(handle, ctx.address()).start();
        self.registry.set_bulk_runner(Some(bulk.clone().recipient()));
        self.bulk = Some(StopOnDrop::new(bulk));
    }

    /// Starts all connections once the store can be read.
    fn start_when_ready(&mut self, ctx: &mut Context<Self>) {
        match self.engine.store.ready() {
            Ok(()) => {
                self.ready = true;
                let configuration = self.engine.store.configuration();
                let cut_off_at = self.engine.store.resumes().then_some(self.began_at);
                for connection in configuration.connections.values().filter(|one| one.deleted_at.is_none()) {
                    self.child(connection.id).cut_off_at = cut_off_at;
                    self.start_connection(connection.id, ctx);
                }
                self.registry.set_started();
                self.start_bulk(ctx);
            }
            Err(StoreError::Closed) => {}
            Err(error) => {
                tracing::debug!(%error, "deliveries wait for the store");
                ctx.run_later(READY_AGAIN, Self::start_when_ready);
            }
        }
    }

    fn start_connection(&mut self, id: ConnectionId, ctx: &Context<Self>) {
        let configuration = self.engine.store.configuration();
        if configuration.connections.get(&id).is_none_or(|connection| connection.deleted_at.is_some()) {
            // Deleted while it was dead.
            self.children.remove(&id);
            return self.registry.remove(id);
        }
        let slot = self.registry.slot_or_new(id, !configuration.may_send(id));
        let place = self.child(id).arbiter;
        let arbiter = match self.arbiters.len() {
            0 => Arbiter::current(),
            count => self.arbiters[place % count].handle(),
        };
        let (engine, gateway, behind) = (Arc::clone(&self.engine), ctx.address(), Arc::clone(&slot));
        let child = self.child(id);
        let cut_off_at = child.cut_off_at.take();
        child.restarting = false;
        let actor = start_in(&arbiter, move || {
            let transport = transport_here(&engine.transport);
            ConnectionActor::new(id, engine, transport, behind, gateway).resuming(cut_off_at)
        });
        slot.show(|shown| shown.quarantined = false);
        slot.set_inbox(Some(Inbox { offers: actor.clone().recipient(), asks: actor.clone().recipient() }));
        self.child(id).actor = Some(StopOnDrop::new(actor));
    }

    fn child(&mut self, id: ConnectionId) -> &mut Child {
        let place = self.children.len();
        self.children.entry(id).or_insert_with(|| Child { arbiter: place, ..Child::default() })
    }
}

fn start_in(
    arbiter: &ArbiterHandle,
    build: impl FnOnce() -> ConnectionActor + Send + 'static,
) -> Addr<ConnectionActor> {
    ConnectionActor::start_in_arbiter(arbiter, move |_| build())
}

/// The transport of this thread, built when its first connection starts: connections share its pools.
fn transport_here(factory: &Arc<dyn TransportFactory>) -> Rc<dyn Transport> {
    type Built = (Arc<dyn TransportFactory>, Rc<dyn Transport>);
    thread_local! {
        /// The last one built; more than one engine on a thread exists in tests only.
        static BUILT: RefCell<Option<Built>> = const { RefCell::new(None) };
    }
    BUILT.with_borrow_mut(|built| match built {
        Some((of, transport)) if Arc::ptr_eq(of, factory) => Rc::clone(transport),
        Some(_) | None => {
            let transport = factory.build();
            *built = Some((Arc::clone(factory), Rc::clone(&transport)));
            transport
        }
    })
}

impl Actor for GatewayActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.start_directory(ctx);
        self.start_when_ready(ctx);
    }
}

impl Handler<EnsureStarted> for GatewayActor {
    type Result = ();

    fn handle(&mut self, EnsureStarted(connections): EnsureStarted, ctx: &mut Self::Context) {
        // Before the store is ready none runs, and then all start.
        if !self.ready {
            return;
        }
        for id in connections {
            let runs = self.children.get(&id).is_some_and(|child| child.actor.is_some() || child.restarting);
            if !runs {
                self.start_connection(id, ctx);
            }
        }
    }
}

impl Handler<ConnectionDown> for GatewayActor {
    type Result = ();

    fn handle(&mut self, ConnectionDown { id, unanswered }: ConnectionDown, ctx: &mut Self::Context) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.actor = None;
        child.cut_off_at = Some(self.engine.now());
        let verdict = child.intensity.record(self.engine.now());
        child.restarting = matches!(verdict, Verdict::Restart { .. });
        if let Some(slot) = self.registry.slot(id) {
            slot.set_inbox(None);
            slot.show(|shown| {
                shown.in_flight = 0;
                shown.window = 0;
                shown.restarts += 1;
                shown.quarantined = !child.restarting;
            });
        }
        match verdict {
            Verdict::Restart { after } => {
                tracing::error!(connection.id = %id, backoff_ms = after.as_millis(), "a connection died, restarting it");
                let wait = async move {
                    // Whatever the answers are: after them the store shows what it has.
                    futures_util::future::join_all(unanswered).await;
                    tokio::time::sleep(after).await;
                };
                ctx.spawn(wait.into_actor(self).map(move |(), gateway, ctx| {
                    gateway.start_connection(id, ctx);
                    gateway.engine.milestones.reached(Milestone::ConnectionRestarted(id));
                }));
            }
            Verdict::Quarantine => {
                tracing::error!(connection.id = %id, "a connection died too often, it stands still until it is unpaused");
                self.engine.milestones.reached(Milestone::Quarantined(id));
            }
        }
    }
}

impl Handler<ConnectionEnded> for GatewayActor {
    type Result = ();

    fn handle(&mut self, ConnectionEnded(id): ConnectionEnded, _: &mut Self::Context) {
        self.children.remove(&id);
        self.registry.remove(id);
        self.engine.milestones.reached(Milestone::ConnectionEnded(id));
    }
}

impl Handler<DirectoryDown> for GatewayActor {
    type Result = ();

    fn handle(&mut self, _: DirectoryDown, ctx: &mut Self::Context) {
        tracing::error!("the directory died, restarting it");
        self.start_directory(ctx);
    }
}

impl Handler<BulkDown> for GatewayActor {
    type Result = ();

    fn handle(&mut self, _: BulkDown, ctx: &mut Self::Context) {
        self.bulk = None;
        self.registry.set_bulk_runner(None);
        match self.bulk_intensity.record(self.engine.now()) {
            Verdict::Restart { after } => {
                tracing::error!(backoff_ms = after.as_millis(), "bulk operations died, restarting them");
                ctx.run_later(after, |gateway, ctx| gateway.start_bulk(ctx));
            }
            Verdict::Quarantine => tracing::error!("bulk operations died too often, they stand still until a restart"),
        }
    }
}

impl Handler<Shutdown> for GatewayActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown(reply): Shutdown, ctx: &mut Self::Context) -> Self::Result {
        self.registry.set_bulk_runner(None);
        self.bulk = None;
        self.registry.set_directory(None);
        self.directory = None;
        for slot in self.registry.all() {
            slot.set_inbox(None);
        }
        let children: Vec<_> = self.children.drain().filter_map(|(_, child)| child.actor).collect();
        let arbiters = std::mem::take(&mut self.arbiters);
        ctx.stop();
        Box::pin(async move {
            // Waiting for room, as a full mailbox would refuse the word; an error means that it has ended already.
            futures_util::future::join_all(children.iter().map(|child| child.get().send(Stop))).await;
            drop(children);
            for arbiter in arbiters {
                arbiter.stop();
            }
            // Whoever asked may have stopped waiting.
            reply.send(()).ok();
        })
    }
}
