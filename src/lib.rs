//! hookgate: an actor-model event gateway in one binary.

pub mod clock;
pub mod domain;
pub mod store;
#[cfg(any(test, feature = "test-util"))]
pub mod testkit;
pub mod transport;
