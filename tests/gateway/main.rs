//! Every feature through the front door: the real binary, real sockets, a destination under the test's control.
//!
//! Each test has a gateway and a directory of its own. They know routes and wire shapes only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod archive;
mod attempts;
mod bulk;
mod delivery;
mod disabling;
mod egress;
mod failures;
mod harness;
mod headers;
mod ingress;
mod listeners;
mod listing;
mod live;
mod manual;
mod pausing;
mod querying;
mod refusals;
mod requests;
mod resuming;
mod retrying;
mod slow_clients;
mod start;
mod stopping;
mod tls;
mod tls_errors;
