//! What can happen to a store, and how often it does.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
};

use super::CONNECTIONS;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request arrives.
    Accept { source: u64, connections: Vec<u64> },
    /// A request with a large fan-out arrives: enough to fill blocks.
    Burst { routes: u64 },
    /// The last request arrives again.
    Repeat,
    /// A pending event was tried.
    Try { event: Index, outcome: Outcome },
    /// Somebody asks for a retry; its place in the queue is this much from now.
    Retry { event: Index, later_ms: u64 },
    /// Somebody cancels a pending event.
    Cancel { event: Index },
    /// Somebody who looked too long ago wants to change an event.
    Stale { event: Index, ahead: u32 },
    /// A connection is made, paused or unpaused.
    Pause { connection: u64, paused: bool },
    /// A connection is disabled, and enabled again: what it has pending is cancelled.
    Cut { connection: u64 },
    /// Time passes.
    Advance { ms: u64 },
    /// The machine's clock is set back.
    SetBack { ms: u64 },
    /// See [`Subject`](super::super::Subject).
    Settle,
    /// See [`Subject`](super::super::Subject).
    Reopen,
    /// See [`Subject`](super::super::Subject).
    Crash,
}

/// How a try ended.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Accepted.
    Success,
    /// Refused, and no retry left.
    Failure,
    /// No answer, and no retry left.
    Silence,
    /// Refused, and to be retried so much later.
    Wait(u64),
}

/// What is asked after a step.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// Which filter.
    pub(super) filter: Index,
    /// How long the pages are.
    pub(super) limit: usize,
    /// Which connection's queue.
    pub(super) connection: u64,
    /// Due so much later than now.
    pub(super) later_ms: u64,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Success),
        1 => Just(Outcome::Failure),
        1 => Just(Outcome::Silence),
        3 => (0u64..4_000).prop_map(Outcome::Wait),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let event = any::<Index>;
    prop_oneof![
        20 => (0..2u64, vec(0..CONNECTIONS, 0..=4)).prop_map(|(source, connections)| Step::Accept { source, connections }),
        1 => (200..700u64).prop_map(|routes| Step::Burst { routes }),
        1 => Just(Step::Repeat),
        20 => (event(), outcomes()).prop_map(|(event, outcome)| Step::Try { event, outcome }),
        6 => (event(), 0..5_000u64).prop_map(|(event, later_ms)| Step::Retry { event, later_ms }),
        4 => event().prop_map(|event| Step::Cancel { event }),
        2 => (event(), 0..3u32).prop_map(|(event, ahead)| Step::Stale { event, ahead }),
        5 => (0..CONNECTIONS, any::<bool>()).prop_map(|(connection, paused)| Step::Pause { connection, paused }),
        2 => (0..CONNECTIONS).prop_map(|connection| Step::Cut { connection }),
        10 => (0..1_500u64).prop_map(|ms| Step::Advance { ms }),
        1 => (0..3_000u64).prop_map(|ms| Step::SetBack { ms }),
        3 => Just(Step::Settle),
        2 => Just(Step::Reopen),
        3 => Just(Step::Crash),
    ]
}

fn probes() -> impl Strategy<Value = Probe> {
    (any::<Index>(), 1..8usize, 0..CONNECTIONS, 0..5_000u64).prop_map(|(filter, limit, connection, later_ms)| Probe {
        filter,
        limit,
        connection,
        later_ms,
    })
}

/// Histories of at most this many steps, with a question after each.
pub(super) fn histories(steps_max: usize) -> impl Strategy<Value = Vec<(Step, Probe)>> {
    vec((steps(), probes()), 1..=steps_max)
}
