//! Where text and evidence go: stderr or `log_path.PID`, and the file named by `RACEGUARD_EVIDENCE`.
//!
//! Every record is one write to a file opened for appending, so that many processes can share it and nothing is
//! lost when the process dies right after.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicI32, Ordering};

use super::json::Line;
use crate::{budget, context, goroutine, memory, options, sys};

const CLOSED: i32 = -1;
const UNUSABLE: i32 = -2;
static TEXT: AtomicI32 = AtomicI32::new(CLOSED);
static EVIDENCE: AtomicI32 = AtomicI32::new(UNUSABLE);

/// Opens the evidence file, if one is asked for, and writes the process's first record.
pub fn open() {
    let Some(path) = &options::get().evidence else { return };
    let fd = sys::open_append(path);
    if fd < 0 {
        sys::write_all(2, b"raceguard: cannot open the evidence file named in RACEGUARD_EVIDENCE; reports go to stderr only\n");
        return;
    }
    EVIDENCE.store(fd as i32, Ordering::Release);
    let mut line = Line::new("process");
    let mut buffer = [0u8; 4096];
    line.string("executable", &lossy(sys::read_link(b"/proc/self/exe\0", &mut buffer)));
    line.string("cwd", &lossy(sys::read_link(b"/proc/self/cwd\0", &mut buffer)));
    let words = options::read_file(b"/proc/self/cmdline\0").unwrap_or_default();
    line.field("args", |line| line.array(arguments(&words), |line, word| line.quoted(&lossy(word))));
    evidence(&line.finish());
}

/// The words of a command line, each with a NUL behind it, but for the program's name.
fn arguments(words: &[u8]) -> impl Iterator<Item = &[u8]> {
    words.strip_suffix(&[0]).unwrap_or(words).split(|&byte| byte == 0).skip(1)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes one line of evidence.
pub fn evidence(line: &str) {
    let fd = EVIDENCE.load(Ordering::Acquire);
    if fd >= 0 && !sys::write_all(fd, line.as_bytes()) && EVIDENCE.swap(UNUSABLE, Ordering::AcqRel) >= 0 {
        sys::write_all(
            2,
            b"raceguard: writing evidence failed (is the disk full?); further reports go to stderr only\n",
        );
    }
}

/// Writes report text where GORACE wants it.
pub fn text(text: &str) {
    let mut fd = TEXT.load(Ordering::Acquire);
    if fd == CLOSED {
        fd = open_log();
        TEXT.store(fd, Ordering::Release);
    }
    sys::write_all(fd, text.as_bytes());
}

fn open_log() -> i32 {
    let Some(path) = &options::get().log_path else { return 2 };
    if path == b"stdout" {
        return 1;
    }
    let full = format!("{}.{}\0", lossy(path), sys::process_id());
    let fd = sys::open_truncate(full.as_bytes());
    if fd >= 0 {
        return fd as i32;
    }
    sys::write_all(2, b"raceguard: cannot open the file named by log_path in GORACE; reporting to stderr\n");
    2
}

/// The last words of a process.
pub fn close(races: u32) {
    let mut line = Line::new("exit");
    line.number("races", u64::from(races));
    line.number("goroutines", u64::from(goroutine::started()));
    line.number("contexts", u64::from(context::count()));
    line.number("shadow_bytes", budget::shadow() as u64);
    line.number("runtime_bytes", memory::mapped_bytes() as u64);
    evidence(&line.finish());
    if races > 0 {
        text(&format!("Found {races} data race(s)\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_without_the_name_of_the_program() {
        let of = |words: &'static [u8]| arguments(words).map(lossy).collect::<Vec<_>>();
        assert_eq!(of(b"./app\0-v\0\0last one\0"), ["-v", "", "last one"]);
        assert!(of(b"./app\0").is_empty() && of(b"").is_empty());
    }
}
