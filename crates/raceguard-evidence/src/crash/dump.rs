//! Finds dumps of goroutines in the output of a Go program, and joins those that do not differ.
//!
//! A dump may have a hundred thousand goroutines, nearly all alike: of each only its text is gathered, and looked up
//! among the groups there are. Frames are made once per group. Memory is bounded by [`MAX_GROUP_TEXT`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::CrashCause;
use super::traceback::{Header, created_by_line, function_line, header, is_remark, position_line};
use super::waits::WaitsOn;
use crate::goroutine_dump::{GoroutineDump, GoroutineGroup};

/// Most text of all groups together, in bytes: a record stays well below the longest line of evidence.
const MAX_GROUP_TEXT: usize = 16 << 20;
/// Most text of one goroutine, in bytes; Go itself prints at most a hundred frames of each.
const MAX_GOROUTINE_TEXT: usize = 256 << 10;
/// Lines that may stand between the message and the dump.
const MAX_PREAMBLE: usize = 16;
/// Foreign lines in a row that end a dump.
const MAX_FOREIGN: usize = 8;
const MAX_MESSAGE: usize = 4096;

/// Takes the lines of a program's output and gives back the dumps in them.
#[derive(Debug, Default)]
pub(crate) struct DumpParser {
    /// Why a dump may follow: reason and message, and for how many lines more.
    announced: Option<(&'static str, String, usize)>,
    open: Option<OpenDump>,
}

/// What ended.
#[derive(Debug)]
pub(crate) enum EndedDump {
    /// A dump of all goroutines.
    All(Box<GoroutineDump>),
    /// The stack of one goroutine, which the program printed itself, or which belongs to a crash.
    One {
        /// Whether a crash or a signal was announced before it.
        announced: bool,
    },
}

#[derive(Debug, Default)]
struct OpenDump {
    dump: GoroutineDump,
    groups: HashMap<Vec<u8>, usize>,
    group_text: usize,
    goroutine: OpenGoroutine,
    foreign: usize,
    /// Whether the message came again: from another thread that died, or from the next process.
    repeated: bool,
    /// Number of the first goroutine.
    first: Option<u64>,
}

/// The goroutine that is being read.
#[derive(Debug, Default)]
struct OpenGoroutine {
    id: u64,
    wait_minutes: Option<u64>,
    parent: Option<u64>,
    /// What makes it equal to others.
    key: Vec<u8>,
    /// Its lines.
    text: String,
    waits: WaitsOn,
}

impl DumpParser {
    /// Whether the next line is of no interest unless it starts something.
    pub(crate) fn is_idle(&self) -> bool {
        self.announced.is_none() && self.open.is_none()
    }

    /// Whether it is inside a dump.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next line; gives back the dump that ended before it, if one did.
    pub(crate) fn line(&mut self, line: &str) -> Option<EndedDump> {
        if let Some(header) = header(line) {
            if let Some(open) = self.open.take_if(|open| open.is_followed_by(&header)) {
                let (reason, message) = (open.dump.reason.clone(), open.dump.message.clone());
                let mut next = OpenDump::new(None);
                (next.dump.reason, next.dump.message) = (reason, message);
                next.begin(&header);
                self.open = Some(next);
                return Some(open.finish());
            }
            let announced = &mut self.announced;
            let open = self.open.get_or_insert_with(|| OpenDump::new(announced.take()));
            open.begin(&header);
            return None;
        }
        let announcement = announcement(line);
        if let Some(open) = &mut self.open {
            if announcement.as_ref().is_some_and(|(_, message, _)| *message == open.dump.message) {
                open.repeated = true;
                return None;
            }
            if announcement.is_none() && !open.take(line) {
                return None;
            }
            let ended = self.finish();
            self.announced = announcement;
            return ended;
        }
        match (announcement, &mut self.announced) {
            (Some(announcement), _) => self.announced = Some(announcement),
            (None, Some((_, _, lines))) if *lines > 0 => *lines -= 1,
            (None, announced) => *announced = None,
        }
        None
    }

    /// Ends the stream; gives back the dump it ended in, if it did.
    pub(crate) fn finish(&mut self) -> Option<EndedDump> {
        self.announced = None;
        self.open.take().map(OpenDump::finish)
    }
}

/// The reason and the message of a dump that may follow this line.
fn announcement(line: &str) -> Option<(&'static str, String, usize)> {
    let message = &line[..line.floor_char_boundary(MAX_MESSAGE)];
    if line.starts_with("SIG") && line.split_once(": ").is_some_and(|(name, _)| is_signal_name(name)) {
        return Some(("signal", message.to_owned(), MAX_PREAMBLE));
    }
    let start = if line.starts_with("panic: ") { 0 } else { line.find("fatal error: ")? };
    Some(("crash", message.get(start..)?.to_owned(), MAX_PREAMBLE))
}

fn is_signal_name(name: &str) -> bool {
    name.len() <= 10 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

impl OpenDump {
    fn new(announced: Option<(&'static str, String, usize)>) -> Self {
        let (reason, message, _) = announced.unwrap_or(("profile", String::new(), 0));
        let dump = GoroutineDump { reason: reason.to_owned(), message, ..GoroutineDump::default() };
        Self { dump, ..Self::default() }
    }

    /// Whether another dump with the same message begins: as every dump with the goroutine that died, or the first one
    /// of a deadlock.
    fn is_followed_by(&self, header: &Header<'_>) -> bool {
        self.repeated && (header.state.starts_with("running") || self.first == Some(header.id))
    }

    fn finish(mut self) -> EndedDump {
        self.end_goroutine();
        let dump = self.dump;
        let is_signal = dump.reason == "signal";
        let is_deadlock = CrashCause::of_message(&dump.message) == CrashCause::Deadlock;
        if dump.goroutines > 1 || is_signal || is_deadlock {
            return EndedDump::All(Box::new(dump));
        }
        EndedDump::One { announced: dump.reason != "profile" }
    }

    fn begin(&mut self, header: &Header<'_>) {
        self.end_goroutine();
        self.first.get_or_insert(header.id);
        self.foreign = 0;
        self.dump.goroutines += 1;
        self.goroutine.begin(header);
    }

    /// Takes a line behind a header; `true` when it ends the dump.
    fn take(&mut self, line: &str) -> bool {
        if self.goroutine.take(line) {
            self.foreign = 0;
            return false;
        }
        self.foreign += 1;
        self.foreign > MAX_FOREIGN || super::parser::ends_process(line)
    }

    /// Puts the goroutine that was read to its group.
    fn end_goroutine(&mut self) {
        let goroutine = &mut self.goroutine;
        if goroutine.key.is_empty() {
            return;
        }
        let address = goroutine.waits.address();
        goroutine.key.extend_from_slice(&address.unwrap_or_default().to_le_bytes());
        let groups = &mut self.dump.groups;
        let place = match self.groups.entry(std::mem::take(&mut goroutine.key)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if self.group_text + goroutine.text.len() > MAX_GROUP_TEXT => {
                self.dump.left_out += 1;
                return;
            }
            Entry::Vacant(new) => {
                self.group_text += goroutine.text.len();
                groups.push(goroutine.group(address));
                *new.insert(groups.len() - 1)
            }
        };
        let group = &mut groups[place];
        group.count += 1;
        if group.ids.len() < GoroutineGroup::MAX_IDS {
            group.ids.push(goroutine.id);
        }
        group.wait_minutes = group.wait_minutes.max(goroutine.wait_minutes);
    }
}

impl OpenGoroutine {
    fn begin(&mut self, header: &Header<'_>) {
        self.text.clear();
        self.waits = WaitsOn::default();
        (self.id, self.parent) = (header.id, None);
        self.wait_minutes = wait_minutes(header.state);
        // Both without the time, and as one line of the text, from which the group is made.
        for part in state_parts(header.state) {
            self.text.push_str(part);
            self.text.push_str(", ");
        }
        self.text.push('\n');
        self.text.push_str(header.labels);
        self.text.push('\n');
        self.key.clear();
        self.key.extend_from_slice(self.text.as_bytes());
    }

    /// Takes a line; `false` when it is none of a goroutine's.
    fn take(&mut self, line: &str) -> bool {
        if self.text.len() + line.len() > MAX_GOROUTINE_TEXT {
            return true;
        }
        // What tells goroutines at the same place apart, arguments and offsets, stays out of the key.
        let same = if line.starts_with('\t') {
            line.find(" +0x").or_else(|| line.find(" fp=")).map_or(line, |end| &line[..end])
        } else if let Some(rest) = line.strip_prefix("created by ") {
            if let Some((_, parent)) = rest.split_once(" in goroutine ") {
                self.parent = parent.trim().parse().ok();
            }
            line.split_once(" in goroutine ").map_or(line, |(start, _)| start)
        } else if let Some((function, arguments)) = call(line) {
            self.waits.call(function, arguments);
            function
        } else {
            return is_remark(line);
        };
        self.key.extend_from_slice(same.as_bytes());
        self.key.push(b'\n');
        self.text.push_str(line);
        self.text.push('\n');
        true
    }

    /// A group of this goroutine, without the goroutine in it yet.
    fn group(&self, waits_on: Option<u64>) -> GoroutineGroup {
        let mut lines = self.text.lines();
        let state = lines.next().unwrap_or_default();
        let mut group = GoroutineGroup {
            labels: labels(lines.next().unwrap_or_default()),
            parent: self.parent,
            waits_on: waits_on.map(|address| format!("{address:#x}")),
            ..GoroutineGroup::default()
        };
        let parts = state.split(", ").filter(|part| !part.is_empty());
        let (locked, parts): (Vec<_>, Vec<_>) = parts.partition(|part| *part == LOCKED);
        group.locked_to_thread = !locked.is_empty();
        group.state = parts.join(", ");
        let mut is_creator = false;
        for line in lines {
            if let Some((file, number, offset)) = position_line(line) {
                let stack = if is_creator { &mut group.created_at } else { &mut group.stack };
                if let Some(frame) = stack.last_mut().filter(|frame| frame.file.is_empty()) {
                    (frame.file, frame.line, frame.offset) = (file, number, offset);
                }
            } else if let Some((frame, _)) = created_by_line(line) {
                group.created_at = vec![frame];
                is_creator = true;
            } else if let Some(frame) = function_line(line) {
                group.stack.push(frame);
            }
        }
        group
    }
}

const LOCKED: &str = "locked to thread";

/// The parts of a state without the time: `chan receive`, `locked to thread`.
fn state_parts(state: &str) -> impl Iterator<Item = &str> {
    let parts = state.split(", ").filter(|part| minutes(part).is_none());
    // The collector looked at the stack at that moment: nothing about the goroutine.
    parts.map(|part| part.strip_suffix(" (scan)").unwrap_or(part))
}

fn wait_minutes(state: &str) -> Option<u64> {
    state.split(", ").find_map(minutes)
}

fn minutes(part: &str) -> Option<u64> {
    part.strip_suffix(" minutes")?.parse().ok()
}

/// The function and the arguments of a line of a stack.
fn call(line: &str) -> Option<(&str, &str)> {
    let arguments = line.strip_suffix(')')?;
    let open = arguments.rfind('(')?;
    let function = &arguments[..open];
    let is_name = !function.is_empty() && !function.contains(char::is_whitespace);
    is_name.then(|| (function, &arguments[open + 1..]))
}

/// `tenant: "a b", k: v` as its pairs; quotes stay where Go needs them to tell pairs apart.
fn labels(text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                labels.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    labels.push(text[start..].trim().to_owned());
    labels.retain(|label| !label.is_empty());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(text: &str) -> GoroutineDump {
        let mut parser = DumpParser::default();
        for line in text.lines() {
            assert!(parser.line(line).is_none(), "ended at {line}");
        }
        match parser.finish() {
            Some(EndedDump::All(dump)) => *dump,
            other => panic!("no dump: {other:?}"),
        }
    }

    #[test]
    fn equal_goroutines_are_joined_whatever_their_arguments_and_times() {
        let goroutine = |id: u32, minutes: u32, lock: &str| {
            format!(
                "goroutine {id} [sync.Mutex.Lock, {minutes} minutes, locked to thread]:\n\
                 sync.(*Mutex).lockSlow({lock})\n\t/go/mutex.go:1 +0x1{id}\nmain.f(0x{id})\n\t/m/a.go:2 +0x2\n\
                 created by main.main in goroutine {id}\n\t/m/a.go:3 +0x3\n\n"
            )
        };
        let text = format!(
            "fatal error: all goroutines are asleep - deadlock!\n\n{}{}{}",
            goroutine(4, 1, "0xc000010010"),
            goroutine(5, 7, "0xc000010010"),
            goroutine(6, 2, "0xc000010020")
        );
        let dump = dump(&text);
        assert_eq!((dump.reason.as_str(), dump.goroutines, dump.groups.len()), ("crash", 3, 2));
        let group = &dump.groups[0];
        assert_eq!((group.count, group.ids.as_slice(), group.wait_minutes), (2, &[4, 5][..], Some(7)));
        assert_eq!((group.state.as_str(), group.locked_to_thread), ("sync.Mutex.Lock", true));
        assert_eq!(group.waits_on.as_deref(), Some("0xc000010010"));
        assert_eq!((group.stack[1].function.as_str(), group.stack[1].line), ("main.f", 2));
        assert_eq!((group.parent, group.created_at[0].line), (Some(4), 3));
    }

    #[test]
    fn labels_are_told_apart() {
        assert_eq!(labels(r#"tenant: "a, \"b", k: v"#), [r#"tenant: "a, \"b""#, "k: v"]);
        assert_eq!(labels(""), Vec::<String>::new());
    }

    #[test]
    fn the_stack_of_one_goroutine_is_no_dump() {
        let mut parser = DumpParser::default();
        assert!(parser.line("goroutine 1 [running]:").is_none());
        assert!(matches!(parser.finish(), Some(EndedDump::One { announced: false })));
        assert!(parser.is_idle());
    }
}
