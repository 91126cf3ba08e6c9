//! Hashes by which policies and revisions are known.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first 8 bytes of the SHA-256 in lower-case hex: enough to tell revisions apart.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes).iter().take(8) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
