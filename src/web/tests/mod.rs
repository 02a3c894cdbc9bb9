//! Both listeners over real sockets, with the store in memory and a directory that decides as the real one does.

mod api;
mod ingest;
mod kit;
mod refusals;
