//! Signatures of messages: HMAC-SHA256, in the three ways that receivers want it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use raceguard_evidence::hex::hex;

/// What Lark wants in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LarkSignature {
    /// Seconds since the Unix epoch.
    pub(super) timestamp: String,
    /// Base64.
    pub(super) sign: String,
}

/// Lark's: the key is `TIMESTAMP\nSECRET`, and what is signed is empty.
pub(super) fn lark(secret: &str, now_s: i64) -> LarkSignature {
    let sign = STANDARD.encode(hmac(&format!("{now_s}\n{secret}"), b""));
    LarkSignature { timestamp: now_s.to_string(), sign }
}

/// `DingTalk`'s, as part of a query: `TIMESTAMP\nSECRET` is signed with the secret, milliseconds since the Unix epoch.
pub(super) fn dingtalk(secret: &str, now_ms: i64) -> String {
    let sign = STANDARD.encode(hmac(secret, format!("{now_ms}\n{secret}").as_bytes()));
    let sign = sign.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("timestamp={now_ms}&sign={sign}")
}

/// Ours: the body, as `sha256=HEX`, the way GitHub's webhooks have it.
pub(super) fn generic(secret: &str, body: &str) -> String {
    format!("sha256={}", hex(&hmac(secret, body.as_bytes())))
}

fn hmac(key: &str, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .unwrap_or_else(|error| unreachable!("a key may have any length: {error}"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of `openssl dgst -sha256 -hmac` over the same texts.
    #[test]
    fn each_is_what_openssl_makes() {
        assert_eq!(generic("key", "The quick brown fox jumps over the lazy dog"), FOX);
        assert_eq!(lark("secret", 1_700_000_000).sign, LARK);
        assert_eq!(dingtalk("secret", 1_700_000_000_000), DINGTALK);
    }

    const FOX: &str = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    const LARK: &str = "fiWS2+gh28DOydAv7hzONH/mDn9+b1Y4Y5ivXWXy8vA=";
    const DINGTALK: &str =
        "timestamp=1700000000000&sign=OuzzJR5%2BxZ4%2FEYwqtNt6sMYZQMTa%2FHEGvc9miJe7XzY%3D";
}
