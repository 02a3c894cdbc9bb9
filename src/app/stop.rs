//! The end: what begins it, and the order in which everything that runs is stopped.
//!
//! ```text
//! signal ─► not ready any more, requests are still taken (stop.delay_ms) ─► ingress (finish what is being acknowledged)
//!        ─► deliveries (grace) ─► live streams ─► API ─► store
//! ```

use std::{io, sync::atomic::Ordering, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::Application;
use crate::{actors::Drained, store::Store as _};

/// What asks the process to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// When the operating system will not have it.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// How much time a stop takes at most, by part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Requests are still taken.
    pub(super) delay: Duration,
    /// For attempts in flight.
    pub(super) grace: Duration,
}

impl Application {
    /// Waits for a signal, then stops everything in the order in which it depends on each other.
    ///
    /// # Errors
    ///
    /// When a listener ended by itself: then the rest is stopped as well.
    pub(super) async fn run_until_stopped(mut self, patience: Patience) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = self.signals.next() => None,
            error = self.ingress.ended() => Some(error),
            error = self.api.ended() => Some(error),
        };
        self.stopping.store(true, Ordering::Relaxed);
        self.notifier.tell("STOPPING=1");
        if failed.is_none() {
            self.wait_for_balancers(patience.delay).await;
        }
        let drained = self.stop_all(patience.grace).await?;
        tracing::info!(unfinished = drained.unfinished, "stopped");
        failed.map_or(Ok(()), Err)
    }

    /// Goes on as before, but for readiness, so that whoever sends requests here learns of the stop before it happens.
    async fn wait_for_balancers(&mut self, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        tracing::info!(
            delay_ms = delay.as_millis(),
            "told to stop: not ready any more, requests are taken for a while"
        );
        tokio::select! {
            () = sleep(delay) => {}
            () = self.signals.next() => tracing::info!("a second signal: the delay is skipped"),
        }
    }

    async fn stop_all(mut self, grace: Duration) -> anyhow::Result<Drained> {
        tracing::info!(grace_ms = grace.as_millis(), "stopping: what is in flight may finish, the rest stays queued");
        let (gateway, ingress, api, live) = (self.gateway, self.ingress, self.api, self.live);
        let stopping = async move {
            ingress.stop().await;
            let drained = gateway.drain(grace).await;
            // They have no end of their own, and the listener waits for what it answers.
            live.end();
            api.stop().await;
            drained
        };
        let drained = tokio::select! {
            drained = stopping => drained,
            () = self.signals.next() => {
                tracing::warn!("one more signal: stopping at once; everything acknowledged is on disk");
                Drained { unfinished: 0 }
            }
        };
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await?;
        Ok(drained)
    }
}
