//! Speaking with a server: evidence goes there, questions are answered.

pub mod api;
pub mod client;
pub mod connection;
pub mod error;
pub mod source_text;
