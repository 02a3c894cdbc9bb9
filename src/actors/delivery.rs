//! The actor of one event being worked on: makes its attempts, keeps their history, waits for its retry.
//!
//! It never decides what becomes of the event: it reports how a try ended and does what its connection says next. A
//! panic while trying is a failed attempt; a panic in here is told to the connection by the [`ExitGuard`].

use std::{any::Any, panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};
use actix::{ActorContext, prelude::SendError};
use futures_util::FutureExt;

use super::{
    connection::{ConnectionActor, DeliveryDown, Finished, RetryDue},
    engine::Engine,
    outbound::{Attempt, Sender, outbound},
    supervision::{ExitGuard, Stop},
};
use crate::{
    domain::{
        AttemptRecord, AttemptResult, ConnectionId, DestinationId, DestinationKind, ErrorCode, EventId, Request,
        RetryAfter, Seq, Timestamp,
        delivery::{Ended, Try},
    },
    store::{PayloadRef, StoreError},
    transport::{Reply, Transport},
};

/// Where an event's request is: in memory while that is allowed, in the store always.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) request: Option<Arc<Request>>,
    pub(super) at: PayloadRef,
    /// Gives the memory of the body back when the last holder drops it.
    pub(super) permit: Option<Arc<dyn Any + Send + Sync>>,
}

/// What a delivery is about.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) seq: Seq,
    pub(super) event: EventId,
    pub(super) connection: ConnectionId,
    pub(super) destination: DestinationId,
    pub(super) payload: Payload,
}

/// Makes an attempt now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TryNow(pub(super) Try);

/// Waits, and says when the time has come.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WaitUntil(pub(super) Timestamp);

/// One event being worked on.
pub(super) struct DeliveryActor {
    engine: Arc<Engine>,
    transport: Rc<dyn Transport>,
    connection: Addr<ConnectionActor>,
    job: Job,
    /// The first try; taken when the actor starts.
    first: Option<Try>,
    /// Armed while waiting for a retry, and only then.
    retry_timer: Option<SpawnHandle>,
    exit: ExitGuard<ConnectionActor, DeliveryDown>,
}

impl DeliveryActor {
    /// An actor that begins with a try.
    pub(super) fn new(
        engine: Arc<Engine>,
        transport: Rc<dyn Transport>,
        connection: Addr<ConnectionActor>,
        job: Job,
        first: Try,
    ) -> Self {
        let exit = ExitGuard::new(connection.clone(), DeliveryDown { seq: job.seq });
        Self { engine, transport, connection, job, first: Some(first), retry_timer: None, exit }
    }

    fn begin(&mut self, attempt: Try, ctx: &mut Context<Self>) {
        if let Some(timer) = self.retry_timer.take() {
            ctx.cancel_future(timer);
        }
        let started_at = self.engine.now();
        let tried = try_once(Arc::clone(&self.engine), Rc::clone(&self.transport), self.job.clone(), attempt);
        let reply = AssertUnwindSafe(tried).catch_unwind();
        ctx.spawn(reply.into_actor(self).map(move |reply, actor, ctx| {
            let reply = reply.unwrap_or_else(|panic| {
                tracing::error!(event.id = %actor.job.event, panic = %words_of(panic.as_ref()), "an attempt panicked");
                no_answer(ErrorCode::InternalError, "the attempt panicked: see the log".to_owned())
            });
            actor.ended(started_at, reply, ctx);
        }));
    }

    fn ended(&mut self, started_at: Timestamp, reply: Reply, ctx: &mut Context<Self>) {
        let latency_ms = u32::try_from(self.engine.now().ms_since(started_at)).unwrap_or(u32::MAX);
        let retry_after = reply.record.response_headers.iter().find(|(name, _)| name == "retry-after");
        let retry_after = retry_after.and_then(|(_, value)| RetryAfter::parse(value));
        let ended = Ended { started_at, latency_ms, result: reply.result, retry_after };
        self.tell(Finished { seq: self.job.seq, ended, record: reply.record }, ctx);
    }

    fn arm(&mut self, due_at: Timestamp, ctx: &mut Context<Self>) {
        let wait = Duration::from_millis(due_at.ms_since(self.engine.now()));
        self.retry_timer = Some(ctx.run_later(wait, move |actor, ctx| {
            actor.retry_timer = None;
            // The wall clock may have been set back meanwhile.
            if actor.engine.now() < due_at {
                actor.arm(due_at, ctx);
            } else {
                let seq = actor.job.seq;
                actor.tell(RetryDue { seq }, ctx);
            }
        }));
    }

    /// Tells the connection; when its mailbox is full, as soon as there is room.
    fn tell<M>(&self, message: M, ctx: &mut Context<Self>)
    where
        M: Message<Result = ()> + Send + 'static,
        ConnectionActor: Handler<M>,
    {
        match self.connection.try_send(message) {
            Ok(()) => {}
            Err(SendError::Full(message)) => {
                // Closed meanwhile: the connection is being rebuilt and this delivery ends with it.
                ctx.spawn(self.connection.send(message).map(drop).into_actor(self));
            }
            Err(SendError::Closed(_)) => ctx.stop(),
        }
    }
}

impl Actor for DeliveryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(attempt) = self.first.take() {
            self.begin(attempt, ctx);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.exit.disarm();
    }
}

impl Handler<TryNow> for DeliveryActor {
    type Result = ();

    fn handle(&mut self, TryNow(attempt): TryNow, ctx: &mut Self::Context) {
        self.begin(attempt, ctx);
    }
}

impl Handler<WaitUntil> for DeliveryActor {
    type Result = ();

    fn handle(&mut self, WaitUntil(due_at): WaitUntil, ctx: &mut Self::Context) {
        // Whoever waits holds no body: a failing destination must not use up the memory that senders need.
        self.job.payload.request = None;
        self.job.payload.permit = None;
        self.arm(due_at, ctx);
    }
}

impl Handler<Stop> for DeliveryActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// One try, from the request's bytes to what came back.
async fn try_once(engine: Arc<Engine>, transport: Rc<dyn Transport>, job: Job, plan: Try) -> Reply {
    // What was erased meanwhile is the store's to know.
    let in_memory = job.payload.request.filter(|_| !engine.store.has_erased());
    let request = match in_memory {
        Some(request) => request,
        None => match load(&engine, job.payload.at, job.event).await {
            Ok(request) => request,
            Err(reply) => return reply,
        },
    };
    let configuration = engine.store.configuration();
    let Some(destination) = configuration.destinations.get(&job.destination) else {
        return no_answer(ErrorCode::InternalError, format!("destination {} does not exist", job.destination));
    };
    if destination.disabled_at.is_some() || destination.deleted_at.is_some() {
        // Its connection goes elsewhere by now: otherwise the event would have been cancelled with it.
        let message =
            format!("the destination \"{}\" that this event was for takes nothing any more", destination.name);
        return no_answer(ErrorCode::MissingUrl, message);
    }
    let sending = match &destination.kind {
        DestinationKind::MockApi => return mocked(&request),
        DestinationKind::Cli(_) => {
            let message = "nobody listens: there are no CLI sessions yet".to_owned();
            return no_answer(ErrorCode::CliUnavailable, message);
        }
        DestinationKind::Http(http) => {
            let Some(url) = &http.url else {
                let message = format!("the destination \"{}\" has no url: set `config.url`", destination.name);
                return no_answer(ErrorCode::MissingUrl, message);
            };
            let (connection, now) = (configuration.connections.get(&job.connection), engine.now());
            let project = configuration.project.as_ref();
            let sender = Sender {
                signing_secret: project.map(|project| &project.signing_secret),
                previous_secret: project.and_then(|project| project.previous_secret_at(now)),
                header_prefix: &engine.settings.header_prefix,
                api_url: &engine.settings.api_url,
                timeout: engine.settings.timeout,
            };
            let rule = connection.and_then(|connection| connection.retry_rule());
            let attempt = Attempt {
                event: job.event,
                plan,
                at: now,
                retry_after_ms: plan.follow_up.delay_ms(rule, now),
                source_name: configuration.sources.get(&request.source_id).map(|source| source.name.as_str()),
                connection_name: connection.and_then(|connection| connection.name.as_deref()),
                destination_name: &destination.name,
            };
            match outbound(&request, (url, http), &attempt, &sender) {
                Ok(outbound) => transport.send(outbound),
                Err(error) => return no_answer(ErrorCode::InvalidUrl, error),
            }
        }
    };
    sending.await
}

/// Reads the request from the store, on a thread that may block.
async fn load(engine: &Arc<Engine>, at: PayloadRef, event: EventId) -> Result<Arc<Request>, Reply> {
    let store = Arc::clone(&engine.store);
    let read = tokio::task::spawn_blocking(move || match store.request(at) {
        // It moved: the event knows where to.
        Err(StoreError::NotFound) => store.event(event).and_then(|row| store.request(row.payload_ref)),
        read => read,
    });
    match read.await {
        Ok(Ok(request)) => Ok(Arc::new(request)),
        Ok(Err(error @ (StoreError::NotFound | StoreError::Erased { .. } | StoreError::Damaged(_)))) => {
            Err(no_answer(ErrorCode::PayloadMissing, format!("the request cannot be read: {error}")))
        }
        Ok(Err(error)) => Err(no_answer(ErrorCode::InternalError, format!("the request cannot be read: {error}"))),
        Err(error) => Err(no_answer(ErrorCode::InternalError, format!("reading the request failed: {error}"))),
    }
}

/// The answer of a mock destination.
fn mocked(request: &Request) -> Reply {
    let record = AttemptRecord { method: request.method.clone(), ..AttemptRecord::default() };
    Reply { result: AttemptResult::Answered { status: 200 }, record }
}

/// A try that did not reach its destination.
fn no_answer(error: ErrorCode, message: String) -> Reply {
    let record = AttemptRecord { error_message: Some(message), ..AttemptRecord::default() };
    Reply { result: AttemptResult::Failed { error, status: None }, record }
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
