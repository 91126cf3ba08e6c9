//! Style, scripts and pictures of the pages, inside the binary.
//!
//! Their addresses hold the hash of all of them (`/assets/HASH/NAME`), so a browser keeps them for ever and modules find
//! each other by plain relative names.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use raceguard_evidence::hex::hex;

/// A file.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        asset!($name, $kind, $name)
    };
    ($name:literal, $kind:expr, $path:literal) => {
        Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../assets/", $path)) }
    };
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 8] = [
    asset!("app.css", CSS),
    asset!("app.js", SCRIPT),
    asset!("charts.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("times.js", SCRIPT),
    asset!("icon.svg", "image/svg+xml"),
    asset!("uplot.css", CSS, "vendor/uplot.css"),
    asset!("uplot.js", SCRIPT, "vendor/uplot.js"),
];

static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in &ASSETS {
        hash.update(asset.name.as_bytes());
        hash.update((asset.bytes.len() as u64).to_le_bytes());
        hash.update(asset.bytes);
    }
    hex(&hash.finalize()[..8])
});

/// Where the assets of this build lie.
pub(super) fn base() -> String {
    format!("/assets/{}", *HASH)
}

/// `GET /assets/{hash}/{name}`.
pub(crate) async fn get(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // During an upgrade a page of another build may ask; it gets ours, for this once.
    let keep = if hash == *HASH { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, keep)], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_address_of_this_build_is_kept_for_ever() {
        let ask = async |hash: &str, name: &str| get(Path((hash.to_owned(), name.to_owned()))).await;
        let current = ask(&HASH, "app.js").await;
        assert!(current.headers()[CACHE_CONTROL].to_str().expect("text").contains("immutable"));
        assert_eq!(ask("0000", "app.js").await.headers()[CACHE_CONTROL], "no-cache");
        assert_eq!(ask(&HASH, "../Cargo.toml").await.status(), StatusCode::NOT_FOUND);
    }
}
