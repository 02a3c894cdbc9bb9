//! The same on several threads and in real time: what virtual time cannot show.

use super::*;
use crate::clock::SystemClock;

#[actix::test]
async fn connections_on_arbiters_deliver_everything_once() {
    const CONNECTIONS: u128 = 4;
    const REQUESTS: u128 = 500;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let transport = ScriptedTransport::new();
    let drawn = AtomicU64::new(1);
    let (milestones, mut reached) = Milestones::channel();
    let handle = Engine {
        store: Arc::clone(&store),
        clock,
        transport: Arc::new(transport.clone()),
        settings: DeliverySettings::default(),
        arbiters: 2,
        milestones,
        bulk: bulk::settings(),
        dice: Arc::new(move || drawn.fetch_add(1, Ordering::Relaxed)),
    }
    .start();
    tokio::task::yield_now().await;
    let mut routes = Vec::new();
    let mut source_id = SourceId::from_bits(0);
    for n in 0..CONNECTIONS {
        let new = new_connection(&format!("c{n}"), "https://a.example/", vec![]);
        let applied = handle.apply(Command::CreateConnection(new), Author::Gateway).await.unwrap();
        let connection = applied.changed.iter().find_map(|item| match item {
            ConfigItem::Connection(connection) => Some(connection.clone()),
            _ => None,
        });
        let connection = connection.unwrap();
        source_id = connection.source_id;
        routes.push(Route { connection_id: connection.id, destination_id: connection.destination_id, generation: 0 });
    }
    for n in 1..=REQUESTS {
        let request = Request {
            id: RequestId::from_parts(T0, n << 40),
            source_id,
            received_at: T0,
            method: "POST".to_owned(),
            path: String::new(),
            query: None,
            headers: Vec::new(),
            body: Bytes::from_static(b"{}"),
            body_truncated: false,
            client_ip: None,
        };
        let new = NewRequest {
            request: Arc::new(request),
            routes: routes.clone(),
            first_index: 0,
            documents: Vec::new(),
            ignored: Vec::new(),
            rejection: None,
            body_permit: None,
        };
        store.accept(new).await.unwrap();
    }
    let mut settled = 0;
    while settled < CONNECTIONS * REQUESTS {
        settled += u128::from(matches!(reached.recv().await, Some(Milestone::Settled(_))));
    }
    assert_eq!(transport.sent().len() as u128, CONNECTIONS * REQUESTS);
    assert_eq!(handle.drain(Duration::from_secs(5)).await.unfinished, 0);
}
