//! Formats what was changed, with the user's own `gofmt` where there is one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use raceguard_analyzer::source::Environment;

/// The program, on PATH or in GOROOT.
pub(super) fn find(environment: &Environment) -> Option<PathBuf> {
    let in_goroot = environment.goroot.iter().map(|goroot| goroot.join("bin"));
    let folders = environment.path.iter().cloned().chain(in_goroot);
    folders.map(|folder| folder.join("gofmt")).find(|program| program.is_file())
}

/// The new content, formatted if the old one was; else as it is, so that a fix changes nothing but what it mends.
pub(super) fn formatted(program: &Path, old: &[u8], new: Arc<[u8]>) -> Arc<[u8]> {
    match format(program, old) {
        Some(text) if text == old => format(program, &new).map_or(new, Into::into),
        _ => new,
    }
}

fn format(program: &Path, text: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let text = text.to_vec();
    // Fed from another thread: gofmt may write before it has read everything.
    let feeder = std::thread::spawn(move || input.write_all(&text));
    let output = child.wait_with_output().ok()?;
    feeder.join().ok()?.ok()?;
    output.status.success().then_some(output.stdout)
}
