//! raceguard-runtime
