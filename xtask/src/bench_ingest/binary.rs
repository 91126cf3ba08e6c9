//! Formats that Go's runtime writes, made by a Go program that is built and run for it, and spans of OTLP.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::subjects::{Peer, Subject, Target};
use crate::failure::Failure;
use crate::process;
use crate::toolchain::Go;

/// Binary formats, and those of other producers.
pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "execution trace",
        // Go's own tool takes some 50 bytes of memory for each byte of a trace; `bench explain` reads larger ones.
        sizes: [20, 50, 100],
        label: |size| format!("{size} MB"),
        generate: |path, size, go| produce("trace", path, size, go),
        peer: Some(Peer { name: "go tool trace -pprof=sync", command: waits_in_trace }),
        target: Some(Target::Time(2, Duration::from_secs(10))),
    },
    Subject {
        name: "goroutine profile",
        sizes: [5_000, 20_000, 80_000],
        label: |stacks| format!("{} stacks", crate::measure::thousands(stacks)),
        generate: |path, stacks, go| produce("profile", path, stacks, go),
        peer: Some(Peer { name: "go tool pprof -raw", command: raw_profile }),
        target: None,
    },
    Subject {
        name: "spans as JSON",
        sizes: [4, 16, 64],
        label: |size| format!("{size} MB"),
        generate: |path, size, _| spans(path, size),
        peer: None,
        target: None,
    },
];

const PRODUCER: &str = include_str!("binary/produce.go");

/// Builds the program that makes files, and has it make one.
fn produce(what: &str, path: &Path, amount: u64, go: &Go) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::file("create a folder in", path, &error))?;
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).map_err(|error| Failure::file("write", &file, &error))
    };
    write("main.go", PRODUCER)?;
    write("go.mod", "module example.com/produce\n\ngo 1.22\n")?;
    let program = folder.path().join("produce");
    let mut build = go.command();
    build.arg("build").arg("-o").arg(&program).current_dir(folder.path());
    process::demand(&mut build, "mend what the compiler names")?;
    let mut run = Command::new(&program);
    run.args([what, &amount.to_string()]).arg(path);
    process::demand(&mut run, "make room on the disk")?;
    Ok(())
}

fn waits_in_trace(go: &Go, file: &Path) -> Command {
    let mut command = go.command();
    command.args(["tool", "trace", "-pprof=sync"]).arg(file);
    command
}

fn raw_profile(go: &Go, file: &Path) -> Command {
    let mut command = go.command();
    command.args(["tool", "pprof", "-raw"]).arg(file);
    command
}

/// Lines as the collector's file exporter writes them, with ten spans each.
fn spans(path: &Path, megabytes: u64) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        let (mut written, mut number) = (0, 0_u64);
        while written < megabytes * 1_000_000 {
            let spans: Vec<String> = (0..10).map(|index| span(number + index)).collect();
            number += 10;
            let line = format!(
                "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"shop\"}}}},\
                 {{\"key\":\"host.name\",\"value\":{{\"stringValue\":\"h{}\"}}}}]}},\"scopeSpans\":[{{\"scope\":{{\"name\":\"net/http\"}},\"spans\":[{}]}}]}}]}}\n",
                number / 10 % 20,
                spans.join(",")
            );
            out.write_all(line.as_bytes())?;
            written += line.len() as u64;
        }
        out.flush()
    });
    written.map_err(|error| Failure::file("write", path, &error))
}

fn span(number: u64) -> String {
    let start = 1_795_182_615_000_000_000 + number * 1_000;
    format!(
        "{{\"traceId\":\"{:032x}\",\"spanId\":\"{number:016x}\",\"parentSpanId\":\"\",\"name\":\"GET /cart/{}\",\"kind\":2,\
         \"startTimeUnixNano\":\"{start}\",\"endTimeUnixNano\":\"{}\",\"attributes\":[{{\"key\":\"http.response.status_code\",\
         \"value\":{{\"intValue\":\"200\"}}}},{{\"key\":\"code.function.name\",\"value\":{{\"stringValue\":\"shop.(*Cart).Get\"}}}}],\
         \"status\":{{\"code\":{}}}}}",
        number / 7 + 1,
        number % 50,
        start + 1_000_000 + number % 1000 * 5_000,
        number % 3
    )
}
