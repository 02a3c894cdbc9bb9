//! Both listeners: bound before anything else, served last, HTTP/1.1 with or without TLS.
//!
//! Knows nothing of what is answered: an app's configuration comes from the composition root.

use std::{
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Request, Response, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server, ServerHandle};
use actix_service::{
    IntoServiceFactory as _, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service, map_config,
};
use actix_tls::accept::{
    max_concurrent_tls_connect,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App,
    body::BoxBody,
    dev::AppConfig,
    rt::{net::TcpStream, task::JoinHandle},
    web::ServiceConfig,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};

use super::{
    certificates::Certificate,
    paced::{Answer, Deadlines, Paced, Turn},
    pulse::Pulse,
};
use crate::config::{ConfigError, TlsFiles};

/// Idle connections of senders are kept this long: longer than common balancers in front keep theirs.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A head is a packet or two; a peer that takes nothing for half a minute of what it asked for will not.
pub(super) const DEADLINES: Deadlines = Deadlines { head: Duration::from_secs(5), write: Duration::from_secs(30) };
/// A peer gets this long to take note of the end of its connection, as with plain HTTP.
const DISCONNECT_GRACE: Duration = Duration::from_secs(1);
/// What is being answered when the stop comes gets this long, in seconds.
const ANSWER_GRACE_SECS: u64 = 5;

/// Handshakes of one worker: more than it has connections, whose number is the limit that counts.
const HANDSHAKES_MAX: usize = 1 << 20;

/// A listener that is bound and does not serve yet.
pub(super) struct Listener {
    name: &'static str,
    socket: TcpListener,
    tls: Option<ServerConfig>,
}

/// How much a listener may take on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    /// Threads.
    pub(super) workers: usize,
    /// Connections of each.
    pub(super) connections: usize,
}

impl Listener {
    /// Reads the certificate and takes the address; `setting` is where the address was set.
    ///
    /// # Errors
    ///
    /// What cannot be used, by setting and value.
    pub(super) fn bind(
        name: &'static str,
        (setting, address): (&'static str, SocketAddr),
        tls: Option<TlsFiles>,
    ) -> anyhow::Result<Self> {
        let tls = tls
            .map(|files| -> anyhow::Result<_> {
                let certificate = Certificate::read(files)?;
                let config = certificate.server_config()?;
                actix_web::rt::spawn(certificate.watch());
                Ok(config)
            })
            .transpose()?;
        let socket = TcpListener::bind(address).map_err(|source| ConfigError::Unusable {
            key: setting,
            value: address.to_string(),
            source,
        })?;
        Ok(Self { name, socket, tls })
    }

    /// The address it has, which a port of 0 left open.
    ///
    /// # Errors
    ///
    /// When the operating system will not say.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves apps of this configuration, one a worker; each worker beats, if somebody wants to know.
    ///
    /// # Errors
    ///
    /// When threads cannot be started.
    pub(super) fn serve(
        self,
        capacity: Capacity,
        pulse: Option<Pulse>,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Serving> {
        let started = Arc::new(Semaphore::new(0));
        let counted = Arc::clone(&started);
        let configure = move |app: &mut ServiceConfig| {
            if let Some(pulse) = &pulse {
                pulse.start();
            }
            counted.add_permits(1);
            configure(app);
        };
        let name = self.name;
        let server = server(self, capacity, configure)?;
        let (handle, ended) = (server.handle(), actix_web::rt::spawn(server));
        Ok(Serving { name, handle, started, workers: capacity.workers, ended })
    }
}

/// Put together by hand: `HttpServer` lets nothing come between socket and HTTP, and what it offers for TLS would agree on
/// HTTP/2, which has no deadline for a head and no limit on streams and on the size of a head there.
fn server(
    listener: Listener,
    capacity: Capacity,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let Listener { name, socket, tls } = listener;
    let server = Server::build().workers(capacity.workers).max_concurrent_connections(capacity.connections);
    let server = server.shutdown_timeout(ANSWER_GRACE_SECS).disable_signals();
    let stop = server.graceful_shutdown_signal();
    let accept = move |socket: TcpStream| ready(Ok::<_, ()>(Paced::new(socket, DEADLINES)));
    let server = match tls {
        None => server.listen(name, socket, move || {
            let turn = |client: &Paced<TcpStream>| client.turn();
            fn_service(accept)
                .map(|client| {
                    let address = client.peer_address();
                    (client, address)
                })
                .and_then(http(stop.clone(), turn, configure.clone()).map_err(drop))
        }),
        Some(tls) => {
            // As many handshakes at a time as connections: with fewer, silent clients would keep everybody else waiting.
            max_concurrent_tls_connect(HANDSHAKES_MAX);
            server.listen(name, socket, move || {
                let turn = |client: &TlsStream<Paced<TcpStream>>| client.get_ref().0.turn();
                fn_service(accept)
                    .and_then(Acceptor::new(tls.clone()).map_err(drop))
                    .map(|client| {
                        let address = client.get_ref().0.peer_address();
                        (client, address)
                    })
                    .and_then(http(stop.clone(), turn, configure.clone()).map_err(drop))
            })
        }
    };
    Ok(server?.run())
}

/// HTTP/1.1 on connections that know whose turn it is.
pub(super) fn http<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    stop: GracefulShutdownSignal,
    turn: impl Fn(&T) -> Rc<Turn> + 'static,
    configure: impl Fn(&mut ServiceConfig) + 'static,
) -> impl ServiceFactory<(T, Option<SocketAddr>), Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let app = App::new().configure(configure).into_factory();
    let app = app.map_err(|error: actix_web::Error| error.error_response());
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(DEADLINES.head)
        .client_disconnect_timeout(DISCONNECT_GRACE)
        .on_connect_ext(move |client, of_connection| drop(of_connection.insert(turn(client))))
        .h1(apply_fn_factory(map_config(app, |()| AppConfig::default()), answer))
}

/// Answers a request; until that is written the turn is ours.
fn answer<S>(request: Request, app: &S) -> impl Future<Output = Result<Response<Answer>, S::Error>> + use<S>
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    let turn = request.conn_data::<Rc<Turn>>().map(Turn::take);
    let answer = app.call(request);
    async move {
        let answer = answer.await.map_or_else(Into::into, Into::into);
        Ok(answer.map_body(|_, body| Answer { body, _turn: turn }))
    }
}

/// A listener that serves.
pub(super) struct Serving {
    name: &'static str,
    handle: ServerHandle,
    /// One permit for each app that was made.
    started: Arc<Semaphore>,
    workers: usize,
    ended: JoinHandle<io::Result<()>>,
}

impl Serving {
    /// Resolves when every worker has its app.
    pub(super) fn started(&self) -> impl Future<Output = ()> + use<> {
        let started = Arc::clone(&self.started);
        let workers = u32::try_from(self.workers).unwrap_or(u32::MAX);
        // It is never closed.
        async move { drop(started.acquire_many(workers).await) }
    }

    /// Resolves when it serves no more although nobody has stopped it, with what went wrong.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let name = self.name;
        match (&mut self.ended).await {
            Ok(Ok(())) => anyhow::anyhow!("the {name} listener ended by itself"),
            Ok(Err(error)) => anyhow::Error::from(error).context(format!("the {name} listener ended")),
            Err(error) => anyhow::Error::from(error).context(format!("the {name} listener ended")),
        }
    }

    /// Takes no more requests and finishes those that are being answered.
    pub(super) async fn stop(&self) {
        self.handle.stop(true).await;
    }
}
