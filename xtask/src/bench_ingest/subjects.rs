//! What is measured: files of each format, at three sizes, and the tools that read the same.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::toolchain::Go;

/// A kind of file.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Three sizes, in what [`Self::label`] says.
    pub(super) sizes: [u64; 3],
    pub(super) label: fn(u64) -> String,
    /// Makes a file of a size.
    pub(super) generate: fn(&Path, u64, &Go) -> Result<(), Failure>,
    /// What else reads the same file.
    pub(super) peer: Option<Peer>,
    pub(super) target: Option<Target>,
}

/// A tool of Go's that reads the same file.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) command: fn(&Go, &Path) -> Command,
}

/// What is aimed at.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// Megabytes each second, at the largest size.
    Throughput(u32),
    /// Time for the size at the place given here.
    Time(usize, Duration),
}

/// Formats in text; a format of Go's tools adds its line, its generator, and the tool.
pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "log without findings",
        sizes: MEGABYTES,
        label: megabytes,
        generate: |path, size, _| lines(path, size, |_| None),
        peer: None,
        target: Some(Target::Throughput(300)),
    },
    Subject {
        name: "log with a race in each MB",
        sizes: MEGABYTES,
        label: megabytes,
        generate: |path, size, _| lines(path, size, |line| line.is_multiple_of(10_000).then_some(RACE)),
        peer: None,
        target: Some(Target::Throughput(300)),
    },
    Subject {
        name: "race reports and nothing else",
        sizes: [4, 16, 64],
        label: megabytes,
        generate: |path, size, _| repeated(path, size, "", |_| RACE.concat()),
        peer: None,
        target: Some(Target::Throughput(300)),
    },
    Subject {
        name: "goroutine dump",
        sizes: [1_000, 10_000, 100_000],
        label: |count| format!("{} goroutines", crate::measure::thousands(count)),
        generate: |path, count, _| goroutines(path, count),
        peer: None,
        target: Some(Target::Time(1, Duration::from_millis(100))),
    },
    Subject {
        name: "go test -json",
        sizes: [4, 16, 64],
        label: megabytes,
        generate: |path, size, _| repeated(path, size, "", event),
        peer: None,
        target: None,
    },
    Subject {
        name: "coverage profile",
        sizes: [4, 16, 64],
        label: megabytes,
        generate: |path, size, _| repeated(path, size, "mode: set\n", block),
        peer: None,
        target: None,
    },
    Subject {
        name: "mutex profile in text",
        sizes: [1, 4, 16],
        label: megabytes,
        generate: |path, size, _| {
            repeated(path, size, "--- mutex:\ncycles/second=2596116815\nsampling period=1\n", sample)
        },
        peer: Some(Peer { name: "go tool pprof -raw", command: pprof_raw }),
        target: None,
    },
];

const MEGABYTES: [u64; 3] = [16, 64, 256];

fn megabytes(size: u64) -> String {
    format!("{size} MB")
}

const RACE: &[&str] = &[
    "==================\n",
    "WARNING: DATA RACE\n",
    "Write at 0x00c00009cfc0 by goroutine 9:\n",
    "  runtime.mapassign_faststr()\n",
    "      /usr/local/go/src/internal/runtime/maps/runtime_faststr.go:261 +0x0\n",
    "  example.com/bench/counter.(*Counter).Add()\n",
    "      /home/ci/bench/counter/counter.go:7 +0xf8\n",
    "\n",
    "Previous read at 0x00c00009cfc0 by goroutine 7:\n",
    "  runtime.mapaccess1_faststr()\n",
    "      /usr/local/go/src/internal/runtime/maps/runtime_faststr.go:115 +0x17\n",
    "  example.com/bench/counter.(*Counter).Get()\n",
    "      /home/ci/bench/counter/counter.go:8 +0x1ef\n",
    "\n",
    "Goroutine 9 (running) created at:\n",
    "  example.com/bench/counter.Run()\n",
    "      /home/ci/bench/counter/counter.go:10 +0xf3\n",
    "\n",
    "Goroutine 7 (finished) created at:\n",
    "  main.main()\n",
    "      /home/ci/bench/main.go:10 +0xf3\n",
    "==================\n",
];

/// A log of one container, about 100 bytes a line; `insert` puts lines of the program in.
fn lines(
    path: &Path,
    megabytes: u64,
    insert: impl Fn(u64) -> Option<&'static [&'static str]>,
) -> Result<(), Failure> {
    write_file(path, |out| {
        let (mut written, mut line) = (0, 0);
        while written < megabytes * 1_000_000 {
            line += 1;
            let (second, nanosecond) = (line / 1000 % 60, line % 1000 * 1_000_003 % 1_000_000_000);
            let head = format!("2026-11-20T13:14:{second:02}.{nanosecond:09}Z stderr F ");
            let text = format!(
                "{head}level=info msg=\"request served\" id={line} path=/v1/pay status=200 took=1.{line}ms\n"
            );
            out.write_all(text.as_bytes())?;
            written += text.len() as u64;
            for text in insert(line).into_iter().flatten() {
                out.write_all(head.as_bytes())?;
                out.write_all(text.as_bytes())?;
                written += (head.len() + text.len()) as u64;
            }
        }
        Ok(())
    })
}

/// A file of pieces that differ by their number.
fn repeated(path: &Path, megabytes: u64, head: &str, piece: impl Fn(u64) -> String) -> Result<(), Failure> {
    write_file(path, |out| {
        out.write_all(head.as_bytes())?;
        let (mut written, mut number) = (0, 0);
        while written < megabytes * 1_000_000 {
            let text = piece(number);
            out.write_all(text.as_bytes())?;
            written += text.len() as u64;
            number += 1;
        }
        Ok(())
    })
}

/// A dump of a server: most goroutines wait at one of a few places, every fiftieth stands at a place of its own.
fn goroutines(path: &Path, count: u64) -> Result<(), Failure> {
    write_file(path, |out| {
        writeln!(out, "fatal error: all goroutines are asleep - deadlock!\n")?;
        for id in 1..=count {
            let place = if id % 50 == 0 { id } else { id % 7 };
            let lock = 0x00c0_0001_0000 + id % 7 * 16;
            write!(
                out,
                "goroutine {id} [sync.Mutex.Lock, {} minutes]:\n\
                 internal/sync.runtime_SemacquireMutex(0x0?, 0x0?, 0x0?)\n\t/usr/local/go/src/runtime/sema.go:95 +0x25\n\
                 internal/sync.(*Mutex).lockSlow({lock:#x})\n\t/usr/local/go/src/internal/sync/mutex.go:149 +0x15a\n\
                 sync.(*Mutex).Lock(...)\n\t/usr/local/go/src/sync/mutex.go:46\n\
                 example.com/bench/store.(*Store).Put({lock:#x}, {{0x{id:x}, 0x8}})\n\t/home/ci/bench/store/store.go:{place} +0x31\n\
                 example.com/bench/api.(*Server).handle(0xc0000{id:x})\n\t/home/ci/bench/api/server.go:88 +0x1f2\n\
                 created by example.com/bench/api.(*Server).Serve in goroutine 1\n\t/home/ci/bench/api/server.go:41 +0x6b\n\n",
                id % 60
            )?;
        }
        Ok(())
    })
}

fn event(number: u64) -> String {
    format!(
        "{{\"Time\":\"2026-11-20T13:16:05.{:09}Z\",\"Action\":\"output\",\"Package\":\"example.com/bench/p{}\",\"Test\":\"TestOrder/case_{}\",\
         \"Output\":\"    order_test.go:{}: checked \\\"total\\\" of order {number}\\n\"}}\n",
        number % 1_000_000_000,
        number / 20_000,
        number / 100 % 50,
        number % 500
    )
}

fn block(number: u64) -> String {
    let (file, line) = (number / 400 % 2000, number % 400 * 3);
    format!("example.com/bench/pkg/file{file}.go:{line}.14,{}.2 2 {}\n", line + 2, number % 3)
}

fn sample(number: u64) -> String {
    let (function, line) = (number % 5000, number % 900);
    let (inner, outer) = (0x40_0000 + function * 64, 0x80_0000 + line * 64);
    format!(
        "{} 3 @ {inner:#x} {outer:#x}\n#\t{inner:#x}\texample.com/bench/store.f{function}+0x91\t/home/ci/bench/store/store.go:{line}\n\
         #\t{outer:#x}\texample.com/bench/api.serve{line}+0x19\t/home/ci/bench/api/api.go:{line}\n\n",
        number * 1000 + 1
    )
}

fn pprof_raw(go: &Go, file: &Path) -> Command {
    let mut command = go.command();
    command.args(["tool", "pprof", "-raw"]).arg(file);
    command
}

fn write_file(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        content(&mut out)?;
        out.flush()
    });
    written.map_err(|error| Failure::file("write", path, &error))
}
