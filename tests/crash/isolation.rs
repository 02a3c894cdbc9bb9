//! A destination that hangs holds up nobody else. Counts, not times.

use hookgate::testkit::{Answer, NumberedBody, PATIENCE, TestDestination};
use serde_json::json;

use crate::support::launch;

/// What the hanging connection has in flight, and a few more that must wait.
const HANGING: usize = 200;
const WAITING: usize = 50;
/// Through the healthy connection meanwhile.
const HEALTHY: usize = 300;

#[test]
fn two_hundred_hanging_attempts_leave_another_connection_unaffected() {
    let data = tempfile::tempdir().unwrap();
    let (hanging, healthy) = (TestDestination::start(), TestDestination::start());
    hanging.answer_always(Answer::Hang);
    let gateway = launch(data.path()).setting("delivery.concurrency", &HANGING.to_string()).start();
    let client = gateway.client();
    let stuck = client.connect("stuck", &hanging.url(), &json!([]));
    let fine = client.connect("fine", &healthy.url(), &json!([]));

    for number in 0..HANGING + WAITING {
        drop(client.ingest(&stuck, &NumberedBody::numbered(number as u64)));
    }
    drop(hanging.wait_for(HANGING, PATIENCE));
    for number in 0..HEALTHY {
        drop(client.ingest(&fine, &NumberedBody::numbered(number as u64)));
    }
    drop(healthy.wait_for(HEALTHY, PATIENCE));
    assert_eq!(hanging.count(), HANGING, "the limit of attempts in flight does not hold");

    hanging.answer_always(Answer::Status(200));
    hanging.release();
    drop(hanging.wait_for(HANGING + WAITING, PATIENCE));
    assert!(hanging.arrivals().values().all(|times| *times == 1));
    assert!(healthy.arrivals().values().all(|times| *times == 1));
}
