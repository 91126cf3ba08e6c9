//! Runs `go build` for the commands that need a program. What Go prints passes through; where the reason of a failure
//! lies outside of the code, the user also gets a hint.

use std::io::{self, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use raceguard_gotool::environment::Environment;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::child::{Group, Message, RunningChild, shell_code};
use crate::error::{CommandError, print_hint};
use crate::go_failure::{Fault, GoFailure, KEPT_MESSAGES, diagnose};

/// Runs `command` to its end. The exit code is 0, that of the signal where the user has ended it, and 2 for all else.
pub fn run(mut command: Command, environment: &Environment) -> Result<u8, CommandError> {
    command.stderr(Stdio::piped());
    let Ended { status, messages, signal } = follow(RunningChild::start(command, Group::Shared)?)?;
    if status.success() {
        return Ok(0);
    }
    if let Some(signal) = signal {
        return Ok(u8::try_from(128 + signal).unwrap_or(1));
    }
    let messages = String::from_utf8_lossy(&messages);
    // Errors of the compiler stand below a line with the package's name.
    let is_in_code = messages.lines().any(|line| line.starts_with("# "));
    let fault = if is_in_code { Fault::Code } else { Fault::Unknown };
    let caches = [environment.env.gomodcache.as_path(), environment.env.gocache.as_path()];
    match diagnose(&messages, &caches, fault) {
        Some(GoFailure { hint }) => {
            print_hint(hint);
            Ok(2)
        }
        None => Ok(shell_code(status)),
    }
}

struct Ended {
    status: ExitStatus,
    /// The start of what Go printed.
    messages: Vec<u8>,
    /// The last signal that asked us to end.
    signal: Option<i32>,
}

fn follow(mut child: RunningChild) -> Result<Ended, CommandError> {
    let (mut messages, mut ended_by) = (Vec::new(), None);
    loop {
        match child.next(Duration::from_millis(200))? {
            Message::Stderr(text) => {
                // Where stderr is closed there is nobody to tell.
                let _ = io::stderr().write_all(&text);
                if messages.len() < KEPT_MESSAGES {
                    messages.extend_from_slice(&text);
                }
            }
            Message::Signal(signal, from_terminal) => {
                ended_by =
                    Some(signal).filter(|signal| matches!(*signal, SIGINT | SIGTERM | SIGHUP)).or(ended_by);
                child.pass_on(signal, from_terminal);
            }
            Message::Stdout(_) | Message::Tick => {}
            Message::Ended(status) => return Ok(Ended { status, messages, signal: ended_by }),
        }
    }
}
