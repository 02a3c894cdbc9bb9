//! Where deliveries may go, and how names are found.

use hookgate::testkit::{Launch, NameAnswer, PATIENCE, TestDestination, TestNameServer};
use serde_json::{Value, json};

use crate::harness::{TestGateway, id};

/// Delivers once to this URL; gives the only attempt, with what is kept of it.
fn failed_attempt(gateway: &TestGateway, url: &str) -> Value {
    let event = deliver(gateway, url, "FAILED");
    let attempts = gateway.attempts(&id(&event));
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    gateway.get(&format!("/attempts/{}", id(&attempts[0])))
}

/// Connects to this URL and sends a body there until its event has this status.
fn deliver(gateway: &TestGateway, url: &str, status: &str) -> Value {
    let name = url.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
    let flow = gateway.connect(&name, url, &json!([]));
    gateway.deliver(&flow, b"{}", status)
}

#[track_caller]
fn assert_failed(attempt: &Value, code: &str, message: &str) {
    assert_eq!(attempt["error_code"], code, "{attempt}");
    let actual = attempt["error_message"].as_str().unwrap();
    assert!(actual.contains(message), "{message:?} is not in {actual:?}");
}

fn asking(names: &TestNameServer) -> impl FnOnce(Launch) -> Launch {
    let address = names.address().to_string();
    move |launch| launch.setting("egress.nameservers", &address)
}

/// The destination's URL, under another host.
fn under(host: &str, destination: &TestDestination) -> String {
    destination.url().replace("127.0.0.1", host)
}

#[test]
fn this_machine_may_be_delivered_to_while_ingress_listens_on_loopback() {
    let gateway = TestGateway::start();
    let destination = TestDestination::start();
    for host in ["127.0.0.1", "localhost", "0x7f.1"] {
        deliver(&gateway, &under(host, &destination), "SUCCESSFUL");
    }
    assert_eq!(destination.count(), 3);
}

#[test]
fn this_machine_is_refused_once_ingress_listens_elsewhere_and_the_attempt_says_what_would_allow_it() {
    let gateway = TestGateway::with(Launch::ingress_on_every_address);
    let destination = TestDestination::start();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let attempt = failed_attempt(&gateway, &under(host, &destination));
        assert_failed(&attempt, "HOST_UNREACHABLE", "127.0.0.1 is a loopback address");
        assert_failed(&attempt, "HOST_UNREACHABLE", "set egress.allow = [\"127.0.0.1/32\"]");
    }
    assert_eq!(destination.count(), 0);
}

#[test]
fn what_is_listed_is_delivered_to() {
    let destination = TestDestination::start();
    let names = TestNameServer::start();
    names.addresses("internal.test", &["127.0.0.1"]);
    let gateway = TestGateway::with(|launch| {
        let launch = launch.ingress_on_every_address().setting("egress.allow", "10.0.0.0/8, internal.test");
        asking(&names)(launch)
    });
    deliver(&gateway, &under("internal.test", &destination), "SUCCESSFUL");
    assert_failed(&failed_attempt(&gateway, &destination.url()), "HOST_UNREACHABLE", "127.0.0.1 is a loopback address");
    assert_eq!(destination.count(), 1);
}

#[test]
fn metadata_and_private_addresses_are_refused_by_default() {
    let gateway = TestGateway::start();
    for (url, message) in [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local address"),
        ("http://10.0.0.1/", "set egress.allow = [\"10.0.0.1/32\"]"),
        ("http://[fd00:ec2::254]/", "fd00:ec2::254 is the address of a metadata service"),
    ] {
        assert_failed(&failed_attempt(&gateway, url), "HOST_UNREACHABLE", message);
    }
}

#[test]
fn the_gateways_own_listeners_are_refused() {
    for everywhere in [false, true] {
        let gateway = TestGateway::with(|launch| {
            if everywhere { launch.ingress_on_every_address().setting("egress.allow", "127.0.0.0/8") } else { launch }
        });
        for address in [gateway.ingress, gateway.address] {
            let attempt = failed_attempt(&gateway, &format!("http://{address}/{everywhere}"));
            assert_failed(&attempt, "HOST_UNREACHABLE", "127.0.0.1 is a listener of this gateway itself");
        }
    }
}

#[test]
fn each_way_a_lookup_can_fail_has_its_name() {
    let names = TestNameServer::start();
    names.addresses("no-address.test", &[]);
    names.set("broken.test", NameAnswer::Failure);
    let gateway = TestGateway::with(asking(&names));
    for (host, code, message) in [
        ("missing.test", "NOT_FOUND", "missing.test does not exist or has no address"),
        ("no-address.test", "NOT_FOUND", "no-address.test does not exist or has no address"),
        ("broken.test", "DNS_LOOKUP_FAILED", "broken.test could not be looked up: "),
    ] {
        assert_failed(&failed_attempt(&gateway, &format!("http://{host}/")), code, message);
    }
}

#[test]
fn a_lookup_has_a_time_limit_of_its_own() {
    let names = TestNameServer::start();
    names.set("silent.test", NameAnswer::Silence);
    let gateway = TestGateway::with(|launch| asking(&names)(launch.setting("egress.dns_timeout_ms", "500")));
    let attempt = failed_attempt(&gateway, "http://silent.test/");
    assert_failed(&attempt, "DNS_LOOKUP_FAILED", "no answer from the name servers within 500 ms");
}

#[test]
fn a_name_that_is_not_answered_does_not_delay_other_destinations() {
    let names = TestNameServer::start();
    names.set("silent.test", NameAnswer::Silence);
    names.addresses("fine.test", &["127.0.0.1"]);
    let destination = TestDestination::start();
    // The lookup outlasts the test: nothing that waits for it gets done.
    let gateway = TestGateway::with(|launch| asking(&names)(launch.setting("egress.dns_timeout_ms", "300000")));
    let silent = gateway.connect("silent", "http://silent.test/", &json!([]));
    let fine = gateway.connect("fine", &under("fine.test", &destination), &json!([]));
    let held: Vec<String> = (0..50).map(|_| gateway.ingest(&silent, b"{}")).collect();
    for _ in 0..5 {
        gateway.deliver(&fine, b"{}", "SUCCESSFUL");
    }
    assert_eq!(destination.wait_for(5, PATIENCE).len(), 5);
    // They are all still under way, and share one question of each kind.
    assert_eq!(gateway.events(&format!("webhook_id={}&status=QUEUED", silent.connection_id)).len(), held.len());
    assert!((1..=8).contains(&names.asked("silent.test")), "{}", names.asked("silent.test"));
}
