//! Sending evidence to a server.

pub mod client;
pub mod connection;
pub mod error;
