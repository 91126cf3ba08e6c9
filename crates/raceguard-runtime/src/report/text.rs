//! The report as ThreadSanitizer prints it (compiler-rt/lib/tsan/rtl/tsan_report.cpp, the Go branches), because
//! many tools read that text.

use alloc::string::String;
use core::fmt::Write;

use super::symbols::Frame;
use super::{Access, Report};

const MAIN_GOROUTINE: u32 = 1;

/// The whole report between its two lines of equal signs.
pub(super) fn render(report: &Report, strip_path_prefix: &str) -> String {
    let mut out = String::from("==================\nWARNING: DATA RACE");
    write_access(&mut out, &report.accesses[0], ["Read", "Write"], strip_path_prefix);
    write_access(&mut out, &report.accesses[1], ["Previous read", "Previous write"], strip_path_prefix);
    for (index, access) in report.accesses.iter().enumerate() {
        let first_mention = index == 0 || report.accesses[0].goroutine != access.goroutine;
        if access.goroutine == Some(MAIN_GOROUTINE) || !first_mention {
            continue;
        }
        let state = if access.finished { "finished" } else { "running" };
        let _ = write!(out, "\nGoroutine {} ({state}) created at:\n", access.goroutine.unwrap_or(0));
        if let Some(created_at) = access.creation.first() {
            write_stack(&mut out, created_at, strip_path_prefix);
        }
    }
    out.push_str("==================\n");
    out
}

fn write_access(out: &mut String, access: &Access, verbs: [&str; 2], strip: &str) {
    let verb = verbs[usize::from(access.is_write)];
    let _ = match access.goroutine {
        Some(MAIN_GOROUTINE) => write!(out, "\n{verb} at {:#014x} by main goroutine:\n", access.address),
        number => write!(out, "\n{verb} at {:#014x} by goroutine {}:\n", access.address, number.unwrap_or(0)),
    };
    write_stack(out, &access.frames, strip);
}

fn write_stack(out: &mut String, stack: &[Frame], strip: &str) {
    if stack.is_empty() {
        out.push_str("  [failed to restore the stack]\n");
    }
    for frame in stack {
        let _ = write!(
            out,
            "  {}()\n      {}:{} +{:#x}\n",
            frame.function,
            strip_prefix(&frame.file, strip),
            frame.line,
            frame.offset
        );
    }
}

/// Drops everything up to and including the first occurrence of `prefix`.
fn strip_prefix<'a>(file: &'a str, prefix: &str) -> &'a str {
    if prefix.is_empty() {
        return file;
    }
    let stripped = file.find(prefix).map_or(file, |at| &file[at + prefix.len()..]);
    stripped.strip_prefix("./").unwrap_or(stripped)
}
