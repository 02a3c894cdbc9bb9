//! What the overlay keeps of requests, chunk by chunk.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Arrivals, CHUNK_REQUESTS, ROW_BYTES};
use crate::{
    domain::{RequestId, SourceId, Timestamp},
    store::{PayloadRef, RequestSummary},
};

#[test]
fn the_books_of_the_overlay_balance() {
    let bytes: Arc<AtomicUsize> = Arc::default();
    let mut arrivals = Arrivals::new(Arc::clone(&bytes));
    let row = |segment, offset| RequestSummary {
        payload_ref: PayloadRef(segment, offset),
        id: RequestId::from_bits(u128::from(offset)),
        source_id: SourceId::from_bits(1),
        received_at: Timestamp::EPOCH,
        created_at: Timestamp::EPOCH,
        rejection: None,
        events: 1,
        ignored: 0,
    };
    let full = u64::try_from(CHUNK_REQUESTS).unwrap();
    for offset in (0..=full).chain([full, 3]) {
        arrivals.add(row(1, offset));
    }
    arrivals.add(row(2, 0));
    let held = |count: usize| count * ROW_BYTES;
    assert_eq!(bytes.load(Ordering::Relaxed), held(CHUNK_REQUESTS + 2), "twice is once");
    assert_eq!(arrivals.snapshot().values().map(|rows| rows.len()).collect::<Vec<_>>(), [CHUNK_REQUESTS, 1, 1]);
    assert!(arrivals.has_full());
    let due = arrivals.to_write(false);
    assert_eq!(due.iter().map(|rows| rows.len()).collect::<Vec<_>>(), [CHUNK_REQUESTS, 1], "one grows");
    due.iter().for_each(|rows| arrivals.written(rows[0].payload_ref, rows.len()));
    assert_eq!(bytes.load(Ordering::Relaxed), held(1));
    assert_eq!((arrivals.to_write(false).len(), arrivals.to_write(true).len()), (0, 1));
    arrivals.written(PayloadRef(2, 0), 1);
    assert_eq!(arrivals.to_write(true).len(), 0, "nothing of it is new");
    assert_eq!(bytes.load(Ordering::Relaxed), 0, "what sled has as well is not in anybody's way");
    arrivals.add(row(2, 9));
    assert_eq!(arrivals.to_write(true)[0].len(), 2, "it is written whole again");
    arrivals.add(row(3, 0));
    arrivals.written(PayloadRef(2, 0), 1);
    assert_eq!(arrivals.snapshot().len(), 2, "what was written was not all of it");
    assert_eq!(bytes.load(Ordering::Relaxed), held(3));
    arrivals.forget(|segment, _| segment < 4);
    assert_eq!(bytes.load(Ordering::Relaxed), 0);
}
