//! Durable writes of many blocked writers, beside a naive group commit.

mod compare;
mod naive;

pub(crate) use compare::{Figure, compare};
