//! One place for a fleet's evidence.
//!
//! Services, CI jobs and canaries send evidence over HTTP; the server keeps it, counts what it shows, and answers what
//! is broken now and what is new. It starts on a data folder alone: SQLite, one port, no other service.
//!
//! Invariants:
//!
//! - A record is acknowledged only when it is durable, and counted exactly once however often it is sent.
//! - Whoever reads sees a batch as a whole or not at all.
//! - Memory per request is bounded, whatever is sent: body, decompressed size, line, records.
//!
//! What is deliberately absent: parsing of evidence, which `raceguard-evidence` does.
//!
//! Start reading at [`server`], then [`http`], [`batch`], [`store`].

pub mod alerts;
pub mod audit;
pub mod backup;
pub mod batch;
pub mod body;
pub mod causes;
pub mod clock;
pub mod cluster;
pub mod destination;
pub mod digest;
pub mod events;
pub mod http;
pub mod intake;
pub mod limits;
pub mod live;
pub mod locks;
pub mod metrics;
pub mod origin;
pub mod otlp;
mod pages;
pub mod policies;
pub mod raw;
pub mod responses;
pub mod retention;
pub mod server;
pub mod slts;
pub mod store;
pub mod tasks;
pub mod tls;
pub mod token;
