//! The durable layer: crashes, failing disks, damaged logs, bad input.

#![cfg(unix)]

mod crashes;
mod disk;
mod random;
