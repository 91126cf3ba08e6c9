//! Follows a log that is still being written, and can go on from where it was when its process was killed.
//!
//! A parser that is inside a report can't be kept; the place at which nothing was open can. From there the same bytes
//! give the same findings, so a [`LogPosition`] is that place and how many findings came behind it: those are passed over
//! when the log is read from there again.

use serde::{Deserialize, Serialize};

use super::{Emitter, Found, GoOutput};
use crate::foreign::{ForeignError, Sink};
use crate::record::Record;
use crate::source::Source;

/// Where in a log to go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// Offset in bytes of the first line to be read.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
    /// Races before it: they are numbered.
    pub races: u64,
    /// Findings behind it that were handed out.
    pub found: u64,
}

/// Finds race reports, crashes and goroutine dumps in a log that grows.
#[derive(Debug)]
pub struct LogFollower {
    output: GoOutput,
    emitter: Emitter,
    source: Source,
    position: LogPosition,
    /// Bytes taken since [`LogPosition::offset`].
    taken: u64,
    /// Findings still to be passed over.
    known: u64,
}

impl LogFollower {
    /// Goes on at `position` with the log `path`. Races are numbered within `source`, which must be no other log's.
    pub fn resume(source: &str, path: &str, position: LogPosition) -> Self {
        let source = Source {
            id: source.to_owned(),
            path: path.to_owned(),
            format: super::FORMAT.name.to_owned(),
            ..Source::default()
        };
        Self {
            output: GoOutput { lines: position.lines, ..GoOutput::default() },
            emitter: Emitter::behind(position.races),
            source,
            position: LogPosition { found: 0, ..position },
            taken: 0,
            known: position.found,
        }
    }

    /// Takes the next lines, all of them whole; the first ones are those at [`LogPosition::offset`].
    pub fn take(&mut self, lines: &[u8], records: &mut Vec<Record>) {
        let mut found = Vec::new();
        self.output.block(lines, &mut found);
        let idle = self.output.idle;
        let behind = found.split_off(if idle.at.is_some() { idle.found } else { 0 });
        if let Some(at) = idle.at {
            self.emit(found, records);
            self.position = LogPosition {
                offset: self.position.offset + self.taken + at as u64,
                lines: idle.lines,
                races: self.emitter.races(),
                found: 0,
            };
            self.taken = (lines.len() - at) as u64;
        } else {
            self.taken += lines.len() as u64;
        }
        self.emit(behind, records);
    }

    /// Ends what is open: nothing more of it will come.
    pub fn finish(&mut self, records: &mut Vec<Record>) {
        let mut found = Vec::new();
        self.output.finish(&mut found);
        self.emit(found, records);
        self.position = LogPosition {
            offset: self.position.offset + self.taken,
            lines: self.output.lines,
            races: self.emitter.races(),
            found: 0,
        };
        self.taken = 0;
        self.known = 0;
    }

    /// Where to go on if the process ends now.
    pub fn position(&self) -> LogPosition {
        LogPosition { found: self.position.found + self.known, ..self.position }
    }

    /// Whether nothing is open.
    pub fn is_idle(&self) -> bool {
        self.output.streams.is_empty()
    }

    /// Bytes that were taken since nothing was open.
    pub fn open_bytes(&self) -> u64 {
        self.taken
    }

    /// The log, with what was not understood in it since it was followed.
    pub fn source(&self) -> &Source {
        &self.source
    }

    fn emit(&mut self, found: Vec<Found>, records: &mut Vec<Record>) {
        for one in found {
            let is_known = self.known > 0;
            self.known = self.known.saturating_sub(1);
            self.position.found += 1;
            let mut sink = Taken { source: &mut self.source, records: Vec::new() };
            let taken = self.emitter.emit_all(&mut vec![one], |_| None, &mut sink);
            taken.unwrap_or_else(|error| unreachable!("memory takes records: {error}"));
            if !is_known {
                records.append(&mut sink.records);
            }
        }
    }
}

/// Keeps records in memory.
struct Taken<'a> {
    source: &'a mut Source,
    records: Vec<Record>,
}

impl Sink for Taken<'_> {
    fn record(&mut self, mut record: Record) -> Result<(), ForeignError> {
        record.set_source(&self.source.id);
        self.source.records += 1;
        self.records.push(record);
        Ok(())
    }

    fn source(&mut self) -> &mut Source {
        self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> String {
        let race = |n: u32| {
            format!(
                "==================\nWARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  main.put{n}()\n      \
                 /m/a.go:{n} +0x44\n\nPrevious read at 0x00c000012345 by goroutine 8:\n  main.get{n}()\n      \
                 /m/a.go:{n} +0x55\n\nGoroutine 7 (running) created at:\n  main.main()\n      /m/a.go:1 +0x1\n\
                 ==================\n"
            )
        };
        let crash = "web | fatal error: concurrent map writes\nweb | \nweb | goroutine 9 [running]:\nweb | main.f()\n\
                     web | \t/m/x.go:1 +0x1\n";
        let part = |n: u32| ["text\n", if n % 3 == 1 { crash } else { "" }, &race(n), "more\n"].concat();
        (0..6).map(part).collect()
    }

    fn names(records: &[Record]) -> Vec<String> {
        let name = |record: &Record| match record {
            Record::Race(race) => format!("{} {}", race.id, race.accesses[0].stack[0].function),
            other => other.kind().to_owned(),
        };
        records.iter().map(name).collect()
    }

    #[test]
    fn a_log_that_is_read_on_after_a_kill_gives_each_finding_once() {
        let log = log();
        let ends: Vec<usize> = log.match_indices('\n').map(|(at, _)| at + 1).collect();
        let mut whole = Vec::new();
        let mut follower = LogFollower::resume("s1", "a.log", LogPosition::default());
        follower.take(log.as_bytes(), &mut whole);
        follower.finish(&mut whole);
        assert_eq!(whole.len(), 8, "{:?}", names(&whole));
        for step in 1..9 {
            // Killed after every few lines, wherever that is.
            let (mut records, mut position, mut end) = (Vec::new(), LogPosition::default(), 0);
            for next in ends.iter().skip(step).step_by(step).chain(ends.last()) {
                let mut follower = LogFollower::resume("s1", "a.log", position);
                let start = usize::try_from(position.offset).unwrap();
                let before = end.max(start);
                follower.take(&log.as_bytes()[start..before], &mut records);
                follower.take(&log.as_bytes()[before..*next], &mut records);
                if *next == log.len() {
                    follower.finish(&mut records);
                }
                position = follower.position();
                end = *next;
            }
            assert_eq!(names(&records), names(&whole), "in steps of {step}");
            assert_eq!(position.offset, log.len() as u64);
        }
    }

    #[test]
    fn what_is_open_is_not_left_behind() {
        let text = "a\nWARNING: DATA RACE\nWrite at 0x1 by goroutine 7:\n";
        let mut follower = LogFollower::resume("s1", "a.log", LogPosition::default());
        follower.take(text.as_bytes(), &mut Vec::new());
        assert_eq!((follower.position().offset, follower.is_idle()), (2, false));
        let mut records = Vec::new();
        follower.finish(&mut records);
        assert!(records.is_empty() && follower.source().skipped[0].count == 1);
        assert_eq!(follower.position().offset, text.len() as u64);
    }
}
