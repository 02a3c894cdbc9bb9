//! Names, spellings and refusals, from the attempt's side.

use std::net::{Ipv4Addr, TcpListener};

use bytes::Bytes;
use futures_util::future::{Either, select, select_all};
use proptest::prelude::*;

use super::{
    super::{AwcFactory, AwcOptions},
    *,
};
use crate::{
    domain::AttemptResult,
    testkit::{NameAnswer, PATIENCE, TestDestination, TestNameServer},
    transport::{Outbound, Reply, TransportFactory, resolver::ResolverOptions},
};

struct Rig {
    names: TestNameServer,
    factory: AwcFactory,
}

fn rig(policy: EgressPolicy) -> Rig {
    rig_with_limit(policy, 10 * PATIENCE)
}

fn rig_with_limit(policy: EgressPolicy, timeout: Duration) -> Rig {
    let names = TestNameServer::start();
    let options = ResolverOptions { timeout, nameservers: vec![names.address()] };
    let resolver = Resolver::start(&options).unwrap();
    Rig {
        names,
        factory: AwcFactory::new(AwcOptions { egress: policy, resolver, ..AwcOptions::on_this_machine() }).unwrap(),
    }
}

fn listed(network: &str) -> EgressPolicy {
    EgressPolicy::listed(vec![network.parse().unwrap()], [])
}

impl Rig {
    fn connector(&self) -> GuardedConnector {
        self.factory.connector.clone()
    }

    async fn send(&self, url: &str) -> Reply {
        let outbound = Outbound {
            method: "POST".into(),
            url: url.to_owned(),
            headers: vec![],
            body: Bytes::new(),
            timeout: PATIENCE,
        };
        self.factory.build().send(outbound).await
    }

    /// Sends and gives the error code and its message.
    async fn failure(&self, url: &str) -> (ErrorCode, String) {
        let reply = self.send(url).await;
        match reply.result {
            AttemptResult::Failed { error, status: None } => (error, reply.record.error_message.unwrap()),
            other => panic!("{url}: {other:?}"),
        }
    }
}

fn port(destination: &TestDestination) -> String {
    destination.url().rsplit(':').next().unwrap().to_owned()
}

/// A listener that nobody may connect to.
struct Untouched(TcpListener);

impl Untouched {
    fn on(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let error = self.0.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

#[actix::test]
async fn every_spelling_of_a_refused_address_is_refused_without_a_connection() {
    let rig = rig(EgressPolicy::default());
    let sink = Untouched::on("127.0.0.1");
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "0177.1",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
    ] {
        let (code, message) = rig.failure(&format!("http://{host}:{}/", sink.port())).await;
        // A spelling may also be no URL at all; it may not be a connection.
        assert!(matches!(code, ErrorCode::HostUnreachable | ErrorCode::InvalidUrl), "{host}: {code:?} {message}");
        let strange = host.contains('%');
        assert!(strange || message.contains("is a loopback address"), "{host}: {message}");
    }
    sink.assert_untouched();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Parts of an IPv4 address may be written in three bases, and the last one may stand for several.
    #[test]
    fn no_way_to_write_an_address_gets_around_the_guard(low: u32, private: bool, parts in 1_usize..=4, bases: [u8; 4]) {
        let address = if private { Ipv4Addr::new(10, 0, 0, 0) } else { Ipv4Addr::LOCALHOST };
        let bits = (address.to_bits() & 0xff00_0000) | (low & 0x00ff_ffff);
        let rest_bits = 8 * (5 - u32::try_from(parts).unwrap());
        let mut numbers: Vec<u32> = (1..u32::try_from(parts).unwrap()).map(|part| (bits >> (32 - 8 * part)) & 0xff).collect();
        numbers.push(u32::try_from(u64::from(bits) & ((1 << rest_bits) - 1)).unwrap());
        let spelled: Vec<String> = numbers.iter().zip(bases).map(|(number, base)| match base % 4 {
            0 => format!("{number}"),
            1 => format!("0x{number:x}"),
            2 => format!("0X{number:X}"),
            _ => format!("0{number:o}"),
        }).collect();
        let spelled = spelled.join(".");
        let refusal = actix::System::new().block_on(async {
            rig(EgressPolicy::default()).connector().connect(&spelled, 80).await.unwrap_err()
        });
        prop_assert_eq!(refusal.code, ErrorCode::HostUnreachable);
        let start = format!("{} is a ", Ipv4Addr::from_bits(bits));
        prop_assert!(refusal.message.starts_with(&start), "{}: {}", spelled, refusal.message);
    }
}

#[actix::test]
async fn only_the_permitted_addresses_of_a_name_are_handed_on_to_be_dialled() {
    let rig = rig(EgressPolicy::listed(vec!["10.2.0.0/16".parse().unwrap()], []));
    let of_name: Vec<IpAddr> = ["10.1.0.1", "8.8.8.8", "::ffff:10.2.0.1", "::1", "169.254.169.254", "2606:4700::1"]
        .map(|address| address.parse().unwrap())
        .to_vec();
    let permitted = rig.connector().permitted(Some("mixed.test"), &of_name, 443).unwrap();
    let expected = ["8.8.8.8:443", "10.2.0.1:443", "[2606:4700::1]:443"].map(|address| address.parse().unwrap());
    assert_eq!(permitted, expected);
}

#[actix::test]
async fn a_refusal_names_the_host_the_address_the_reason_and_the_setting() {
    let rig = rig(EgressPolicy::default());
    rig.names.addresses("shop.test", &["10.1.2.3"]);
    assert_eq!(
        rig.failure("http://shop.test/").await,
        (
            ErrorCode::HostUnreachable,
            "shop.test: 10.1.2.3 is a private address; to deliver there set egress.allow = [\"10.1.2.3/32\"]"
                .to_owned()
        )
    );
    assert_eq!(
        rig.failure("http://169.254.169.254/latest/meta-data").await.1,
        "169.254.169.254 is a link-local address; to deliver there set egress.allow = [\"169.254.169.254/32\"]"
    );
    rig.names.addresses("many.test", &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "fd12::1"]);
    assert!(rig.failure("http://many.test/").await.1.ends_with("; and 2 more"));
}

#[actix::test]
async fn lookups_that_fail_have_their_codes_and_messages() {
    let rig = rig(EgressPolicy::default());
    rig.names.addresses("empty.test", &[]);
    rig.names.set("broken.test", NameAnswer::Failure);
    rig.names.set("refused.test", NameAnswer::Refused);
    for (host, code, part) in [
        ("missing.test", ErrorCode::NotFound, "missing.test does not exist or has no address"),
        ("empty.test", ErrorCode::NotFound, "empty.test does not exist or has no address"),
        ("broken.test", ErrorCode::DnsLookupFailed, "broken.test could not be looked up: "),
        ("refused.test", ErrorCode::DnsLookupFailed, "refused.test could not be looked up: "),
    ] {
        let (actual, message) = rig.failure(&format!("http://{host}/")).await;
        assert_eq!(actual, code, "{host}: {message}");
        assert!(message.contains(part), "{host}: {message}");
    }
}

#[actix::test]
async fn a_lookup_that_takes_too_long_is_told_apart_from_an_attempt_that_does() {
    let rig = rig_with_limit(EgressPolicy::default(), Duration::from_millis(500));
    rig.names.set("silent.test", NameAnswer::Silence);
    assert_eq!(
        rig.failure("http://silent.test/").await,
        (
            ErrorCode::DnsLookupFailed,
            "silent.test could not be looked up: no answer from the name servers within 500 ms".to_owned()
        )
    );
}

#[actix::test]
async fn a_listed_host_is_delivered_to_and_the_address_it_resolves_to_is_not() {
    let destination = TestDestination::start();
    let rig = rig(EgressPolicy::listed(vec![], ["shop.test".to_owned()]));
    rig.names.addresses("shop.test", &["127.0.0.1"]);
    rig.names.addresses("other.test", &["127.0.0.1"]);
    let port = port(&destination);
    let reply = rig.send(&format!("http://SHOP.test:{port}/")).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
    for refused in ["other.test", "127.0.0.1"] {
        assert_eq!(rig.failure(&format!("http://{refused}:{port}/")).await.0, ErrorCode::HostUnreachable);
    }
    assert_eq!(destination.count(), 1);
}

#[actix::test]
async fn of_several_addresses_the_refused_ones_are_skipped() {
    let destination = TestDestination::start();
    let rig = rig(listed("127.0.0.1/32"));
    rig.names.addresses("mixed.test", &["10.1.2.3", "127.0.0.2", "127.0.0.1", "fd12::1"]);
    let reply = rig.send(&format!("http://mixed.test:{}/", port(&destination))).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
}

#[actix::test]
async fn a_name_that_moves_to_a_refused_address_is_refused_there() {
    let destination = TestDestination::start();
    let sink = Untouched::on("127.0.0.2");
    let rig = rig(listed("127.0.0.1/32"));
    rig.names.addresses("moving.test", &["127.0.0.1"]);
    let reply = rig.send(&format!("http://moving.test:{}/", port(&destination))).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
    rig.names.addresses("moving.test", &["127.0.0.2"]);
    assert_eq!(rig.failure(&format!("http://moving.test:{}/", sink.port())).await.0, ErrorCode::HostUnreachable);
    rig.names.set("moving.test", NameAnswer::Alias("real.test".to_owned(), vec![[127, 0, 0, 2].into()]));
    assert_eq!(rig.failure(&format!("http://moving.test:{}/", sink.port())).await.0, ErrorCode::HostUnreachable);
    sink.assert_untouched();
}

#[actix::test]
async fn the_next_address_is_tried_where_one_fails() {
    let destination = TestDestination::start();
    let rig = rig(listed("127.0.0.0/8"));
    // Nobody listens on the first two.
    rig.names.addresses("several.test", &["127.0.0.2", "127.0.0.3", "127.0.0.1"]);
    let reply = rig.send(&format!("http://several.test:{}/", port(&destination))).await;
    assert_eq!(reply.result, AttemptResult::Answered { status: 200 }, "{:?}", reply.record.error_message);
}

#[actix::test]
async fn where_all_fail_each_is_told_and_the_first_gives_the_code() {
    let rig = rig(listed("127.0.0.0/8"));
    rig.names.addresses("down.test", &["127.0.0.2", "127.0.0.3"]);
    let port = crate::testkit::free_address().port();
    let (code, message) = rig.failure(&format!("http://down.test:{port}/")).await;
    assert_eq!(code, ErrorCode::ConnectionRefused);
    assert!(message.starts_with(&format!("cannot connect to 127.0.0.2:{port}: ")), "{message}");
    assert!(message.contains(&format!("; 127.0.0.3:{port}: ")), "{message}");
}

#[actix::test]
async fn a_zone_that_hangs_does_not_delay_deliveries_to_other_hosts() {
    let destination = TestDestination::start();
    let rig = rig(EgressPolicy::default().loopback(true));
    rig.names.set("silent.test", NameAnswer::Silence);
    rig.names.addresses("fine.test", &["127.0.0.1"]);
    let stuck = select_all((0..200).map(|_| Box::pin(rig.failure("http://silent.test/"))));
    let url = format!("http://fine.test:{}/", port(&destination));
    let healthy = std::pin::pin!(async {
        for _ in 0..3 {
            assert_eq!(rig.send(&url).await.result, AttemptResult::Answered { status: 200 });
        }
    });
    assert!(matches!(select(stuck, healthy).await, Either::Right(_)), "the name that is not answered came first");
    assert_eq!(destination.count(), 3);
}

#[actix::test]
async fn a_listener_of_ours_is_refused_on_its_port() {
    let ours = TestDestination::start();
    let address: SocketAddr = ours.url().trim_start_matches("http://").parse().unwrap();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], address.port()));
    for bound in [address, everywhere] {
        let rig = rig(EgressPolicy::default().loopback(true).own_listeners([bound]));
        let (code, message) = rig.failure(&ours.url()).await;
        assert_eq!(code, ErrorCode::HostUnreachable);
        assert_eq!(
            message,
            "127.0.0.1 is a listener of this gateway itself; to deliver there set egress.allow = [\"127.0.0.1/32\"]"
        );
    }
    assert_eq!(ours.count(), 0);
}

#[test]
fn this_machine_knows_its_addresses() {
    assert!(is_of_this_machine([127, 0, 0, 1].into()));
    assert!(!is_of_this_machine([192, 0, 2, 1].into()));
}
