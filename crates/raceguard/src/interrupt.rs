//! What Ctrl-C does to a run of tests: the first asks all processes to end and waits for them, the second, or a
//! long time, ends them.

use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::child::RunningChild;

/// How long processes get to end by themselves.
const PATIENCE: Duration = Duration::from_secs(10);

/// The signals so far that ask us to end.
#[derive(Debug, Default)]
pub struct Interrupts {
    first: Option<(i32, Instant)>,
    killed: bool,
}

impl Interrupts {
    /// Passes a signal on to the child.
    pub fn note(&mut self, signal: i32, child: &RunningChild) {
        if !matches!(signal, SIGINT | SIGTERM | SIGHUP) {
            child.signal(signal);
        } else if self.first.is_none() {
            self.first = Some((signal, Instant::now()));
            eprintln!("raceguard: interrupted, waiting for the tests to end (again to kill them)");
            child.signal(SIGINT);
        } else {
            self.kill(child);
        }
    }

    /// Ends the child when it has not ended long after the first signal.
    pub fn tick(&mut self, child: &RunningChild) {
        if !self.killed && self.first.is_some_and(|(_, at)| at.elapsed() > PATIENCE) {
            self.kill(child);
        }
    }

    /// The exit code for a run that was interrupted, as shells have it: 130 for Ctrl-C.
    pub fn exit_code(&self) -> Option<u8> {
        let (signal, _) = self.first?;
        u8::try_from(128 + signal).ok()
    }

    fn kill(&mut self, child: &RunningChild) {
        self.killed = true;
        child.kill();
    }
}
