//! What is measured: evidence of three kinds, at three sizes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::measure::thousands;
use crate::process;
use crate::toolchain::Go;
use crate::workspace;

/// A kind of evidence.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) sizes: [u64; 3],
    /// A size in words.
    pub(super) label: fn(u64) -> String,
    /// Makes a file of a size.
    pub(super) generate: fn(&Path, u64, &Go) -> Result<(), Failure>,
    /// The most CPU time for the largest size.
    pub(super) limit: Option<Duration>,
}

/// All of them.
pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "race reports",
        sizes: [1_000, 10_000, 100_000],
        label: |count| format!("{} reports", thousands(count)),
        generate: |path, count, _| races(path, count),
        limit: Some(Duration::from_secs(5)),
    },
    Subject {
        name: "dumps of 10,000 goroutines",
        sizes: [10, 100, 1_000],
        label: |count| format!("{} dumps", thousands(count)),
        generate: |path, count, _| dumps(path, count),
        limit: None,
    },
    Subject {
        name: "execution trace",
        sizes: [20, 100, 500],
        label: |megabytes| format!("{megabytes} MB"),
        generate: trace,
        limit: None,
    },
];

/// Reports of 2,000 different races on 200 types, as a container's log would hold them one after the other.
fn races(path: &Path, count: u64) -> Result<(), Failure> {
    write_file(path, |out| {
        for report in 0..count {
            let race = report * 7_919 % 2_000;
            let (store, method) = (race / 10, race % 10);
            let (other, package) = ((race * 3 + 1) % 10, store / 20);
            let (writer, reader, address) = (report + 9, report + 7, report % 997);
            write!(
                out,
                "==================\nWARNING: DATA RACE\n\
                 Write at 0x00c0{address:04x}cfc0 by goroutine {writer}:\n  runtime.mapassign_faststr()\n      \
                 /usr/local/go/src/internal/runtime/maps/runtime_faststr.go:261 +0x0\n  \
                 example.com/bench/p{package}.(*Store{store}).Put{method}()\n      /home/ci/bench/p{package}/store{store}.go:{} +0xf8\n  \
                 example.com/bench/api.(*Server).handle{}()\n      /home/ci/bench/api/server.go:88 +0x1f2\n\n\
                 Previous read at 0x00c0{address:04x}cfc0 by goroutine {reader}:\n  runtime.mapaccess1_faststr()\n      \
                 /usr/local/go/src/internal/runtime/maps/runtime_faststr.go:115 +0x17\n  \
                 example.com/bench/p{package}.(*Store{store}).Get{other}()\n      /home/ci/bench/p{package}/store{store}.go:{} +0x1ef\n\n\
                 Goroutine {writer} (running) created at:\n  example.com/bench/api.Serve()\n      /home/ci/bench/api/server.go:10 +0xf3\n\n\
                 Goroutine {reader} (finished) created at:\n  main.main()\n      /home/ci/bench/main.go:10 +0xf3\n==================\n",
                20 + method * 10,
                race % 7,
                220 + other * 10
            )?;
        }
        Ok(())
    })
}

/// Dumps of a server of 10,000 goroutines: most wait at one of a few places, every fiftieth stands at a place of its own.
fn dumps(path: &Path, count: u64) -> Result<(), Failure> {
    let goroutine = |id: u64| {
        let place = if id.is_multiple_of(50) { id } else { id % 7 };
        let lock = 0x00c0_0001_0000 + id % 7 * 16;
        format!(
            "goroutine {id} [sync.Mutex.Lock, {} minutes]:\n\
             internal/sync.runtime_SemacquireMutex(0x0?, 0x0?, 0x0?)\n\t/usr/local/go/src/runtime/sema.go:95 +0x25\n\
             internal/sync.(*Mutex).lockSlow({lock:#x})\n\t/usr/local/go/src/internal/sync/mutex.go:149 +0x15a\n\
             sync.(*Mutex).Lock(...)\n\t/usr/local/go/src/sync/mutex.go:46\n\
             example.com/bench/store.(*Store).Put({lock:#x}, {{0x{id:x}, 0x8}})\n\t/home/ci/bench/store/store.go:{place} +0x31\n\
             example.com/bench/api.(*Server).handle(0xc0000{id:x})\n\t/home/ci/bench/api/server.go:88 +0x1f2\n\
             created by example.com/bench/api.(*Server).Serve in goroutine 1\n\t/home/ci/bench/api/server.go:41 +0x6b\n\n",
            id % 60
        )
    };
    let goroutines: String = (1..=10_000).map(goroutine).collect();
    write_file(path, |out| {
        for dump in 0..count {
            write!(
                out,
                "instance {dump} ends\nfatal error: all goroutines are asleep - deadlock!\n\n{goroutines}exit status 2\n"
            )?;
        }
        Ok(())
    })
}

const PRODUCER: &str = include_str!("../bench_ingest/binary/produce.go");

/// A trace that a Go program writes which is built for it.
fn trace(path: &Path, megabytes: u64, go: &Go) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::file("create a folder in", path, &error))?;
    workspace::write(&folder.path().join("main.go"), PRODUCER)?;
    workspace::write(&folder.path().join("go.mod"), "module example.com/produce\n\ngo 1.22\n")?;
    let program = folder.path().join("produce");
    let mut build = go.command();
    build.arg("build").arg("-o").arg(&program).current_dir(folder.path());
    process::demand(&mut build, "mend what the compiler names")?;
    let mut run = Command::new(&program);
    run.args(["trace", &megabytes.to_string()]).arg(path);
    process::demand(&mut run, "make room on the disk")?;
    Ok(())
}

fn write_file(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        content(&mut out)?;
        out.flush()
    });
    written.map_err(|error| Failure::file("write", path, &error))
}
