//! Memory for requests: those being read, committed and offered to deliveries count together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many bytes of requests are in memory, and how many may be (`ingress.body_memory_bytes`).
#[derive(Debug, Clone)]
pub struct BodyBudget {
    limit: u64,
    used: Arc<AtomicU64>,
}

impl BodyBudget {
    /// Where the setting is not given: 128 MiB, an eighth of a small machine.
    pub const DEFAULT_BYTES: u64 = 128 * 1024 * 1024;

    /// Allows `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, used: Arc::default() }
    }

    /// A permit for nothing yet.
    #[must_use]
    pub fn permit(&self) -> BodyPermit {
        BodyPermit { budget: self.clone(), bytes: 0 }
    }

    /// Whether bodies may stay for deliveries: those have half. Destinations that hang must not take what senders need.
    #[must_use]
    pub fn has_room_for_deliveries(&self) -> bool {
        self.used() <= self.limit / 2
    }

    /// Bytes held at this moment.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A share of the budget; dropping it gives it back.
#[derive(Debug)]
pub struct BodyPermit {
    budget: BodyBudget,
    bytes: u64,
}

impl BodyPermit {
    /// Takes `more` bytes; takes none and returns false when they would pass the limit.
    pub fn grow(&mut self, more: usize) -> bool {
        let more = more as u64;
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|sum| *sum <= self.budget.limit)
        });
        if taken.is_ok() {
            self.bytes += more;
        }
        taken.is_ok()
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_share_a_limit_and_give_back_what_they_took() {
        let budget = BodyBudget::new(100);
        let (mut one, mut other) = (budget.permit(), budget.permit());
        assert!(one.grow(60) && other.grow(40));
        assert!(!other.grow(1), "101 of 100");
        assert!(!budget.has_room_for_deliveries());
        assert_eq!(budget.used(), 100);
        drop(one);
        assert_eq!(budget.used(), 40);
        assert!(budget.has_room_for_deliveries());
        assert!(other.grow(60) && !other.grow(usize::MAX));
        drop(other);
        assert_eq!(budget.used(), 0);
    }
}
