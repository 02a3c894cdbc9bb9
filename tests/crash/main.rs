//! The real binary, killed and damaged on purpose: what was acknowledged is delivered, whatever happens in between.
//!
//! Real time and real I/O. Every check is on facts at the destination and in the API: which numbers arrived, how often,
//! what is listed afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod isolation;
mod journal_tail;
mod kill;
mod one_process;
mod state;
mod support;
