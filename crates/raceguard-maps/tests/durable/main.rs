//! The durable layer: crashes, failing disks, damaged logs, bad input.

#![cfg(unix)]

mod crashes;
mod damage;
mod disk;
mod opening;
mod random;
