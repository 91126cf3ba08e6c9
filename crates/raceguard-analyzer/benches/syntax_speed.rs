//! How fast the parser is beside go/parser: both parse all of GOROOT/src from memory on one core, in turns.
//!
//! Where the system tells it, processor time is counted, so that other work on the machine disturbs less.
//!
//! Run with `cargo test --release -p raceguard-analyzer --bench syntax_speed -- --nocapture`.

#[path = "../tests/syntax_support/go_toolchain.rs"]
mod go_toolchain;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use raceguard_analyzer::syntax::{Mode, parse_file};

const ROUNDS: usize = 7;

/// The program that runs go/parser on demand.
struct GoParser {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl GoParser {
    fn start(folder: &Path, workspace: &Path) -> Self {
        let program = workspace.join("syntax_speed");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/syntax_speed.go");
        go_toolchain::go(&["build", "-o", program.to_str().expect("a path in UTF-8"), source]);
        let mut child = Command::new(program)
            .arg(folder)
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program just built starts");
        let requests = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, requests, answers }
    }

    fn pass(&mut self, comments: bool) -> Duration {
        let before = processor_time(self.child.id());
        writeln!(self.requests, "{}", if comments { "comments" } else { "plain" }).expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let elapsed = Duration::from_nanos(line.trim().parse().expect("nanoseconds"));
        spent(before, processor_time(self.child.id()), elapsed)
    }

    fn stop(self) {
        let Self { mut child, requests, answers } = self;
        drop((requests, answers));
        child.wait().expect("it ends with its input");
    }
}

/// All Go files under a folder, in order of their paths.
fn go_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let entry = entry.expect("a readable entry");
            let kind = entry.file_type().expect("a known kind of file");
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "go") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn our_pass(sources: &[Vec<u8>], mode: Mode) -> Duration {
    let start = Instant::now();
    let before = processor_time(std::process::id());
    for source in sources {
        std::hint::black_box(parse_file(source, mode));
    }
    spent(before, processor_time(std::process::id()), start.elapsed())
}

/// Time that the threads of a process ran on processors; only Linux tells.
fn processor_time(process: u32) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum()))
}

fn spent(before: Option<Duration>, after: Option<Duration>, elapsed: Duration) -> Duration {
    match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => elapsed,
    }
}

#[test]
fn syntax_speed() {
    let folder = go_toolchain::goroot().join("src");
    let read = |path| std::fs::read(path).expect("a readable file");
    let sources: Vec<_> = go_files(&folder).into_iter().map(read).collect();
    let bytes: usize = sources.iter().map(Vec::len).sum();
    let megabytes = f64::from(u32::try_from(bytes).expect("less than 4 GiB")) / 1e6;
    let workspace = tempfile::tempdir().expect("a temporary folder");
    let mut go = GoParser::start(&folder, workspace.path());
    let modes = [
        ("everything", Mode { bodies: true, comments: true }),
        ("without comments", Mode { bodies: true, comments: false }),
        ("bodies skipped", Mode { bodies: false, comments: true }),
        ("bodies skipped, without comments", Mode { bodies: false, comments: false }),
    ];
    let mut ours = [Duration::MAX; 4];
    let mut theirs = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        for (at, (_, mode)) in modes.iter().enumerate() {
            ours[at] = ours[at].min(our_pass(&sources, *mode));
            theirs[at] = theirs[at].min(go.pass(mode.comments));
        }
    }
    go.stop();
    println!("{} files, {megabytes:.0} MB, best of {ROUNDS} rounds in turns, one core", sources.len());
    for (at, (name, _)) in modes.iter().enumerate() {
        let [our, their] = [ours[at], theirs[at]].map(|time| megabytes / time.as_secs_f64());
        println!("{name}: {our:.0} MB/s, go/parser {their:.0} MB/s, ratio {:.2}", our / their);
    }
    assert!(ours[0] < theirs[0], "parsing everything is slower than go/parser");
}
