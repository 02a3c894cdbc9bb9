//! A name server under the test's control: answers by script over UDP, and counts what it is asked.
//!
//! Just enough DNS to be asked for addresses. It knows nothing but what it was told, and lets nothing be kept (TTL 0).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

/// Largest question looked at: what fits a datagram of DNS without extensions.
const QUESTION_BYTES_MAX: usize = 512;
const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_SOA: u16 = 6;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// Where the name of the question stands in every message.
const QUESTION_NAME: u16 = 0xc00c;

/// What a question about a name gets.
#[derive(Debug, Clone)]
pub enum NameAnswer {
    /// Those of these addresses that were asked for; none of them is "exists, but not so".
    Addresses(Vec<IpAddr>),
    /// Another name, and its addresses.
    Alias(String, Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// REFUSED.
    Refused,
    /// Nothing at all.
    Silence,
    /// For IPv4 these addresses, for IPv6 nothing at all.
    OnlyV4Answers(Vec<IpAddr>),
}

#[derive(Default)]
struct Zone {
    answers: HashMap<String, NameAnswer>,
    asked: HashMap<String, usize>,
}

/// A name server on a port of its own; it ends with the value. What it was not told about does not exist.
pub struct TestNameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    thread: Option<JoinHandle<()>>,
}

impl TestNameServer {
    /// Starts one that knows no name.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let thread = std::thread::spawn({
            let zone = Arc::clone(&zone);
            move || serve(&socket, &zone)
        });
        Self { address, zone, thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what a name gets from now on.
    pub fn set(&self, name: &str, answer: NameAnswer) {
        self.zone.lock().answers.insert(name.to_owned(), answer);
    }

    /// Sets a name's addresses from now on.
    ///
    /// # Panics
    ///
    /// When one is no address.
    pub fn addresses(&self, name: &str, addresses: &[&str]) {
        let parse = |text: &&str| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        self.set(name, NameAnswer::Addresses(addresses.iter().map(parse).collect()));
    }

    /// How many questions have come about a name, of either kind.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.zone.lock().asked.get(name).copied().unwrap_or(0)
    }
}

impl Drop for TestNameServer {
    fn drop(&mut self) {
        // An empty datagram tells the thread that it is over.
        let told = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[], self.address));
        if let (Ok(_), Some(thread)) = (told, self.thread.take()) {
            drop(thread.join());
        }
    }
}

fn serve(socket: &UdpSocket, zone: &Mutex<Zone>) {
    let mut buffer = [0; QUESTION_BYTES_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        if length == 0 {
            return;
        }
        let Some(question) = Question::read(&buffer[..length]) else { continue };
        let answer = {
            let mut zone = zone.lock();
            *zone.asked.entry(question.name.clone()).or_default() += 1;
            zone.answers.get(&question.name).cloned().unwrap_or(NameAnswer::NoSuchName)
        };
        if let Some(reply) = question.reply(&answer) {
            drop(socket.send_to(&reply, from));
        }
    }
}

struct Question<'a> {
    id: &'a [u8],
    /// In lower case, without the dot at the end.
    name: String,
    kind: u16,
    /// Name, type and class as they came.
    bytes: &'a [u8],
}

impl<'a> Question<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
        Some(Self { id: &message[..2], name: labels.join("."), kind, bytes: message.get(12..at + 4)? })
    }

    fn reply(&self, answer: &NameAnswer) -> Option<Vec<u8>> {
        let (code, alias, addresses): (u8, Option<&str>, &[IpAddr]) = match answer {
            NameAnswer::Addresses(addresses) => (0, None, addresses),
            NameAnswer::Alias(other, addresses) => (0, Some(other), addresses),
            NameAnswer::NoSuchName => (3, None, &[]),
            NameAnswer::Failure => (2, None, &[]),
            NameAnswer::Refused => (5, None, &[]),
            NameAnswer::Silence => return None,
            NameAnswer::OnlyV4Answers(_) if self.kind == TYPE_AAAA => return None,
            NameAnswer::OnlyV4Answers(addresses) => (0, None, addresses),
        };
        let mut records = Vec::new();
        let mut owner = QUESTION_NAME.to_be_bytes().to_vec();
        if let Some(alias) = alias {
            let other = name(alias);
            records.push(record(&owner, TYPE_CNAME, &other));
            owner = other;
        }
        for address in addresses {
            match address {
                IpAddr::V4(address) if self.kind == TYPE_A => records.push(record(&owner, TYPE_A, &address.octets())),
                IpAddr::V6(address) if self.kind == TYPE_AAAA => {
                    records.push(record(&owner, TYPE_AAAA, &address.octets()));
                }
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
        let answers = u8::try_from(records.len()).ok()?;
        let authorities = u8::from(answers == 0);
        if answers == 0 {
            // Says who says that there is nothing: without it, resolvers look further. Root names, five numbers.
            records.push(record(&owner, TYPE_SOA, &[0; 22]));
        }
        // Response, recursion desired and available; then how many of each section.
        let head = [0x81, 0x80 | code, 0, 1, 0, answers, 0, authorities, 0, 0];
        Some([self.id, &head, self.bytes, &records.concat()].concat())
    }
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("test data is short");
    let time_to_live = [0; 4];
    [owner, &kind.to_be_bytes(), &CLASS_IN.to_be_bytes(), &time_to_live, &length.to_be_bytes(), data].concat()
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.') {
        bytes.push(u8::try_from(label.len()).expect("test names have short labels"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
