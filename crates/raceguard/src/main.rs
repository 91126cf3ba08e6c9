//! The raceguard command.
fn main() {}
