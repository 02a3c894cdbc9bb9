//! What the actors are built from, handed in by the composition root.

use std::{sync::Arc, time::Duration};

use actix::{Actor, Addr};

use super::{
    bulk::BulkSettings, gateway::GatewayActor, handle::GatewayHandle, milestone::Milestones, registry::Registry,
};
use crate::{clock::Clock, domain::Timestamp, store::Store, transport::TransportFactory};

/// Where random numbers come from: fresh ids and the jitter of retries.
pub type Dice = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How deliveries are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// For a whole attempt: resolving, connecting, sending, head and body of the answer.
    pub timeout: Duration,
    /// Attempts under way on one connection at most.
    pub concurrency: usize,
    /// What our headers start with; inbound headers that start so are not forwarded. Lower case.
    pub header_prefix: String,
    /// The API's address without a slash at its end, for links to events.
    pub api_url: String,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            concurrency: 64,
            header_prefix: "x-hookgate-".to_owned(),
            api_url: "http://127.0.0.1:8081".to_owned(),
        }
    }
}

/// Everything that the actors need of the world.
pub struct Engine {
    /// Keeps everything.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Builds the way out, once on each arbiter.
    pub transport: Arc<dyn TransportFactory>,
    /// How deliveries are made.
    pub settings: DeliverySettings,
    /// How bulk operations are run.
    pub bulk: BulkSettings,
    /// Threads that connections are spread over; with 0 everything runs on the thread that starts it.
    pub arbiters: usize,
    /// Where milestones go.
    pub milestones: Milestones,
    /// Ids and jitter.
    pub dice: Dice,
}

impl Engine {
    /// Starts the actors; must be called inside an actix system. Deliveries begin when the store is ready.
    #[must_use]
    pub fn start(self) -> GatewayHandle {
        let store = Arc::clone(&self.store);
        // Until the orderly end says otherwise.
        store.set_idle(false);
        let registry = Arc::new(Registry::default());
        // Before any reading, so that what is committed from now on is either offered or found.
        store.listen(Arc::clone(&registry) as Arc<dyn crate::store::CommitListener>);
        let engine = Arc::new(self);
        let gateway: Addr<GatewayActor> = GatewayActor::new(Arc::clone(&engine), Arc::clone(&registry)).start();
        GatewayHandle { engine, registry, shutdown: gateway.recipient() }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A sample in 0..1.
    pub(crate) fn jitter(&self) -> f64 {
        /// Bits of a double's mantissa.
        const BITS: u32 = 53;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let sample = ((self.dice)() >> (64 - BITS)) as f64 / (1u64 << BITS) as f64;
        sample
    }

    /// 128 random bits.
    pub(crate) fn random(&self) -> u128 {
        (u128::from((self.dice)()) << 64) | u128::from((self.dice)())
    }
}
