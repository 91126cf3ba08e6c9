//! Finds crashes in the output of a Go program, line by line.
//!
//! Output mixes the program's own text with what Go prints, so a line that merely looks like the start of a
//! crash is not believed alone: a panic, or a fatal error behind other text on its line, counts only when a
//! goroutine dump follows within a few lines. Memory is bounded whatever the input.

use super::traceback::{created_by_line, function_line, goroutine_header, is_remark, position_line};
use super::{Crash, CrashCause, CrashGoroutine};
use crate::frame::Frame;

const MAX_MESSAGE: usize = 4096;
const MAX_GOROUTINES: usize = 1000;
const MAX_FRAMES: usize = 1000;
/// Longest line looked at, in bytes; the rest of a line is ignored.
const MAX_LINE: usize = 64 << 10;
/// Lines that may stand between the message and the dump.
const MAX_PREAMBLE: usize = 16;
/// Foreign lines in a row that end a dump: what other programs and goroutines wrote in between.
const MAX_FOREIGN: usize = 8;

/// Takes the lines of a program's output and gives back the crashes in them.
///
/// Feed it one stream: a process, or the output of one package of `go test -json`.
#[derive(Debug, Default)]
pub struct CrashParser {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Searching,
    /// The message was seen, its dump not yet.
    Message { crash: Crash, believed: bool, lines: usize },
    /// In the dump.
    Dump(OpenDump),
}

/// A crash whose dump is being read.
#[derive(Debug)]
struct OpenDump {
    crash: Crash,
    last: LastLine,
    /// Foreign lines in a row.
    foreign: usize,
    /// Whether the message came again: from another thread that died, or from the next process.
    repeated: bool,
}

/// What the next position line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastLine {
    Function,
    CreatedBy,
    Other,
}

impl CrashParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, with or without its newline; gives back the crash that ended before it, if one did.
    pub fn line(&mut self, line: &str) -> Option<Crash> {
        let line = truncated(line.trim_end_matches(['\n', '\r']), MAX_LINE);
        let (state, ended) = match std::mem::take(&mut self.state) {
            State::Searching => (State::Searching, None),
            State::Message { crash, believed, lines } => after_message(crash, believed, lines, line),
            State::Dump(open) => open.line(line),
        };
        self.state = match state {
            State::Searching => match crash_start(line) {
                Some((crash, believed)) => State::Message { crash, believed, lines: 0 },
                None => State::Searching,
            },
            inside => inside,
        };
        ended
    }

    /// Whether the next line is of no interest unless it starts a crash.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Searching)
    }

    /// Whether a message was seen whose dump may follow.
    pub(crate) fn awaits_dump(&self) -> bool {
        matches!(self.state, State::Message { .. })
    }

    /// Whether that message is a crash even when no dump follows.
    pub(crate) fn is_believed(&self) -> bool {
        matches!(self.state, State::Message { believed: true, .. })
    }

    /// Ends the stream; gives back the crash it ended in, if it did.
    pub fn finish(&mut self) -> Option<Crash> {
        match std::mem::take(&mut self.state) {
            State::Searching => None,
            State::Message { crash, believed, .. } => believed.then_some(crash),
            State::Dump(open) => Some(open.crash),
        }
    }

    /// All crashes of a whole output.
    pub fn parse(output: &str) -> Vec<Crash> {
        let mut parser = Self::new();
        let mut crashes: Vec<Crash> = output.lines().filter_map(|line| parser.line(line)).collect();
        crashes.extend(parser.finish());
        crashes
    }
}

/// The crash that starts on this line, and whether to believe it without a dump.
fn crash_start(line: &str) -> Option<(Crash, bool)> {
    let (message, believed) = if line.starts_with("fatal error: ") {
        (line, CrashCause::of_message(line).is_concurrency())
    } else if line.starts_with("panic: ") {
        (line, false)
    } else {
        // The program's own text may stand before it, when that did not end with a newline.
        let start = line.find("fatal error: ")?;
        if !CrashCause::of_message(&line[start..]).is_concurrency() {
            return None;
        }
        (&line[start..], false)
    };
    let crash = Crash { message: truncated(message, MAX_MESSAGE).to_owned(), ..Crash::default() };
    Some((crash, believed))
}

fn after_message(mut crash: Crash, believed: bool, lines: usize, line: &str) -> (State, Option<Crash>) {
    if let Some(goroutine) = goroutine_header(line) {
        crash.goroutines.push(goroutine);
        return (State::Dump(OpenDump::new(crash)), None);
    }
    // Two threads may die of the same mistake at once: both print the message, one the dump.
    let next = crash_start(line);
    let is_another = next.is_some_and(|(next, _)| next.message != crash.message);
    if lines == MAX_PREAMBLE || ends_process(line) || is_another {
        return (State::Searching, believed.then_some(crash));
    }
    (State::Message { crash, believed, lines: lines + 1 }, None)
}

impl OpenDump {
    fn new(crash: Crash) -> Self {
        Self { crash, last: LastLine::Other, foreign: 0, repeated: false }
    }

    fn line(mut self, line: &str) -> (State, Option<Crash>) {
        if let Some(goroutine) = goroutine_header(line) {
            // The dump of a process begins with the goroutine that died, or the first one of a deadlock.
            let is_first = self.crash.goroutines.first().is_some_and(|first| first.id == goroutine.id);
            if self.repeated && (is_first || goroutine.state.starts_with("running")) {
                let message = self.crash.message.clone();
                let next = Crash { message, goroutines: vec![goroutine], ..Crash::default() };
                return (State::Dump(Self::new(next)), Some(self.crash));
            }
            push_goroutine(&mut self.crash, goroutine);
            (self.last, self.foreign) = (LastLine::Other, 0);
            return (State::Dump(self), None);
        }
        if self.take(line) {
            self.foreign = 0;
            return (State::Dump(self), None);
        }
        let next = crash_start(line);
        let is_repeated = next.as_ref().is_some_and(|(next, _)| next.message == self.crash.message);
        if self.foreign == MAX_FOREIGN || ends_process(line) || next.is_some() && !is_repeated {
            return (State::Searching, Some(self.crash));
        }
        self.foreign += 1;
        self.repeated |= is_repeated;
        (State::Dump(self), None)
    }

    /// Takes a line of a goroutine; `false` when it is none.
    fn take(&mut self, line: &str) -> bool {
        let left_out = self.crash.goroutines_left_out > 0;
        let goroutine = self.crash.goroutines.last_mut().filter(|_| !left_out);
        self.last = if let Some((file, number, offset)) = position_line(line) {
            if let Some(frame) = goroutine.and_then(|goroutine| open_frame(goroutine, self.last)) {
                (frame.file, frame.line, frame.offset) = (file, number, offset);
            }
            LastLine::Other
        } else if let Some((frame, parent)) = created_by_line(line) {
            if let Some(goroutine) = goroutine {
                goroutine.created_at = vec![frame];
                goroutine.parent = parent;
            }
            LastLine::CreatedBy
        } else if let Some(frame) = function_line(line) {
            match goroutine {
                Some(goroutine) if goroutine.stack.len() < MAX_FRAMES => {
                    goroutine.stack.push(frame);
                    LastLine::Function
                }
                _ => LastLine::Other,
            }
        } else if is_remark(line) {
            LastLine::Other
        } else {
            return false;
        };
        true
    }
}

fn push_goroutine(crash: &mut Crash, goroutine: CrashGoroutine) {
    if crash.goroutines.len() < MAX_GOROUTINES {
        crash.goroutines.push(goroutine);
    } else {
        crash.goroutines_left_out += 1;
    }
}

fn open_frame(goroutine: &mut CrashGoroutine, last: LastLine) -> Option<&mut Frame> {
    match last {
        LastLine::Function => goroutine.stack.last_mut(),
        LastLine::CreatedBy => goroutine.created_at.last_mut(),
        LastLine::Other => None,
    }
}

/// Lines of `go test` and `go run` that can only follow the end of a process.
pub(super) fn ends_process(line: &str) -> bool {
    ["exit status ", "FAIL\t", "ok  \t"].iter().any(|start| line.starts_with(start)) || line == "FAIL"
}

/// The longest start of `text` that is at most `limit` bytes and ends between characters.
fn truncated(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}
