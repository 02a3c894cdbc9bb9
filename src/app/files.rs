//! How many files the process may have open, and how many of them clients get.
//!
//! Without a share of their own, clients that only connect would leave none for the journal and for deliveries.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open whatever happens: runtimes, listeners, journal, state.
const OWN_FILES: u64 = 60;
/// Where the system sets no limit, and above it: more connections than one process serves.
const FILES_MAX: u64 = 1 << 20;
/// Of what is left: senders get half, clients of the API an eighth; deliveries and reads of bodies have the rest.
const INGRESS_SHARE: u64 = 2;
const API_SHARE: u64 = 8;

/// Connections that are accepted at a time; more wait in the system's queue until one closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connections {
    ingress: u64,
    api: u64,
}

impl Connections {
    /// Raises the process's limit as far as it may, and shares it out.
    pub(super) fn share_out() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        let limit = if raised.is_ok() { maximum } else { current };
        let shared = Self::of(limit.unwrap_or(FILES_MAX));
        tracing::debug!(limit, ingress = shared.ingress, api = shared.api, "open files were shared out");
        shared
    }

    fn of(limit: u64) -> Self {
        let left = limit.min(FILES_MAX).saturating_sub(OWN_FILES);
        Self { ingress: left / INGRESS_SHARE, api: left / API_SHARE }
    }

    /// For each worker of the ingress listener; one at least.
    pub(super) fn of_ingress_worker(self, workers: usize) -> usize {
        each(self.ingress, workers)
    }

    /// For each worker of the API's listener; one at least.
    pub(super) fn of_api_worker(self, workers: usize) -> usize {
        each(self.api, workers)
    }
}

fn each(connections: u64, workers: usize) -> usize {
    usize::try_from(connections).unwrap_or(usize::MAX).checked_div(workers).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_all_files_and_always_get_one() {
        for limit in [0, 1, OWN_FILES, 64, 1024, 1 << 19, u64::MAX] {
            let shared = Connections::of(limit);
            assert!(shared.ingress + shared.api <= limit.saturating_sub(OWN_FILES).min(FILES_MAX) * 5 / 8, "{limit}");
            assert!(shared.of_ingress_worker(8) >= 1 && shared.of_api_worker(1) >= 1, "{limit}");
        }
        assert_eq!(Connections::of(1024), Connections { ingress: 482, api: 120 });
        assert_eq!(Connections::of(1024).of_ingress_worker(2), 241);
    }
}
