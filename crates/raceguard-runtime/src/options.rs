//! What the environment asks of the runtime: `GORACE` as in stock Go, `RACEGUARD`, `RACEGUARD_EVIDENCE`.
//!
//! The environment is read from /proc/self/environ: the runtime starts before Go has parsed its own.

use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::report::suppression::{self, Suppression};
use crate::{budget, sampling, sys};

/// Options with their defaults.
pub struct Options {
    /// `log_path`: write reports to `path.PID` and not to stderr.
    pub log_path: Option<Vec<u8>>,
    /// `exitcode`: of the process when races were found.
    pub exit_code: i32,
    /// `strip_path_prefix`: dropped from file names up to and including its first occurrence.
    pub strip_path_prefix: Vec<u8>,
    /// `halt_on_error`: end the process after the first report.
    pub halt_on_error: bool,
    /// `atexit_sleep_ms`: wait this long at exit for late races. Stock Go waits a second unless told not to.
    pub at_exit_sleep_ms: u64,
    /// `suppressions`: what the file of that name says.
    pub suppressions: Vec<Suppression>,
    /// `RACEGUARD=sample=1%`: the share of time to record accesses in.
    pub sample: f64,
    /// `RACEGUARD=memory_limit=2GiB`: bytes after which the runtime economises.
    pub memory_limit: Option<usize>,
    /// Keys or values of `RACEGUARD` that were not understood.
    pub misunderstood: Vec<u8>,
    /// `RACEGUARD_EVIDENCE`: where records go, as a NUL-terminated path.
    pub evidence: Option<Vec<u8>>,
}

static OPTIONS: AtomicPtr<Options> = AtomicPtr::new(core::ptr::null_mut());

/// The options of this process. Reads the environment the first time.
pub fn get() -> &'static Options {
    let known = OPTIONS.load(Ordering::Acquire);
    if let Some(options) = NonNullOptions::of(known) {
        return options;
    }
    let fresh = Box::into_raw(Box::new(Options::from_environment(&environment())));
    OPTIONS.store(fresh, Ordering::Release);
    NonNullOptions::of(fresh).unwrap_or_else(|| sys::fatal("no memory for options", "free some memory"))
}

struct NonNullOptions;

impl NonNullOptions {
    fn of(pointer: *mut Options) -> Option<&'static Options> {
        // SAFETY: null, or leaked by `get` and never changed again.
        unsafe { pointer.as_ref() }
    }
}

fn environment() -> Vec<u8> {
    read_file(b"/proc/self/environ\0").unwrap_or_default()
}

/// The contents of a file, up to 16 MB.
pub fn read_file(path: &[u8]) -> Option<Vec<u8>> {
    let fd = sys::open_read(path);
    if fd < 0 {
        return None;
    }
    let mut contents = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let n = sys::read(fd as i32, &mut chunk);
        if n <= 0 || contents.len() > 16 << 20 {
            break;
        }
        contents.extend_from_slice(&chunk[..n.cast_unsigned()]);
    }
    sys::close(fd as i32);
    Some(contents)
}

impl Options {
    fn defaults() -> Self {
        Self {
            log_path: None,
            exit_code: 66,
            strip_path_prefix: Vec::new(),
            halt_on_error: false,
            at_exit_sleep_ms: 0,
            suppressions: Vec::new(),
            sample: 1.0,
            memory_limit: None,
            misunderstood: Vec::new(),
            evidence: None,
        }
    }

    /// Options from an environment block: NUL-separated `NAME=value` entries.
    pub fn from_environment(block: &[u8]) -> Self {
        let mut options = Self::defaults();
        for entry in block.split(|&byte| byte == 0) {
            if let Some(value) = entry.strip_prefix(b"GORACE=") {
                for_each_flag(value, |name, value| options.set_gorace(name, value));
            } else if let Some(value) = entry.strip_prefix(b"RACEGUARD=") {
                for_each_flag(value, |name, value| options.set_raceguard(name, value));
            } else if let Some(value) = entry.strip_prefix(b"RACEGUARD_EVIDENCE=") {
                options.evidence = (!value.is_empty()).then(|| with_nul(value));
            }
        }
        options
    }

    fn set_raceguard(&mut self, name: &[u8], value: &[u8]) {
        let understood = match name {
            b"sample" => sampling::parse_rate(value).map(|rate| self.sample = rate),
            b"memory_limit" => budget::parse_size(value).map(|bytes| self.memory_limit = Some(bytes)),
            _ => None,
        };
        if understood.is_none() {
            for part in [name, b"=", value, b" "] {
                self.misunderstood.extend_from_slice(part);
            }
        }
    }

    /// Puts the options into force that other modules keep, and says what was not understood.
    pub fn apply(&self) {
        sampling::start(self.sample);
        if let Some(bytes) = self.memory_limit {
            budget::limit(bytes);
        }
        if !self.misunderstood.is_empty() {
            sys::write_all(2, b"raceguard: ignored in RACEGUARD: ");
            sys::write_all(2, &self.misunderstood);
            sys::write_all(2, b"\n  hint: it takes sample=1% and memory_limit=2GiB, separated by commas\n");
        }
    }

    fn set_gorace(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"log_path" => self.log_path = (value != b"stderr").then(|| value.to_vec()),
            b"exitcode" => self.exit_code = number(value).map_or(66, |n| n as i32),
            b"strip_path_prefix" => self.strip_path_prefix = value.to_vec(),
            b"halt_on_error" => self.halt_on_error = is_true(value),
            b"atexit_sleep_ms" => self.at_exit_sleep_ms = number(value).unwrap_or(0),
            b"suppressions" => self.suppressions = read_suppressions(value),
            // history_size has no meaning here: the history is unbounded. Others are TSan's own.
            _ => {}
        }
    }
}

fn with_nul(path: &[u8]) -> Vec<u8> {
    let mut path = path.to_vec();
    path.push(0);
    path
}

/// Calls `action` for each `name=value`, separated as ThreadSanitizer does: by space, comma, colon, newline or
/// tab; a value may be quoted.
fn for_each_flag<'a>(mut text: &'a [u8], mut action: impl FnMut(&'a [u8], &'a [u8])) {
    let is_separator = |byte: &u8| matches!(byte, b' ' | b',' | b':' | b'\n' | b'\t' | b'\r');
    loop {
        while text.first().is_some_and(is_separator) {
            text = &text[1..];
        }
        let Some(equals) = text.iter().position(|&byte| byte == b'=') else { return };
        let name = &text[..equals];
        text = &text[equals + 1..];
        let value = if let Some(&quote @ (b'"' | b'\'')) = text.first() {
            text = &text[1..];
            let end = text.iter().position(|&byte| byte == quote).unwrap_or(text.len());
            let value = &text[..end];
            text = &text[(end + 1).min(text.len())..];
            value
        } else {
            let end = text.iter().position(is_separator).unwrap_or(text.len());
            let value = &text[..end];
            text = &text[end..];
            value
        };
        action(name, value);
    }
}

fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn is_true(text: &[u8]) -> bool {
    matches!(text, b"1" | b"true" | b"yes")
}

fn read_suppressions(path: &[u8]) -> Vec<Suppression> {
    let Some(contents) = read_file(&with_nul(path)) else {
        sys::write_all(2, b"raceguard: cannot read the suppressions file named in GORACE\n");
        return Vec::new();
    };
    suppression::parse(&contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gorace_is_understood_as_stock_go_does() {
        let block =
            b"HOME=/\0GORACE=log_path=/tmp/race:exitcode=13 halt_on_error=1,strip_path_prefix='/a b/'\0X=1\0";
        let options = Options::from_environment(block);
        assert_eq!(options.log_path.as_deref(), Some(&b"/tmp/race"[..]));
        assert_eq!((options.exit_code, options.halt_on_error), (13, true));
        assert_eq!(options.strip_path_prefix, b"/a b/");
        assert_eq!(options.at_exit_sleep_ms, 0, "no second's sleep unless asked for");
    }

    #[test]
    fn raceguard_s_own_options() {
        let options = Options::from_environment(b"RACEGUARD=sample=1%,memory_limit=2GiB,speed=9\0");
        assert_eq!((options.sample, options.memory_limit), (0.01, Some(2 << 30)));
        assert_eq!(options.misunderstood, b"speed=9 ");
    }

    #[test]
    fn rubbish_is_survived() {
        for text in [&b"GORACE="[..], b"GORACE==", b"GORACE=exitcode=x", b"GORACE=a='", b"GORACE", b""] {
            assert_eq!(Options::from_environment(text).exit_code, 66);
        }
    }
}
