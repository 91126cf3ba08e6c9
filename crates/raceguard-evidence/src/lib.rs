//! raceguard-evidence
