//! The bare relay: takes requests, acknowledges at once, sends them on. No store, no retries, nothing survives it.
//!
//! Runs as a role of the bench binary, so that its CPU and memory are a process's own.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use tokio::sync::mpsc;

/// The argument that makes the bench binary a bare relay.
const ROLE: &str = "--as-bare-relay";
/// As many as cores of the reference machine.
const WORKERS: usize = 2;
/// Events between the two halves of a worker: enough to keep senders busy, little enough to stay in cache.
const CHANNEL_EVENTS: usize = 1024;
/// For one delivery.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Kept of an answer, as in the gateway.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the child was told.
pub(crate) struct Role {
    url: String,
    senders: usize,
}

impl Role {
    /// Reads the child's arguments; `None` when this process is the bench itself.
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
        let [role, url, senders] = arguments else { return None };
        (role == ROLE).then(|| Self { url: url.clone(), senders: senders.parse().unwrap_or(1) })
    }

    /// Serves until killed.
    pub(crate) fn run(self) {
        actix_web::rt::System::new().block_on(self.serve()).expect("the relay serves until it is killed");
    }

    async fn serve(self) -> std::io::Result<()> {
        let server = HttpServer::new(move || {
            let queue = start_senders(&self.url, self.senders);
            App::new().app_data(web::Data::new(queue)).default_service(web::to(accept))
        });
        let server = server.workers(WORKERS).bind((Ipv4Addr::LOCALHOST, 0))?;
        println!("{}", server.addrs().first().copied().unwrap_or((Ipv4Addr::LOCALHOST, 0).into()));
        std::io::stdout().flush()?;
        server.run().await
    }
}

async fn accept(body: Bytes, queue: web::Data<mpsc::Sender<Bytes>>) -> HttpResponse {
    if queue.send(body).await.is_err() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let answer = r#"{"status":"SUCCESS","message":"accepted","request_id":"req_00000000000000000000000000"}"#;
    HttpResponse::Ok().content_type("application/json").body(answer)
}

/// Starts this worker's senders on its own thread.
fn start_senders(url: &str, count: usize) -> mpsc::Sender<Bytes> {
    let (queue, receiver) = mpsc::channel(CHANNEL_EVENTS);
    let receiver = Rc::new(RefCell::new(receiver));
    let client = awc::Client::builder()
        .connector(awc::Connector::new().limit(0))
        .timeout(TIMEOUT)
        .disable_redirects()
        .no_default_headers()
        .finish();
    for _ in 0..count {
        actix_web::rt::spawn(send(client.clone(), url.to_owned(), Rc::clone(&receiver)));
    }
    queue
}

async fn send(client: awc::Client, url: String, queue: Rc<RefCell<mpsc::Receiver<Bytes>>>) {
    // Borrowed for one poll at a time: senders of a worker share its thread.
    while let Some(body) = std::future::poll_fn(|context| queue.borrow_mut().poll_recv(context)).await {
        let sending = client.post(&url).insert_header(("content-type", "application/json")).send_body(body);
        let Ok(mut answer) = sending.await else { continue };
        // What it says does not matter, that it was read does: the connection is free again.
        drop(answer.body().limit(ANSWER_BYTES_MAX).await);
    }
}

/// The role as a child process; dropping it ends it.
pub(crate) struct Child {
    process: std::process::Child,
    address: SocketAddr,
}

impl Child {
    pub(crate) fn start(sink: SocketAddr, senders: usize) -> Self {
        let binary = std::env::current_exe().expect("a running bench has a path");
        let mut process = Command::new(binary)
            .args([ROLE, &format!("http://{sink}/hook"), &senders.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bench can run itself");
        let stdout = process.stdout.take().expect("the pipe was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the relay says where it listens");
        let address = line.trim().parse().expect("the relay says where it listens");
        Self { process, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
