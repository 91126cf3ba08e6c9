//! What Go programs print: race reports, crashes and goroutine dumps, in whatever log they ended up.
//!
//! A log is read in blocks of lines. While nothing is open only [`markers`] are searched for, so that a long log costs
//! little. At a marker the [`prefix`] of the line is learnt, or the field of a JSON line, and a [`stream`] opened: its
//! parsers get the lines with the same prefix, without it. Several streams may be open at once, and are told apart by
//! their prefixes.

mod emitter;
mod follower;
mod json_line;
mod line_blocks;
mod markers;
mod prefix;
mod race_report;
mod stream;
mod timestamp;

use std::borrow::Cow;

use crate::crash::Crash;
use crate::foreign::{ForeignError, Format, Input, Recognition, Sink};
use crate::goroutine_dump::GoroutineDump;
use crate::race::Race;

use json_line::JsonShape;
use line_blocks::{LineBlocks, MAX_LINE};
use markers::{Marker, Markers};
use prefix::{Prefix, without_end};
use stream::Stream;

pub(crate) use emitter::Emitter;
pub use follower::{LogFollower, LogPosition};
pub(crate) use stream::Place;
pub(crate) use timestamp::rfc3339;

/// Output of a Go program, in a log or by itself.
pub(super) const FORMAT: Format = Format {
    name: "go-output",
    title: "output or log of a Go program (race reports, crashes, goroutine dumps)",
    recognise,
    read,
};

/// Most streams that are open at once.
const MAX_STREAMS: usize = 64;

/// Something that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) what: What,
    /// Where it began.
    pub(crate) place: Place,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum What {
    Race(Box<Race>),
    Crash(Box<Crash>),
    Dump(Box<GoroutineDump>),
    /// Something that is no evidence, in the plural.
    Skipped(&'static str),
}

impl Found {
    /// Whether it is the beginning of a report or crash, and no more.
    pub(crate) fn is_cut_off(&self) -> bool {
        matches!(self.what, What::Skipped(stream::CUT_OFF_REPORTS | stream::WITHOUT_DUMP))
    }

    /// Dates it as the record in which it began, `times[tag]`, unless it says itself when it happened.
    pub(crate) fn default_time(&mut self, times: &[u64]) {
        let time = match &mut self.what {
            What::Race(race) => &mut race.time_unix_ns,
            What::Crash(crash) => &mut crash.time_unix_ns,
            What::Dump(dump) => &mut dump.time_unix_ns,
            What::Skipped(_) => return,
        };
        if *time == 0 {
            *time = times.get(self.place.tag).copied().unwrap_or(0);
        }
    }
}

/// Looks for findings in the lines of one output or log.
#[derive(Debug, Default)]
pub(crate) struct GoOutput {
    markers: Markers,
    streams: Vec<Stream>,
    /// Lines taken so far.
    lines: u64,
    /// When nothing was open last.
    idle: IdlePoint,
}

/// A moment at which nothing was open: what came before has no bearing on what comes after.
#[derive(Debug, Clone, Copy, Default)]
struct IdlePoint {
    /// Offset in the block that was taken last; `None` when there was no such moment in it.
    at: Option<usize>,
    /// How much had been found then, of what the block found.
    found: usize,
    /// Lines taken then.
    lines: u64,
}

fn recognise(head: &[u8]) -> Recognition {
    let text = head.trim_ascii_start();
    if !is_text(head) {
        return Recognition::No;
    }
    let markers = Markers::default();
    let is_marked = |line: &[u8]| {
        let marker = markers.in_line(without_end(line));
        marker.is_some_and(|Marker { text, .. }| text != "panic: " && text != "fatal error: ")
            || [&b"fatal error: "[..], b"panic: "].iter().any(|start| line.starts_with(start))
    };
    if head.split(|byte| *byte == b'\n').any(is_marked) {
        return Recognition::Sure;
    }
    // Markup and documents of JSON that no format knows are no logs; lines of JSON are.
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_document = match text.first() {
        Some(b'<') => true,
        Some(b'{') => {
            let is_only_line = text.trim_ascii_end().len() <= first_line.len();
            let is_damaged = serde_json::from_slice::<serde::de::IgnoredAny>(first_line).is_err();
            is_damaged || is_only_line && markers.in_line(first_line).is_none()
        }
        Some(b'[') => matches!(text[1..].trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b']')),
        _ => false,
    };
    if is_document { Recognition::No } else { Recognition::Maybe }
}

/// Whether a line by itself reads like the beginning of a finding; for formats that are no logs, but got one in them.
pub(super) fn begins_finding(line: &str) -> bool {
    let starts = ["WARNING: DATA RACE", "fatal error: ", "panic: "];
    starts.iter().any(|start| line.contains(start))
        || line.strip_prefix("goroutine ").is_some_and(|rest| rest.ends_with("]:"))
}

/// Whether there are hardly any control characters in it.
fn is_text(head: &[u8]) -> bool {
    let is_control =
        |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x1b | 0x08 | 0x0c);
    let controls = head.iter().filter(is_control).count();
    !head.contains(&0) && controls * 100 <= head.len()
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut output = GoOutput::default();
    let mut blocks = LineBlocks::default();
    let mut emitter = Emitter::default();
    let mut found = Vec::new();
    let mut cut_lines = 0;
    while let Some(block) = blocks.next(input)? {
        output.block(block, &mut found);
        emitter.emit_all(&mut found, |_| None, sink)?;
        if blocks.cut_lines > cut_lines {
            cut_lines = blocks.cut_lines;
            sink.skip(&format!("ends of lines longer than {} MiB", MAX_LINE >> 20), output.lines);
        }
    }
    output.finish(&mut found);
    emitter.emit_all(&mut found, |_| None, sink)?;
    if sink.source().records == 0 {
        sink.warn(format!("no race report, crash or goroutine dump of Go is in its {} lines", output.lines));
    }
    Ok(())
}

impl GoOutput {
    /// Takes lines, as many as there are.
    fn block(&mut self, block: &[u8], found: &mut Vec<Found>) {
        self.markers.reset();
        self.idle.at = None;
        let mut at = 0;
        while at < block.len() {
            if self.streams.is_empty() {
                let Some(marker) = self.markers.next(block, at) else {
                    self.lines += count_lines(&block[at..]);
                    self.note_idle(block.len(), found.len());
                    return;
                };
                let start = memchr::memrchr(b'\n', &block[at..marker]).map_or(at, |newline| at + newline + 1);
                self.lines += count_lines(&block[at..start]);
                at = start;
                self.note_idle(at, found.len());
            }
            let end = memchr::memchr(b'\n', &block[at..]).map_or(block.len(), |newline| at + newline + 1);
            let line = &block[at..end];
            // Most lines of a report have no marker, and the next one is known.
            let is_marked = self.markers.next(block, at).is_some_and(|next| next < end);
            let marker = if is_marked { self.markers.in_line(without_end(line)) } else { None };
            self.marked_line(line, marker, 0, found);
            at = end;
            if self.streams.is_empty() {
                self.note_idle(at, found.len());
            }
        }
    }

    fn note_idle(&mut self, at: usize, found: usize) {
        self.idle = IdlePoint { at: Some(at), found, lines: self.lines };
    }

    /// Takes a line, with or without its newline; `tag` comes back in [`Place`] when something begins there.
    pub(crate) fn line(&mut self, line: &[u8], tag: usize, found: &mut Vec<Found>) {
        let marker = self.markers.in_line(without_end(line));
        self.marked_line(line, marker, tag, found);
    }

    fn marked_line(&mut self, line: &[u8], marker: Option<Marker>, tag: usize, found: &mut Vec<Found>) {
        self.lines += 1;
        let line = without_end(line);
        if self.streams.is_empty() && marker.is_none() {
            return;
        }
        let time =
            marker.map_or(0, |_| timestamp::unix_ns(&String::from_utf8_lossy(&line[..line.len().min(1024)])));
        let place = Place { line: self.lines, tag, time };
        let (index, text) = match (self.fitting(line), marker) {
            (Some((index, text)), Some(marker)) if self.belongs(index, line, &text, marker) => (index, text),
            (Some((index, text)), None) => (index, text),
            (_, Some(marker)) => self.open(line, marker, found),
            (None, None) => {
                self.let_others_age(None, found);
                return;
            }
        };
        let stream = &mut self.streams[index];
        if stream.json.is_some() && !text.is_empty() {
            text.lines().for_each(|line| stream.line(line, marker.is_some(), place, found));
        } else {
            stream.line(&text, marker.is_some(), place, found);
        }
        self.let_others_age(Some(index), found);
    }

    /// Whether nothing is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty()
    }

    /// Ends the output.
    pub(crate) fn finish(&mut self, found: &mut Vec<Found>) {
        for mut stream in std::mem::take(&mut self.streams) {
            stream.finish(found);
        }
    }

    /// The stream that a line belongs to, and the line without what a collector put around it. Of several that fit the
    /// one that says most about the line is meant.
    fn fitting<'a>(&self, line: &'a [u8]) -> Option<(usize, Cow<'a, str>)> {
        let mut best: Option<(usize, usize, Cow<'a, str>)> = None;
        for (index, stream) in self.streams.iter().enumerate() {
            let Some(rest) = stream.prefix.strip(line) else { continue };
            let weight = stream.prefix.weight() + usize::from(stream.json.is_some());
            if best.as_ref().is_some_and(|(_, known, _)| *known >= weight) {
                continue;
            }
            let text = match &stream.json {
                None => text_of(rest),
                Some(shape) => match shape.text(rest) {
                    Some(text) => Cow::Owned(text),
                    None => continue,
                },
            };
            best = Some((index, weight, text));
        }
        best.map(|(index, _, text)| (index, text))
    }

    /// Whether a line with a marker, whose prefix fits a stream, is of that stream and not of another whose prefix is
    /// longer.
    fn belongs(&self, index: usize, line: &[u8], text: &str, marker: Marker) -> bool {
        let stream = &self.streams[index];
        if stream.json.is_some() || text.starts_with(marker.text) {
            return true;
        }
        // Lines of a message are indented by Go itself.
        if text.trim_start().starts_with(marker.text) {
            return true;
        }
        let longer = Prefix::learn(&line[..marker.at]);
        longer.is_none_or(|longer| longer == stream.prefix)
    }

    /// Opens a stream at a marker, or finds the one that a dump behind its message belongs to.
    fn open<'a>(&mut self, line: &'a [u8], marker: Marker, found: &mut Vec<Found>) -> (usize, Cow<'a, str>) {
        if let Some((stream, text)) = json_stream(line, marker) {
            return (self.push(stream, found), Cow::Owned(text));
        }
        let prefix = Prefix::learn(&line[..marker.at]);
        let start = if prefix.is_some() { marker.at } else { 0 };
        let prefix = prefix.unwrap_or_default();
        let text = text_of(&line[start..]);
        // Text of the program stood between prefix and message, so too much was learnt from that line.
        let adopted = self.streams.iter().position(|stream| {
            stream.json.is_none() && stream.awaits_dump() && prefix.begins(&stream.prefix)
        });
        if let Some(index) = adopted.filter(|_| marker.text.starts_with("goroutine")) {
            self.streams[index].prefix = prefix;
            return (index, text);
        }
        (self.push(Stream::new(prefix, None), found), text)
    }

    fn push(&mut self, stream: Stream, found: &mut Vec<Found>) -> usize {
        if self.streams.len() >= MAX_STREAMS {
            self.streams.remove(0).finish(found);
        }
        self.streams.push(stream);
        self.streams.len() - 1
    }

    /// Ends streams that have nothing open, and those that have been silent for too long.
    fn let_others_age(&mut self, but: Option<usize>, found: &mut Vec<Found>) {
        let mut index = 0;
        self.streams.retain_mut(|stream| {
            let is_silent = but != Some(index) && stream.grow_silent();
            index += 1;
            if is_silent {
                stream.finish(found);
            }
            !is_silent && !stream.is_idle()
        });
    }
}

/// The line as text. What is text already, as nearly every line, is checked many bytes at a time.
fn text_of(line: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed)
}

/// The stream of a line of JSON, perhaps behind a prefix, and the text in it.
fn json_stream(line: &[u8], marker: Marker) -> Option<(Stream, String)> {
    let brace = memchr::memchr(b'{', &line[..marker.at])?;
    let prefix = Prefix::learn(&line[..brace])?;
    let (shape, text) = JsonShape::learn(&line[brace..], marker.text)?;
    Some((Stream::new(prefix, Some(shape)), text))
}

fn count_lines(block: &[u8]) -> u64 {
    let newlines = memchr::memchr_iter(b'\n', block).count() as u64;
    newlines + u64::from(block.last().is_some_and(|last| *last != b'\n'))
}
