//! No file makes a parser panic, hang, or lose its bounds: random bytes, real files cut off at each byte, real files with
//! bytes changed.

mod foreign_support;

use std::io::{self, Read};

use foreign_support::{fixture, read_as};
use proptest::prelude::*;
use raceguard_evidence::foreign::{self, FORMATS};

/// Real files of the formats in text; each stands for its format.
fn samples() -> Vec<String> {
    let mut samples: Vec<String> = [
        "go1.22-deadlock.txt",
        "go1.27-dump.txt",
        "go1.27-race-test.txt",
        "go1.27-nil-map.txt",
        "go1.27-mutex.txt",
        "go1.22-goroutine.txt",
        "go1.27-heap.txt",
        "go1.27-coverage.txt",
    ]
    .map(fixture)
    .to_vec();
    let events = fixture("go1.27-race-test.json");
    samples.push(events.split_inclusive('\n').take(60).collect());
    let race = fixture("go1.27-race-test.txt").replace('&', "&amp;").replace('<', "&lt;");
    samples.push(format!(
        "<testsuites><testsuite name=\"m\" time=\"1\"><testcase classname=\"m\" name=\"T\"><failure>{}</failure></testcase></testsuite></testsuites>",
        &race[..2000]
    ));
    samples.push(
        r#"{"$schema":"sarif-2.1.0","runs":[{"tool":{"driver":{"name":"t","rules":[{"id":"R"}]}},"results":[{"ruleIndex":0,"message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a%20%e2.go"},"region":{"startLine":1}}}]}]}]}"#
            .to_owned(),
    );
    samples.push(
        r#"{"Issues":[{"FromLinter":"l","Text":"SA1: t","Pos":{"Filename":"f","Line":1}}]}"#.to_owned(),
    );
    samples.push("# m\n{\"m\":{\"a\":[{\"posn\":\"a.go:1:2\",\"message\":\"x\"}]}}\n".to_owned());
    samples.push(r#"{"schema":1,"kind":"exit","pid":1}"#.to_owned() + "\n");
    samples
}

/// Reads bytes as what they are recognised as, and as every format.
fn read_in_every_way(content: &[u8]) {
    let _ = read_as(content, None);
    for format in FORMATS {
        let _ = read_as(content, Some(format.name));
    }
}

#[test]
fn files_may_end_at_any_byte() {
    for sample in samples() {
        for end in 0..sample.len().min(1000) {
            let _ = read_as(&sample.as_bytes()[..end], None);
        }
        let whole = read_as(sample.as_bytes(), None).expect("a format");
        let name = whole.source.format.clone();
        for end in (0..sample.len()).step_by(211) {
            let _ = read_as(&sample.as_bytes()[..end], Some(&name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_bytes_are_survived(content in prop::collection::vec(any::<u8>(), 0..2000)) {
        read_in_every_way(&content);
    }

    #[test]
    fn changed_files_are_survived(
        which in 0..14_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        doubled in any::<prop::sample::Index>(),
    ) {
        let mut content = samples().swap_remove(which).into_bytes();
        for (place, byte) in &changes {
            let place = place.index(content.len());
            content[place] = *byte;
        }
        let tail = content[doubled.index(content.len())..].to_vec();
        content.truncate(cut.index(content.len()));
        content.extend(tail);
        read_in_every_way(&content);
    }
}

/// The same bytes again and again, without memory of their own.
struct Endless {
    pattern: &'static [u8],
    at: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.left);
        for byte in &mut buffer[..length] {
            *byte = self.pattern[self.at];
            self.at = (self.at + 1) % self.pattern.len();
        }
        self.left -= length;
        Ok(length)
    }
}

/// Peak memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn memory_does_not_grow_with_what_never_ends() {
    let before = peak_memory();
    for (format, pattern) in [
        ("go-output", &b"x"[..]),
        ("go-output", b"WARNING: DATA RACE\nWrite at 0x1 by goroutine 1:\n  a.b()\n      c.go:1 +0x1\n"),
        ("go-output", b"fatal error: concurrent map writes\n"),
        ("go-output", b"goroutine 1 [running]:\nmain.f()\n\t/a.go:1 +0x1\n"),
        ("go-test-json", b"{\"Action\":\"output\",\"Package\":\"p\",\"Output\":\"x\"}\n"),
        ("coverage", b"m/a.go:1.1,2.2 1 1\n"),
    ] {
        let mut raw = Endless { pattern, at: 0, left: 24 << 20 };
        let format = foreign::find(format);
        let read = foreign::read("s1", "endless", &mut raw, format, &mut |_| Ok(()), &mut |_| {});
        assert!(read.is_ok(), "{read:?}");
    }
    let grown = peak_memory() - before;
    assert!(grown < 48 << 20, "{} MiB", grown >> 20);
}
