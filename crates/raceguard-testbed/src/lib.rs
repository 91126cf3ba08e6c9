//! Servers that tests and benches start for themselves: PostgreSQL and NATS, on ports of this machine that are free.
//!
//! Their programs come from Debian's packages `postgresql` and `nats-server`; [`postgres::programs`] and
//! [`nats::program`] say where they are. Whatever is started ends with the process that started it, however that ends, and
//! its folder goes. Nothing here is part of the product; what can't be had is a panic, which fails the test.
#![allow(clippy::missing_panics_doc, reason = "everything here panics when it can't be had, as said above")]

pub mod nats;
pub mod postgres;
pub mod process;
