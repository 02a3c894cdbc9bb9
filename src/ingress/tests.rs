//! The fan-out, and what is recorded of rejected requests.

use super::*;
use crate::domain::{
    ConfigItem, Connection, ConnectionId, DestinationId, HttpMethod, IgnoredCause, SourceId, SourceToken,
};
use crate::{
    clock::ManualClock,
    store::{
        faulty::{FaultyStore, Write},
        memory::MemoryStore,
    },
};

fn source() -> Source {
    Source {
        id: SourceId::from_bits(1),
        name: "shop".to_owned(),
        description: None,
        token: SourceToken::new("tok"),
        kind: "WEBHOOK".to_owned(),
        allowed_http_methods: vec![HttpMethod::Post],
        custom_response: None,
        disabled_at: None,
        deleted_at: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        version: 1,
    }
}

/// A configuration with connections from 0 on, those of `disabled` switched off.
fn connected(count: usize, disabled: &[u128]) -> Configuration {
    let mut configuration = Configuration::default();
    for number in (0..count).map(|number| number as u128) {
        configuration.put(ConfigItem::Connection(Connection {
            id: ConnectionId::from_bits(number),
            name: None,
            description: None,
            source_id: source().id,
            destination_id: DestinationId::from_bits(number + 100),
            rules: vec![],
            paused_at: None,
            unpaused_at: None,
            generation: 0,
            disabled_at: disabled.contains(&number).then_some(Timestamp::EPOCH),
            deleted_at: None,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            version: 1,
        }));
    }
    configuration
}

fn arrival(body: &'static [u8], received_at: Timestamp) -> Arrival {
    Arrival {
        received_at,
        method: "POST".to_owned(),
        path: String::new(),
        query: None,
        headers: vec![],
        body: Bytes::from_static(body),
        body_truncated: false,
        client_ip: None,
        permit: BodyBudget::new(0).permit(),
    }
}

/// What the store was asked to take of a request that went through an ingress of its own.
async fn routed(configuration: &Configuration) -> Result<NewRequest, IngressError> {
    let (ingress, store) = ingress();
    let arrival = arrival(b"", Timestamp::EPOCH);
    let accepted = ingress.accept(configuration, &source(), arrival).await;
    accepted.map(|_| store.asked().remove(0))
}

fn ingress() -> (Ingress, Arc<FaultyStore>) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(Timestamp::EPOCH));
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new(Arc::clone(&clock)))));
    (Ingress::new(store.clone(), clock, RequestIds, BodyBudget::new(BodyBudget::DEFAULT_BYTES)), store)
}

#[actix::test]
async fn a_request_goes_over_the_enabled_connections_in_order() {
    let new = routed(&connected(4, &[1])).await.unwrap();
    let to: Vec<_> = new.routes.iter().map(|route| (route.connection_id.bits(), route.destination_id.bits())).collect();
    assert_eq!((to, new.rejection), (vec![(0, 100), (2, 102), (3, 103)], None));
}

#[actix::test]
async fn a_request_that_nothing_listens_to_says_so() {
    assert_eq!(routed(&connected(0, &[])).await.unwrap().rejection, Some(RejectionCause::NoConnection));
}

#[actix::test]
async fn a_disabled_connection_ignores_a_request_and_does_not_reject_it() {
    let new = routed(&connected(2, &[0, 1])).await.unwrap();
    let causes: Vec<_> = new.ignored.iter().map(|ignored| (ignored.connection_id.bits(), ignored.cause)).collect();
    assert_eq!(causes, [(0, IgnoredCause::Disabled), (1, IgnoredCause::Disabled)]);
    assert_eq!((new.routes.len(), new.rejection), (0, None));
}

#[actix::test]
async fn a_fan_out_beyond_the_stores_limit_is_refused_whole() {
    assert_eq!(routed(&connected(ROUTES_MAX, &[])).await.unwrap().routes.len(), ROUTES_MAX);
    assert_eq!(
        routed(&connected(ROUTES_MAX + 1, &[])).await.unwrap_err(),
        IngressError::TooManyConnections(ROUTES_MAX + 1)
    );
}

/// One more than is kept.
static LONG: [u8; BODY_KEPT_BYTES_MAX + 1] = [b'x'; BODY_KEPT_BYTES_MAX + 1];

#[actix::test]
async fn the_beginning_of_a_rejected_body_is_kept_and_says_that_it_went_on() {
    let (ingress, store) = ingress();
    let cause = RejectionCause::PayloadTooLarge;
    let id = ingress.reject(&source(), cause, arrival(&LONG, Timestamp::EPOCH)).await.unwrap();
    ingress.reject(&source(), cause, arrival(&LONG[1..], Timestamp::EPOCH)).await.unwrap();
    let asked = store.asked();
    let kept = |new: &NewRequest| (new.request.body.len(), new.request.body_truncated, new.rejection);
    assert_eq!(kept(&asked[0]), (BODY_KEPT_BYTES_MAX, true, Some(cause)));
    assert_eq!(kept(&asked[1]), (BODY_KEPT_BYTES_MAX, false, Some(cause)));
    assert_eq!((asked[0].request.id, asked[0].routes.len(), asked[0].ignored.len()), (id, 0, 0));
}

#[actix::test]
async fn beyond_its_share_a_source_rejects_without_a_record() {
    let (ingress, store) = ingress();
    for number in 1..=150 {
        let id = ingress.reject(&source(), RejectionCause::SourceDisabled, arrival(b"", Timestamp::EPOCH)).await;
        assert_eq!(id.is_some(), number <= 100, "{number}");
    }
    let nothing = ingress.accept(&Configuration::default(), &source(), arrival(b"", Timestamp::EPOCH)).await;
    assert_eq!(nothing, Ok(None), "nothing listens, and that is counted with the others");
    assert_eq!(store.asked().len(), 100);
    let counted = ingress.rejections().unrecorded(source().id);
    assert_eq!(counted, [(RejectionCause::NoConnection, 1), (RejectionCause::SourceDisabled, 50)]);
    let later = arrival(b"", Timestamp::EPOCH.plus_ms(10));
    assert!(ingress.reject(&source(), RejectionCause::SourceDisabled, later).await.is_some());
}

#[actix::test]
async fn a_rejection_that_the_store_does_not_take_is_counted() {
    let (ingress, store) = ingress();
    store.fail(Write::Accept, 1, StoreError::DiskFull { low_bytes: 7 });
    let arrival = arrival(b"", Timestamp::EPOCH);
    assert_eq!(ingress.reject(&source(), RejectionCause::UnparsableJson, arrival).await, None);
    assert_eq!(ingress.rejections().unrecorded(source().id), [(RejectionCause::UnparsableJson, 1)]);
}

#[actix::test]
async fn a_rejection_waits_for_its_record_no_longer_than_an_accepted_request() {
    tokio::time::pause();
    let (ingress, store) = ingress();
    store.hold();
    let begun = tokio::time::Instant::now();
    let arrival = arrival(b"", Timestamp::EPOCH);
    assert_eq!(ingress.reject(&source(), RejectionCause::UnparsableJson, arrival).await, None);
    assert_eq!(begun.elapsed().as_millis(), COMMIT_WAIT_MAX.as_millis() + 1, "a timer ends on a full millisecond");
    assert_eq!(ingress.rejections().unrecorded(source().id), [(RejectionCause::UnparsableJson, 1)]);
}
