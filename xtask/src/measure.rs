//! What a child process cost: CPU, wall time and peak memory, as the kernel accounts them when it is reaped.

use std::fmt;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::failure::Failure;
use crate::process;

/// One finished child.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    /// User and system time of the child and of the children it has waited for.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// Peak resident set, in bytes. A child starts with the few megabytes of this process, so no figure lies below.
    pub(crate) peak_rss: u64,
    /// Set if it did not come to its own end.
    pub(crate) stopped: Option<Stopped>,
}

/// Runs a command to its end, to the time limit, or to three quarters of the machine's memory. Its stdout is dropped, its stderr kept.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Measured, Failure> {
    let scratch = |error: std::io::Error| {
        Failure::environment(
            format!("cannot keep a child's output: {error}"),
            "make room in the temporary folder",
        )
    };
    let mut stderr = tempfile::tempfile().map_err(scratch)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone().map_err(scratch)?);
    let start = Instant::now();
    let mut child = process::spawn(command)?;
    let guard = Guard::watch(child.id(), limit);
    let waited = child.wait4();
    let wall = start.elapsed();
    let stopped = guard.stop();
    let waited = waited.map_err(|error| {
        Failure::environment(
            format!("cannot wait for `{}`: {error}", process::shown(command)),
            "run the task again",
        )
    })?;
    let mut text = Vec::new();
    stderr.rewind().and_then(|()| stderr.read_to_end(&mut text)).map_err(scratch)?;
    Ok(Measured {
        status: waited.status,
        stderr: String::from_utf8_lossy(&text).into_owned(),
        cpu: waited.rusage.utime + waited.rusage.stime,
        wall,
        peak_rss: waited.rusage.maxrss,
        stopped,
    })
}

/// Runs a command that has to end with one of `codes`.
pub(crate) fn demand(command: &mut Command, limit: Duration, codes: &[i32]) -> Result<Measured, Failure> {
    let measured = run(command, limit)?;
    if measured.status.code().is_some_and(|code| codes.contains(&code)) {
        return Ok(measured);
    }
    let reason =
        measured.stopped.map_or_else(|| format!("ended with {}", measured.status), |why| why.to_string());
    Err(Failure::environment(
        format!("`{}` {reason}\n{}", process::shown(command), process::last_lines(&measured.stderr, 20)),
        "mend what it names",
    ))
}

/// What runs of a command cost: medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// In bytes.
    pub(crate) peak_rss: u64,
}

impl Cost {
    /// The medians of `runs`.
    pub(crate) fn of(runs: &[Measured]) -> Self {
        Self {
            cpu: median(runs.iter().map(|run| run.cpu).collect()),
            wall: median(runs.iter().map(|run| run.wall).collect()),
            peak_rss: median(runs.iter().map(|run| run.peak_rss).collect()),
        }
    }
}

/// The middle value; of an even number, the lower one of the two in the middle.
pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

/// Why a child was ended before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It took longer than it may.
    TooSlow(Duration),
    /// It was about to use up the memory of the machine, in bytes, which would end other processes as well.
    TooBig(u64),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow(limit) => write!(f, "was stopped after {} s", limit.as_secs()),
            Self::TooBig(bytes) => write!(f, "was stopped when it held {} MB of memory", bytes / 1_000_000),
        }
    }
}

/// Kills a child that takes too long or too much.
struct Guard {
    done: mpsc::Sender<()>,
    watcher: std::thread::JoinHandle<Option<Stopped>>,
}

impl Guard {
    fn watch(child: u32, limit: Duration) -> Self {
        let (done, ended) = mpsc::channel();
        let watcher = std::thread::spawn(move || {
            let start = Instant::now();
            let most = machine_memory() / 4 * 3;
            loop {
                if ended.recv_timeout(INTERVAL) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return None;
                }
                let resident = resident_memory(child);
                let reason = if start.elapsed() > limit {
                    Stopped::TooSlow(limit)
                } else if resident > most {
                    Stopped::TooBig(resident)
                } else {
                    continue;
                };
                // The child was not reaped yet, so its number still means this child.
                let _ = Command::new("kill").args(["-KILL", &child.to_string()]).status();
                return Some(reason);
            }
        });
        Self { done, watcher }
    }

    fn stop(self) -> Option<Stopped> {
        let _ = self.done.send(());
        self.watcher.join().unwrap_or(None)
    }
}

/// How often a running child is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

fn resident_memory(process: u32) -> u64 {
    kilobytes(&format!("/proc/{process}/status"), "VmRSS:").unwrap_or(0)
}

fn machine_memory() -> u64 {
    kilobytes("/proc/meminfo", "MemTotal:").unwrap_or(u64::MAX)
}

/// A line such as `VmRSS:  1234 kB` of a file under /proc, in bytes.
fn kilobytes(file: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A number with its thousands set apart.
pub(crate) fn thousands(number: impl fmt::Display + Copy) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_measured() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let measured = run(&mut command, Duration::from_mins(1)).unwrap();
        assert_eq!(measured.status.code(), Some(3));
        assert_eq!(measured.stderr, "err\n");
        assert!(measured.peak_rss > 100_000, "{} bytes", measured.peak_rss);
        assert_eq!(measured.stopped, None);
    }

    #[test]
    fn the_median_is_a_measured_value() {
        assert_eq!(median(vec![3, 1, 2]), 2);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(vec![7]), 7);
    }

    #[test]
    fn memory_is_read_from_the_kernel() {
        assert!(machine_memory() < u64::MAX);
        assert!(resident_memory(std::process::id()) > 100_000);
        assert_eq!(resident_memory(u32::MAX), 0);
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let measured = run(&mut command, Duration::from_millis(50)).unwrap();
        assert_eq!(measured.stopped, Some(Stopped::TooSlow(Duration::from_millis(50))));
        assert!(measured.wall < Duration::from_mins(1));
    }
}
