//! Both listeners over real sockets, with the store in memory and a gateway that delivers over HTTP.

mod access;
mod api;
mod bulk;
mod configuring;
mod documents;
mod end_to_end;
mod ingest;
mod kit;
mod querying;
mod refusals;
mod rejections;
mod requests;
mod resending;
mod stats;
mod versions;
