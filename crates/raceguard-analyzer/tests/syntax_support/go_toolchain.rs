//! The Go toolchain, as a peer and as test material.

use std::path::PathBuf;
use std::process::Command;

/// GOROOT of the Go on PATH.
///
/// # Panics
///
/// Without Go: these tests need it.
pub(crate) fn goroot() -> PathBuf {
    let output = go(&["env", "GOROOT"]);
    PathBuf::from(String::from_utf8(output).expect("GOROOT is UTF-8").trim())
}

/// What `go` prints when called with these arguments.
pub(crate) fn go(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("go")
        .args(arguments)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .output()
        .expect("these tests need Go on PATH");
    assert!(output.status.success(), "go {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
