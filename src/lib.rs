//! hookgate: an actor-model event gateway in one binary.
//!
//! It takes webhooks, keeps them on disk before it answers, and delivers each to every destination connected to
//! its source until the destination accepts it or its retries are used up.
//!
//! # Map
//!
//! | module | what it owns |
//! |---|---|
//! | [`domain`] | the words (source, destination, connection, request, event, attempt) and the decisions about them; pure |
//! | [`clock`] | time as an argument |
//! | [`store`] | the [`Store`](store::Store) trait; `local` keeps a journal and sled, `memory` a map for tests |
//! | [`transport`] | the [`Transport`](transport::Transport) trait: one delivery attempt over HTTP |
//! | [`config`] | settings and the environment |
//! | [`telemetry`] | log lines |
//! | `testkit` | peers of the gateway for black-box tests and benches (feature `test-util`) |
//! | [`app`], [`cli`] | composition and command line: the only places that name concrete types |
//!
//! Who may import whom, and why things are as they are: `CONTRIBUTING.md`; kept by `tests/tidy`.

pub mod actors;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod ingress;
pub mod query;
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "test-util"))]
pub mod testkit;
pub mod transport;
pub mod web;
