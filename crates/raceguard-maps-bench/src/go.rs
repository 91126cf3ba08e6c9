//! Maps of Go: a child process that measures them when it is asked to, in turn with the maps of this process.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, BesideWriter, Deep, Plan, ReadsAndWrites};
use crate::latencies::Quantiles;

/// The maps that the child knows.
pub(crate) const MAPS: [&str; 5] = ["go-sync-map", "go-mutex", "go-rwmutex", "go-32-shards", "go-xsync"];

/// The running child.
#[derive(Clone)]
pub(crate) struct Go(Rc<RefCell<Process>>);

struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Holds the sequences, which are too long for a request.
    folder: TempDir,
    /// What the child has read last.
    sequences: Vec<Arc<[u32]>>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    #[serde(default)]
    text: String,
    figure: f64,
    #[serde(default)]
    writes: Vec<f64>,
    #[serde(default)]
    reads: Vec<f64>,
}

impl Go {
    /// Starts the program that `cargo xtask bench maps` builds from `bench/maps`.
    pub(crate) fn start(program: &Path) -> io::Result<Self> {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("the child has no pipes");
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let process = Process {
            requests: child.stdin.take(),
            child,
            answers,
            folder: tempfile::tempdir()?,
            sequences: Vec::new(),
        };
        Ok(Self(Rc::new(RefCell::new(process))))
    }

    pub(crate) fn version(&self) -> String {
        self.ask(&json!({ "do": "version" })).text
    }

    /// Millions of critical sections a second, of which `percent` only read and each lasts about `hold` nanoseconds.
    pub(crate) fn lock(&self, rw: bool, percent: u32, hold: u32, seconds: f64, cores: &[usize]) -> f64 {
        let request = json!({
            "do": "lock", "rw": rw, "percent": percent, "hold": hold, "seconds": seconds, "cores": cores
        });
        self.ask(&request).figure
    }

    fn ask(&self, request: &Value) -> Answer {
        let answer = self.0.borrow_mut().ask(request).unwrap_or_else(|error| {
            panic!("the Go part of the bench does not answer: {error}; build it again from bench/maps")
        });
        assert!(answer.error.is_empty(), "the Go part of the bench refused {request}: {}", answer.error);
        answer
    }

    /// Gives the child these sequences, unless it has them.
    fn send(&self, sequences: &[Arc<[u32]>]) {
        let same = |(one, other): (&Arc<[u32]>, &Arc<[u32]>)| Arc::ptr_eq(one, other);
        let process = self.0.borrow();
        let known =
            process.sequences.len() == sequences.len() && process.sequences.iter().zip(sequences).all(same);
        if known {
            return;
        }
        let files: Vec<_> =
            (0..sequences.len()).map(|thread| process.folder.path().join(thread.to_string())).collect();
        for (file, sequence) in files.iter().zip(sequences) {
            let bytes: Vec<u8> = sequence.iter().flat_map(|code| code.to_le_bytes()).collect();
            std::fs::write(file, bytes)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        }
        drop(process);
        self.ask(&json!({ "do": "sequences", "files": files }));
        self.0.borrow_mut().sequences = sequences.to_vec();
    }
}

impl Process {
    fn ask(&mut self, request: &Value) -> io::Result<Answer> {
        if let Some(requests) = &mut self.requests {
            writeln!(requests, "{request}")?;
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends the child.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}

/// One map of the child's.
pub(crate) struct GoMap {
    go: Go,
    name: &'static str,
}

impl GoMap {
    pub(crate) fn filled(go: &Go, name: &'static str, keys: u32) -> Self {
        go.ask(&json!({ "do": "fill", "map": name, "keys": keys }));
        Self { go: go.clone(), name }
    }
}

impl Drop for GoMap {
    fn drop(&mut self) {
        let _ = self.go.0.borrow_mut().ask(&json!({ "do": "drop", "map": self.name }));
    }
}

impl Bench for GoMap {
    fn mixed(&self, plan: &Plan) -> f64 {
        self.go.send(&plan.sequences);
        let request = json!({
            "do": "mixed", "map": self.name, "cores": plan.cores, "seconds": plan.time.length.as_secs_f64(),
            "hold": u64::try_from(plan.hold.as_nanos()).unwrap_or(u64::MAX)
        });
        self.go.ask(&request).figure
    }

    fn iterate(&self, core: usize) -> Option<f64> {
        Some(self.go.ask(&json!({ "do": "iterate", "map": self.name, "cores": [core] })).figure)
    }
}

impl Deep for GoMap {
    fn latency(&self, _plan: &Plan) -> Option<ReadsAndWrites> {
        None
    }

    fn iterate_beside_writer(&self, _plan: &Plan) -> Option<BesideWriter> {
        None
    }

    fn grow(&self, cores: &[usize], keys: u32) -> Option<ReadsAndWrites> {
        let request = json!({ "do": "growth", "map": self.name, "cores": cores, "keys": keys });
        let answer = self.go.ask(&request);
        let quantiles = |figures: &[f64]| match *figures {
            [p50, p99, p999, max] => Some(Quantiles { p50, p99, p999, max, uninterrupted: None }),
            _ => None,
        };
        Some(ReadsAndWrites { reads: quantiles(&answer.reads), writes: quantiles(&answer.writes) })
    }

    fn insert_new(&self, cores: &[usize], each: u32) -> Option<f64> {
        let request = json!({ "do": "new-keys", "map": self.name, "cores": cores, "keys": each });
        Some(self.go.ask(&request).figure)
    }

    fn fill(&self, _keys: u32) {}

    fn remove_all(&self, _keys: u32) {}
}
