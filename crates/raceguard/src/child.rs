//! Runs a program as a child and hands on what it prints and the signals that arrive, in one stream of messages.
//!
//! The child is the leader of its own process group where we alone are to get the terminal's signals (tests), or
//! stays in ours where it is to be used from the terminal (`raceguard run`).

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};

use crate::error::CommandError;

/// How long output is still waited for when the child has ended but its pipes are held open by a process that
/// it left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Messages that may wait to be taken; a child that prints faster than we hand on has to wait, too.
const QUEUED: usize = 256;

/// How often to look whether the child has ended, while it, or what it left behind, goes on printing.
const LOOK: Duration = Duration::from_millis(200);

/// More messages than a child can have left in its pipes and in the queue: those after them are by others.
const REST: usize = 200_000;

/// Where the terminal's signals go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// To us only; we pass them on.
    Own,
    /// To us and the child.
    Shared,
}

/// Something that happened.
#[derive(Debug)]
pub enum Message {
    /// A line on the child's stdout, with its end; or the rest before the end of the stream.
    Stdout(Vec<u8>),
    /// A piece of the child's stderr.
    Stderr(Vec<u8>),
    /// A signal for us, and whether the terminal sent it (to the whole foreground group).
    Signal(i32, bool),
    /// Comes several times a second, also while nothing happens.
    Tick,
    /// The child has ended and all it printed was handed on.
    Ended(ExitStatus),
}

/// A running child.
#[derive(Debug)]
pub struct RunningChild {
    child: Child,
    group: Group,
    messages: Receiver<Event>,
    signals: Handle,
    open_pipes: usize,
    looked: Instant,
    ended: Option<(ExitStatus, Instant)>,
    /// Messages since the child has ended.
    after_end: usize,
}

#[derive(Debug)]
enum Event {
    Message(Message),
    EndOfPipe,
}

impl RunningChild {
    /// Starts `command`. Its stdout and stderr are handed on as far as they are piped.
    pub fn start(mut command: Command, group: Group) -> Result<Self, CommandError> {
        let program = PathBuf::from(command.get_program());
        let system = |action: &str| {
            let action = action.to_owned();
            move |source| CommandError::System { action, source }
        };
        let (sender, messages) = sync_channel(QUEUED);
        let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
        let signals = SignalsInfo::<WithOrigin>::new(signals).map_err(system("handle signals"))?;
        let handle = signals.handle();
        forward_signals(signals, sender.clone());
        if group == Group::Own {
            command.process_group(0).stdin(Stdio::null());
        }
        let mut child = command.spawn().map_err(|source| CommandError::Start { program, source })?;
        let mut open_pipes = 0;
        if let Some(pipe) = child.stdout.take() {
            open_pipes += 1;
            read_lines(pipe, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            open_pipes += 1;
            read_pieces(pipe, sender);
        }
        Ok(Self {
            child,
            group,
            messages,
            signals: handle,
            open_pipes,
            looked: Instant::now(),
            ended: None,
            after_end: 0,
        })
    }

    /// Waits for the next message, at most for `tick`.
    pub fn next(&mut self, tick: Duration) -> Result<Message, CommandError> {
        // Without pipes, and when they are closed, the end of the child is all there is to wait for.
        let tick = if self.open_pipes == 0 { tick.min(Duration::from_millis(10)) } else { tick };
        let mut drained = false;
        while !drained && self.looked.elapsed() < LOOK {
            match self.messages.recv_timeout(tick) {
                Ok(Event::Message(message)) => {
                    self.after_end += usize::from(self.ended.is_some());
                    return Ok(message);
                }
                Ok(Event::EndOfPipe) => {
                    self.open_pipes -= 1;
                    drained = self.open_pipes == 0;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => drained = true,
            }
        }
        self.look(drained)
    }

    /// Whether the child has ended and nothing more is to be waited for.
    fn look(&mut self, drained: bool) -> Result<Message, CommandError> {
        self.looked = Instant::now();
        if self.ended.is_none() {
            let status = self.child.try_wait();
            let status = status
                .map_err(|source| CommandError::System { action: "wait for the program".into(), source })?;
            self.ended = status.map(|status| (status, Instant::now()));
        }
        match self.ended {
            Some((status, at))
                if self.open_pipes == 0
                    || (at.elapsed() > LEFT_BEHIND && (drained || self.after_end > REST)) =>
            {
                self.signals.close();
                Ok(Message::Ended(status))
            }
            _ => Ok(Message::Tick),
        }
    }

    /// Sends a signal to the child, and to its whole group when it leads one.
    pub fn signal(&self, signal: i32) {
        // The child was not waited for yet, so its number is still its own.
        if self.ended.is_some() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) else { return };
        // It may have ended at this moment.
        let _ = match self.group {
            Group::Own => kill_process_group(pid, signal),
            Group::Shared => kill_process(pid, signal),
        };
    }

    /// Passes on a signal that came to us, unless the terminal has sent it to the child as well.
    pub fn pass_on(&self, signal: i32, from_terminal: bool) {
        let reached_child =
            self.group == Group::Shared && from_terminal && matches!(signal, SIGINT | SIGQUIT);
        if !reached_child {
            self.signal(signal);
        }
    }

    /// Ends the child, and its whole group when it leads one, at once.
    pub fn kill(&self) {
        self.signal(Signal::KILL.as_raw());
    }
}

/// The exit code that a shell gives for `status`: 128 and the signal's number for one that ended the process.
pub fn shell_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(1)
}

fn forward_signals(mut signals: SignalsInfo<WithOrigin>, sender: SyncSender<Event>) {
    thread::spawn(move || {
        for origin in signals.forever() {
            let from_terminal = origin.process.is_none();
            if sender.send(Event::Message(Message::Signal(origin.signal, from_terminal))).is_err() {
                break;
            }
        }
    });
}

fn read_lines(pipe: impl Read + Send + 'static, sender: SyncSender<Event>) {
    thread::spawn(move || {
        let mut pipe = BufReader::with_capacity(64 << 10, pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let line = std::mem::take(&mut line);
            if sender.send(Event::Message(Message::Stdout(line))).is_err() {
                return;
            }
        }
        let _ = sender.send(Event::EndOfPipe);
    });
}

fn read_pieces(mut pipe: impl Read + Send + 'static, sender: SyncSender<Event>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    if sender.send(Event::Message(Message::Stderr(buffer[..length].to_vec()))).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = sender.send(Event::EndOfPipe);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> RunningChild {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null());
        RunningChild::start(command, Group::Own).unwrap()
    }

    /// How many bytes were printed until the end, and the exit code. Takes `pause` after every 32,000 bytes.
    fn follow(mut child: RunningChild, pause: Duration) -> (usize, u8) {
        let mut printed = 0;
        loop {
            match child.next(Duration::from_millis(20)).unwrap() {
                Message::Stdout(line) => printed += line.len(),
                Message::Ended(status) => return (printed, shell_code(status)),
                Message::Tick | Message::Stderr(_) | Message::Signal(..) => continue,
            }
            if printed.is_multiple_of(32_000) {
                thread::sleep(pause);
            }
        }
    }

    #[test]
    fn all_output_of_a_child_arrives_however_slowly_it_is_taken() {
        let child = start("yes 0123456789012345678901234567890 | head -20000; exit 3");
        assert_eq!(follow(child, Duration::from_millis(30)), (20_000 * 32, 3));
    }

    #[test]
    fn time_passes_for_a_child_that_never_stops_printing() {
        let mut child = start("exec yes");
        let start = Instant::now();
        while !matches!(child.next(Duration::from_millis(20)).unwrap(), Message::Tick) {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
        child.kill();
        assert_eq!(follow(child, Duration::ZERO).1, 128 + 9);
    }

    #[test]
    fn a_process_that_is_left_behind_is_not_waited_for() {
        let start_of_test = Instant::now();
        assert_eq!(follow(start("sleep 20 & echo done"), Duration::ZERO), (5, 0));
        assert!(start_of_test.elapsed() < Duration::from_secs(10));
    }
}
