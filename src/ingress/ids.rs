//! Ids of requests: the time of arrival and 80 random bits.

use std::cell::RefCell;

use crate::domain::{RequestId, Timestamp};

/// Random bytes fetched at a time: one system call for a hundred requests.
const POOL_BYTES: usize = 1000;
/// Random bytes of an id.
const ID_BYTES: usize = 10;

thread_local! {
    /// Unused random bytes of this worker, taken from the end.
    static POOL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Draws ids of requests from the operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestIds;

impl RequestIds {
    /// An id for a request that arrived at `at`.
    ///
    /// # Panics
    ///
    /// When the operating system has no randomness: no id would be safe then.
    #[must_use]
    pub fn next(self, at: Timestamp) -> RequestId {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < ID_BYTES {
                pool.resize(POOL_BYTES, 0);
                getrandom::fill(pool).expect("the operating system has randomness");
            }
            let random = pool.drain(pool.len() - ID_BYTES..).fold(0u128, |bits, byte| bits << 8 | u128::from(byte));
            RequestId::from_parts(at, random)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_carry_the_time_and_never_repeat() {
        let at = Timestamp::from_ms(1_800_000_000_000);
        let ids: HashSet<RequestId> = (0..10_000).map(|_| RequestIds.next(at)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.time() == at));
    }
}
