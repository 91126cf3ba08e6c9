//! One stream of a program's output: lines with one prefix, and the parsers that look at them side by side.

use super::json_line::JsonShape;
use super::prefix::Prefix;
use super::race_report::{EndedReport, RaceReportParser};
use super::{Found, What};
use crate::crash::{Crash, CrashParser, DumpParser, EndedDump};

/// Lines of others in a row after which a stream has ended in the middle of a report or dump.
const MAX_SILENCE: u32 = 4096;
/// The same while only the first line of a crash was seen.
const MAX_SILENCE_AFTER_MESSAGE: u32 = 256;

/// Where in the file something began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// Line, from 1.
    pub(crate) line: u64,
    /// What the reader of the format said about that line.
    pub(crate) tag: usize,
    /// Time in that line, in nanoseconds since the Unix epoch; 0 when it has none.
    pub(crate) time: u64,
}

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) prefix: Prefix,
    pub(super) json: Option<JsonShape>,
    /// Lines of others since the last one of this stream.
    silence: u32,
    race: RaceReportParser,
    race_began: Place,
    crash: CrashParser,
    crash_began: Place,
    dump: DumpParser,
    dump_began: Place,
}

impl Stream {
    /// A stream whose lines have this prefix and shape.
    pub(super) fn new(prefix: Prefix, json: Option<JsonShape>) -> Self {
        Self { prefix, json, ..Self::default() }
    }

    /// Whether nothing is open: it can be forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.race.is_idle() && self.crash.is_idle() && self.dump.is_idle()
    }

    /// Whether a fatal error was seen whose dump may follow. A panic does not count: the program may have caught it,
    /// and printed a stack of its own.
    pub(super) fn awaits_dump(&self) -> bool {
        self.crash.awaits_dump() && self.crash.is_believed() && self.race.is_idle() && !self.dump.is_open()
    }

    /// Notes a line of another stream; `true` when this one has been silent for too long.
    pub(super) fn grow_silent(&mut self) -> bool {
        self.silence += 1;
        let inside = !self.race.is_idle() || self.dump.is_open();
        self.silence > if inside { MAX_SILENCE } else { MAX_SILENCE_AFTER_MESSAGE }
    }

    /// Takes a line without its prefix. A parser that is idle needs to see only lines with a marker.
    pub(super) fn line(&mut self, line: &str, is_marked: bool, place: Place, found: &mut Vec<Found>) {
        self.silence = 0;
        if is_marked || !self.race.is_idle() {
            self.race_line(line, place, found);
        }
        if is_marked || !self.crash.is_idle() {
            self.crash_line(line, place, found);
        }
        // Dumps follow any signal; those that open a stream are not all.
        if is_marked || !self.dump.is_idle() || line.starts_with("SIG") {
            self.dump_line(line, place, found);
        }
    }

    fn race_line(&mut self, line: &str, place: Place, found: &mut Vec<Found>) {
        let was_idle = self.race.is_idle();
        let ended = self.race.line(line);
        found.extend(
            ended.map(|report| of_report(report, self.race_began)).inspect(|_| self.race_began = place),
        );
        if was_idle && !self.race.is_idle() {
            self.race_began = place;
        }
    }

    fn crash_line(&mut self, line: &str, place: Place, found: &mut Vec<Found>) {
        let (was_idle, awaited) = (self.crash.is_idle(), self.crash.awaits_dump());
        let ended = self.crash.line(line);
        if let Some(crash) = ended {
            found.push(of_crash(crash, self.crash_began));
            self.crash_began = place;
        } else if awaited && self.crash.is_idle() {
            found.push(without_dump(self.crash_began));
        }
        if was_idle && !self.crash.is_idle() {
            self.crash_began = place;
        }
    }

    fn dump_line(&mut self, line: &str, place: Place, found: &mut Vec<Found>) {
        let was_idle = self.dump.is_idle();
        let ended = self.dump.line(line);
        found.extend(
            ended.and_then(|dump| of_dump(dump, self.dump_began)).inspect(|_| self.dump_began = place),
        );
        if was_idle && !self.dump.is_idle() {
            self.dump_began = place;
        }
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, found: &mut Vec<Found>) {
        found.extend(self.race.finish().map(|report| of_report(report, self.race_began)));
        let awaited = self.crash.awaits_dump();
        match self.crash.finish() {
            Some(crash) => found.push(of_crash(crash, self.crash_began)),
            None if awaited => found.push(without_dump(self.crash_began)),
            None => {}
        }
        found.extend(self.dump.finish().and_then(|dump| of_dump(dump, self.dump_began)));
    }
}

fn of_report(report: EndedReport, place: Place) -> Found {
    let what = match report {
        EndedReport::Race(mut race) => {
            race.time_unix_ns = place.time;
            What::Race(race)
        }
        EndedReport::CutOff => What::Skipped(CUT_OFF_REPORTS),
    };
    Found { what, place }
}

fn of_crash(mut crash: Crash, place: Place) -> Found {
    crash.time_unix_ns = place.time;
    let innermost = crash.goroutines.first().and_then(|goroutine| goroutine.stack.first());
    let printed = innermost.is_some_and(|frame| frame.name().package() == "runtime/debug");
    let what = if printed { What::Skipped(PRINTED_STACKS) } else { What::Crash(Box::new(crash)) };
    Found { what, place }
}

fn of_dump(dump: EndedDump, place: Place) -> Option<Found> {
    let what = match dump {
        EndedDump::All(mut dump) => {
            dump.time_unix_ns = place.time;
            What::Dump(dump)
        }
        // Of a crash the crash itself tells.
        EndedDump::One { announced: true } => return None,
        EndedDump::One { announced: false } => What::Skipped(PRINTED_STACKS),
    };
    Some(Found { what, place })
}

pub(super) const CUT_OFF_REPORTS: &str = "race reports cut off before their second access";
pub(super) const WITHOUT_DUMP: &str = "lines that read like a crash, but no stack follows";
const PRINTED_STACKS: &str = "stacks that the program printed itself";

fn without_dump(place: Place) -> Found {
    Found { what: What::Skipped(WITHOUT_DUMP), place }
}
