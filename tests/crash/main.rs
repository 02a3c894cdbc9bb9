//! The real binary, killed and damaged on purpose: what was acknowledged is delivered, whatever happens in between.
//!
//! Real time and real I/O. Every check is on facts at the destination and in the API: which numbers arrived, how often,
//! what is listed afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod clients;
mod damage;
mod descriptors;
mod destinations;
mod disk;
mod documents;
mod fixture;
mod injection;
mod isolation;
mod journal_damage;
mod journal_tail;
mod kill;
mod memory;
mod one_process;
mod power_cut;
mod rig;
mod state;
mod support;
mod upgrade;
