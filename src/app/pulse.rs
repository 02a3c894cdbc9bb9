//! Whether threads still get round to what they are given: each beats, and who wonders looks whether all of them have.
//!
//! Decides nothing: that a thread does not beat is told to the service manager by keeping quiet.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::sleep;

/// The pulse of several threads.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    interval: Duration,
    /// One mark a thread; it goes with the thread's runtime.
    marks: Arc<Mutex<Vec<Weak<AtomicBool>>>>,
}

impl Pulse {
    /// Of threads that beat so often.
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, marks: Arc::default() }
    }

    /// Lets the current thread beat for as long as it runs its tasks.
    pub(super) fn start(&self) {
        let (mark, interval) = (Arc::new(AtomicBool::new(true)), self.interval);
        self.marks.lock().push(Arc::downgrade(&mark));
        actix_web::rt::spawn(async move {
            loop {
                mark.store(true, Ordering::Relaxed);
                sleep(interval).await;
            }
        });
    }

    /// Whether every thread that still exists has beaten since this was asked last.
    pub(super) fn is_steady(&self) -> bool {
        let mut steady = true;
        self.marks.lock().retain(|mark| {
            let mark = mark.upgrade();
            steady &= mark.as_ref().is_none_or(|mark| mark.swap(false, Ordering::Relaxed));
            mark.is_some()
        });
        steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than a busy machine keeps a thread waiting.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn steady(pulse: &Pulse) {
        let beaten = async {
            while !pulse.is_steady() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, beaten).await.unwrap();
    }

    #[actix::test]
    async fn a_thread_that_is_kept_busy_is_noticed_until_it_goes_on() {
        let pulse = Pulse::every(Duration::from_millis(5));
        pulse.start();
        for _ in 0..3 {
            steady(&pulse).await;
            // Nothing else has run on this thread since.
            assert!(!pulse.is_steady());
        }
    }

    #[actix::test]
    async fn a_thread_that_has_ended_is_not_waited_for() {
        let pulse = Pulse::every(Duration::from_millis(5));
        let other = actix::Arbiter::new();
        let (starts, (started, begun)) = (pulse.clone(), tokio::sync::oneshot::channel());
        other.spawn_fn(move || {
            starts.start();
            started.send(()).unwrap();
        });
        begun.await.unwrap();
        assert_eq!(pulse.marks.lock().len(), 1);
        other.stop();
        tokio::task::spawn_blocking(move || other.join().unwrap()).await.unwrap();
        assert!(pulse.is_steady() && pulse.is_steady());
        assert!(pulse.marks.lock().is_empty());
    }
}
