//! Every way a destination can misbehave, over real sockets on this machine.

mod connections;
mod failures;
mod sending;
mod tls;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use bytes::Bytes;

use super::{
    exchange::{OUR_USER_AGENT, RESPONSE_HEADER_BYTES_MAX},
    *,
};
use crate::{domain::AttemptResult, transport::resolver::ResolverOptions};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

/// Serves one connection after the other with `serve`, until the listener's thread is left alone.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

/// Reads a request: its head and as much body as it announces.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return request;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next())
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    request.extend(body);
    request
}

fn answers(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        read_request(&mut stream);
        // The other side may leave before everything is written.
        drop(stream.write_all(&answer));
    })
}

fn outbound(url: impl Into<String>, timeout: Duration) -> Outbound {
    Outbound { method: "POST".into(), url: url.into(), headers: vec![], body: Bytes::from_static(b"{}"), timeout }
}

async fn send(outbound: Outbound) -> Reply {
    transport().send(outbound).await
}

async fn send_to(address: SocketAddr, timeout: Duration) -> Reply {
    send(outbound(format!("http://{address}/hook"), timeout)).await
}

fn failed(error: ErrorCode, status: Option<u16>) -> AttemptResult {
    AttemptResult::Failed { error, status }
}

impl AwcOptions {
    /// May send to this machine; names are `connector`'s tests' business: here, nobody is asked.
    pub(crate) fn on_this_machine() -> Self {
        let resolver = ResolverOptions { timeout: LONG, nameservers: vec![([127, 0, 0, 1], 1).into()] };
        Self {
            egress: EgressPolicy::default().loopback(true),
            resolver: Resolver::start(&resolver).unwrap(),
            ca_file: None,
            hosts_max: 4096,
        }
    }
}

/// With the settings of the default file.
fn transport() -> Rc<dyn Transport> {
    AwcFactory::new(AwcOptions::on_this_machine()).unwrap().build()
}
