//! raceguard-gotool
