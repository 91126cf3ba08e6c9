//! Servers that tests and benches start for themselves: PostgreSQL and NATS, on ports of this machine that are free.
//!
//! Their programs come from Debian's packages `postgresql` and `nats-server`; [`postgres::programs`] and
//! [`nats::program`] say where they are. Whatever is started ends with the process that started it, however that ends, and
//! its folder goes. Nothing here is part of the product; what can't be had is a panic, which fails the test.

pub mod nats;
pub mod postgres;
pub mod process;
