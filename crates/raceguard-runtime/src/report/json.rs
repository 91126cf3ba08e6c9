//! The report, and the other records of a process, as lines of evidence (docs/evidence.md).

use alloc::string::String;
use core::fmt::Write;

use super::symbols::Frame;
use super::{Access, Report};
use crate::sys;

const SCHEMA: u32 = 1;

/// One JSON object, written field by field. Numbers and strings are all there is.
pub struct Line(String);

impl Line {
    /// A record of this kind, with process and time.
    pub fn new(kind: &str) -> Self {
        let mut line = Self(String::with_capacity(1024));
        let _ = write!(line.0, "{{\"schema\":{SCHEMA},\"kind\":\"{kind}\"");
        line.number("pid", u64::from(sys::process_id()));
        line.number("time_unix_ns", sys::unix_nanoseconds());
        line
    }

    /// A string field.
    pub fn string(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, ",\"{name}\":");
        self.quoted(value);
    }

    /// A number field.
    pub fn number(&mut self, name: &str, value: u64) {
        let _ = write!(self.0, ",\"{name}\":{value}");
    }

    /// A field whose value `write` writes.
    pub fn field(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, ",\"{name}\":");
        write(self);
    }

    /// An array of `items`.
    pub fn array<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.0.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(self, item);
        }
        self.0.push(']');
    }

    /// A string with JSON's escapes.
    pub fn quoted(&mut self, value: &str) {
        self.0.push('"');
        for character in value.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                control if control < ' ' => {
                    let _ = write!(self.0, "\\u{:04x}", control as u32);
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }

    /// The finished line with its newline.
    pub fn finish(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

/// The `race` record of a report.
pub(super) fn race(report: &Report) -> String {
    let mut line = Line::new("race");
    line.string("id", &report.id);
    line.field("address", |line| hexadecimal(line, report.accesses[0].address as u64));
    line.number("size", report.accesses[0].size as u64);
    line.field("object", |line| object(line, report));
    line.field("accesses", |line| line.array(&report.accesses, access));
    line.field("goroutines", |line| goroutines(line, report));
    if !report.notes.is_empty() {
        line.field("notes", |line| line.array(&report.notes, |line, note| line.quoted(note)));
    }
    line.finish()
}

fn hexadecimal(line: &mut Line, value: u64) {
    let _ = write!(line.0, "\"{value:#x}\"");
}

fn object(line: &mut Line, report: &Report) {
    let Some(object) = &report.object else {
        line.0.push_str("null");
        return;
    };
    if object.is_heap {
        line.0.push_str("{\"kind\":\"heap\",\"start\":");
        hexadecimal(line, object.start as u64);
        line.number("size", object.size as u64);
        if !object.allocation.is_empty() {
            line.field("allocation", |line| line.array(&object.allocation, frame));
        }
        line.0.push('}');
    } else {
        line.0.push_str("{\"kind\":\"global\",\"name\":\"\"}");
    }
}

fn access(line: &mut Line, access: &Access) {
    let atomic = if access.is_atomic { "atomic " } else { "" };
    let verb = if access.is_write { "write" } else { "read" };
    let _ = write!(line.0, "{{\"op\":\"{atomic}{verb}\"");
    line.number("size", access.size as u64);
    if let Some(operation) = access.map_operation {
        line.string("map_op", operation);
    }
    line.field("goroutine", |line| number_or_null(line, access.goroutine));
    line.field("stack", |line| line.array(access.stack(), frame));
    line.0.push('}');
}

fn number_or_null(line: &mut Line, number: Option<u32>) {
    let _ = match number {
        Some(number) => write!(line.0, "{number}"),
        None => write!(line.0, "null"),
    };
}

fn frame(line: &mut Line, frame: &Frame) {
    line.0.push_str("{\"function\":");
    line.quoted(&frame.function);
    line.string("file", &frame.file);
    line.number("line", frame.line as u64);
    line.field("pc", |line| hexadecimal(line, frame.pc));
    line.number("offset", frame.offset as u64);
    if frame.inlined {
        line.field("inlined", |line| line.0.push_str("true"));
    }
    line.0.push('}');
}

/// Both goroutines with the stacks of their `go` statements, and of those of their ancestors, nearest first.
fn goroutines(line: &mut Line, report: &Report) {
    line.0.push('[');
    let mut first = true;
    for (index, access) in report.accesses.iter().enumerate() {
        if index == 1 && access.goroutine.is_some() && access.goroutine == report.accesses[0].goroutine {
            continue;
        }
        if !core::mem::take(&mut first) {
            line.0.push(',');
        }
        line.0.push_str("{\"id\":");
        number_or_null(line, access.goroutine);
        if access.goroutine == Some(1) {
            line.string("name", "main");
        }
        line.string("state", if access.finished { "finished" } else { "running" });
        line.field("created_at", |line| line.array(access.creation.first().into_iter().flatten(), frame));
        line.field("ancestors", |line| {
            line.array(access.creation.iter().skip(1), |line, stack| line.array(stack, frame));
        });
        line.0.push('}');
    }
    line.0.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut line = Line(String::new());
        line.quoted("a\"b\\c\nd\u{1}é");
        assert_eq!(line.0, "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }
}
