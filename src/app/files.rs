//! How many files the process may have open, and how many of them clients get.
//!
//! Without a share of their own, clients that only connect would leave none for the journal and for deliveries.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::listeners::Capacity;

/// Files that are open whatever happens: runtimes, listeners, journal, state.
const OWN_FILES: u64 = 60;
/// Where the system sets no limit, and above it: more connections than one process serves.
const FILES_MAX: u64 = 1 << 20;
/// Below this, people are told: one balancer's or a few destinations' connections may use up what a side gets.
const FILES_FEW: u64 = 4096;
/// Of what is left: senders get half, clients of the API an eighth; deliveries and reads of bodies have the rest.
const INGRESS_SHARE: u64 = 2;
const API_SHARE: u64 = 8;

/// Of the deliveries' part, half may be kept idle: a host may have more than one connection.
const IDLE_SHARE: u64 = 2;
/// Hosts with idle connections per arbiter, however many files there are: each costs memory as well.
const IDLE_HOSTS_MAX: usize = 4096;

/// Connections that are accepted at a time; more wait in the system's queue until one closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connections {
    ingress: u64,
    api: u64,
    deliveries: u64,
}

impl Connections {
    /// Raises the process's limit as far as it may, and shares it out.
    pub(super) fn share_out() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        let limit = if raised.is_ok() { maximum } else { current };
        let limit = limit.unwrap_or(FILES_MAX);
        let shared = Self::of(limit);
        let (ingress, api) = (shared.ingress, shared.api);
        if limit < FILES_FEW {
            tracing::warn!(
                limit,
                ingress,
                api,
                "few files may be open at a time, so few connections are accepted: raise LimitNOFILE or `ulimit -Hn`"
            );
        } else {
            tracing::debug!(limit, ingress, api, "open files were shared out");
        }
        shared
    }

    fn of(limit: u64) -> Self {
        let left = limit.min(FILES_MAX).saturating_sub(OWN_FILES);
        let (ingress, api) = (left / INGRESS_SHARE, left / API_SHARE);
        Self { ingress, api, deliveries: left - ingress - api }
    }

    /// For the ingress listener; each worker gets one at least.
    pub(super) fn of_ingress(self, workers: usize) -> Capacity {
        each(self.ingress, workers)
    }

    /// For the API's listener; each worker gets one at least.
    pub(super) fn of_api(self, workers: usize) -> Capacity {
        each(self.api, workers)
    }

    /// Hosts to which each arbiter may keep idle connections; one at least.
    pub(super) fn idle_hosts_of_arbiter(self, arbiters: usize) -> usize {
        each(self.deliveries / IDLE_SHARE, arbiters).connections.min(IDLE_HOSTS_MAX)
    }
}

fn each(connections: u64, workers: usize) -> Capacity {
    let connections = usize::try_from(connections).unwrap_or(usize::MAX).checked_div(workers).unwrap_or(0).max(1);
    Capacity { workers, connections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_all_files_and_always_get_one() {
        for limit in [0, 1, OWN_FILES, 64, 1024, 1 << 19, u64::MAX] {
            let shared = Connections::of(limit);
            assert!(shared.ingress + shared.api <= limit.saturating_sub(OWN_FILES).min(FILES_MAX) * 5 / 8, "{limit}");
            assert!(shared.of_ingress(8).connections >= 1 && shared.of_api(1).connections >= 1, "{limit}");
        }
        assert_eq!(Connections::of(1024), Connections { ingress: 482, api: 120, deliveries: 362 });
        assert_eq!(Connections::of(1024).idle_hosts_of_arbiter(2), 90);
        assert_eq!(Connections::of(1024).of_ingress(2).connections, 241);
    }
}
